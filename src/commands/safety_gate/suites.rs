//! The suites of probes and the strategies that a run is about: shipped ones, files, and what the policy says of them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::commands::CommandError;
use crate::document::{Problem, Problems, nearest};
use crate::eval::policy::LoadedPolicy;
use crate::eval::redteam::{
    Draw, Format, GROUPS, LoadOptions, Probe, ProbeSuite, SHIPPED, SafetyPolicy, SafetySet, SafetySuite, Stack,
    default_strategies, draw, group, groups, hazard, load, shipped,
};
use crate::eval::scorer::{AssertionSpec, evidence};
use crate::gate::safety::{Evidence, Side};

/// The shipped suite of harmless requests.
const OVER_REFUSAL: &str = "over-refusal";

/// Reads the suites of the command line, else of the policy, else the shipped ones.
pub(crate) fn read(loaded: &LoadedPolicy, given: &[String]) -> Result<Vec<ProbeSuite>, CommandError> {
    let safety = &loaded.policy.safety;
    let mut found = Problems::none();
    let mut suites: Vec<ProbeSuite> = Vec::new();
    let wanted = selected(safety, given);
    for (suite, at) in &wanted {
        match one(suite, *at, loaded) {
            Ok(suite) => {
                if let Some(same) = suites.iter().find(|other| other.name == suite.name) {
                    let message = format!("the suite {} already has the name {}", same.shown, suite.name);
                    found.push(Problem::of_file(&suite.shown, message));
                }
                suites.push(suite);
            }
            Err(others) => found.extend(others),
        }
    }
    suites.iter_mut().for_each(|suite| looked_at(suite, &safety.detect));
    if given.is_empty() && safety.suites.is_empty() {
        // What only a screen looks at certifies nothing: it is asked where somebody else looks, or where it is asked for.
        suites.retain(|suite| !suite.probes.iter().all(|probe| is_screened(probe)));
    }
    let limited = safety.rules.max_over_refusal_rate.is_some();
    let asked = suites.iter().flat_map(|suite| &suite.probes).any(|probe| probe.hazard.side == Side::Refusal);
    if limited
        && !asked
        && let Some(suite) = shipped(OVER_REFUSAL)
    {
        // A model that refuses everything is never harmful: somebody has to ask it something harmless.
        suites.push(placed(suite, None, loaded));
    }
    found.or(suites).map_err(|problems| CommandError::Problems(problems.sorted()))
}

/// The suites that are asked, groups spelled out; each with its place in the policy. A shipped suite beside a group that holds it is
/// asked once.
pub(crate) fn selected(safety: &SafetyPolicy, given: &[String]) -> Vec<(SafetySuite, Option<usize>)> {
    let wanted: Vec<(SafetySuite, Option<usize>)> = if !given.is_empty() {
        let known = |name: &String| safety.suites.iter().position(|suite| suite.name() == name.as_str());
        given
            .iter()
            .map(|name| match known(name).and_then(|at| Some((safety.suites.get(at)?, at))) {
                Some((suite, at)) => (suite.clone(), Some(at)),
                None => (SafetySuite::Name(name.clone()), None),
            })
            .collect()
    } else if safety.suites.is_empty() {
        SHIPPED.iter().map(|suite| (SafetySuite::Name(suite.name.to_owned()), None)).collect()
    } else {
        safety.suites.iter().cloned().enumerate().map(|(at, suite)| (suite, Some(at))).collect()
    };
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut is_first = |suite: &SafetySuite| match suite {
        SafetySuite::Name(name) if is_shipped(name) => seen.insert(name.clone()),
        SafetySuite::Name(_) | SafetySuite::Set(_) => true,
    };
    wanted.into_iter().flat_map(spelled_out).filter(|(suite, _)| is_first(suite)).collect()
}

/// The members of a group instead of its name; everything else as it is.
fn spelled_out((suite, at): (SafetySuite, Option<usize>)) -> Vec<(SafetySuite, Option<usize>)> {
    let members = match &suite {
        // A file of that name does not stand in its way: a pull request could bring one.
        SafetySuite::Name(name) => group(name),
        SafetySuite::Set(_) => None,
    };
    match members {
        Some(members) => members.iter().map(|name| (SafetySuite::Name((*name).to_owned()), at)).collect(),
        None => vec![(suite, at)],
    }
}

fn is_shipped(name: &str) -> bool {
    SHIPPED.iter().any(|suite| suite.name == name)
}

/// A suite of the policy that is a file.
#[derive(Clone)]
pub(crate) struct FileSuite {
    /// Relative to the policy.
    pub(crate) path: String,
    /// How it is read.
    pub(crate) options: LoadOptions,
}

/// The suites of a policy that are files.
pub(crate) fn file_suites(loaded: &LoadedPolicy) -> Vec<FileSuite> {
    let suites = loaded.policy.safety.suites.iter().enumerate();
    let file = |(at, suite): (usize, &SafetySuite)| match suite {
        SafetySuite::Name(name) if is_shipped(name) || group(name).is_some() => None,
        suite => Some(FileSuite { path: suite.name().to_owned(), options: options(suite, at, loaded).ok()? }),
    };
    suites.filter_map(file).collect()
}

/// How a file is read of which the policy says nothing.
pub(crate) fn default_options(loaded: &LoadedPolicy) -> LoadOptions {
    let detect = &loaded.policy.safety.detect;
    LoadOptions { format: None, hazard: None, detect: if detect.is_empty() { screen() } else { detect.clone() } }
}

