//! `is-json` and `contains-json`: JSON as JavaScript reads it, and schemas as Ajv 8 takes them in its strict mode, which promptfoo
//! 0.121.20 uses. Kept out: what stands in a schema (`schema`).

use serde_json::Value;

use super::given::trimmed;
use super::schema::Schema;
use super::{Given, Graded, Thrown};
use crate::document::parse_yaml;
use crate::eval::script::{Form, Returned, Script};

/// The longest stretch of a text that is tried as one object, in characters.
const LONGEST: usize = 100_000;

/// `JSON.parse`. What our reader refuses and JavaScript may take (halves of surrogate pairs, numbers beyond every double, deep
/// nesting) is given to the engine.
pub(super) fn parse(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    if !trimmed(text).starts_with(|first: char| matches!(first, '{' | '[' | '"' | '-') || first.is_ascii_digit()) {
        return None;
    }
    let script = Script::new("return [JSON.parse(text)]", Form::Body);
    let list = script.run(&[("text", Value::from(text))]).ok().and_then(Returned::into_value);
    list.and_then(|list| list.get(0).cloned())
}

/// `is-json`: JSON, and by its schema where it has one.
pub(super) fn is_json(given: &Given<'_>) -> Result<Graded, Thrown> {
    let said = parse(&given.output.text);
    let (Some(said), Some(schema)) = (&said, schema(given)?) else {
        return Ok(given.decided(said.is_some(), "Expected output to be valid JSON"));
    };
    match schema.check(said) {
        None => Ok(given.decided(true, "Output is JSON that conforms to the provided schema")),
        Some(why) => Ok(given.decided(false, format!("JSON does not conform to the provided schema: {why}"))),
    }
}

/// `contains-json`: an object somewhere in the text, and by the schema where there is one. It is read as promptfoo reads it: as YAML
/// in braces, and what is cut off is closed.
pub(super) fn contains_json(given: &Given<'_>) -> Result<Graded, Thrown> {
    let objects = objects(&given.output.text);
    if objects.is_empty() {
        return Ok(given.decided(false, "Expected output to contain valid JSON"));
    }
    let Some(schema) = schema(given)? else {
        return Ok(given.decided(true, "Output contains JSON"));
    };
    // The first that conforms ends it; if none does, the last one is named.
    let mut why = String::new();
    for object in &objects {
        match schema.check(object) {
            None => return Ok(given.decided(true, "Output contains JSON conforming to the provided schema")),
            Some(wrong) => why = wrong,
        }
    }
    Ok(given.decided(false, format!("JSON does not conform to the provided schema: {why}")))
}

/// What keeps data from conforming to a schema; none where it does.
pub(super) fn check(schema: &Value, data: &Value) -> Result<Option<String>, Thrown> {
    Ok(Schema::new(schema)?.check(data))
}

/// The schema of an assertion: an object, or a text in YAML; none where its value is empty.
fn schema(given: &Given<'_>) -> Result<Option<Schema>, Thrown> {
    let kind = given.assertion.kind;
    match &given.value {
        None | Some(Value::Null | Value::Bool(false)) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::Number(number)) if number.as_f64() == Some(0.0) => Ok(None),
        Some(Value::String(text)) => {
            let read = parse_yaml("the schema", text)
                .map_err(|_| Thrown::new(format!("the schema of a `{kind}` assertion is no YAML")))?;
            Schema::new(read.value()).map(Some)
        }
        Some(value @ (Value::Object(_) | Value::Array(_))) => Schema::new(value).map(Some),
        Some(Value::Bool(true) | Value::Number(_)) => {
            Err(Thrown::new(format!("the schema of a `{kind}` assertion is a text or an object")))
        }
    }
}

/// Every object in braces, from the left; within one that was found, no other is looked for.
fn objects(text: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find('{')).map(|offset| at + offset) {
        match object(text.get(start..).unwrap_or_default()) {
            Some((value, length)) => {
                found.push(value);
                at = start + length;
            }
            None => at = start + 1,
        }
    }
    found
}

/// The object that a text begins with, and its length in bytes. A text that ends in the middle is closed.
fn object(text: &str) -> Option<(Value, usize)> {
    let mut open = 0_usize;
    let mut units = 0;
    for (at, letter) in text.char_indices() {
        units += letter.len_utf16();
        match letter {
            '{' => open += 1,
            '}' => open = open.saturating_sub(1),
            _ => {}
        }
        let end = at + letter.len_utf8();
        if open == 0 || end == text.len() || units >= LONGEST {
            let stretch = format!("{}{}", text.get(..end)?, "}".repeat(open));
            return read(&stretch).map(|value| (value, end));
        }
    }
    None
}

fn read(stretch: &str) -> Option<Value> {
    let value = parse(stretch).or_else(|| {
        let plain: Vec<String> = stretch.split('\n').map(without_slashes).collect();
        parse_yaml("the answer", &plain.join("\n")).ok().map(|document| document.value().clone())
    })?;
    (value.is_object() || value.is_array()).then_some(value)
}

/// A comment of JavaScript as one of YAML; slashes within quotes stay.
fn without_slashes(line: &str) -> String {
    let (mut quote, mut escaped) = (None, false);
    for (at, letter) in line.char_indices() {
        match (letter, quote) {
            ('"' | '\'', None) => quote = Some(letter),
            (mark, Some(open)) if mark == open && !escaped => quote = None,
            ('/', None) if line.get(at..).is_some_and(|rest| rest.starts_with("//")) => {
                let (before, comment) = line.split_at(at);
                return format!("{before}#{}", comment.get(2..).unwrap_or_default());
            }
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
    }
    line.to_owned()
}
