//! A metric as a row of a table: the same words on every surface.

use super::{EarlyStopInfo, RunInfo, ServerInfo};
use crate::gate::{DecideBy, Direction, Metric, Stage, Unit, Verdict, amount, known_metric, percent};

/// A metric's cells.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) interval: String,
    pub(super) n: String,
    pub(super) rule: String,
}

/// The cells of a metric.
pub(super) fn row(metric: &Metric) -> Row {
    let unit = known_metric(metric.name.as_str()).map_or(Unit::Share, |known| known.unit);
    let show = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| amount(value, unit));
    let interval = match (metric.low, metric.high) {
        (Some(low), Some(high)) if metric.method != "exact" => {
            format!("{} to {}", amount(low, unit), amount(high, unit))
        }
        (Some(low), None) => format!("at least {}", amount(low, unit)),
        (None, Some(high)) => format!("at most {}", amount(high, unit)),
        (Some(_), Some(_)) => "exact".to_owned(),
        (None, None) => "-".to_owned(),
    };
    let scope = metric.scope.as_ref().map(|scope| format!(" [{scope}]")).unwrap_or_default();
    let unscored = if metric.unscored > 0 { format!(" ({} missing)", metric.unscored) } else { String::new() };
    Row {
        name: format!("{}{scope}", metric.name),
        value: show(metric.value),
        interval: format!("{interval}{}", stage_words(metric.stage, metric.confidence)),
        n: format!("{}{unscored}", metric.n),
        rule: rule(metric, unit),
    }
}

/// What an interval is, where it is not the usual one.
pub(super) fn stage_words(stage: Option<Stage>, confidence: f64) -> String {
    match stage {
        Some(Stage { look, of }) => format!(" (stage-wise {}, look {look}/{of})", percent(confidence)),
        None => String::new(),
    }
}

/// What stopping early has saved, in a sentence.
pub(super) fn early_stop(run: &RunInfo) -> Option<String> {
    let EarlyStopInfo { look, looks, planned_samples, judged_samples, not_judged, saved_samples } = run.early_stop?;
    if saved_samples == 0 && not_judged == 0 {
        return Some(format!("no sample saved by stopping early: the verdict needed all {looks} looks"));
    }
    let under_way = match not_judged {
        0 => String::new(),
        some => format!(", {some} under way at the stop and not judged"),
    };
    Some(format!(
        "stopped early at look {look} of {looks}: {saved_samples} of {planned_samples} samples saved, {judged_samples} judged{under_way}"
    ))
}

/// What was seen of each server that the run has started, in a sentence each.
pub(super) fn servers(run: &RunInfo) -> Vec<String> {
    let sentence = |server: &ServerInfo| {
        let ServerInfo { name, ready_seconds, peak_gpu_memory_bytes, trouble } = server;
        let ready =
            ready_seconds.map_or_else(|| "was not ready".to_owned(), |seconds| format!("ready after {seconds:.1} s"));
        #[expect(clippy::cast_precision_loss, reason = "a memory of 2^53 bytes is far away")]
        let peak =
            peak_gpu_memory_bytes.map(|bytes| format!(", at most {:.1} GB of GPU memory in use", bytes as f64 / 1e9));
        let trouble = trouble.as_ref().map(|trouble| format!("; {}", trouble.raw())).unwrap_or_default();
        format!("server {name}: {ready}{}{trouble}", peak.unwrap_or_default())
    };
    run.servers.iter().map(sentence).collect()
}

/// A verdict as a word that needs no colour.
pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "FAIL",
        Verdict::Inconclusive => "INCONCLUSIVE",
        Verdict::Error => "ERROR",
    }
}

fn rule(metric: &Metric, unit: Unit) -> String {
    let Some(threshold) = &metric.threshold else { return String::new() };
    let (sign, bound) = match metric.direction {
        Direction::Higher => (">=", threshold.min),
        Direction::Lower => ("<=", threshold.max),
    };
    let bound = bound.map_or_else(|| "?".to_owned(), |bound| amount(bound, unit));
    let how = match threshold.decide_by {
        DecideBy::Interval => "",
        DecideBy::Point => " (point)",
    };
    let required = if threshold.required { "" } else { ", not required" };
    format!("{sign} {bound}{how}{required}")
}

/// Rows that need a reader first: broken, then undecided, then the rest, each in their order.
pub(super) fn in_order(metrics: &[Metric]) -> Vec<&Metric> {
    let rank = |metric: &Metric| match metric.verdict {
        Some(Verdict::Error) => 0,
        Some(Verdict::Fail) => 1,
        Some(Verdict::Inconclusive) => 2,
        Some(Verdict::Pass) => 3,
        None => 4,
    };
    let mut ordered: Vec<&Metric> = metrics.iter().collect();
    ordered.sort_by_key(|metric| rank(metric));
    ordered
}
