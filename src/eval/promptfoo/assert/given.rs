//! What an assertion is given: the output, its own value with everything rendered, and values as JavaScript writes them.
//! Kept out: what a type makes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Graded, Thrown, code};
use crate::eval::promptfoo::nunjucks;
use crate::eval::promptfoo::test::{self, Assertion, Code, Language, Test};
use crate::eval::scorer::Subject;

/// The output of a model after its transforms.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::eval::promptfoo) struct Output {
    /// As scripts see it.
    pub value: Value,
    /// As text: what is no text is written as JSON.
    pub text: String,
}

impl Output {
    /// Of a value.
    pub(in crate::eval::promptfoo) fn new(value: Value) -> Self {
        let text = match &value {
            Value::String(text) => text.clone(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => json_of(&value),
        };
        Self { value, text }
    }
}

/// What is around an assertion.
pub(in crate::eval::promptfoo) struct Frame<'a> {
    /// The test.
    pub test: &'a Test,
    /// The answer, its telemetry, and the judges.
    pub subject: Subject<'a>,
    /// The answer before any transform.
    pub response: &'a str,
    /// What the provider's own transform made of it.
    pub provider_output: Value,
}

impl Frame<'_> {
    /// What `env` shows in a template.
    pub(in crate::eval::promptfoo) fn environment(&self) -> &Arc<BTreeMap<String, String>> {
        &self.test.environment
    }
}

/// The value of an assertion.
pub(super) enum Valued<'a> {
    /// Rendered, or a script's result; none where there is none.
    Plain(Option<Value>),
    /// A script of the assertion's own language, which judges itself.
    Code(&'a Code),
    /// A script of Python or Ruby that failed: a failed assertion, no error, by promptfoo's rules.
    Failed(Graded),
}

/// Renders a template over the vars of a test.
pub(in crate::eval::promptfoo) fn rendered_text(text: &str, frame: &Frame<'_>) -> Result<String, Thrown> {
    nunjucks::render(text, &frame.test.vars, frame.environment())
        .map_err(|error| Thrown::new(format!("the template cannot be rendered: {error}")))
}

/// The value of an assertion: texts, and the texts of a list, are templates; a script's result takes the place of its reference.
pub(super) async fn value<'a>(
    assertion: &'a Assertion,
    output: &Output,
    frame: &Frame<'_>,
) -> Result<Valued<'a>, Thrown> {
    let code = match &assertion.value {
        test::Value::None => return Ok(Valued::Plain(None)),
        test::Value::Plain(value) => return Ok(Valued::Plain(Some(rendered(value, frame)?))),
        test::Value::Code(code) => code,
    };
    if matches!(assertion.kind, "javascript" | "python" | "ruby") {
        return Ok(Valued::Code(code));
    }
    let value = match code::value_of(code, output, frame, assertion).await {
        Ok(value) => value,
        Err(Thrown(why)) => {
            return match code.language {
                Language::JavaScript => Err(Thrown(why)),
                Language::Python | Language::Ruby => Ok(Valued::Failed(Graded::failed(why.into_raw()))),
            };
        }
    };
    let kind = assertion.kind;
    match &value {
        Some(Value::Bool(_)) => {
            Err(Thrown::new(format!("the script of a `{kind}` assertion gives a boolean, and no value")))
        }
        Some(Value::Object(fields)) if fields.contains_key("pass") => {
            Err(Thrown::new(format!("the script of a `{kind}` assertion gives a judgement, and no value")))
        }
        Some(_) | None => Ok(Valued::Plain(value)),
    }
}

fn rendered(value: &Value, frame: &Frame<'_>) -> Result<Value, Thrown> {
    Ok(match value {
        Value::String(text) => Value::String(rendered_text(text, frame)?),
        Value::Array(items) => {
            let item = |item: &Value| match item {
                Value::String(text) => rendered_text(text, frame).map(Value::String),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    Ok(item.clone())
                }
            };
            Value::Array(items.iter().map(item).collect::<Result<_, _>>()?)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.clone(),
    })
}

