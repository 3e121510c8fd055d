//! `$ref: '#/…'`: another part of the same document in its place. Follows `@apidevtools/json-schema-ref-parser`, which promptfoo
//! 0.121.20 runs over configs and test files: keys beside `$ref` win over those of what it names.

use serde_json::Value;

use super::place::At;
use crate::document::{Problems, pointer_part};

/// References in one another.
const DEEPEST: usize = 40;
/// Values that references may copy.
const MOST_COPIED: usize = 1_000_000;
/// Bytes of a text that count as one value.
const BYTES_A_VALUE: usize = 64;

/// The value with every reference replaced.
pub(super) fn resolved(value: &Value, at: &At, problems: &mut Problems) -> Value {
    if !mentions(value) {
        return value.clone();
    }
    let mut walk = Walk { root: value, problems, copied: 0, ended: false };
    walk.value(value, at, 0)
}

fn mentions(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(mentions),
        Value::Object(fields) => fields.contains_key("$ref") || fields.values().any(mentions),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

struct Walk<'a> {
    root: &'a Value,
    problems: &'a mut Problems,
    copied: usize,
    /// Nothing more is copied.
    ended: bool,
}

impl Walk<'_> {
    fn count(&mut self, value: &Value) {
        self.copied = self.copied.saturating_add(match value {
            Value::String(text) => 1 + text.len() / BYTES_A_VALUE,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => 1,
        });
    }

    fn count_all(&mut self, value: &Value) {
        self.count(value);
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.count_all(item)),
            Value::Object(fields) => fields.values().for_each(|item| self.count_all(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn value(&mut self, value: &Value, at: &At, depth: usize) -> Value {
        self.count(value);
        if self.ended || depth > DEEPEST || self.copied > MOST_COPIED {
            if !self.ended {
                self.problems.push(at.problem("references name one another without end"));
            }
            self.ended = true;
            return Value::Null;
        }
        match value {
            Value::Object(fields) => {
                let Some(Value::String(reference)) = fields.get("$ref") else {
                    let entry = |(key, value): (&String, &Value)| {
                        let at = at.part(&format!("/{}", pointer_part(key)));
                        // Schemas of tools have references of their own.
                        let value = if key == "parameters" {
                            self.count_all(value);
                            value.clone()
                        } else {
                            self.value(value, &at, depth)
                        };
                        (key.clone(), value)
                    };
                    return Value::Object(fields.iter().map(entry).collect());
                };
                let Some(target) = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) else {
                    let at = at.part("/$ref");
                    let message = format!("`$ref: {reference}` names no part of this file");
                    self.problems.push(at.problem(message).help("write it as `'#/assertionTemplates/name'`"));
                    return Value::Null;
                };
                let target = target.clone();
                let found = self.value(&target, at, depth + 1);
                let beside = fields.iter().filter(|(key, _)| *key != "$ref");
                match found {
                    Value::Object(mut found) => {
                        for (key, value) in beside {
                            let value = self.value(value, at, depth + 1);
                            found.insert(key.clone(), value);
                        }
                        Value::Object(found)
                    }
                    other => other,
                }
            }
            Value::Array(items) => {
                let item = |(index, item): (usize, &Value)| self.value(item, &at.part(&format!("/{index}")), depth);
                Value::Array(items.iter().enumerate().map(item).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::document::parse_yaml;

    fn problems(text: &str) -> usize {
        let document = Arc::new(parse_yaml("c.yaml", text).unwrap());
        let mut problems = Problems::none();
        resolved(document.value(), &At::root(&document), &mut problems);
        problems.len()
    }

    #[test]
    fn what_references_copy_has_an_end() {
        let long = "x".repeat(100_000);
        let config = |count: usize| format!("long: {long}\nall:\n{}", "  - {$ref: '#/long'}\n".repeat(count));
        assert_eq!((problems(&config(10)), problems(&config(1000))), (0, 1));
        assert_eq!(problems("a: {$ref: '#/b'}\nb: {$ref: '#/a'}\n"), 1);
    }
}