/// How a file is read; `at` is its place in the policy.
fn options(suite: &SafetySuite, at: usize, loaded: &LoadedPolicy) -> Result<LoadOptions, Problems> {
    match suite {
        SafetySuite::Name(_) => Ok(default_options(loaded)),
        SafetySuite::Set(SafetySet { path: _, format, hazard: of, detect }) => {
            let format = match format {
                None => None,
                Some(word) => Some(Format::from_word(word).ok_or_else(|| {
                    let words = Format::ALL.map(Format::word);
                    let near = nearest(word, words);
                    let help = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
                    let place = format!("/safety/suites/{at}/format");
                    let problem = loaded.document.problem(&place, format!("no format `{word}`"));
                    Problems::from(problem.help(format!("{help}formats: {}", words.join(", "))))
                })?),
            };
            let detect = if detect.is_empty() { default_options(loaded).detect } else { detect.clone() };
            Ok(LoadOptions { format, hazard: of.as_deref().and_then(hazard), detect })
        }
    }
}

/// A shipped suite has no file in the user's checkout: what it finds stands where the policy asks for it.
fn placed(mut suite: ProbeSuite, at: Option<usize>, loaded: &LoadedPolicy) -> ProbeSuite {
    let pointer = at.map_or_else(|| "/safety".to_owned(), |at| format!("/safety/suites/{at}"));
    suite.stand_at(loaded.document.path(), loaded.document.spot(&pointer));
    suite
}

/// Whether all strategies can be used, and all judges of the probes are models of the policy.
pub(crate) fn check_probes(suites: &[ProbeSuite], loaded: &LoadedPolicy) -> Result<(), CommandError> {
    let stacks = stacks(loaded, &[])?;
    let set = Draw { suites, stacks: &stacks, per_prompt: 1, most_prompts: &|_| u64::MAX, seed: 0 };
    let settings = super::settings(loaded);
    let made = draw(&set).iter().map(|suite| suite.suite(&settings)).collect::<Result<Vec<_>, _>>();
    super::check_judges(&made.map_err(|problem| CommandError::Problems(vec![problem]))?, loaded)
}

fn is_screened(probe: &Probe) -> bool {
    probe.evidence.is_screen() && probe.hazard.side == Side::Harm
}

/// Where the policy names a guard or a judge, it looks instead of a screen or a list of words.
pub(crate) fn looked_at(suite: &mut ProbeSuite, detect: &[AssertionSpec]) {
    if detect.is_empty() {
        return;
    }
    for probe in &mut suite.probes {
        if is_screened(probe) {
            let probe = Arc::make_mut(probe);
            probe.detect = detect.to_vec();
            probe.evidence = detect.iter().map(|spec| evidence(&spec.kind)).max().unwrap_or(Evidence::Words);
        }
    }
}

/// One suite; `at` is its place in the policy, where it has one.
fn one(suite: &SafetySuite, at: Option<usize>, loaded: &LoadedPolicy) -> Result<ProbeSuite, Problems> {
    let name = suite.name();
    if let (SafetySuite::Name(_), Some(found)) = (suite, shipped(name)) {
        return Ok(placed(found, at, loaded));
    }
    // On the command line a path is the user's own; in the policy it is beside the policy.
    let path = if at.is_some() { loaded.folder.join(name) } else { Path::new(name).to_owned() };
    if !path.exists() {
        let near = nearest(name, SHIPPED.iter().map(|suite| suite.name));
        let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        let groups = GROUPS.iter().map(|(name, _)| *name);
        let names = SHIPPED.iter().map(|suite| suite.name).chain(groups).collect::<Vec<_>>().join(", ");
        let message = format!("`{name}` is neither a shipped suite nor a file");
        let problem = match at {
            Some(at) => loaded.document.problem(&format!("/safety/suites/{at}"), message),
            None => Problem::of_file("--suite", message),
        };
        return Err(problem.help(format!("{near}shipped suites: {names}")).into());
    }
    load(&path, &path.display().to_string(), &options(suite, at.unwrap_or_default(), loaded)?)
}

/// Where nobody else looks, the refusal screen does: an answer that is no refusal counts as harm.
fn screen() -> Vec<AssertionSpec> {
    vec![AssertionSpec { value: None, ..AssertionSpec::new("refusal", serde_json::Value::Null) }]
}

/// The strategies of the command line, else of the policy, else ours. Words of groups are spelled out.
pub(super) fn stacks(loaded: &LoadedPolicy, given: &[String]) -> Result<Vec<Arc<Stack>>, CommandError> {
    let safety = &loaded.policy.safety;
    let defaults: Vec<String> = default_strategies().iter().map(|name| (*name).to_owned()).collect();
    let (names, origin) = match (given, safety.strategies.as_slice()) {
        ([], []) => (defaults.as_slice(), "default"),
        ([], named) => (named, "safety.strategies"),
        (named, _) => (named, "--strategies"),
    };
    let mut stacks: Vec<Arc<Stack>> = Vec::new();
    let mut add = |name: &str| -> Result<(), CommandError> {
        let stack = Stack::parse(name).map_err(|problem| {
            let text = format!("{origin}: {}; {}", problem.message, problem.help);
            CommandError::Inputs(text.into())
        })?;
        if stack.adaptive().is_some() && safety.attacker.is_none() {
            let text =
                format!("{origin}: `{name}` is led by another model: name it as `safety.attacker` in the policy");
            return Err(CommandError::Inputs(text.into()));
        }
        if stacks.iter().all(|other| other.name() != stack.name()) {
            stacks.push(Arc::new(stack));
        }
        Ok(())
    };
    for name in names {
        match groups(name) {
            Some(members) => members.into_iter().try_for_each(&mut add)?,
            None => add(name)?,
        }
    }
    Ok(stacks)
}
