//! Tests of promptfoo as samples. A row is an error only where promptfoo says so by `failureReason` 2: its `error` stands in
//! plain failures too. Rows of one test, prompt and provider are repeats of one case, since promptfoo does not number them.
//! Source: promptfoo's documentation and its types, 0.112 to 0.121. Kept out: red teams (`promptfoo`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::expect::{Expect, instant};
use super::lines::Lines;
use super::recorded::{Cases, Key, Recorded, at, row};
use super::rows::{self, Row, Sink, Stats, answer, provider};
use super::value::{canonical, name, number, object};
use crate::document::{Problem, Problems};
use crate::eval::request::Usage;
use crate::eval::sample::{AssertionScore, Status};
use crate::eval::suite::Suite;
use crate::gate::Score;
use crate::trust::{Digest, Hasher};

#[derive(Default)]
struct Tests {
    rows: u64,
    passed: u64,
    failed: u64,
    errors: u64,
    asserted: u64,
    seen: BTreeSet<String>,
    stats: Option<Stats>,
    written: Option<SystemTime>,
    found: BTreeMap<String, Vec<(Key, Recorded)>>,
}

/// Reads rows, one a line. They do not say how many they were: the policy must.
pub(super) fn read_rows(path: &Path, shown: &str, expect: &Expect<'_>) -> Result<Vec<Suite>, Problems> {
    let mut lines = Lines::open(path, shown)?;
    let mut tests = Tests::default();
    while let Some((line, text)) = lines.next()? {
        let parsed = serde_json::from_value(Value::Object(object(shown, line, &text)?));
        let parsed = parsed.map_err(|error| at(shown, line, format!("no row of promptfoo's results: {error}")))?;
        tests.row(&parsed, line).map_err(|message| at(shown, line, message))?;
    }
    if expect.samples.is_none() {
        let help = "say how many they are with `samples:`, or give promptfoo's JSON output";
        return Err(Problem::of_file(shown, "rows alone do not show that they are all").help(help).into());
    }
    tests.finish(lines.digest(), path, shown, expect)
}

/// Reads a whole results file.
pub(super) fn read(path: &Path, shown: &str, expect: &Expect<'_>) -> Result<Vec<Suite>, Problems> {
    let mut tests = Tests::default();
    let digest = rows::walk(path, shown, &mut tests)?;
    tests.check(shown)?;
    tests.finish(digest, path, shown, expect)
}

impl Sink for Tests {
    fn row(&mut self, row: &Row, line: u32) -> Result<(), String> {
        self.rows += 1;
        let provider = provider(&row.provider).unwrap_or_default().to_owned();
        if let Some(id) = row.id.as_str()
            && !self.seen.insert(id.to_owned())
        {
            return Err("this row is there twice".to_owned());
        }
        let status = status(row)?;
        match status {
            Status::Passed => self.passed += 1,
            Status::Failed | Status::Unscored => self.failed += 1,
            Status::Error => self.errors += 1,
        }
        let rows = assertions(row);
        self.asserted += u64::from(status == Status::Failed || !rows.is_empty());
        let score = number(&row.score).or_else(|| number(row.grading_result.get("score")?));
        let score = match status {
            Status::Passed | Status::Failed => score
                .and_then(|score| Score::new(score).ok())
                .or_else(|| row.score.is_null().then(|| Score::of(status == Status::Passed))),
            Status::Unscored | Status::Error => None,
        };
        let tokens = |key: &str| {
            let usage = row.token_usage.get(key).or_else(|| row.response.pointer(&format!("/tokenUsage/{key}")));
            usage.and_then(Value::as_u64)
        };
        let usage = tokens("prompt").zip(tokens("completion"));
        let cached = row.response.get("cached").and_then(Value::as_bool) == Some(true);
        let recorded = Recorded {
            status,
            score,
            rows,
            values: Vec::new(),
            answer: Some(answer(row)),
            error: row.error.as_str().map(str::to_owned),
            // What came out of the tool's cache took no time.
            latency_ms: number(&row.latency_ms).filter(|_| !cached && status != Status::Error),
            cost_usd: number(&row.cost).filter(|cost| *cost > 0.0),
            usage: usage.map(|(prompt_tokens, completion_tokens)| Usage { prompt_tokens, completion_tokens }),
        };
        self.found.entry(provider).or_default().push((key(row, line), recorded));
        Ok(())
    }

