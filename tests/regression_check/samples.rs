//! Samples as `eval-gate` writes them, and a run of `regression-check` on them.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{code, regression_check, report, text, write};

/// One sample of the suite `s` that passed or failed.
pub(crate) fn sample(case: &str, passed: bool) -> Value {
    let score = if passed { 1.0 } else { 0.0 };
    json!({
        "suite": "s", "case": case, "repeat": 0, "level": "evaluation", "tags": ["t"],
        "prompt_digest": format!("sha256:{:064x}", 1), "expected_digest": format!("sha256:{:064x}", 2),
        "status": if passed { "passed" } else { "failed" }, "score": score,
        "assertions": [{"assertion": "exact", "weight": 1.0, "score": score, "why": ""}],
        "answer": {"completion": {"text": "an answer", "finish": "stop"}},
        "latency_ms": 12.5, "attempts": 1, "cached": false
    })
}

/// `count` samples, of which the first `failed` failed.
pub(crate) fn run(failed: usize, count: usize) -> Vec<Value> {
    (0..count).map(|number| sample(&format!("c{number}"), number >= failed)).collect()
}

/// The same as lines.
pub(crate) fn lines(samples: &[Value]) -> String {
    samples.iter().map(|sample| format!("{sample}\n")).collect()
}

/// A folder with a run `base` and a run `cand`.
pub(crate) fn folder(baseline: &[Value], candidate: &[Value]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "base/samples.jsonl", &lines(baseline));
    write(folder.path(), "cand/samples.jsonl", &lines(candidate));
    folder
}

/// What came of a run of the program.
pub(crate) struct Found {
    pub(crate) code: i32,
    pub(crate) text: String,
    /// `report.json`, null where there is none.
    pub(crate) report: Value,
}

impl Found {
    /// The first reason.
    pub(crate) fn reason(&self) -> &str {
        self.report["reasons"][0]["text"].as_str().unwrap_or_default()
    }

    /// The first row of the comparison.
    pub(crate) fn row(&self) -> &Value {
        &self.report["comparison"]["rows"][0]
    }
}

/// Runs the program with these arguments and variables.
pub(crate) fn check_with(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Found {
    let output = regression_check(folder).args(arguments).envs(variables.iter().copied()).output().unwrap();
    let out = folder.join("llmci-regression");
    let report = if out.join("report.json").exists() { report(&out) } else { Value::Null };
    Found { code: code(&output), text: text(&output), report }
}

/// `cand` against `base`.
pub(crate) fn check(folder: &Path, more: &[&str]) -> Found {
    check_with(folder, &[&["--baseline", "base", "--candidate", "cand"], more].concat(), &[])
}

/// Writes a policy with these rules, and gives the arguments that name it.
pub(crate) fn policy(folder: &Path, regression: &str) -> [&'static str; 2] {
    write(folder, "llmci.yaml", &format!("version: 1\nregression:\n{regression}"));
    ["--policy", "llmci.yaml"]
}
