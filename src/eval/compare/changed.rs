//! Which cases got worse, and which got better.

use super::pair::Paired;
use super::side::CaseNumbers;
use crate::eval::sample::Status;
use crate::report::ChangedCase;
use crate::trust::Untrusted;

/// Cases of each kind that a report names.
const NAMED: usize = 50;

/// Newly failing and newly passing cases, the largest change first: (shown, number of all) of each.
pub fn changed_cases(paired: &Paired<'_>) -> [(Vec<ChangedCase>, u64); 2] {
    let (mut worse, mut better) = (Vec::new(), Vec::new());
    for pair in &paired.pairs {
        let (baseline, candidate) = (passed(pair.baseline), passed(pair.candidate));
        let (Some(before), Some(after)) = (baseline, candidate) else { continue };
        let case = || ChangedCase {
            suite: pair.key.suite.to_string(),
            case: Untrusted::new(&*pair.key.case),
            baseline: before,
            candidate: after,
        };
        if after < before {
            worse.push(case());
        } else if after > before {
            better.push(case());
        }
    }
    [worse, better].map(|mut cases| {
        let count = cases.len() as u64;
        cases.sort_by(|one, two| change(two).total_cmp(&change(one)));
        cases.truncate(NAMED);
        (cases, count)
    })
}

fn change(case: &ChangedCase) -> f64 {
    (case.candidate - case.baseline).abs()
}

/// The share of attempts that passed; an attempt that could not be judged did not. None where none could.
fn passed(case: &CaseNumbers) -> Option<f64> {
    let judged = case.rows.iter().any(|(_, row)| matches!(row.status, Status::Passed | Status::Failed));
    let passed = case.rows.iter().filter(|(_, row)| row.status == Status::Passed).count() as u64;
    judged.then(|| crate::stats::float(passed) / crate::stats::float(case.rows.len() as u64))
}