    fn stats(&mut self, stats: Stats) {
        self.stats = Some(stats);
    }

    fn metadata(&mut self, metadata: &Value) {
        let exported = metadata.get("exportedAt").and_then(Value::as_str).and_then(instant);
        self.written = exported.or(self.written);
    }

    fn timestamp(&mut self, when: &Value) {
        self.written = self.written.or_else(|| when.as_str().and_then(instant));
    }
}

impl Tests {
    /// The file's own counts against its rows.
    fn check(&self, shown: &str) -> Result<(), Problem> {
        let Some((stats, said)) = self.stats.and_then(|stats| Some((stats, stats.total()?))) else {
            let help = "give the file that promptfoo wrote with `-o results.json`, not the form that is shared";
            return Err(Problem::of_file(shown, "the file does not say how many rows there were").help(help));
        };
        let agrees = said == self.rows
            && stats.successes == Some(self.passed)
            && stats.errors.is_none_or(|errors| errors == self.errors);
        if agrees {
            return Ok(());
        }
        let message = format!(
            "the file holds {} rows ({} passed, {} failed, {} errors), and its own counts say otherwise ({said} rows, {} passed)",
            self.rows,
            self.passed,
            self.failed,
            self.errors,
            stats.successes.unwrap_or(0)
        );
        Err(Problem::of_file(shown, message).help("rows are missing or added: make the results again"))
    }

    fn finish(self, digest: Digest, path: &Path, shown: &str, expect: &Expect<'_>) -> Result<Vec<Suite>, Problems> {
        expect.fresh(path, shown, self.written)?;
        if self.rows > 0 && self.asserted == 0 {
            let help = "promptfoo passes a test without assertions; give the tests something to hold";
            return Err(Problem::of_file(shown, "no row has an assertion: nothing was tested").help(help).into());
        }
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let several = self.found.len() > 1;
        let mut suites = Vec::new();
        for (provider, found) in self.found {
            let own =
                several.then(|| if expect.name.is_some() { provider.clone() } else { format!("{stem}.{provider}") });
            let mut cases = Cases::new(&expect.suite(own.as_deref(), &stem), shown);
            for (key, recorded) in found {
                let line = key.line;
                cases.add(key, recorded).map_err(|message| at(shown, line, message))?;
            }
            let mut hasher = Hasher::new();
            hasher.part(digest.hex().as_bytes()).part(provider.as_bytes());
            suites.push(cases.finish(hasher.finish(), Vec::new(), Vec::new())?);
        }
        if suites.is_empty() {
            let help = "promptfoo ends with 0 when a filter leaves no test: nothing was tested, so nothing is shown";
            return Err(Problem::of_file(shown, "the results hold no test").help(help).into());
        }
        Ok(suites)
    }
}

/// How a row ended; what contradicts itself is no result.
fn status(row: &Row) -> Result<Status, String> {
    let success = row.success.as_bool().ok_or("a row without `success`")?;
    let graded = row.grading_result.get("pass").and_then(Value::as_bool);
    let said = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    // Generations before `failureReason` have no grade where the provider gave no answer.
    let unanswered = row.grading_result.is_null() && (said(&row.error) || row.response.get("error").is_some_and(said));
    match (row.failure_reason.as_u64(), success) {
        (Some(2), false) => Ok(Status::Error),
        (Some(1), false) => Ok(Status::Failed),
        (Some(0) | None, false) if unanswered => Ok(Status::Error),
        (Some(0) | None, false) => Ok(Status::Failed),
        (Some(0) | None, true) if graded == Some(false) => {
            Err("the row says that it passed, and its grading says that it did not".to_owned())
        }
        (Some(0) | None, true) => Ok(Status::Passed),
        (Some(other), _) => Err(format!("the row passed {success} and has the `failureReason` {other}")),
    }
}

