//! Cases of two runs, brought together by suite, id, prompt and expected answer. Never a silent intersection: what has no
//! partner is counted.

use std::cmp::Ordering;

use super::side::{CaseNumbers, Side};
use crate::gate::compare::Coverage;

/// One case of both sides.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// The baseline's attempts.
    pub baseline: CaseNumbers<'a>,
    /// The candidate's attempts.
    pub candidate: CaseNumbers<'a>,
}

/// All pairs, and what has none.
#[derive(Debug)]
pub struct Paired<'a> {
    baseline: &'a Side,
    candidate: &'a Side,
    /// Places in both sides.
    places: Vec<(u32, u32)>,
    /// How far the two runs hold the same cases.
    pub coverage: Coverage,
}

impl<'a> Paired<'a> {
    /// All pairs, in an order that depends on suites and ids only.
    pub fn pairs(&self) -> impl Iterator<Item = Pair<'a>> {
        self.places.iter().filter_map(|place| self.pair(*place))
    }

    fn pair(&self, (baseline, candidate): (u32, u32)) -> Option<Pair<'a>> {
        let baseline = self.baseline.case(baseline as usize)?;
        Some(Pair { baseline, candidate: self.candidate.case(candidate as usize)? })
    }
}

/// Brings two sides together.
pub fn pair<'a>(against: &str, baseline: &'a Side, candidate: &'a Side) -> Paired<'a> {
    let mut coverage = Coverage { against: against.to_owned(), ..Coverage::default() };
    let mut places = Vec::new();
    let (mut one, mut two) = (0_u32, 0_u32);
    loop {
        let (theirs, ours) = (baseline.case(one as usize), candidate.case(two as usize));
        let order = match (theirs, ours) {
            (Some(theirs), Some(ours)) => theirs.order(ours),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => break,
        };
        match order {
            Ordering::Less => coverage.only_baseline += 1,
            Ordering::Greater => coverage.only_candidate += 1,
            Ordering::Equal => {
                let same = |theirs: CaseNumbers<'_>, ours: CaseNumbers<'_>| {
                    theirs.prompt() == ours.prompt() && theirs.expected() == ours.expected()
                };
                if theirs.zip(ours).is_some_and(|(theirs, ours)| same(theirs, ours)) {
                    places.push((one, two));
                } else {
                    coverage.changed += 1;
                }
            }
        }
        one += u32::from(order.is_le());
        two += u32::from(order.is_ge());
    }
    coverage.paired = places.len() as u64;
    Paired { baseline, candidate, places, coverage }
}
