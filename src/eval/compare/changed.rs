//! Which cases got worse, and which got better.

use super::pair::{Pair, Paired};
use super::side::CaseNumbers;
use crate::eval::sample::Status;
use crate::report::ChangedCase;
use crate::stats::float;
use crate::trust::Untrusted;

/// Cases of each kind that a report names.
const NAMED: usize = 50;

/// A changed case: the pair, and the shares that passed before and after.
type Change<'a> = (Pair<'a>, f64, f64);

/// Newly failing and newly passing cases, the largest change first: (shown, number of all) of each.
pub fn changed_cases(paired: &Paired<'_>) -> [(Vec<ChangedCase>, u64); 2] {
    let (mut worse, mut better) = (Vec::new(), Vec::new());
    for pair in paired.pairs() {
        let (Some(before), Some(after)) = (passed(pair.baseline), passed(pair.candidate)) else { continue };
        if after < before {
            worse.push((pair, before, after));
        } else if after > before {
            better.push((pair, before, after));
        }
    }
    [worse, better].map(|mut changes: Vec<Change<'_>>| {
        let count = changes.len() as u64;
        let size = |change: &Change<'_>| (change.2 - change.1).abs();
        let ahead =
            |one: &Change<'_>, two: &Change<'_>| size(two).total_cmp(&size(one)).then_with(|| key(one).cmp(&key(two)));
        if changes.len() > NAMED {
            changes.select_nth_unstable_by(NAMED, ahead);
            changes.truncate(NAMED);
        }
        changes.sort_unstable_by(ahead);
        (changes.into_iter().map(shown).collect(), count)
    })
}

fn key<'a>((pair, ..): &Change<'a>) -> (&'a str, &'a str) {
    (pair.baseline.suite(), pair.baseline.id())
}

fn shown((pair, baseline, candidate): Change<'_>) -> ChangedCase {
    ChangedCase {
        suite: pair.baseline.suite().to_owned(),
        case: Untrusted::new(pair.baseline.id()),
        baseline,
        candidate,
    }
}

/// The share of attempts that passed; an attempt that could not be judged did not. None where none could.
fn passed(case: CaseNumbers<'_>) -> Option<f64> {
    let (mut judged, mut passed) = (false, 0);
    for attempt in case.attempts() {
        match attempt.status() {
            // Only measured: neither right nor wrong.
            Status::Passed if attempt.score().is_none() => {}
            Status::Passed => (judged, passed) = (true, passed + 1),
            Status::Failed => judged = true,
            Status::Unscored | Status::Error => {}
        }
    }
    judged.then(|| float(passed) / float(case.attempts().len() as u64))
}
