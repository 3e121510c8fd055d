//! Cases of two runs, brought together by suite, id, prompt and expected answer. Never a silent intersection: what has no
//! partner is counted.

use super::side::{CaseKey, CaseNumbers, Side};
use crate::gate::compare::Coverage;

/// One case of both sides.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// Suite and id.
    pub key: &'a CaseKey,
    /// The baseline's attempts.
    pub baseline: &'a CaseNumbers,
    /// The candidate's attempts.
    pub candidate: &'a CaseNumbers,
}

/// All pairs, and what has none.
#[derive(Debug)]
pub struct Paired<'a> {
    /// In the order of suite and id.
    pub pairs: Vec<Pair<'a>>,
    /// How far the two runs hold the same cases.
    pub coverage: Coverage,
}

/// Brings two sides together.
pub fn pair<'a>(against: &str, baseline: &'a Side, candidate: &'a Side) -> Paired<'a> {
    let mut coverage = Coverage { against: against.to_owned(), ..Coverage::default() };
    let mut pairs = Vec::new();
    for (key, theirs) in &baseline.cases {
        let Some(ours) = candidate.cases.get(key) else {
            coverage.only_baseline += 1;
            continue;
        };
        if ours.prompt == theirs.prompt && ours.expected == theirs.expected {
            pairs.push(Pair { key, baseline: theirs, candidate: ours });
        } else {
            coverage.changed += 1;
        }
    }
    coverage.paired = pairs.len() as u64;
    coverage.only_candidate = candidate.cases.len() as u64 - coverage.paired - coverage.changed;
    Paired { pairs, coverage }
}
