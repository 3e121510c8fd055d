//! The `context` that scripts see. Kept out: the scripts.

use serde_json::{Map, Value, json};

use super::Frame;
use crate::eval::promptfoo::test::Assertion;
use crate::eval::request::{Answer, Finish};

/// The context of an assertion's script: `prompt`, `vars`, `test`, `provider`, `providerResponse`, `logProbs`, `config`, `metadata`.
/// Without the test's own assertions, and with the provider's id as a text.
pub(in crate::eval::promptfoo) fn context(frame: &Frame<'_>, assertion: &Assertion) -> Value {
    let test = frame.test;
    let mut shown = Map::new();
    let mut put = |key: &str, value: Value| shown.insert(key.to_owned(), value);
    put("prompt", Value::from(test.prompt.as_str()));
    put("vars", Value::Object(test.vars.clone()));
    put("test", about_test(frame));
    if let Some(log_probs) = log_probs(frame) {
        put("logProbs", json!(log_probs));
    }
    let (id, label) = &test.provider;
    put("provider", label.as_ref().map_or_else(|| json!({"id": id}), |label| json!({"id": id, "label": label})));
    put("providerResponse", response(frame));
    if let Some(config) = &assertion.config {
        put("config", config.clone());
    }
    Value::Object(shown)
}

/// The context of a transform: `vars` and the prompt.
pub(super) fn of_transform(frame: &Frame<'_>, raw: Raw) -> Value {
    let test = frame.test;
    let prompt = match raw {
        Raw::Shown => json!({"raw": test.prompt, "label": test.prompt_label}),
        Raw::Hidden => json!({"label": test.prompt}),
    };
    json!({"vars": test.vars, "prompt": prompt})
}

/// Whether a transform's context shows the prompt beside its label: those of a test do, those of an assertion have the prompt as
/// its label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Raw {
    Shown,
    Hidden,
}

/// Natural log-probabilities of the answer's tokens.
pub(super) fn log_probs<'a>(frame: &Frame<'a>) -> Option<&'a [f64]> {
    match frame.subject.answer {
        Answer::Completion(completion) => completion.token_log_probs.as_deref(),
        Answer::LogLikelihoods(_) | Answer::Embedding(_) => None,
    }
}

/// The reason for the answer's end in OpenAI's words, which promptfoo's providers use; none where the endpoint said another.
pub(super) fn finish_reason(frame: &Frame<'_>) -> Option<&'static str> {
    match frame.subject.answer {
        Answer::Completion(completion) => match completion.finish {
            Finish::Stop => Some("stop"),
            Finish::Length => Some("length"),
            Finish::ContentFilter => Some("content_filter"),
            Finish::Other => None,
        },
        Answer::LogLikelihoods(_) | Answer::Embedding(_) => None,
    }
}

fn about_test(frame: &Frame<'_>) -> Value {
    let test = frame.test;
    let mut shown = Map::new();
    if let Some(description) = &test.description {
        shown.insert("description".to_owned(), Value::from(description.as_str()));
    }
    shown.insert("vars".to_owned(), Value::Object(test.vars.clone()));
    shown.insert("options".to_owned(), Value::Object(test.options.clone()));
    shown.insert("metadata".to_owned(), Value::Object(test.metadata.clone()));
    if let Some(threshold) = test.threshold {
        shown.insert("threshold".to_owned(), json!(threshold));
    }
    Value::Object(shown)
}

fn response(frame: &Frame<'_>) -> Value {
    let subject = &frame.subject;
    let mut shown = Map::new();
    let mut put = |key: &str, value: Value| shown.insert(key.to_owned(), value);
    put("output", frame.provider_output.clone());
    put("raw", Value::from(frame.response));
    put("cached", Value::from(subject.cached));
    if let Some(cost) = subject.cost_usd {
        put("cost", json!(cost));
    }
    if let Some(usage) = subject.usage {
        let (prompt, completion) = (usage.prompt_tokens, usage.completion_tokens);
        put("tokenUsage", json!({"total": prompt + completion, "prompt": prompt, "completion": completion}));
    }
    if let Some(reason) = finish_reason(frame) {
        put("finishReason", Value::from(reason));
    }
    Value::Object(shown)
}
