//! Values of other tools' files: JSON as Python writes it, texts in the characters of an id, hashes of prompts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use serde_json::{Map, Value};

use super::mended::Mended;
use crate::document::{Problem, Spot, check_duplicate_keys};
use crate::gate::safety::Severity;
use crate::trust::Digest;

/// The longest id, strategy or detector.
const LONGEST_NAME: usize = 100;

/// The object of one line. Python's bare `NaN` and `Infinity` are read as null: no number, so nothing is shown by them.
pub(super) fn object(shown: &str, line: u32, text: &str) -> Result<Map<String, Value>, Problem> {
    let at = |message: String| Problem::new(shown, Spot { line, column: 1 }, message);
    let help = "the file is damaged or cut off: make the results again";
    let parsed = match serde_json::from_str(text) {
        Ok(value) => Ok((value, None)),
        Err(error) => {
            let text = without_nan(text);
            serde_json::from_str(&text).map(|value| (value, Some(text))).map_err(|_| error)
        }
    };
    let (value, mended) = parsed.map_err(|error| {
        let text = error.to_string();
        at(format!("not JSON: {}", text.split(" at line ").next().unwrap_or("not JSON"))).help(help)
    })?;
    if let Err(error) = check_duplicate_keys(mended.as_deref().unwrap_or(text)) {
        let text = error.to_string();
        return Err(at(format!("not JSON: {}", text.split(" at line ").next().unwrap_or("a key is there twice"))));
    }
    match value {
        Value::Object(object) => Ok(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(at("not a JSON object".to_owned()).help(help))
        }
    }
}

/// The text with null in place of the tokens that Python writes and JSON does not have.
/// Source: the `allow_nan` parameter of Python's `json.dump`, true by default.
fn without_nan(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    // Bytes in memory can always be read, and what is replaced is ASCII.
    let _ = Mended::new(text.as_bytes()).read_to_string(&mut mended);
    mended
}

/// The same JSON with its keys in order: two spellings of one value are one text.
pub(super) fn canonical(value: &Value) -> String {
    match value {
        Value::Object(entries) => {
            let sorted: BTreeMap<&String, &Value> = entries.iter().collect();
            let parts: Vec<String> = sorted
                .iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// A number, also one that was written as a text; none for one that is not finite.
pub(super) fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(holds) => Some(f64::from(u8::from(*holds))),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    number.filter(|number: &f64| number.is_finite())
}

/// A text in the characters of an id: letters, digits, `_`, `.` and `-`.
pub(super) fn name(text: &str) -> String {
    let kept = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-');
    let name: String = text.chars().take(LONGEST_NAME).map(|letter| if kept(letter) { letter } else { '-' }).collect();
    if name.is_empty() { "unknown".to_owned() } else { name }
}

/// Gives out names, each once: a name that is there already gets a number.
#[derive(Default)]
pub(super) struct Ids {
    given: BTreeSet<String>,
    next: BTreeMap<String, u64>,
}

impl Ids {
    /// The name, or the name with a number behind it.
    pub(super) fn take(&mut self, name: String) -> String {
        if self.given.insert(name.clone()) {
            return name;
        }
        // The count goes on where it stood: a file of one name only must not take the square of its length.
        let next = self.next.entry(name.clone()).or_insert(2);
        loop {
            let id = format!("{name}.{next}");
            *next += 1;
            if self.given.insert(id.clone()) {
                return id;
            }
        }
    }
}

/// The first names of a set, for a note.
pub(super) fn listed(names: &BTreeSet<String>) -> String {
    const SHOWN: usize = 20;
    let first: Vec<&str> = names.iter().map(String::as_str).take(SHOWN).collect();
    let more = names.len().saturating_sub(SHOWN);
    if more > 0 { format!("{} and {more} more", first.join(", ")) } else { first.join(", ") }
}

/// The unit that a prompt is: the first 64 bits of a digest over it.
pub(super) fn unit(text: &str) -> u64 {
    let digest = Digest::of(text.as_bytes());
    digest.hex().get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default()
}

/// A severity by its word; none for a word that is not known.
pub(super) fn severity(word: &str) -> Option<Severity> {
    if word == "informational" {
        return Some(Severity::Low);
    }
    Severity::ALL.into_iter().find(|severity| severity.word() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pythons_numbers_are_null_outside_of_texts_only() {
        let table = [
            (r#"{"a": NaN, "b": [Infinity, -Infinity]}"#, r#"{"a": null, "b": [null, null]}"#),
            (r#"{"a": "NaN \" NaN", "b": NaN}"#, r#"{"a": "NaN \" NaN", "b": null}"#),
            (r#"{"a": "\\", "b": NaN, "c": "é\u0041NaN"}"#, r#"{"a": "\\", "b": null, "c": "é\u0041NaN"}"#),
        ];
        for (text, want) in table {
            assert_eq!(without_nan(text), want);
            assert!(object("f", 1, text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_object_is_a_problem_with_its_line() {
        for text in ["{\"a\": 1", "[1]", "null", "{\"a\": 1, \"a\": 2}", "{\"a\": NaN, \"a\": 2}", "nan", "{} {}"] {
            assert_eq!(object("f", 7, text).unwrap_err().spot.line, 7, "{text}");
        }
    }

    #[test]
    fn a_name_is_safe_and_given_once() {
        assert_eq!(name("harmful:hate/ü\n@x"), "harmful-hate----x");
        assert_eq!(name(""), "unknown");
        assert_eq!(name(&"é".repeat(300)).len(), LONGEST_NAME);
        let mut ids = Ids::default();
        assert_eq!(ids.take("a.2".to_owned()), "a.2");
        assert_eq!([(); 3].map(|()| ids.take("a".to_owned())), ["a", "a.3", "a.4"]);
        assert_eq!(ids.take("a.2".to_owned()), "a.2.2");
    }
}
