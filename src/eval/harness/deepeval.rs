//! Test runs of deepeval: `.latest_test_run.json`, or a test run by itself. What is not there is left out of the file, so that a
//! metric without a score, or a test without `success`, is nothing that passed.
//! Source: deepeval's documentation, and deepeval/test_run/test_run.py (a2e0d4c).

use std::path::Path;

use serde_json::Value;

use super::expect::Expect;
use super::lines::held;
use super::recorded::{Cases, Key, Recorded, row};
use super::value::{canonical, number};
use crate::document::{Problem, Problems};
use crate::eval::sample::{AssertionScore, Status};
use crate::eval::suite::Suite;
use crate::gate::Score;
use crate::trust::{Digest, Hasher};

/// Reads a test run.
pub(super) fn read(path: &Path, shown: &str, expect: &Expect<'_>) -> Result<Vec<Suite>, Problems> {
    let (document, digest) = held(path, shown)?;
    expect.fresh(path, shown, None)?;
    let problem = |message: String| Problem::of_file(shown, message);
    let run = match document.get("testRunData") {
        Some(run) if run.is_object() => run,
        Some(_) => return Err(problem("`testRunData` is no object".to_owned()).into()),
        None => &document,
    };
    let list = |key: &str| run.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let tests = list("testCases").iter().chain(list("conversationalTestCases"));
    let mut cases = Cases::new(&expect.suite(None, "deepeval"), shown);
    let (mut passed, mut failed) = (0, 0);
    for (index, test) in tests.enumerate() {
        let at = |message: String| problem(format!("test case {index}: {message}"));
        let recorded = recorded(test).map_err(at)?;
        match recorded.status {
            Status::Passed => passed += 1,
            Status::Failed | Status::Unscored | Status::Error => failed += 1,
        }
        cases.add(key(test, index), recorded).map_err(at)?;
    }
    let said = |key: &str| run.get(key).and_then(Value::as_u64);
    let total = said("testPassed").zip(said("testFailed")).map(|(one, other)| one.saturating_add(other));
    match total {
        Some(total) if total != passed + failed => {
            let message = format!("the run holds {} tests, and its own counts say {total}", passed + failed);
            Err(problem(message).help("tests are missing or added: run deepeval again").into())
        }
        None if expect.samples.is_none() => {
            let help = "the run may have been interrupted; say how many tests there must be with `samples:`";
            Err(problem("the run does not say how many tests there were".to_owned()).help(help).into())
        }
        Some(_) | None => Ok(vec![cases.finish(digest, Vec::new(), Vec::new())?]),
    }
}

fn key(test: &Value, index: usize) -> Key {
    let of = |key: &str| test.get(key).map(canonical).unwrap_or_default();
    let mut prompt = Hasher::new();
    let mut expected = Hasher::new();
    ["input", "context", "turns", "scenario"].iter().for_each(|key| {
        prompt.part(of(key).as_bytes());
    });
    expected.part(of("expectedOutput").as_bytes()).part(of("expectedOutcome").as_bytes());
    let (prompt, expected): (Digest, Digest) = (prompt.finish(), expected.finish());
    let name = test.get("name").and_then(Value::as_str).map_or_else(|| format!("test-{index}"), str::to_owned);
    Key {
        // Repeats have one name and one input.
        id: format!("{name}-{}", prompt.short()),
        cluster: None,
        prompt,
        expected,
        shown_prompt: test.get("input").and_then(Value::as_str).unwrap_or_default().to_owned(),
        line: 1,
    }
}

fn recorded(test: &Value) -> Result<Recorded, String> {
    let metrics = test.get("metricsData").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut rows: Vec<AssertionScore> = Vec::new();
    let (mut error, mut broken) = (None, false);
    for metric in metrics {
        let name = text(metric, "name").ok_or("a metric without a name")?;
        error = error.or_else(|| text(metric, "error").filter(|text| !text.is_empty()));
        let success = metric.get("success").and_then(Value::as_bool);
        broken |= success == Some(false);
        let holds = success.map(|holds| f64::from(u8::from(holds)));
        let why = text(metric, "reason").unwrap_or_default();
        rows.push(row(&name, None, 1.0, holds, &why));
        rows.push(row(&name, Some(&name), 0.0, metric.get("score").and_then(number), ""));
    }
    let success = test.get("success").and_then(Value::as_bool);
    let open = rows.iter().any(|row| row.metric.is_none() && row.score.is_none());
    let status = match success {
        Some(true) if broken => return Err("it passed, and a metric of it did not".to_owned()),
        _ if error.is_some() => Status::Error,
        Some(true) if rows.is_empty() => Status::Unscored,
        Some(true) if open => Status::Unscored,
        Some(true) => Status::Passed,
        Some(false) => Status::Failed,
        None => Status::Unscored,
    };
    let score = match status {
        Status::Passed => Some(Score::ONE),
        Status::Failed => Some(Score::ZERO),
        Status::Unscored | Status::Error => None,
    };
    Ok(Recorded {
        status,
        score,
        rows,
        values: Vec::new(),
        answer: text(test, "actualOutput"),
        error,
        latency_ms: test.get("runDuration").and_then(number).map(|seconds| seconds * 1000.0),
        cost_usd: test.get("evaluationCost").and_then(number).filter(|cost| *cost > 0.0),
        usage: None,
    })
}
