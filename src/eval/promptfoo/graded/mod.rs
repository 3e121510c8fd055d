//! Assertions that need a model, another interpreter or a server. One family a file; this file holds which type is whose.
//! Kept out: all other types (`assert`).
//!
//! Whether an answer passes, and with which score, is decided as promptfoo 0.121.20 decides it from what a judge says. How a judge
//! is asked is ours: in our own words, with everything that a model has written in a fence, and for one JSON object. A judge
//! that says nothing, or nothing of that form twice, has not judged: the test ends in an error, and never passes.

mod asking;
mod best;
mod context;
mod custom;
mod factual;
mod interpreter;
mod relevance;
mod rubric;
mod similar;
mod webhook;

use serde_json::Value;

use super::assert::{Given, Graded, Thrown};
use crate::trust::Untrusted;

pub(super) use best::best;
pub(super) use interpreter::{Call, TIME_LIMIT, outcome_of, printed_by, result_of, value_of};

/// Judges by a type that `assert` does not know itself.
pub(super) async fn judge_one(given: &Given<'_>) -> Result<Graded, Thrown> {
    match given.assertion.kind {
        "llm-rubric" => rubric::llm_rubric(given).await,
        "g-eval" => rubric::g_eval(given).await,
        "factuality" | "model-graded-factuality" => factual::factuality(given).await,
        "model-graded-closedqa" => factual::closed_qa(given).await,
        "context-recall" => context::recall(given).await,
        "context-relevance" => context::relevance(given).await,
        "context-faithfulness" => context::faithfulness(given).await,
        "conversation-relevance" => relevance::conversation(given).await,
        "answer-relevance" => relevance::answer(given).await,
        "similar" | "similar:cosine" | "similar:dot" | "similar:euclidean" => similar::similar(given).await,
        "python" | "ruby" => interpreter::judged(given).await,
        "webhook" => webhook::webhook(given).await,
        kind => Err(Thrown::new(format!("assertions of type `{kind}` cannot be judged here"))),
    }
}

/// A verdict with its own reason, also where it holds.
fn said(pass: bool, score: f64, reason: impl Into<Untrusted>) -> Graded {
    Graded { pass, score, reason: reason.into(), named: Vec::new() }
}

/// At a threshold or above, with the tolerance that promptfoo gives to sums of floating-point numbers (`Number.EPSILON`).
fn reaches(score: f64, threshold: f64) -> bool {
    score >= threshold - f64::EPSILON
}

/// The share of so many among so many; of none, 0.
fn share(part: usize, all: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of statements are small")]
    let (part, all) = (part as f64, all as f64);
    if all > 0.0 { part / all } else { 0.0 }
}

/// For types before which promptfoo 0.121.20 does not look at `not-`: it would judge as if it were not there.
fn without_not(given: &Given<'_>) -> Result<(), Thrown> {
    if given.not() {
        let kind = given.assertion.kind;
        return Err(Thrown::new(format!(
            "promptfoo takes no notice of `not-` before `{kind}`, so `not-{kind}` would judge as `{kind}` does: take it away, or \
             write an `llm-rubric` that says what you mean"
        )));
    }
    Ok(())
}

/// The value where a type needs a text.
fn text_value<'a>(given: &'a Given<'_>) -> Result<&'a str, Thrown> {
    match &given.value {
        Some(Value::String(text)) => Ok(text),
        Some(_) | None => Err(Thrown::new(format!("`{}` needs a text as `value`", given.assertion.kind))),
    }
}
