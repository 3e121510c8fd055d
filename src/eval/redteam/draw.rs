//! Which attacks a run makes: prompts of each hazard, drawn by the seed, and the strategies that each meets.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::attack::{Attack, Settings, takes};
use super::hazard::Hazard;
use super::probe::{Probe, ProbeSuite};
use super::strategy::Stack;
use crate::document::{Problem, Spot};
use crate::eval::case::{Case, Level};
use crate::eval::run::cluster_number;
use crate::eval::scorer;
use crate::eval::suite::{CaseHead, CaseSource, Made, Suite};
use crate::gate::safety::Evidence;
use crate::stats::Generator;
use crate::trust::Hasher;

/// What is drawn from.
pub struct Draw<'a> {
    /// The suites, in the order of the run.
    pub suites: &'a [ProbeSuite],
    /// The strategies; never empty.
    pub stacks: &'a [Arc<Stack>],
    /// Attacks with each prompt, at least 1.
    pub per_prompt: u32,
    /// Prompts of a hazard at most.
    pub most_prompts: &'a dyn Fn(&Hazard) -> u64,
    /// The run's seed.
    pub seed: u64,
}

/// The attacks of one suite, in the order of its probes.
pub struct SuiteAttacks {
    /// The suite.
    pub suite: ProbeSuite,
    /// Its attacks.
    pub attacks: Arc<Vec<Attack>>,
}

/// Prompts of a hazard: groups of probes that are one prompt.
pub fn prompts(suites: &[ProbeSuite]) -> BTreeMap<&'static str, u64> {
    groups(suites).into_iter().map(|(hazard, groups)| (hazard, groups.len() as u64)).collect()
}

type Groups<'a> = BTreeMap<&'static str, Vec<(&'a str, &'a str)>>;

/// The prompts of each hazard by suite and group, in order, once each.
fn groups(suites: &[ProbeSuite]) -> Groups<'_> {
    let mut groups = Groups::new();
    for suite in suites {
        for probe in &suite.probes {
            groups.entry(probe.hazard.id).or_default().push((&suite.name, probe.group.as_str()));
        }
    }
    for prompts in groups.values_mut() {
        prompts.sort_unstable();
        prompts.dedup();
    }
    groups
}

/// Draws. The same suites, strategies and seed give the same attacks everywhere; more prompts give those of fewer and others.
pub fn draw(draw: &Draw<'_>) -> Vec<SuiteAttacks> {
    let mut chosen: HashSet<(&str, &str, &str)> = HashSet::new();
    for (hazard, mut all) in groups(draw.suites) {
        let most = super::hazard(hazard).map_or(0, |hazard| (draw.most_prompts)(hazard));
        Generator::new(Attack::seed(draw.seed, "", hazard, "prompts")).shuffle(&mut all);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        chosen.extend(all.into_iter().take(most).map(|(suite, group)| (hazard, suite, group)));
    }
    let attacks = |suite: &ProbeSuite| {
        let drawn = |probe: &&Arc<Probe>| chosen.contains(&(probe.hazard.id, &*suite.name, probe.group.as_str()));
        suite.probes.iter().filter(drawn).flat_map(|probe| attacks_of(draw, suite, probe)).collect()
    };
    let all = draw.suites.iter().map(|suite| (suite, attacks(suite)));
    let all = all.filter(|(_, attacks): &(&ProbeSuite, Vec<Attack>)| !attacks.is_empty());
    all.map(|(suite, attacks)| SuiteAttacks { suite: suite.clone(), attacks: Arc::new(attacks) }).collect()
}

fn attacks_of(draw: &Draw<'_>, suite: &ProbeSuite, probe: &Arc<Probe>) -> Vec<Attack> {
    let mut fitting: Vec<&Arc<Stack>> = draw.stacks.iter().filter(|stack| takes(probe, stack)).collect();
    let plain = Arc::new(Stack::plain());
    if fitting.is_empty() {
        fitting.push(&plain);
    }
    Generator::new(Attack::seed(draw.seed, &suite.name, &probe.id, "strategies")).shuffle(&mut fitting);
    let attack = |stack: &&Arc<Stack>| {
        let seed = Attack::seed(draw.seed, &suite.name, &probe.id, &stack.name());
        Attack { probe: Arc::clone(probe), stack: Arc::clone(stack), seed }
    };
    fitting.iter().take(draw.per_prompt as usize).map(attack).collect()
}

impl SuiteAttacks {
    /// The suite that asks the attacks.
    pub fn suite(&self, settings: &Settings) -> Result<Suite, Problem> {
        let mut hasher = Hasher::new();
        hasher.part(b"llmci-attacks-1").part(self.suite.digest.hex().as_bytes());
        hasher.part(format!("{settings:?}").as_bytes());
        let mut judges = BTreeMap::new();
        let mut heads = Vec::with_capacity(self.attacks.len());
        let mut seen: HashSet<&str> = HashSet::new();
        for attack in self.attacks.iter() {
            hasher.part(attack.id().as_bytes());
            let probe = &*attack.probe;
            let spot = Spot { line: probe.place.line, column: probe.place.column };
            if let (true, Some(attacker)) = (attack.stack.adaptive().is_some(), &settings.attacker) {
                judges.entry(attacker.clone()).or_insert(spot);
            }
            if seen.insert(&probe.id) {
                hasher.part(&serde_json::to_vec(&probe.detect).unwrap_or_default());
                // A detector that is no model's is built when its case is drawn, and was checked when its suite was read.
                for spec in probe.detect.iter().filter(|spec| scorer::evidence(&spec.kind) == Evidence::Judge) {
                    let built = scorer::build(spec);
                    let built = built.map_err(|problem| Problem::new(&probe.place.path, spot, problem.message))?;
                    for judge in built.scorer.judges() {
                        judges.entry(judge.to_owned()).or_insert(spot);
                    }
                }
            }
            let tags = [probe.hazard.id.to_owned(), probe.severity.word().to_owned(), attack.stack.name()];
            let cluster = Some(cluster_number(&probe.group));
            heads.push(CaseHead { level: Level::Safety, tags: tags.into(), repeats: 1, cluster });
        }
        let name = Arc::clone(&self.suite.name);
        let source = Source {
            name: Arc::clone(&name),
            attacks: Arc::clone(&self.attacks),
            settings: settings.clone(),
            shown: Arc::clone(&self.suite.shown),
        };
        let shown = Arc::clone(&self.suite.shown);
        Ok(Suite::made(Made {
            name,
            shown,
            digest: hasher.finish(),
            heads,
            judges,
            models: BTreeMap::new(),
            declared: Vec::new(),
            notes: Vec::new(),
            source: Box::new(source),
        }))
    }
}

struct Source {
    name: Arc<str>,
    shown: Arc<str>,
    attacks: Arc<Vec<Attack>>,
    settings: Settings,
}

impl CaseSource for Source {
    fn case(&self, index: usize) -> Result<Case, Problem> {
        match self.attacks.get(index) {
            Some(attack) => attack.case(&self.name, &self.settings),
            None => Err(Problem::of_file(&self.shown, format!("the suite has no attack number {index}"))),
        }
    }
}
