//! Assertions over JSON: equality, validity, and schemas.

use jsonschema::Validator;
use serde_json::Value;

use super::build::problem;
use super::text::{TextScorer, quote};
use super::{AssertionProblem, Scored, Scorer};
use crate::document::check_duplicate_keys;

/// Starting places that are tried in one answer.
const MOST_STARTS: usize = 1_000;

/// The answer is the text, white space around both ignored; or the same JSON value.
pub(super) fn equals(value: &Value) -> Result<Box<dyn Scorer>, AssertionProblem> {
    match value {
        Value::Null => Err(problem("value", "`equals` compares with a text or a JSON value")),
        Value::String(want) => {
            let want = want.trim().to_owned();
            Ok(Box::new(TextScorer(move |text: &str| {
                let holds = text.trim() == want;
                let why = if holds { String::new() } else { format!("{} is not {}", quote(text.trim()), quote(&want)) };
                Scored::holds(holds, why)
            })))
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            let want = value.clone();
            Ok(Box::new(TextScorer(move |text: &str| match parse(text.trim()) {
                Ok(found) => Scored::holds(same(&found, &want), "compared as JSON"),
                Err(why) => Scored::holds(false, why),
            })))
        }
    }
}

/// Equality in which 1 and 1.0 are one number.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, left)| right.get(key).is_some_and(|right| same(left, right)))
        }
        (left, right) => left == right,
    }
}

fn parse(text: &str) -> Result<Value, String> {
    let value = serde_json::from_str(text).map_err(|error| format!("the answer is not JSON: {error}"))?;
    check_duplicate_keys(text).map_err(|error| format!("the answer is ambiguous JSON: {error}"))?;
    Ok(value)
}

/// The whole answer is JSON, and valid.
pub(super) fn is_json(schema: Option<&Value>) -> Result<Box<dyn Scorer>, AssertionProblem> {
    let validator = compile(schema)?;
    Ok(Box::new(TextScorer(move |text: &str| match parse(text.trim()) {
        Ok(found) => match broken(validator.as_ref(), &found) {
            None => Scored::holds(true, ""),
            Some(why) => Scored::holds(false, why),
        },
        Err(why) => Scored::holds(false, why),
    })))
}

/// Some object or list in the answer is JSON, and valid.
pub(super) fn contains_json(schema: Option<&Value>) -> Result<Box<dyn Scorer>, AssertionProblem> {
    let validator = compile(schema)?;
    Ok(Box::new(TextScorer(move |text: &str| {
        let mut why = "no JSON object or list in the answer".to_owned();
        for found in values(text) {
            match broken(validator.as_ref(), &found) {
                None => return Scored::holds(true, ""),
                Some(broken) => why = broken,
            }
        }
        Scored::holds(false, why)
    })))
}

/// Every outermost object or list that a text holds.
fn values(text: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut from = 0;
    let starts = text.char_indices().filter(|(_, letter)| matches!(letter, '{' | '[')).take(MOST_STARTS);
    for (start, _) in starts {
        let Some(rest) = text.get(start..).filter(|_| start >= from) else { continue };
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        if let Some(Ok(value)) = stream.next() {
            let end = stream.byte_offset();
            if rest.get(..end).is_some_and(|whole| check_duplicate_keys(whole).is_ok()) {
                found.push(value);
            }
            from = start + end;
        }
    }
    found
}

fn compile(schema: Option<&Value>) -> Result<Option<Validator>, AssertionProblem> {
    let Some(schema) = schema else { return Ok(None) };
    if !schema.is_object() && !schema.is_boolean() {
        return Err(problem("value", "a JSON Schema is a mapping"));
    }
    if let Some(reference) = outside_reference(schema) {
        return Err(problem(
            "value",
            format!("the schema refers to {}: only references within it are followed", quote(reference)),
        ));
    }
    jsonschema::validator_for(schema).map(Some).map_err(|error| {
        let at = error.instance_path().as_str().to_owned();
        let at = if at.is_empty() { "at its top".to_owned() } else { format!("at {at}") };
        problem("value", format!("the JSON Schema is not valid {at}: {error}"))
    })
}

fn outside_reference(schema: &Value) -> Option<&str> {
    match schema {
        Value::Object(entries) => entries.iter().find_map(|(key, value)| match (key.as_str(), value) {
            ("$ref" | "$dynamicRef", Value::String(target)) if !target.starts_with('#') => Some(target.as_str()),
            (_, value) => outside_reference(value),
        }),
        Value::Array(items) => items.iter().find_map(outside_reference),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn broken(validator: Option<&Validator>, value: &Value) -> Option<String> {
    let error = validator?.iter_errors(value).next()?;
    let at = error.instance_path().as_str().to_owned();
    let at = if at.is_empty() { String::new() } else { format!(" at {at}") };
    Some(format!("the JSON is not valid{at}: {}", quote(&error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn json_is_found_wherever_it_stands() {
        let table = [
            ("Sure! ```json\n{\"a\": 1}\n``` Bye.", vec![json!({"a": 1})]),
            ("[1, 2] and {\"b\": {\"c\": []}}", vec![json!([1, 2]), json!({"b": {"c": []}})]),
            ("a {broken {\"c\": 3}", vec![json!({"c": 3})]),
            ("{\"a\": 1, \"a\": 2}", vec![]),
            ("{\"a\": NaN}", vec![]),
            ("nothing", vec![]),
        ];
        for (text, want) in table {
            assert_eq!(values(text), want, "{text}");
        }
    }

    #[test]
    fn one_and_one_point_zero_are_one_number() {
        assert!(same(&json!({"a": [1, 2.0]}), &json!({"a": [1.0, 2]})));
        assert!(!same(&json!({"a": 1}), &json!({"a": 1, "b": 2})));
        assert!(!same(&json!("1"), &json!(1)));
    }

    #[test]
    fn many_opening_brackets_cost_little() {
        let text = "[".repeat(100_000);
        let began = std::time::Instant::now();
        assert!(values(&text).is_empty());
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    }

    proptest! {
        #[test]
        fn a_value_is_found_in_any_text_around_it(before in "[a-z .]{0,20}", key in "[a-z]{1,5}", number in any::<i32>(), after in "[a-z .]{0,20}") {
            let value = json!({key: number});
            let text = format!("{before}{value}{after}");
            prop_assert_eq!(values(&text), vec![value]);
        }
    }
}
