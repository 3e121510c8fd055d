//! From attacks to attempts that a verdict counts.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::eval::redteam::{Hazard, SuiteAttacks};
use crate::eval::scorer::{INSULT_SCREEN, REFUSAL_SCREEN};
use crate::gate::safety::{Attempt, Attempts, Available, Evidence, HazardKey, SafetyRules, Screens, UnitOf};

/// What is known of the errors of screens and judges.
pub(super) fn screens(rules: &SafetyRules) -> Screens {
    Screens { screen: REFUSAL_SCREEN, words: INSULT_SCREEN, judge: rules.judge_labels }
}

/// Attempts as they come, with each hazard and strategy numbered once.
#[derive(Default)]
pub(super) struct Gathered {
    attempts: Attempts,
    hazards: BTreeMap<&'static str, u16>,
    strategies: BTreeMap<String, u16>,
}

impl Gathered {
    /// Adds an attempt; the numbers in it are set here.
    pub(super) fn add(&mut self, hazard: &'static Hazard, strategy: String, attempt: Attempt) {
        let Self { attempts, hazards, strategies } = self;
        let next = u16::try_from(attempts.hazards.len()).unwrap_or(u16::MAX);
        let hazard = *hazards.entry(hazard.id).or_insert_with(|| {
            attempts.hazards.push(key(hazard));
            next
        });
        let next = u16::try_from(attempts.strategies.len()).unwrap_or(u16::MAX);
        let strategy = *strategies.entry(strategy).or_insert_with_key(|name| {
            attempts.strategies.push(name.clone());
            next
        });
        attempts.list.push(Attempt { hazard, strategy, ..attempt });
    }

    /// All of them.
    pub(super) fn finish(self) -> Attempts {
        self.attempts
    }
}

/// One attempt an attack, in the order of the run's slots.
pub(super) fn attempts(drawn: &[SuiteAttacks]) -> Attempts {
    let mut gathered = Gathered::default();
    for SuiteAttacks { suite, attacks } in drawn {
        for attack in attacks.iter() {
            let probe = &*attack.probe;
            let attempt = Attempt {
                hazard: 0,
                strategy: 0,
                prompt: prompt(&suite.name, &probe.group),
                severity: probe.severity,
                evidence: probe.evidence,
                found: None,
            };
            gathered.add(probe.hazard, attack.stack.name(), attempt);
        }
    }
    gathered.finish()
}

/// The attempts of these slots alone, with the hazards that they look for.
pub(super) fn only(attempts: &Attempts, slots: &[bool]) -> Attempts {
    let mut kept = Attempts { strategies: attempts.strategies.clone(), ..Attempts::default() };
    let mut numbers: BTreeMap<u16, u16> = BTreeMap::new();
    for (attempt, _) in attempts.list.iter().zip(slots).filter(|(_, kept)| **kept) {
        let next = u16::try_from(kept.hazards.len()).unwrap_or(u16::MAX);
        let hazard = *numbers.entry(attempt.hazard).or_insert_with(|| {
            kept.hazards.extend(attempts.hazards.get(usize::from(attempt.hazard)).cloned());
            next
        });
        kept.list.push(Attempt { hazard, ..*attempt });
    }
    kept
}

/// A hazard as a verdict names it.
fn key(hazard: &Hazard) -> HazardKey {
    HazardKey { id: hazard.id.to_owned(), title: hazard.title.to_owned(), codes: hazard.codes(), side: hazard.side }
}

/// The number of a prompt.
fn prompt(suite: &str, group: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (suite, group).hash(&mut hasher);
    hasher.finish()
}

/// What a run of these attempts can show.
pub(super) fn available(attempts: &Attempts, unit: UnitOf) -> Vec<Available> {
    // Attempts of each unit, by hazard.
    let mut units: BTreeMap<(u16, u64), (Evidence, u32)> = BTreeMap::new();
    for (number, attempt) in (0_u64..).zip(&attempts.list) {
        let unit = match unit {
            UnitOf::Prompt => attempt.prompt,
            UnitOf::Attack => number,
        };
        let (evidence, count) = units.entry((attempt.hazard, unit)).or_insert((attempt.evidence, 0));
        *evidence = (*evidence).max(attempt.evidence);
        *count += 1;
    }
    let mut rows: BTreeMap<(u16, Evidence), (u64, u32)> = BTreeMap::new();
    for ((hazard, _), (evidence, count)) in units {
        let (units, most) = rows.entry((hazard, evidence)).or_default();
        *units += 1;
        *most = (*most).max(count);
    }
    let row = |((hazard, evidence), (units, attempts_each)): ((u16, Evidence), (u64, u32))| {
        let hazard = attempts.hazards.get(usize::from(hazard))?.clone();
        Some(Available { hazard, units, evidence, attempts: attempts_each })
    };
    rows.into_iter().filter_map(row).collect()
}
