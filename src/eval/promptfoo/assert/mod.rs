//! What each type of assertion looks at. One family a file; this file holds what they are given and what they say, and which type is
//! whose. Kept out: how several become one verdict (`judge`), types that need a model (`graded`).

mod code;
mod context;
mod given;
mod html;
mod html_read;
mod json;
mod meteor;
mod ngram;
mod porter;
mod refusal;
mod rouge;
mod schema;
mod sql;
mod sql_tables;
mod telemetry;
mod text;
mod tools;
mod xml;
mod xml_find;

use serde_json::Value;

pub(super) use code::{judgement, transformed, transformed_for_test};
pub(super) use context::context;
pub(super) use given::{Frame, Output, is_space, json_of, number_of, number_text, rendered_text, string_of, trimmed};

use super::graded;
use super::test::{Assertion, Code};
use crate::trust::Untrusted;

/// What one assertion said.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Graded {
    /// Whether it holds.
    pub pass: bool,
    /// 0 to 1 as a rule; scripts may say anything.
    pub score: f64,
    /// Why, in words.
    pub reason: Untrusted,
    /// Named scores of a script or a model, each with its weight (1 unless said).
    pub named: Vec<(String, f64, f64)>,
}

impl Graded {
    /// One or zero, and why.
    pub(super) fn holds(holds: bool, why: impl Into<String>) -> Self {
        Self::scored(holds, if holds { 1.0 } else { 0.0 }, why)
    }

    /// A score of its own.
    pub(super) fn scored(pass: bool, score: f64, why: impl Into<String>) -> Self {
        let reason = if pass { "Assertion passed".to_owned() } else { why.into() };
        Self { pass, score, reason: Untrusted::new(reason), named: Vec::new() }
    }

    /// Of a failure to judge that promptfoo counts as a failed assertion, also under `not-`.
    pub(super) fn failed(why: impl Into<String>) -> Self {
        Self { pass: false, score: 0.0, reason: Untrusted::new(why), named: Vec::new() }
    }
}

/// An assertion that throws: the row is an error, and no failure.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Thrown(pub(super) Untrusted);

impl Thrown {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(Untrusted::new(why))
    }
}

/// One assertion with everything that it is judged by.
pub(super) struct Given<'a> {
    /// The assertion.
    pub assertion: &'a Assertion,
    /// Its value: templates rendered, a script's result in its place; none where it has none.
    pub value: Option<Value>,
    /// The script, where the assertion's own language judges by it (`javascript`, `python`, `ruby`): not yet run.
    pub code: Option<&'a Code>,
    /// The output after the transforms.
    pub output: &'a Output,
    /// What is around it.
    pub frame: &'a Frame<'a>,
}

impl Given<'_> {
    /// The value as text: JavaScript's `String(value)`.
    pub(super) fn value_text(&self) -> String {
        self.value.as_ref().map(given::string_of).unwrap_or_else(|| "undefined".to_owned())
    }

    /// Whether it was written with `not-`.
    pub(super) fn not(&self) -> bool {
        self.assertion.not
    }

    /// Holds or does not, inverted under `not-`.
    pub(super) fn decided(&self, holds: bool, why: impl Into<String>) -> Graded {
        Graded::holds(holds != self.not(), why)
    }
}

/// Judges one assertion: its transform first, then its value, then what its type looks at.
pub(super) async fn judge_one(assertion: &Assertion, output: &Output, frame: &Frame<'_>) -> Result<Graded, Thrown> {
    let transformed = match &assertion.transform {
        Some(code) => Some(code::transformed(code, output, frame).await?),
        None => None,
    };
    let output = transformed.as_ref().unwrap_or(output);
    let (value, code) = match given::value(assertion, output, frame).await? {
        given::Valued::Plain(value) => (value, None),
        given::Valued::Code(code) => (None, Some(code)),
        given::Valued::Failed(graded) => return Ok(weightless(assertion, graded)),
    };
    let given = Given { assertion, value, code, output, frame };
    let graded = by_type(&given).await?;
    Ok(weightless(assertion, graded))
}

/// An assertion of weight 0 always holds.
fn weightless(assertion: &Assertion, graded: Graded) -> Graded {
    if assertion.weight == 0.0 { Graded { pass: true, ..graded } } else { graded }
}

async fn by_type(given: &Given<'_>) -> Result<Graded, Thrown> {
    match given.assertion.kind {
        "equals" => text::equals(given),
        "contains" | "icontains" => text::contains(given),
        "contains-any" | "icontains-any" => text::contains_any(given),
        "contains-all" | "icontains-all" => text::contains_all(given),
        "starts-with" => text::starts_with(given),
        "regex" => text::regex(given),
        "levenshtein" => text::levenshtein(given),
        "word-count" => text::word_count(given),
        "javascript" => code::javascript(given),
        "is-json" => json::is_json(given),
        "contains-json" => json::contains_json(given),
        "is-xml" => xml::is_xml(given),
        "contains-xml" => xml::contains_xml(given),
        "is-html" => html::is_html(given),
        "contains-html" => html::contains_html(given),
        "is-sql" => sql::is_sql(given),
        "contains-sql" => sql::contains_sql(given),
        "is-valid-function-call" | "is-valid-openai-function-call" => tools::function_call(given),
        "is-valid-openai-tools-call" => tools::tools_call(given),
        "tool-call-f1" => tools::f1(given),
        "finish-reason" => telemetry::finish(given),
        "guardrails" => telemetry::guardrails(given),
        "latency" => telemetry::latency(given),
        "cost" => telemetry::cost(given),
        "perplexity" => telemetry::perplexity(given),
        "perplexity-score" => telemetry::perplexity_score(given),
        "is-refusal" => telemetry::is_refusal(given),
        "rouge-n" => rouge::rouge(given),
        "bleu" => ngram::bleu(given),
        "gleu" => ngram::gleu(given),
        "meteor" => meteor::meteor(given),
        _ => graded::judge_one(given).await,
    }
}
