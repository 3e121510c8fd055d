//! Logs of OpenAI evals: events, one a line. Without a `final_report` the run crashed.
//! Source: openai/evals, evals/record.py (4bfc1f5).

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::expect::Expect;
use super::lines::Lines;
use super::recorded::{Cases, Key, Recorded, at, row};
use super::value::{canonical, number, object};
use crate::document::{Problem, Problems};
use crate::eval::sample::Status;
use crate::eval::suite::Suite;
use crate::gate::Score;
use crate::trust::Digest;

#[derive(Default)]
struct Sampled {
    line: u32,
    prompt: String,
    digest: Option<Digest>,
    expected: Value,
    answer: Option<String>,
    correct: Option<bool>,
    metrics: BTreeMap<String, Option<f64>>,
    error: Option<String>,
}

/// Reads a log.
pub(super) fn read(path: &Path, shown: &str, expect: &Expect<'_>) -> Result<Vec<Suite>, Problems> {
    expect.fresh(path, shown, None)?;
    let mut lines = Lines::open(path, shown)?;
    let (mut eval, mut report, mut limited, mut begun) = (None, None, false, false);
    let mut samples: BTreeMap<String, Sampled> = BTreeMap::new();
    while let Some((line, text)) = lines.next()? {
        let entry = object(shown, line, &text)?;
        if let Some(spec) = entry.get("spec") {
            if std::mem::replace(&mut begun, true) {
                return Err(at(shown, line, "a second run begins here: give the log of each by itself").into());
            }
            eval = spec.get("eval_name").and_then(Value::as_str).map(str::to_owned);
            limited = spec.pointer("/run_config/max_samples").is_some_and(|most| !most.is_null());
        } else if let Some(last) = entry.get("final_report") {
            report = Some(last.clone());
        } else {
            event(&mut samples, &entry, line).map_err(|message| at(shown, line, message))?;
        }
    }
    let Some(report) = report.filter(Value::is_object) else {
        let help = "the run crashed, or is not at its end: run it again";
        return Err(Problem::of_file(shown, "the log has no `final_report`").help(help).into());
    };
    if limited && !expect.allow_limit {
        let help = "run the whole eval, or accept a part of it with `allow_limit: true`";
        return Err(Problem::of_file(shown, "the eval was run with `--max_samples`").help(help).into());
    }
    if !check(&samples, &report, shown)? && expect.samples.is_none() {
        let help = "say how many they are with `samples:`: without an accuracy of its own, the log does not show that they are all";
        return Err(Problem::of_file(shown, "the log does not say how many samples there were").help(help).into());
    }
    let mut cases = Cases::new(&expect.suite(eval.as_deref(), "evals"), shown);
    for (id, sampled) in samples {
        let line = sampled.line;
        let (key, recorded) = recorded(id, sampled);
        cases.add(key, recorded).map_err(|message| at(shown, line, message))?;
    }
    Ok(vec![cases.finish(lines.digest(), Vec::new(), Vec::new())?])
}

fn event(samples: &mut BTreeMap<String, Sampled>, entry: &Map<String, Value>, line: u32) -> Result<(), String> {
    let id = entry.get("sample_id").and_then(Value::as_str).ok_or("an event without `sample_id`")?;
    let data = entry.get("data").unwrap_or(&Value::Null);
    let sampled = samples.entry(id.to_owned()).or_insert_with(|| Sampled { line, ..Sampled::default() });
    match entry.get("type").and_then(Value::as_str) {
        Some("match") => {
            let correct =
                data.get("correct").and_then(Value::as_bool).ok_or("a match that is neither right nor wrong")?;
            if sampled.correct.replace(correct).is_some() {
                return Err("this sample was judged twice".to_owned());
            }
            sampled.expected = data.get("expected").cloned().unwrap_or_default();
        }
        Some("metrics") => {
            for (metric, value) in
                data.as_object().into_iter().flatten().filter(|(_, value)| !value.is_array() && !value.is_object())
            {
                sampled.metrics.insert(metric.clone(), number(value));
            }
        }
        Some("sampling") if sampled.digest.is_none() => {
            let prompt = data.get("prompt").unwrap_or(&Value::Null);
            sampled.prompt = prompt.as_str().map_or_else(|| prompt.to_string(), str::to_owned);
            sampled.digest = Some(Digest::of(canonical(prompt).as_bytes()));
            let first = data.get("sampled").map(|all| all.get(0).unwrap_or(all));
            sampled.answer = first.map(|text| text.as_str().map_or_else(|| text.to_string(), str::to_owned));
        }
        Some("error") => {
            sampled.error = Some(data.get("message").or(data.get("error")).map(Value::to_string).unwrap_or_default());
        }
        // Other events are not about what a sample is worth.
        Some(_) | None => {}
    }
    Ok(())
}

/// The report's own accuracy against the samples; false where there is nothing to compare.
fn check(samples: &BTreeMap<String, Sampled>, report: &Value, shown: &str) -> Result<bool, Problem> {
    let Some(said) = report.get("accuracy").and_then(Value::as_f64) else { return Ok(false) };
    let judged: Vec<bool> = samples.values().filter_map(|sampled| sampled.correct).collect();
    if judged.is_empty() {
        return Ok(false);
    }
    let right = judged.iter().filter(|right| **right).count();
    let found = crate::stats::float(right as u64) / crate::stats::float(judged.len() as u64);
    if (found - said).abs() > 1e-6 {
        let message = format!("the samples have an accuracy of {found}, and the report says {said}");
        return Err(Problem::of_file(shown, message).help("lines are missing or added: run the eval again"));
    }
    Ok(true)
}

fn recorded(id: String, sampled: Sampled) -> (Key, Recorded) {
    let Sampled { line, prompt, digest, expected, answer, correct, metrics, error } = sampled;
    let key = Key {
        prompt: digest.unwrap_or_else(|| Digest::of(id.as_bytes())),
        id,
        cluster: None,
        expected: Digest::of(canonical(&expected).as_bytes()),
        shown_prompt: prompt,
        line,
    };
    let mut rows = Vec::new();
    rows.extend(correct.map(|correct| row("match", Some("accuracy"), 1.0, Some(f64::from(u8::from(correct))), "")));
    // Which way a metric is better, and which of several decides, is not in the log: only a match says what is right.
    rows.extend(metrics.iter().map(|(name, value)| row("metrics", Some(name), 0.0, *value, "")));
    let score = correct.and_then(|_| rows.first()).and_then(|row| row.score);
    let status = match score {
        _ if error.is_some() => Status::Error,
        Some(score) if score == Score::ONE => Status::Passed,
        Some(_) => Status::Failed,
        None => Status::Unscored,
    };
    let score = score.filter(|_| status != Status::Error);
    let (latency_ms, cost_usd, usage, values) = (None, None, None, Vec::new());
    (key, Recorded { status, score, rows, values, answer, error, latency_ms, cost_usd, usage })
}
