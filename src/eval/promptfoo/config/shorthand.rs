//! An assertion in one cell of a table: `contains: x`, `similar(0.8): y`, `grade: …`, `fn: …`; anything else must be equal. Follows
//! promptfoo 0.121.20.

use serde_json::{Map, Value};

use crate::eval::promptfoo::types::KINDS;

/// Types whose threshold is .75 in a table where none is given.
const WITH_THRESHOLD: &[&str] = &[
    "answer-relevance",
    "classifier",
    "context-faithfulness",
    "context-recall",
    "context-relevance",
    "cost",
    "latency",
    "levenshtein",
    "perplexity-score",
    "perplexity",
    "rouge-n",
    "similar",
    "starts-with",
];
const LISTS: &[&str] = &["contains-all", "contains-any", "icontains-all", "icontains-any"];

/// The assertion that a cell means.
pub(super) fn assertion(cell: &str) -> Result<Map<String, Value>, String> {
    let made = |kind: &str, value: &str| {
        Map::from_iter([("type".to_owned(), Value::from(kind)), ("value".to_owned(), Value::from(value))])
    };
    let is_script =
        |endings: &[&str]| cell.starts_with("file://") && endings.iter().any(|ending| cell.ends_with(ending));
    for mark in ["javascript:", "fn:", "eval:"] {
        if let Some(value) = cell.strip_prefix(mark) {
            return Ok(made("javascript", value.trim()));
        }
    }
    if is_script(&[".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".tsx"]) {
        return Ok(made("javascript", cell));
    }
    for mark in ["grade:", "llm-rubric:"] {
        if let Some(value) = cell.strip_prefix(mark) {
            return Ok(made("llm-rubric", value));
        }
    }
    if let Some(value) = cell.strip_prefix("python:") {
        return Ok(made("python", value.trim()));
    }
    if cell.starts_with("file://") && (cell.ends_with(".py") || cell.contains(".py:")) {
        return Ok(made("python", cell));
    }
    match typed(cell) {
        Some(found) => found,
        None => Ok(made("equals", cell)),
    }
}

/// `[not-]type[(number)][: value]`.
fn typed(cell: &str) -> Option<Result<Map<String, Value>, String>> {
    let (not, rest) = cell.strip_prefix("not-").map_or(("", cell), |rest| ("not-", rest));
    let mut kinds: Vec<&str> = KINDS.iter().filter(|kind| kind.negatable).map(|kind| kind.name).collect();
    kinds.sort_by_key(|name| std::cmp::Reverse(name.len()));
    let (kind, threshold, value) = kinds.into_iter().find_map(|kind| {
        let rest = rest.strip_prefix(kind)?;
        let (threshold, rest) = match rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            Some((number, rest)) => (Some(plain_number(number)?), rest),
            None => (None, rest),
        };
        match rest.strip_prefix(':') {
            Some(value) => Some((kind, threshold, Some(value))),
            None if rest.is_empty() => Some((kind, threshold, None)),
            None => None,
        }
    })?;
    let mut fields = Map::from_iter([("type".to_owned(), Value::from(format!("{not}{kind}")))]);
    if LISTS.contains(&kind) {
        if let Some(value) = value {
            match listed(value) {
                Ok(items) => fields.insert("value".to_owned(), Value::from(items)),
                Err(why) => return Some(Err(why)),
            };
        }
        return Some(Ok(fields));
    }
    if let Some(value) = value {
        let exact = matches!(kind, "contains-json" | "is-json");
        fields.insert("value".to_owned(), Value::from(if exact { value } else { value.trim() }));
    }
    if WITH_THRESHOLD.contains(&kind) {
        fields.insert("threshold".to_owned(), Value::from(threshold.unwrap_or(0.75)));
    }
    Some(Ok(fields))
}

fn plain_number(text: &str) -> Option<f64> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if digits(whole) && digits(fraction) { text.parse().ok() } else { None }
}

/// Values between commas; a quoted one may hold commas, and quotes written twice.
fn listed(text: &str) -> Result<Vec<String>, String> {
    let mut items = Vec::new();
    let mut rest = text.trim_start_matches(|letter: char| letter.is_whitespace() || letter == ',');
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('"') {
            let mut item = String::new();
            let mut letters = inner.char_indices().peekable();
            let mut end = None;
            while let Some((at, letter)) = letters.next() {
                if letter != '"' {
                    item.push(letter);
                } else if letters.peek().is_some_and(|(_, next)| *next == '"') {
                    item.push('"');
                    letters.next();
                } else {
                    end = Some(at + 1);
                    break;
                }
            }
            let Some(end) = end else { return Err("a quoted value is not closed".to_owned()) };
            items.push(item);
            rest = inner.get(end..).unwrap_or_default().trim_start();
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err("a comma is missing behind a quoted value".to_owned());
            }
        } else {
            let (item, after) = rest.split_once(',').unwrap_or((rest, ""));
            items.push(item.trim().to_owned());
            rest = after;
        }
        rest = rest.trim_start_matches(|letter: char| letter.is_whitespace() || letter == ',');
    }
    Ok(items)
}

/// A whole number or decimal in a cell; none where it is anything else.
pub(super) fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if plain && text.bytes().any(|byte| byte.is_ascii_digit()) {
        text.parse().ok().filter(|n: &f64| n.is_finite())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_is_the_assertion_that_promptfoo_reads_in_it() {
        let table = [
            ("Paris", json!({"type": "equals", "value": "Paris"})),
            ("contains:Paris ", json!({"type": "contains", "value": "Paris"})),
            ("contains: a: b", json!({"type": "contains", "value": "a: b"})),
            ("not-contains:x", json!({"type": "not-contains", "value": "x"})),
            ("contains-any: a, \"b, c\" ,d", json!({"type": "contains-any", "value": ["a", "b, c", "d"]})),
            ("icontains-all:a,\"say \"\"hi\"\"\"", json!({"type": "icontains-all", "value": ["a", "say \"hi\""]})),
            ("similar(0.8):x", json!({"type": "similar", "value": "x", "threshold": 0.8})),
            ("similar:x", json!({"type": "similar", "value": "x", "threshold": 0.75})),
            ("levenshtein(5): x", json!({"type": "levenshtein", "value": "x", "threshold": 5.0})),
            ("latency(1000)", json!({"type": "latency", "threshold": 1000.0})),
            ("is-json", json!({"type": "is-json"})),
            ("grade: is polite", json!({"type": "llm-rubric", "value": " is polite"})),
            ("fn: output.length > 3", json!({"type": "javascript", "value": "output.length > 3"})),
            ("eval:1", json!({"type": "javascript", "value": "1"})),
            ("python: len(output)", json!({"type": "python", "value": "len(output)"})),
            ("file://a.js", json!({"type": "javascript", "value": "file://a.js"})),
            ("file://a.py:f", json!({"type": "python", "value": "file://a.py:f"})),
            ("regex:^a.*\n", json!({"type": "regex", "value": "^a.*"})),
            ("contains something", json!({"type": "equals", "value": "contains something"})),
            ("select-best: x", json!({"type": "equals", "value": "select-best: x"})),
        ];
        for (cell, want) in table {
            assert_eq!(Value::Object(assertion(cell).unwrap()), want, "{cell}");
        }
        assert!(assertion("contains-any: \"a").is_err());
    }
}
