//! One verdict from all metrics and from what a run must not lack.

use super::assess::Assessed;
use super::compare::{holm_over, settle};
use super::{Metric, Reason, Verdict};

/// What a run was to do, and what it did.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Facts {
    /// Samples of the plan.
    pub expected: u64,
    /// Samples that are there.
    pub finished: u64,
    /// Samples in error.
    pub errors: u64,
    /// Samples that no scorer could judge.
    pub unscored: u64,
    /// The share of samples that may be in error.
    pub error_budget: f64,
    /// 1-based index and number of shards, where the run is one.
    pub shard: Option<(u32, u32)>,
}

/// Whether a required rule may fail by accident; one by point estimate, or on a total, does not.
fn spends_error(assessed: &Assessed) -> bool {
    let Some(threshold) = &assessed.metric.threshold else { return false };
    threshold.is_in_family() && assessed.metric.method != "exact"
}

/// The rows as they stand next to each other: a failure that is likely by chance among so many required rules becomes
/// undecided (Holm). A pass needs no correction, since all must pass.
pub fn settle_failures(mut assessed: Vec<Assessed>) -> Vec<Metric> {
    let family: Vec<u32> = assessed.iter().filter(|one| spends_error(one)).map(|one| one.strength).collect();
    let mut stands = holm_over(&family).into_iter();
    for one in assessed.iter_mut().filter(|one| spends_error(one)) {
        let Some(alone) = one.metric.verdict else { continue };
        let (verdict, more) = settle(alone, stands.next().unwrap_or(false), family.len());
        one.metric.verdict = Some(verdict);
        if let (Some(reason), Some(more)) = (&mut one.metric.reason, more) {
            reason.push_str(&more);
        }
    }
    assessed.into_iter().map(|one| one.metric).collect()
}

/// The verdict, and all reasons with the deciding one first. Any doubt keeps the gate shut.
pub fn conclude(metrics: &[Metric], facts: &Facts) -> (Verdict, Vec<Reason>) {
    let mut lacking = lacking(facts);
    if !metrics.iter().any(|metric| metric.threshold.as_ref().is_some_and(|threshold| threshold.required)) {
        let text = "the policy has no required threshold: nothing can pass without a rule".to_owned();
        lacking.push(Reason { verdict: Verdict::Error, metric: None, text });
    }
    let mut reasons: Vec<(bool, Reason)> = lacking.into_iter().map(|reason| (true, reason)).collect();
    for metric in metrics {
        let (Some(threshold), Some(verdict), Some(text)) = (&metric.threshold, metric.verdict, &metric.reason) else {
            continue;
        };
        let text = if threshold.required { text.clone() } else { format!("{text} (not required)") };
        reasons.push((threshold.required, Reason { verdict, metric: Some(metric.name.clone()), text }));
    }
    let (verdict, mut reasons) = in_gravity(reasons);
    if facts.shard.is_some() && matches!(verdict, Verdict::Pass | Verdict::Fail) {
        // One shard has seen a part of the cases: it can neither pass nor fail the whole.
        reasons.sort_by_key(|reason| reason.verdict != Verdict::Inconclusive);
        return (Verdict::Inconclusive, reasons);
    }
    (verdict, reasons)
}

/// The gravest verdict of what counts, and all reasons with the deciding one first; what does not count decides nothing.
/// Error when nothing counts.
pub fn in_gravity(mut reasons: Vec<(bool, Reason)>) -> (Verdict, Vec<Reason>) {
    let worst = reasons.iter().filter(|(counts, _)| *counts).map(|(_, reason)| reason.verdict).min_by_key(|v| rank(*v));
    let verdict = worst.unwrap_or(Verdict::Error);
    reasons.sort_by_key(|(counts, reason)| (!counts, rank(reason.verdict)));
    (verdict, reasons.into_iter().map(|(_, reason)| reason).collect())
}

/// The reasons of a decision, to be decided on again with others: one that is graver than the decision did not count then.
pub fn decided((verdict, reasons): (Verdict, Vec<Reason>)) -> Vec<(bool, Reason)> {
    reasons.into_iter().map(|reason| (rank(reason.verdict) >= rank(verdict), reason)).collect()
}

/// The graver verdict first.
fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Error => 0,
        Verdict::Fail => 1,
        Verdict::Inconclusive => 2,
        Verdict::Pass => 3,
    }
}

/// What a run lacks, whatever its rules say of the rest.
pub fn lacking(facts: &Facts) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut say = |verdict, text: String| reasons.push(Reason { verdict, metric: None, text });
    let Facts { expected, finished, errors, unscored, error_budget, shard } = *facts;
    if expected == 0 {
        say(Verdict::Error, "there is no case to judge".to_owned());
    }
    if finished < expected {
        let text = format!("only {finished} of {expected} samples were drawn; run again with --resume");
        say(Verdict::Error, text);
    }
    if finished > 0 && errors == finished {
        say(Verdict::Error, format!("all {finished} samples ended in an error: the model gave no answer"));
    } else if finished > 0 && errors + unscored == finished {
        let text = format!("none of {finished} samples could be judged ({errors} in error, {unscored} unscored)");
        say(Verdict::Error, text);
    } else if over_budget(errors, expected, error_budget) {
        let budget = super::words::percent(error_budget);
        let text = format!("{errors} of {expected} samples ended in an error; the error budget is {budget}");
        say(Verdict::Error, text);
    }
    if let Some((index, count)) = shard {
        say(Verdict::Inconclusive, format!("this is shard {index} of {count}: `llmci merge` judges the whole"));
    }
    reasons
}

#[expect(clippy::cast_precision_loss, reason = "sample counts are far below 2^53")]
fn over_budget(errors: u64, expected: u64, budget: f64) -> bool {
    // A budget that is no number allows nothing.
    let allowed = if budget.is_finite() { budget.clamp(0.0, 1.0) } else { 0.0 };
    errors as f64 > allowed * expected as f64
}
