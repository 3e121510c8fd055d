//! The `value` of a detector: an object of options, a list or a text. An unknown key is refused with the nearest name.
//! Kept out: what the options mean (each detector).

use serde_json::{Map, Value};

use super::problem;
use crate::document::nearest;
use crate::eval::scorer::AssertionProblem;

/// Most texts in one list.
const MOST_TEXTS: usize = 10_000;

/// The options of a detector, its keys checked.
pub(super) struct Options<'a> {
    kind: &'static str,
    map: Option<&'a Map<String, Value>>,
}

impl<'a> Options<'a> {
    /// Options may be left out altogether.
    pub(super) fn new(
        kind: &'static str,
        value: Option<&'a Value>,
        keys: &[&'static str],
    ) -> Result<Self, AssertionProblem> {
        let map = match value {
            None | Some(Value::Null) => None,
            Some(Value::Object(map)) => Some(map),
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                return Err(problem("value", format!("`{kind}` takes an object with {}", listed(keys))));
            }
        };
        for key in map.into_iter().flat_map(Map::keys) {
            if !keys.contains(&key.as_str()) {
                let short: String = key.chars().take(60).collect();
                let mut found = problem("value", format!("`{kind}` has no option `{short}`"));
                let near = nearest(key, keys.iter().copied()).map(|near| format!("did you mean `{near}`? "));
                found.help = Some(format!("{}its options: {}", near.unwrap_or_default(), listed(keys)));
                return Err(found);
            }
        }
        Ok(Self { kind, map })
    }

    /// The value of a key, where it is there.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map?.get(key)
    }

    /// A text or a list of texts; empty when absent.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, AssertionProblem> {
        self.get(key).map_or_else(|| Ok(Vec::new()), |value| texts(self.kind, value))
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, AssertionProblem> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => value
                .as_bool()
                .ok_or_else(|| problem("value", format!("`{key}` of `{}` is `true` or `false`", self.kind))),
        }
    }

    /// A whole number within bounds.
    pub(super) fn whole(
        &self,
        key: &str,
        default: usize,
        bounds: std::ops::RangeInclusive<usize>,
    ) -> Result<usize, AssertionProblem> {
        let Some(value) = self.get(key) else { return Ok(default) };
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
        number.filter(|number| bounds.contains(number)).ok_or_else(|| {
            let (low, high) = (bounds.start(), bounds.end());
            problem("value", format!("`{key}` of `{}` is a whole number from {low} to {high}", self.kind))
        })
    }
}

fn listed(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

/// A text or a list of texts, none of them blank.
pub(super) fn texts(kind: &str, value: &Value) -> Result<Vec<String>, AssertionProblem> {
    let found = match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(items) if items.len() <= MOST_TEXTS => {
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
        }
        Value::Array(_) => return Err(problem("value", format!("`{kind}` takes at most {MOST_TEXTS} texts"))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    };
    let found = found.ok_or_else(|| problem("value", format!("`{kind}` takes a text, or a list of texts")))?;
    if found.is_empty() || found.iter().any(|text| text.trim().is_empty()) {
        return Err(problem(
            "value",
            format!("`{kind}` was given no text, or a blank one: nothing would be looked for"),
        ));
    }
    Ok(found)
}

/// Words out of a fixed set; `all` stands for every one.
pub(super) fn kinds<T: Copy>(
    kind: &'static str,
    given: &[String],
    all: &[(&'static str, T)],
) -> Result<Vec<T>, AssertionProblem> {
    let mut chosen = Vec::new();
    for word in given {
        if word == "all" {
            return Ok(all.iter().map(|(_, one)| *one).collect());
        }
        match all.iter().find(|(name, _)| name == word) {
            Some((_, one)) => chosen.push(*one),
            None => {
                let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
                let short: String = word.chars().take(60).collect();
                let mut found = problem("value", format!("`{kind}` has no kind `{short}`"));
                let near = nearest(word, names.iter().copied()).map(|near| format!("did you mean `{near}`? "));
                found.help = Some(format!("{}its kinds: {}, or `all`", near.unwrap_or_default(), names.join(", ")));
                return Err(found);
            }
        }
    }
    Ok(chosen)
}
