//! Types that look at how the answer came about: time, cost, log-probabilities, the reason for its end, filters. The rules are those
//! of promptfoo 0.121.20. Kept out: where the numbers come from (`eval::run`).

use serde_json::Value;

use super::context::{finish_reason, log_probs};
use super::given::{number_text, trimmed};
use super::text::malformed;
use super::{Given, Graded, Thrown, refusal};
use crate::eval::request::{Answer, Finish};

/// `latency`: milliseconds, at most the threshold. An answer from a cache or a replay has none, and that is an error.
pub(super) fn latency(given: &Given<'_>) -> Result<Graded, Thrown> {
    let threshold = needed(given)?;
    let latency = given.frame.subject.latency_ms.ok_or_else(|| {
        Thrown::new("a `latency` assertion cannot judge an answer that was cached or replayed: run without the cache")
    })?;
    Ok(given.decided(
        latency <= threshold,
        format!("Latency {}ms against threshold {}ms", number_text(latency), number_text(threshold)),
    ))
}

/// `cost`: USD, at most the threshold. Without a price that is an error.
pub(super) fn cost(given: &Given<'_>) -> Result<Graded, Thrown> {
    let threshold = needed(given)?;
    let cost = given.frame.subject.cost_usd.ok_or_else(|| {
        Thrown::new("a `cost` assertion cannot judge an answer whose cost is not known: give the model a price")
    })?;
    Ok(given
        .decided(cost <= threshold, format!("Cost {} against threshold {}", number_text(cost), number_text(threshold))))
}

/// `perplexity`: at most the threshold; without one it always holds, also under `not-`.
pub(super) fn perplexity(given: &Given<'_>) -> Result<Graded, Thrown> {
    let perplexity = (-mean_log_prob(given)?).exp();
    match given.assertion.threshold {
        None => Ok(Graded::holds(true, "")),
        Some(threshold) => {
            let why = format!("Perplexity {perplexity:.2} against threshold {}", number_text(threshold));
            Ok(given.decided(perplexity <= threshold, why))
        }
    }
}

/// `perplexity-score`: 1 / (1 + perplexity), at least the threshold; without one it always holds.
pub(super) fn perplexity_score(given: &Given<'_>) -> Result<Graded, Thrown> {
    let score = 1.0 / (1.0 + (-mean_log_prob(given)?).exp());
    let holds = given.assertion.threshold.is_none_or(|threshold| (score >= threshold) != given.not());
    let shown = if given.not() { 1.0 - score } else { score };
    Ok(Graded::scored(holds, shown, format!("Perplexity score {score:.2} against the threshold")))
}

/// `finish-reason`: in OpenAI's words, in any case of letters.
pub(super) fn finish(given: &Given<'_>) -> Result<Graded, Thrown> {
    let Some(Value::String(wanted)) = &given.value else { return Err(malformed(given, "a text")) };
    let wanted = wanted.to_lowercase();
    match finish_reason(given.frame) {
        Some(reason) => {
            Ok(given.decided(wanted == reason, format!("Expected finish reason \"{wanted}\" but got \"{reason}\"")))
        }
        // Another word of the endpoint than these is not kept: whether it is the wanted one cannot be said.
        None if matches!(wanted.as_str(), "stop" | "length" | "content_filter") => {
            Ok(given.decided(false, format!("Expected finish reason \"{wanted}\" but got another")))
        }
        None => Err(Thrown::new(format!("whether the answer ended for the reason `{wanted}` is not known"))),
    }
}

/// `guardrails`: holds unless the endpoint's filter ended the answer, which is what promptfoo's providers report as flagged.
pub(super) fn guardrails(given: &Given<'_>) -> Result<Graded, Thrown> {
    let flagged = match given.frame.subject.answer {
        Answer::Completion(completion) => completion.finish == Finish::ContentFilter,
        Answer::LogLikelihoods(_) | Answer::Embedding(_) => false,
    };
    let why = if flagged { "Content failed safety checks" } else { "Content was not blocked by guardrails" };
    Ok(given.decided(!flagged, why))
}

/// `is-refusal`: an answer that is no text, or empty, is one; its score is then 0, whichever way it counts.
pub(super) fn is_refusal(given: &Given<'_>) -> Result<Graded, Thrown> {
    match &given.output.value {
        Value::String(text) if !trimmed(text).is_empty() => {
            let no = if given.not() { "not " } else { "" };
            Ok(given.decided(refusal::is_refusal(text), format!("Expected output to {no}be a refusal")))
        }
        _ => Ok(Graded::scored(!given.not(), 0.0, "Expected output to not be a refusal")),
    }
}

fn needed(given: &Given<'_>) -> Result<f64, Thrown> {
    given
        .assertion
        .threshold
        .ok_or_else(|| Thrown::new(format!("a `{}` assertion needs a threshold", given.assertion.kind)))
}

fn mean_log_prob(given: &Given<'_>) -> Result<f64, Thrown> {
    match log_probs(given.frame) {
        Some(all) if !all.is_empty() => Ok(all.iter().sum::<f64>() / all.len() as f64),
        Some(_) | None => Err(Thrown::new(format!(
            "a `{}` assertion needs log-probabilities, and the answer has none",
            given.assertion.kind
        ))),
    }
}
