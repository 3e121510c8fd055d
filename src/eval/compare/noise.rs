//! The results of one model's samples, brought together by case: what its noise is measured from.

use std::collections::BTreeSet;

use super::side::{Attempt, CaseKey, CaseNumbers, Side};
use crate::eval::run::cluster_number;
use crate::eval::sample::Status;
use crate::gate::noise::{CaseRuns, flips, planning_share};
use crate::stats::float;
use crate::trust::Untrusted;

/// The chance that two samples of one case differ, over the cases that have at least two, as a plan takes it. None where no
/// case has.
pub fn discordance_of_repeats(side: &Side) -> Option<f64> {
    let judged = |case: CaseNumbers<'_>| {
        let results = || case.attempts().filter_map(|attempt| passed(attempt));
        flips(results().filter(|passed| *passed).count() as u64, results().count() as u64)
    };
    let each: Vec<f64> = side.cases().filter_map(judged).collect();
    let flaky = each.iter().filter(|share| **share > 0.0).count() as u64;
    let cases = each.len() as u64;
    (cases > 0).then(|| planning_share(each.iter().sum::<f64>() / float(cases), flaky, cases))
}

/// The results of several runs of the same cases, case by case; a run that lacks a case has no results of it.
pub fn runs_by_case(runs: &[Side]) -> Vec<CaseRuns> {
    let key = |case: CaseNumbers<'_>| CaseKey { suite: case.suite().into(), case: case.id().into() };
    let keys: BTreeSet<CaseKey> = runs.iter().flat_map(|run| run.cases().map(key)).collect();
    let one = |(number, key): (usize, &CaseKey)| {
        let of_run = |run: &Side| {
            let mut attempts: Vec<_> = run.find(key).into_iter().flat_map(CaseNumbers::attempts).collect();
            attempts.sort_by_key(|attempt| attempt.repeat());
            attempts.into_iter().map(|attempt| passed(attempt)).collect()
        };
        let attempts = runs.iter().filter_map(|run| run.find(key)).flat_map(CaseNumbers::attempts);
        let cluster = attempts.filter_map(Attempt::cluster).next();
        CaseRuns {
            suite: key.suite.to_string(),
            case: Untrusted::new(&*key.case),
            // A named cluster by its hash and its suite's, a case alone by its position; the two never meet.
            cluster: cluster.map_or(number as u64, |hash| (hash ^ cluster_number(&key.suite)) | (1 << 63)),
            results: runs.iter().map(of_run).collect(),
        }
    };
    keys.iter().enumerate().map(one).collect()
}

fn passed(attempt: Attempt<'_>) -> Option<bool> {
    match attempt.status() {
        // Only measured: neither right nor wrong.
        Status::Passed if attempt.score().is_none() => None,
        Status::Passed => Some(true),
        Status::Failed => Some(false),
        Status::Unscored | Status::Error => None,
    }
}
