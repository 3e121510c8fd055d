//! The parts of a metric of all samples together, out of pairs.

use super::metric::{cluster, inside};
use super::pair::Paired;
use super::side::{CaseNumbers, Side};
use crate::eval::sample::Status;
use crate::gate::compare::{RegressionRule, Together};
use crate::gate::{Aggregate, Subject, known_metric};

/// What a metric is on two sides, within a rule's part of the samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// A mean: every sample has a value.
    Each,
    /// One value of all samples.
    Together(Aggregate),
    /// At least one side has it only as another tool has recorded it.
    Recorded,
}

/// What a metric is. Two sides that make it in two ways are compared like recorded ones: as values. So is one without a number in
/// samples that are known by their aggregates only: such a sample stands for many, and is no case among others.
pub fn how(rule: &RegressionRule, subject: &Subject, sides: [&Side; 2]) -> How {
    if known_metric(rule.metric.as_str()).is_some() {
        return How::Each;
    }
    let of_side = |side: &Side| {
        let number = side.names.find(&subject.name)?;
        let cases = side.cases().filter(|case| inside(rule, *case));
        cases.flat_map(CaseNumbers::attempts).find_map(|attempt| attempt.part(number)).map(|(aggregate, _)| aggregate)
    };
    let is_hidden = |side: &Side| {
        let Some(number) = side.names.find(&subject.name) else { return false };
        let mut attempts = side.cases().filter(|case| inside(rule, *case)).flat_map(CaseNumbers::attempts);
        attempts.any(|attempt| attempt.named(number) == Some(None) && attempt.is_of_aggregates())
    };
    match sides.map(of_side) {
        [None, None] if !sides.into_iter().any(is_hidden) => How::Each,
        [Some(one), Some(two)] if one == two && one.paired_by().is_some() => How::Together(one),
        [_, _] => How::Recorded,
    }
}

/// One side of one case.
#[derive(Default)]
struct Seen {
    parts: Vec<Vec<f64>>,
    missing: u64,
    /// Whether an attempt that has an answer is without its part.
    lacks: bool,
}

fn seen(case: CaseNumbers<'_>, number: Option<u16>, aggregate: Aggregate) -> Seen {
    let mut seen = Seen::default();
    for attempt in case.attempts() {
        let part = number.and_then(|number| attempt.part(number));
        let named = number.and_then(|number| attempt.named(number));
        match (part, named) {
            (Some((own, parts)), _) if own == aggregate && aggregate.takes(&parts) => seen.parts.push(parts),
            (Some(_), _) | (None, Some(_)) => {
                seen.missing += 1;
                seen.lacks = true;
            }
            (None, None) if attempt.status() == Status::Error => seen.missing += 1,
            (None, None) => {}
        }
    }
    seen
}

/// What a rule compares, and how many of its cases had nothing to compare on one side.
pub fn together(
    rule: &RegressionRule,
    subject: &Subject,
    aggregate: Aggregate,
    paired: &Paired<'_>,
    [baseline, candidate]: [&Side; 2],
) -> (Together, u64) {
    let numbers = [baseline, candidate].map(|side| side.names.find(&subject.name));
    let mut all = Together { aggregate, baseline: Vec::new(), candidate: Vec::new(), missing: 0 };
    let mut one_sided = 0;
    for (index, pair) in paired.pairs().enumerate().filter(|(_, pair)| inside(rule, pair.candidate)) {
        let group = cluster(index, &pair);
        let [before, after] = [(pair.baseline, numbers[0]), (pair.candidate, numbers[1])]
            .map(|(case, number)| seen(case, number, aggregate));
        let has = |seen: &Seen| !seen.parts.is_empty() || seen.lacks;
        let nothing = |seen: &Seen| !has(seen) && seen.missing == 0;
        if has(&before) && nothing(&after) || nothing(&before) && has(&after) {
            one_sided += 1;
            continue;
        }
        // An attempt in error does not say that the case would have had it; where the other side has it, it would have.
        if has(&before) || has(&after) {
            all.missing += before.missing + after.missing;
        }
        all.baseline.extend(before.parts.into_iter().map(|parts| (group, parts)));
        all.candidate.extend(after.parts.into_iter().map(|parts| (group, parts)));
    }
    (all, one_sided)
}
