//! Metrics whose samples are not there, or do not say what they come to: the recorded value, with the recorded standard error and the
//! number of samples. Nothing is paired by them, and without a standard error nothing is sure of them.

use super::{Said, Task, declared, named};
use crate::document::Problem;
use crate::eval::harness::expect::Expect;
use crate::eval::harness::recorded::{Cases, Key, Recorded, row};
use crate::eval::sample::{SampleValue, Status};
use crate::eval::suite::Suite;
use crate::gate::{Aggregate, MetricName};
use crate::stats::float;
use crate::trust::{Digest, Hasher};

/// Metrics that are the share of samples that hold, each of which holds or does not.
pub(super) const SHARES: &[&str] = &["acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match"];
/// How far a recorded standard error may lie from the one of yes-or-no samples, as a ratio: numbers are written in full.
const BLUR: f64 = 1e-6;

/// A task without its samples.
pub(super) fn read(task: &Task<'_>, digest: &Digest, shown: &str, expect: &Expect<'_>) -> Result<Suite, Problem> {
    let Some(samples) = task.effective.filter(|samples| *samples > 0) else {
        let message = format!("the task `{}` has aggregates only, and nothing says of how many samples", task.name);
        return Err(
            Problem::of_file(shown, message).help("run lm_eval with `--log_samples`, and keep its files together")
        );
    };
    let why = "its samples are not beside the results";
    suite(task, samples, digest, shown, (expect, why))
}

/// A suite of one case, which has all metrics that are numbers.
pub(super) fn suite(
    task: &Task<'_>,
    samples: u64,
    digest: &Digest,
    shown: &str,
    (expect, why): (&Expect<'_>, &str),
) -> Result<Suite, Problem> {
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for (name, metric, said) in named(task) {
        match record(metric, said, samples).zip(MetricName::of_text(&name)) {
            Some(((aggregate, parts), name)) => values.push(SampleValue { name, aggregate, parts }),
            None => rows.push(row(&name, Some(&name), 0.0, None, "no number")),
        }
    }
    if values.is_empty() {
        let message = format!("the task `{}` has no metric with a number", task.name);
        return Err(Problem::of_file(shown, message));
    }
    let recorded = Recorded {
        status: Status::Passed,
        score: None,
        rows,
        values,
        answer: None,
        error: None,
        latency_ms: None,
        cost_usd: None,
        usage: None,
    };
    let key = Key {
        id: "aggregates".to_owned(),
        cluster: None,
        prompt: task.prompt.clone(),
        expected: Digest::of(b"aggregates"),
        shown_prompt: String::new(),
        line: 1,
    };
    let mut cases = Cases::new(&expect.suite(Some(task.name), ""), shown);
    cases.add(key, recorded).map_err(|message| Problem::of_file(shown, message))?;
    let mut hasher = Hasher::new();
    hasher.part(digest.hex().as_bytes()).part(task.name.as_bytes());
    let message = format!("the task `{}` is known by its aggregates only: {why}", task.name);
    let help =
        "it has no pass rate, and no sample of it can be held against a baseline's: run lm_eval with `--log_samples`";
    let note = Problem::of_file(shown, message).help(help);
    Ok(cases.finish(hasher.finish(), declared(task), vec![note])?.standing_for(samples))
}

/// A recorded metric in the form of a sample's part; none without a number.
pub(super) fn record(metric: &str, said: &Said, samples: u64) -> Option<(Aggregate, Vec<f64>)> {
    let value = said.value?;
    let of = float(samples);
    if let Some(successes) = counted(metric, value, said.stderr, of) {
        return Some((Aggregate::Counted, vec![successes, of]));
    }
    let parts: Vec<f64> = [value, of].into_iter().chain(said.stderr).collect();
    Aggregate::Recorded.takes(&parts).then_some((Aggregate::Recorded, parts))
}

/// The number of samples that hold, where all of them are yes or no: for values from 0 to 1 with this mean, no others have a
/// variance as large as `mean * (1 - mean)`.
fn counted(metric: &str, value: f64, stderr: Option<f64>, samples: f64) -> Option<f64> {
    let stderr = stderr.filter(|_| SHARES.contains(&metric) && samples >= 2.0 && (0.0..=1.0).contains(&value))?;
    let largest = (value * (1.0 - value) / (samples - 1.0)).sqrt();
    let successes = (value * samples).round();
    let whole = (value * samples - successes).abs() <= BLUR;
    (whole && (stderr - largest).abs() <= BLUR * largest).then_some(successes)
}
