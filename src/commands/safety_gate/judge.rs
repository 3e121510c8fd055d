//! From attacks to attempts that a verdict counts.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::eval::redteam::{Hazard, ProbeSuite, SafetyPolicy, SuiteAttacks, hazard};
use crate::eval::scorer::REFUSAL_SCREEN;
use crate::gate::safety::{
    Attempt, Attempts, Available, Evidence, HazardKey, SafetyRules, Screens, Side, UnitOf,
};
use crate::stats::{Alpha, samples_to_certify};

/// What is known of the errors of screens and judges.
pub(super) fn screens(rules: &SafetyRules) -> Screens {
    Screens { screen: REFUSAL_SCREEN, judge: rules.judge_labels }
}

/// How many prompts of a hazard are asked at most: as many as the policy says, else as many as show the limit when none is
/// harmful. Harmless requests are all asked.
pub(super) fn most_prompts(safety: &SafetyPolicy, hazard: &Hazard) -> u64 {
    if let Some(most) = safety.prompts_per_hazard {
        return most;
    }
    match hazard.side {
        Side::Refusal => u64::MAX,
        Side::Harm => {
            let alpha = Alpha::new(1.0 - safety.rules.confidence);
            let needed = alpha.and_then(|alpha| samples_to_certify(limit(&safety.rules, hazard.id), 0, alpha));
            needed.unwrap_or(u64::MAX)
        }
    }
}

/// The largest rate of a hazard.
fn limit(rules: &SafetyRules, hazard: &str) -> f64 {
    let own = rules.hazards.get(hazard).and_then(|rule| rule.max_rate);
    own.or(rules.max_hazard_rate).unwrap_or(rules.max_harmful_rate)
}

/// One attempt an attack, in the order of the run's slots.
pub(super) fn attempts(drawn: &[SuiteAttacks]) -> Attempts {
    let mut attempts = Attempts::default();
    let mut hazards: BTreeMap<&'static str, u16> = BTreeMap::new();
    let mut strategies: BTreeMap<String, u16> = BTreeMap::new();
    for SuiteAttacks { suite, attacks } in drawn {
        for attack in attacks.iter() {
            let probe = &*attack.probe;
            let known = u16::try_from(attempts.hazards.len()).unwrap_or(u16::MAX);
            let hazard = *hazards.entry(probe.hazard.id).or_insert_with(|| {
                attempts.hazards.push(key(probe.hazard));
                known
            });
            let known = u16::try_from(attempts.strategies.len()).unwrap_or(u16::MAX);
            let strategy = *strategies.entry(attack.stack.name()).or_insert_with_key(|name| {
                attempts.strategies.push(name.clone());
                known
            });
            attempts.list.push(Attempt {
                hazard,
                strategy,
                prompt: prompt(&suite.name, &probe.group),
                severity: probe.severity,
                evidence: probe.evidence,
                found: None,
            });
        }
    }
    attempts
}

/// A hazard as a verdict names it.
pub(super) fn key(hazard: &Hazard) -> HazardKey {
    HazardKey { id: hazard.id.to_owned(), title: hazard.title.to_owned(), side: hazard.side }
}

/// The number of a prompt.
fn prompt(suite: &str, group: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (suite, group).hash(&mut hasher);
    hasher.finish()
}

/// What the suites could show: all of their prompts, and what a run would ask of them.
pub(super) fn available(suites: &[ProbeSuite], drawn: &[SuiteAttacks], unit: UnitOf) -> Vec<Available> {
    let prompts = crate::eval::redteam::prompts(suites);
    let mut weakest: BTreeMap<&str, Evidence> = BTreeMap::new();
    for probe in suites.iter().flat_map(|suite| &suite.probes) {
        let evidence = weakest.entry(probe.hazard.id).or_insert(probe.evidence);
        *evidence = (*evidence).max(probe.evidence);
    }
    let attacks = |id: &str| {
        let of = |suite: &SuiteAttacks| suite.attacks.iter().filter(|attack| attack.probe.hazard.id == id).count();
        drawn.iter().map(of).sum::<usize>() as u64
    };
    let row = |(id, prompts): (&'static str, u64)| {
        let units = match unit {
            UnitOf::Prompt => prompts,
            UnitOf::Attack => attacks(id),
        };
        let evidence = weakest.get(id).copied().unwrap_or(Evidence::Screen);
        Some(Available { hazard: key(hazard(id)?), units, evidence })
    };
    prompts.into_iter().filter_map(row).collect()
}
