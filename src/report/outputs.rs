//! The outputs that later steps of a job read: verdict, passed, pass-rate, metrics, report.

use serde_json::json;

use super::Report;
use crate::gate::Verdict;
use crate::trust::clean;

/// Names of the outputs, in order, with what they hold.
pub const OUTPUTS: [(&str, &str); 5] = [
    ("verdict", "pass, fail, inconclusive or error"),
    ("passed", "true when the verdict is pass, else false"),
    ("pass-rate", "the share of judged samples that passed, 0 to 1; empty when nothing was judged"),
    (
        "metrics",
        "all metrics as compact JSON: name, scope, value, low, high, n, verdict (of a comparison: against, baseline, candidate, difference)",
    ),
    ("report", "the path of report.json"),
];

/// The values of [`OUTPUTS`]. None of them holds text of a model or a suite.
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
    ];
    OUTPUTS.iter().map(|(name, _)| *name).zip(values).collect()
}
