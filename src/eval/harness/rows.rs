//! The rows of promptfoo's results, as they pass: every generation keeps them in a list below one or two keys.
//! Kept out: what a row means (`promptfoo` for attacks, `samples` for tests).
//! Source: promptfoo's documentation and its types (`EvaluateResult`, `EvaluateSummaryV3`), 0.112 to 0.121.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::lines::{Counted, broken};
use crate::document::Problem;
use crate::trust::Digest;

/// Takes what a file of results holds, in its order.
pub(super) trait Sink {
    /// One row, and its line.
    fn row(&mut self, row: &Row, line: u32) -> Result<(), String>;
    /// The file's own counts.
    fn stats(&mut self, stats: Stats);
    /// What made the file.
    fn metadata(&mut self, metadata: &Value);
    /// When it was made.
    fn timestamp(&mut self, _when: &Value) {}
}

/// Walks a whole results file, row by row, and gives its digest.
pub(super) fn walk(path: &Path, shown: &str, results: &mut impl Sink) -> Result<Digest, Problem> {
    let (mut counted, line) = Counted::open(path, shown)?;
    let mut deserializer = serde_json::Deserializer::from_reader(&mut counted);
    let here = || line.get();
    let read = Top { results, here: &here }.deserialize(&mut deserializer);
    read.and_then(|()| deserializer.end()).map_err(|error| broken(shown, &error))?;
    Ok(counted.digest())
}

/// One row of any generation. Its parts are read by hand, since each version writes them a little differently.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Row {
    pub(super) id: Value,
    pub(super) success: Value,
    pub(super) failure_reason: Value,
    pub(super) grading_result: Value,
    pub(super) metadata: Value,
    pub(super) test_case: Value,
    pub(super) vars: Value,
    pub(super) prompt: Value,
    pub(super) response: Value,
    pub(super) provider_response: Value,
    pub(super) provider: Value,
    pub(super) test_idx: Value,
    pub(super) prompt_idx: Value,
    pub(super) prompt_id: Value,
    pub(super) score: Value,
    pub(super) named_scores: Value,
    pub(super) named_score_weights: Value,
    pub(super) latency_ms: Value,
    pub(super) cost: Value,
    pub(super) token_usage: Value,
    pub(super) error: Value,
    pub(super) description: Value,
}

/// How many rows there are by the file itself; older versions count errors as failures.
#[derive(Deserialize, Clone, Copy, Default)]
#[serde(default)]
pub(super) struct Stats {
    pub(super) successes: Option<u64>,
    pub(super) failures: Option<u64>,
    pub(super) errors: Option<u64>,
}

impl Stats {
    /// All rows; none where the file has no counts.
    pub(super) fn total(self) -> Option<u64> {
        let said = self.successes.zip(self.failures).map(|(one, other)| one.saturating_add(other));
        said.map(|said| said.saturating_add(self.errors.unwrap_or(0)))
    }
}

/// The answer as text; an answer that is an object is its JSON.
pub(super) fn answer(row: &Row) -> String {
    let of = |response: &Value| response.get("output").cloned();
    match of(&row.response).or_else(|| of(&row.provider_response)) {
        Some(Value::String(text)) => text,
        Some(Value::Null) | None => String::new(),
        Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))) => other.to_string(),
    }
}

/// What its model is called.
pub(super) fn provider(value: &Value) -> Option<&str> {
    let label = value.get("label").and_then(Value::as_str).filter(|label| !label.is_empty());
    label.or_else(|| value.get("id").and_then(Value::as_str)).or_else(|| value.as_str())
}

/// The file's outermost object, and the object under its `results`: both are walked for rows, counts and the version.
struct Top<'a, S> {
    results: &'a mut S,
    here: &'a dyn Fn() -> u32,
}

impl<'de, S: Sink> DeserializeSeed<'de> for Top<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Sink> Visitor<'de> for Top<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `results`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Top { results, here } = self;
        let mut keys = BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if !keys.insert(key.clone()) {
                return Err(A::Error::custom(format!("the key `{key}` is there twice")));
            }
            match key.as_str() {
                "results" => entries.next_value_seed(Top { results: &mut *results, here })?,
                "stats" => {
                    let stats = entries.next_value()?;
                    results.stats(stats);
                }
                "timestamp" | "createdAt" => {
                    let when: Value = entries.next_value()?;
                    results.timestamp(&when);
                }
                "metadata" => {
                    let metadata: Value = entries.next_value()?;
                    results.metadata(&metadata);
                }
                _ => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        let Top { results, here } = self;
        while rows.next_element_seed(OneRow { results: &mut *results, here })?.is_some() {}
        Ok(())
    }
}

struct OneRow<'a, S> {
    results: &'a mut S,
    here: &'a dyn Fn() -> u32,
}

impl<'de, S: Sink> DeserializeSeed<'de> for OneRow<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // The reader has come to the row's first letter, and no further.
        let line = (self.here)();
        let row = Row::deserialize(deserializer)?;
        self.results.row(&row, line).map_err(D::Error::custom)
    }
}