/// What a test is, whichever repeat it is.
fn key(row: &Row, line: u32) -> Key {
    let of_test = |key: &str| row.test_case.get(key).cloned().unwrap_or_default();
    let vars = if row.vars.is_null() { of_test("vars") } else { row.vars.clone() };
    let test = json!([of_test("description"), vars, of_test("assert"), of_test("threshold")]);
    let test = Digest::of(canonical(&test).as_bytes());
    let raw = row.prompt.as_str().or_else(|| row.prompt.get("raw").and_then(Value::as_str)).unwrap_or_default();
    let label = row.prompt.get("label").cloned().unwrap_or_default();
    let mut prompt = Hasher::new();
    prompt.part(canonical(&label).as_bytes()).part(row.prompt_idx.to_string().as_bytes()).part(raw.as_bytes());
    let prompt = prompt.finish();
    let description = row.description.as_str().or_else(|| row.test_case.get("description").and_then(Value::as_str));
    let words = description.filter(|text| !text.is_empty()).map_or_else(|| "test".to_owned(), name);
    let words: String = words.chars().take(40).collect();
    let expected = Digest::of(canonical(&of_test("assert")).as_bytes());
    Key {
        id: format!("{words}-{}-{}", test.short(), prompt.short()),
        cluster: Some(test.short().to_owned()),
        prompt,
        expected,
        shown_prompt: raw.to_owned(),
        line,
    }
}

/// What the assertions of a row said. The children of an `assert-set` stand in it, and again beside it.
fn assertions(row: &Row) -> Vec<AssertionScore> {
    let parts = row.grading_result.get("componentResults").and_then(Value::as_array);
    let parts = parts.map_or(&[][..], Vec::as_slice);
    let mut twice: BTreeMap<String, u32> = BTreeMap::new();
    let children = parts.iter().filter_map(|part| part.get("componentResults").and_then(Value::as_array));
    for child in children.flatten() {
        *twice.entry(canonical(child)).or_default() += 1;
    }
    let mut rows = Vec::new();
    let mut named: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for part in parts {
        let is_set = part.get("componentResults").is_some();
        let kind = part.pointer("/assertion/type").and_then(Value::as_str).unwrap_or(if is_set {
            "assert-set"
        } else {
            "assertion"
        });
        let weight = part.pointer("/assertion/weight").or_else(|| part.pointer("/metadata/assertionSet/weight"));
        let weight = weight.and_then(number).unwrap_or(1.0);
        let score = part.get("score").and_then(number);
        if let (Some(metric), Some(score)) = (part.pointer("/assertion/metric").and_then(Value::as_str), score) {
            let sum = named.entry(metric.to_owned()).or_default();
            *sum = (sum.0 + score * weight, sum.1 + weight);
        }
        match twice.get_mut(&canonical(part)) {
            // It counts within its set.
            Some(left) if *left > 0 && !is_set => {
                *left -= 1;
                rows.push(self::row(kind, None, 0.0, score, reason(part)));
            }
            Some(_) | None => rows.push(self::row(kind, None, weight, score, reason(part))),
        }
    }
    let own = row.named_scores.as_object().or_else(|| row.grading_result.get("namedScores").and_then(Value::as_object));
    for (metric, value) in own.into_iter().flatten() {
        let is_mean = row.named_score_weights.is_object() || row.grading_result.get("namedScoreWeights").is_some();
        let counted = named.get(metric).filter(|(_, weight)| *weight > 0.0).map(|(sum, weight)| sum / weight);
        // Before there were weights, a named score was the sum of its parts.
        let value = if is_mean { number(value) } else { counted.or_else(|| number(value)) };
        rows.push(self::row("named", Some(metric), 0.0, value, ""));
    }
    rows
}

fn reason(part: &Value) -> &str {
    part.get("reason").and_then(Value::as_str).unwrap_or_default()
}
