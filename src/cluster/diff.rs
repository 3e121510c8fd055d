//! What differs between two versions of an object, as lines for people. Pure.
//! Kept out: whether a difference is allowed.

use serde_json::Value;

use crate::trust::Untrusted;

/// The longest that a value is shown.
const LONGEST_VALUE: usize = 120;

/// One difference.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// Such as `spec.template.spec.containers[0].image`; empty for the whole.
    pub path: String,
    /// What was there.
    pub old: Option<Value>,
    /// What is there now.
    pub new: Option<Value>,
}

impl Line {
    /// `spec.replicas: 1 -> 2`; `+` and `-` stand before what came and what went.
    pub fn words(&self) -> Untrusted {
        let path = if self.path.is_empty() { "(all of it)" } else { &self.path };
        Untrusted::new(match (&self.old, &self.new) {
            (Some(old), Some(new)) => format!("{path}: {} -> {}", short(old), short(new)),
            (None, Some(new)) => format!("+ {path}: {}", short(new)),
            (Some(old), None) => format!("- {path}: {}", short(old)),
            (None, None) => path.to_owned(),
        })
    }
}

/// The differences, in the order of the fields. A list's elements are compared place by place.
pub fn diff(before: &Value, after: &Value) -> Vec<Line> {
    let mut lines = Vec::new();
    walk("", Some(before), Some(after), &mut lines);
    lines
}

fn walk(path: &str, before: Option<&Value>, after: Option<&Value>, lines: &mut Vec<Line>) {
    match (before, after) {
        (Some(before), Some(after)) if before == after => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for (key, value) in old {
                walk(&join(path, key), Some(value), new.get(key), lines);
            }
            for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
                walk(&join(path, key), None, Some(value), lines);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for index in 0..old.len().max(new.len()) {
                walk(&format!("{path}[{index}]"), old.get(index), new.get(index), lines);
            }
        }
        (old, new) => lines.push(Line { path: path.to_owned(), old: old.cloned(), new: new.cloned() }),
    }
}

/// A key with a dot in it stands in brackets, so that a path can be read in one way only.
fn join(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    match (plain, path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
        (false, _) => format!("{path}[{}]", Value::String(key.to_owned())),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= LONGEST_VALUE {
        return text;
    }
    let start: String = text.chars().take(LONGEST_VALUE).collect();
    format!("{start}... ({} bytes)", text.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn words(before: &Value, after: &Value) -> Vec<String> {
        diff(before, after).iter().map(|line| line.words().into_raw()).collect()
    }

    #[test]
    fn every_difference_is_named_by_its_path_and_nothing_else_is() {
        let before = json!({"spec": {"replicas": 1, "old": true, "c": [{"image": "a"}, {"image": "b"}]}, "same": [1]});
        let after = json!({"spec": {"replicas": 2, "c": [{"image": "a2"}]}, "same": [1], "m": {"x.dev/y": "z"}});
        let wanted = [
            "spec.replicas: 1 -> 2",
            "- spec.old: true",
            "spec.c[0].image: \"a\" -> \"a2\"",
            "- spec.c[1]: {\"image\":\"b\"}",
            "+ m: {\"x.dev/y\":\"z\"}",
        ];
        assert_eq!(words(&before, &after), wanted);
        assert_eq!(words(&json!({"m": {"x.dev/y": 1}}), &json!({"m": {"x.dev/y": 2}})), ["m[\"x.dev/y\"]: 1 -> 2"]);
        assert_eq!(words(&after, &after), Vec::<String>::new());
        assert_eq!(words(&json!(1), &json!({})), ["(all of it): 1 -> {}"]);
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let line = words(&json!({"a": ""}), &json!({"a": "ä".repeat(500)}));
        assert!(line.iter().all(|line| line.chars().count() < 160 && line.ends_with("... (1002 bytes)")), "{line:?}");
    }
}