/// JavaScript's `String(value)`.
pub(in crate::eval::promptfoo) fn string_of(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.as_f64().map(number_text).unwrap_or_default(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let item = |item: &Value| if item.is_null() { String::new() } else { string_of(item) };
            items.iter().map(item).collect::<Vec<_>>().join(",")
        }
        Value::Object(_) => "[object Object]".to_owned(),
    }
}

/// JavaScript's `Number(value)`; NaN for what is none.
pub(in crate::eval::promptfoo) fn number_of(value: &Value) -> f64 {
    match value {
        Value::Null => 0.0,
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
        Value::Array(_) => number_of_text(&string_of(value)),
        Value::String(text) => number_of_text(text),
        Value::Object(_) => f64::NAN,
    }
}

fn number_of_text(text: &str) -> f64 {
    let text = trimmed(text);
    if text.is_empty() {
        return 0.0;
    }
    for (prefix, radix) in [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            // Also of a sign: `from_str_radix` takes one, JavaScript does not.
            let plain = digits.chars().all(|digit| digit.is_ascii_alphanumeric());
            return if plain {
                u64::from_str_radix(digits, radix).map_or(f64::NAN, |number| number as f64)
            } else {
                f64::NAN
            };
        }
    }
    match text.trim_start_matches(['+', '-']) {
        "Infinity" => return if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY },
        word if word.starts_with(|first: char| first.is_alphabetic()) => return f64::NAN,
        _ => {}
    }
    text.parse().unwrap_or(f64::NAN)
}

/// A number as JavaScript writes it.
pub(in crate::eval::promptfoo) fn number_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    // ECMA-262, Number::toString: the shortest digits, which Rust has too, and its own rules for where the point stands.
    let plain = number.abs();
    if (1e-6..1e21).contains(&plain) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        Some(_) | None => text,
    }
}

/// A value as `JSON.stringify` writes it: numbers in JavaScript's way.
pub(in crate::eval::promptfoo) fn json_of(value: &Value) -> String {
    match value {
        Value::Number(number) => number.as_f64().map(number_text).unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::String(_) => value.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(json_of).collect::<Vec<_>>().join(",")),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| format!("{}:{}", Value::from(key.as_str()), json_of(value));
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
        }
    }
}

/// JavaScript's white space: `\s`, and what `trim` takes away.
pub(in crate::eval::promptfoo) fn is_space(letter: char) -> bool {
    (letter.is_whitespace() && letter != '\u{85}') || letter == '\u{feff}'
}

/// JavaScript's `trim`.
pub(in crate::eval::promptfoo) fn trimmed(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `text.trim().split(/\s+/)`: of an empty text, one empty word.
pub(super) fn words(text: &str) -> Vec<&str> {
    let words: Vec<&str> = text.split(is_space).filter(|word| !word.is_empty()).collect();
    if words.is_empty() { vec![""] } else { words }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_javascript_writes_them() {
        let source = "return [String(value), JSON.stringify(value), String(Number(value))]";
        let values = [
            json!(0),
            json!(1.0),
            json!(-1.5),
            json!(1e21),
            json!(123456789012345680000.0),
            json!(1e-7),
            json!(1.5e-9),
            json!(0.000001),
            json!(1e300),
            json!(-0.0),
            json!(0.1),
            json!(9007199254740993_u64),
            json!("a"),
            json!(" 12 "),
            json!("0x1f"),
            json!("-0x1f"),
            json!("1e3"),
            json!("1_0"),
            json!("Infinity"),
            json!("-Infinity"),
            json!("inf"),
            json!("NaN"),
            json!(""),
            json!("."),
            json!("5."),
            json!([]),
            json!([1]),
            json!([1, null, [2, "x"]]),
            json!({"a": 1.0, "b": [1e21]}),
            json!(null),
            json!(true),
            json!("\u{feff}7\u{a0}"),
            json!("line\n\u{1}\u{2028}\u{7f}"),
        ];
        for value in values {
            let script = crate::eval::script::Script::new(source, crate::eval::script::Form::Body);
            let said = script.run(&[("value", value.clone())]).unwrap().into_value().unwrap();
            let ours = json!([string_of(&value), json_of(&value), number_text(number_of(&value))]);
            assert_eq!(ours, said, "{value}");
        }
    }
}
