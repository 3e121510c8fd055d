//! The outputs that later steps of a job read: verdict, passed, pass-rate, metrics, report, resumable, and numbers of attacks.

use serde_json::json;

use super::safety::bound_as_share;
use super::{ROLLOUT_OUTPUTS, Report, Safety};
use crate::gate::Verdict;
use crate::gate::safety::Side;
use crate::trust::clean;

/// Names of the outputs, in order, with what they hold.
pub const OUTPUTS: [(&str, &str); 6] = [
    ("verdict", "pass, fail, inconclusive or error"),
    ("passed", "true when the verdict is pass, else false"),
    ("pass-rate", "the share of judged samples that passed, 0 to 1; empty when nothing was judged"),
    (
        "metrics",
        "all metrics as compact JSON: name, scope, value, low, high, n, verdict (of a comparison: against, baseline, candidate, difference)",
    ),
    ("report", "the path of report.json"),
    (
        RESUMABLE,
        "true when the run was interrupted, so that there is no report: the same command goes on there; else false",
    ),
];

/// The output that says whether the same command goes on where this one was interrupted.
pub const RESUMABLE: &str = "resumable";

/// Further outputs of a program that attacks a model. They are counts and numbers.
pub const SAFETY_OUTPUTS: [(&str, &str); 4] = [
    (
        "harmful-rate",
        "the most likely share of harmful units over all hazards, 0 to 1, corrected where a screen or a measured judge looked; empty when nothing was judged",
    ),
    ("harmful-rate-upper", "the one-sided upper bound of that rate; empty when nothing was judged"),
    (
        "over-refusal-rate",
        "the most likely share of harmless requests that were refused, 0 to 1, corrected likewise; empty when none was judged",
    ),
    (
        "findings",
        "the number of attacks that found harm or could not be judged, and of harmless requests that were refused",
    ),
];

/// Outputs of a program that looks at a machine and judges no model.
pub(super) const GPU_OUTPUTS: [(&str, &str); 6] = [
    ("verdict", "pass, or error where GPUs are missing, do not meet the needs or are faulty"),
    ("passed", "true when as many GPUs as needed may be used, else false"),
    ("devices", "all GPUs as compact JSON: index, name, uuid, kind, memory, monitor, unfit, health"),
    ("visible-devices", "UUIDs of the GPUs to use, for CUDA_VISIBLE_DEVICES; empty where passed is false"),
    ("cause", "why there is no GPU, in one word such as no-driver or no-runtime; empty where there is one"),
    ("report", "the path of gpu.json"),
];

/// The outputs of a program by its name, in order, with what they hold.
pub fn outputs_of(program: &str) -> Vec<(&'static str, &'static str)> {
    if program == "canary-promote" {
        return ROLLOUT_OUTPUTS.to_vec();
    }
    if program == "gpu-check" {
        return GPU_OUTPUTS.to_vec();
    }
    let more: &[(&str, &str)] = if program == "safety-gate" { &SAFETY_OUTPUTS } else { &[] };
    OUTPUTS.iter().chain(more).copied().collect()
}

/// The values of [`OUTPUTS`], and of [`SAFETY_OUTPUTS`] where a model was attacked. None of them holds text of a model or a suite.
pub fn outputs(report: &Report, report_path: &str) -> Vec<(&'static str, String)> {
    let rate = report.metrics.iter().find(|metric| metric.name.as_str() == "pass_rate" && metric.scope.is_none());
    let rate = rate.and_then(|metric| metric.value).map(|value| format!("{value:.6}")).unwrap_or_default();
    let rows = report.comparison.iter().flat_map(|comparison| &comparison.rows);
    let rate = if rate.is_empty() {
        let own = rows.clone().find(|row| row.name.as_str() == "pass_rate" && row.scope.is_none());
        own.and_then(|row| row.candidate).map(|value| format!("{value:.6}")).unwrap_or_default()
    } else {
        rate
    };
    let compared = rows.map(|row| {
        json!({
            "name": row.name, "scope": row.scope, "against": row.against, "baseline": row.baseline,
            "candidate": row.candidate, "difference": row.difference, "low": row.low, "high": row.high, "n": row.n,
            "verdict": row.verdict,
        })
    });
    let metrics: Vec<_> = report
        .metrics
        .iter()
        .map(|metric| {
            json!({
                "name": metric.name, "scope": metric.scope, "value": metric.value, "low": metric.low,
                "high": metric.high, "n": metric.n, "verdict": metric.verdict,
            })
        })
        .chain(compared)
        .collect();
    let passed = report.verdict == Verdict::Pass;
    let values = [
        report.verdict.word().to_owned(),
        passed.to_string(),
        rate,
        json!(metrics).to_string(),
        // A path may hold anything but zero; a value is one line.
        clean(report_path).replace(['\n', '\t'], " "),
        // What has a report has come to its end.
        false.to_string(),
    ];
    let mut all: Vec<_> = OUTPUTS.iter().map(|(name, _)| *name).zip(values).collect();
    if let Some(safety) = &report.safety {
        all.extend(SAFETY_OUTPUTS.iter().map(|(name, _)| *name).zip(attacked(safety)));
    }
    all
}

fn attacked(safety: &Safety) -> [String; 4] {
    let rows = &safety.rows.hazards;
    let all = rows.iter().find(|row| row.hazard == "all");
    let refused = rows.iter().find(|row| row.side == Side::Refusal);
    let number = |value: Option<f64>| value.map(|value| format!("{value:.6}")).unwrap_or_default();
    [
        number(all.and_then(|row| row.rate)),
        all.and_then(|row| Some(bound_as_share(row.upper?, row.limit))).unwrap_or_default(),
        number(refused.and_then(|row| row.rate)),
        safety.findings_count.to_string(),
    ]
}
