//! `rubricPrompt`: a judge's prompt in the config's own words, as promptfoo 0.121.20 renders it.
//! Kept out: what is asked where there is none.

use serde_json::{Map, Value};

use super::super::assert::{Frame, Given, Thrown, rendered_text};

/// The assertion's own prompt, else the test's.
pub(super) fn prompt<'a>(given: &Given<'a>) -> Option<&'a Value> {
    let own = given.assertion.rubric_prompt.as_ref().filter(|prompt| is_one(prompt));
    own.or_else(|| given.frame.test.options.get("rubricPrompt").filter(|prompt| is_one(prompt)))
}

fn is_one(prompt: &Value) -> bool {
    match prompt {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Array(_) => true,
    }
}

/// What a prompt sees beside what its type gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sees {
    /// The test's vars.
    Vars,
    /// Nothing. Source: promptfoo 0.121.20, which shows no vars to the prompts of `g-eval`, `context-relevance` and `answer-relevance`.
    Nothing,
}

/// Renders a prompt over what its type gives it, and over the test's vars where it sees them. A prompt that is JSON stays JSON, whatever the vars hold: its texts are
/// rendered one by one.
pub(super) fn rendered(
    given: &Given<'_>,
    prompt: &Value,
    sees: Sees,
    further: Vec<(&str, Value)>,
) -> Result<String, Thrown> {
    let frame = given.frame;
    let mut test = frame.test.clone();
    test.vars = match sees {
        Sees::Vars => test.vars.into_iter().map(|(name, value)| (name, flat(value))).collect(),
        Sees::Nothing => Map::new(),
    };
    test.vars.extend(further.into_iter().map(|(name, value)| (name.to_owned(), flat(value))));
    let frame = Frame {
        test: &test,
        subject: frame.subject,
        response: frame.response,
        provider_output: frame.provider_output.clone(),
    };
    let parsed = match prompt {
        Value::String(text) => serde_json::from_str(text).ok(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Some(prompt.clone()),
    };
    match (parsed, prompt) {
        (Some(value), _) => Ok(each(value, &frame)?.to_string()),
        (None, Value::String(text)) => rendered_text(text, &frame),
        (None, _) => Err(Thrown::new("`rubricPrompt` is no text")),
    }
}

fn each(value: Value, frame: &Frame<'_>) -> Result<Value, Thrown> {
    Ok(match value {
        Value::String(text) => Value::String(rendered_text(&text, frame)?),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| each(item, frame)).collect::<Result<_, _>>()?),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| Ok((name, each(value, frame)?)))
                .collect::<Result<Map<String, Value>, Thrown>>()?,
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    })
}

/// An object stands in a prompt as JSON, also as an item of a list.
fn flat(value: Value) -> Value {
    match value {
        Value::Object(_) => Value::String(value.to_string()),
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|item| if item.is_array() || item.is_object() { item.to_string().into() } else { item })
                .collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// A text as a template sees it: what is JSON is what it says.
pub(super) fn seen(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}
