//! The tool calls in an answer: as JSON, in tags, as `Action:` lines. Kept out: which calls are allowed.

use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

/// Keys that name a tool.
const NAMES: &[&str] = &["name", "tool", "function", "tool_name", "function_name", "action", "recipient_name"];
/// Keys that hold its arguments.
const ARGUMENTS: &[&str] =
    &["arguments", "args", "parameters", "input", "params", "action_input", "tool_input", "kwargs", "tool_args"];
/// Keys whose content is calls, with arguments or without.
const HOLDERS: &[&str] = &["tool_calls", "function_call", "tool_call", "function_calls"];
/// The deepest nesting of arguments within texts that is followed.
const DEEPEST: u8 = 4;

/// A tool call.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Call {
    /// As the answer names it.
    pub(super) name: String,
    arguments: Vec<(String, String)>,
}

impl Call {
    /// The texts of an argument, those within it among them; `*` for every argument.
    pub(super) fn values<'a>(&'a self, argument: &'a str) -> impl Iterator<Item = &'a str> {
        let chosen = self.arguments.iter().filter(move |(name, _)| argument == "*" || name == argument);
        chosen.map(|(_, text)| text.as_str())
    }
}

/// JSON in which a key may stand twice: whoever reads the call may take the first or the last.
enum Json {
    Map(Vec<(String, Json)>),
    List(Vec<Json>),
    Text(String),
    /// Numbers, truth values and null, as they are written.
    Other(String),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Other(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Other(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Other(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Other(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Other("null".to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Json::Map(entries))
    }
}

/// Every call in a text.
pub(super) fn calls(text: &str) -> Vec<Call> {
    let mut found = Vec::new();
    for (json, held) in objects(text) {
        collect(&json, held, &mut found);
    }
    tags(text, &mut found);
    found
}

/// Every outermost JSON object of a text, and whether a tag before it says that it is a call.
/// The reader gives up at a nesting of 128, so that no start costs more than that many times the text.
fn objects(text: &str) -> Vec<(Json, bool)> {
    let (mut found, mut from) = (Vec::new(), 0);
    for (start, _) in text.match_indices('{') {
        let Some(rest) = text.get(start..).filter(|_| start >= from) else { continue };
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Json>();
        if let Some(Ok(json)) = stream.next() {
            from = start + stream.byte_offset();
            let before = text.get(..start).unwrap_or_default().trim_end_matches([' ', '\n', '\r', '\t', '[']);
            let held = ["<tool_call>", "<function_call>", "<tool_calls>", "[TOOL_CALLS]", "<|python_tag|>"];
            found.push((json, held.iter().any(|tag| before.ends_with(tag))));
        }
    }
    found
}

fn collect(json: &Json, held: bool, found: &mut Vec<Call>) {
    match json {
        Json::Map(entries) => {
            let arguments = entries.iter().find(|(key, value)| is(ARGUMENTS, key) && !is_definition(value));
            let defined = entries.iter().any(|(key, value)| is(ARGUMENTS, key) && is_definition(value));
            if !defined && (held || arguments.is_some()) {
                let names = entries.iter().filter(|(key, _)| is(NAMES, key));
                for name in names.filter_map(|(_, value)| if let Json::Text(name) = value { Some(name) } else { None })
                {
                    let mut list = Vec::new();
                    for (_, value) in entries.iter().filter(|(key, _)| is(ARGUMENTS, key)) {
                        spread(None, value, 0, &mut list);
                    }
                    found.push(Call { name: name.clone(), arguments: list });
                }
            }
            for (key, value) in entries {
                collect(value, is(HOLDERS, key) || (held && key == "function"), found);
            }
        }
        Json::List(items) => items.iter().for_each(|item| collect(item, held, found)),
        Json::Text(_) | Json::Other(_) => {}
    }
}

fn is(keys: &[&str], key: &str) -> bool {
    keys.iter().any(|one| one.eq_ignore_ascii_case(key))
}

/// Whether arguments are the schema of a tool that is described, not called.
fn is_definition(value: &Json) -> bool {
    let Json::Map(entries) = value else { return false };
    let has = |name: &str| entries.iter().any(|(key, _)| key == name);
    has("type") && has("properties")
}

/// The texts of arguments by the name of the argument that they are in; JSON within a text is read too.
fn spread(name: Option<&str>, value: &Json, depth: u8, found: &mut Vec<(String, String)>) {
    match value {
        Json::Map(entries) => {
            for (key, value) in entries {
                spread(Some(name.unwrap_or(key)), value, depth, found);
            }
        }
        Json::List(items) => items.iter().for_each(|item| spread(name, item, depth, found)),
        Json::Text(text) => {
            found.push((name.unwrap_or_default().to_owned(), text.clone()));
            if depth < DEEPEST
                && text.trim_start().starts_with(['{', '['])
                && let Ok(inner) = serde_json::from_str::<Json>(text)
            {
                spread(name, &inner, depth + 1, found);
            }
        }
        Json::Other(text) => found.push((name.unwrap_or_default().to_owned(), text.clone())),
    }
}

/// Calls in tags and in `Action:` lines.
fn tags(text: &str, found: &mut Vec<Call>) {
    static TAG: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r#"(?i)<(?:[a-z_]+:)?(?:tool_call|invoke|function_call|tool_use|function|tool)(?:\s+name\s*=\s*["']?|=)([A-Za-z0-9_./:-]{1,100})["']?[^>]*>"#,
        )
        .ok()
    });
    static PARAMETER: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r#"(?i)<(?:[a-z_]+:)?(?:parameter|param|arg|argument)(?:\s+name\s*=\s*["']?|=)([A-Za-z0-9_.-]{1,100})["']?[^>]*>([^<]*)"#)
            .ok()
    });
    static ACTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?m)^[ \t*]*Action[ \t*]*:[ \t*`]*([A-Za-z0-9_./-]{1,100})[ \t*`]*\r?\n[ \t*]*Action Input[ \t*]*:([^\n]*)").ok()
    });
    let tags: Vec<(usize, String)> = TAG
        .iter()
        .flat_map(|regex| regex.captures_iter(text))
        .filter_map(|captures| Some((captures.get(0)?.end(), captures.get(1)?.as_str().to_owned())))
        .collect();
    let ends = tags.iter().skip(1).map(|(start, _)| *start).chain([text.len()]);
    for ((start, name), end) in tags.iter().zip(ends) {
        let body = text.get(*start..end).unwrap_or_default();
        let mut arguments = Vec::new();
        for captures in PARAMETER.iter().flat_map(|regex| regex.captures_iter(body)) {
            if let (Some(name), Some(value)) = (captures.get(1), captures.get(2)) {
                arguments.push((name.as_str().to_owned(), value.as_str().to_owned()));
            }
        }
        for (json, _) in objects(body) {
            spread(None, &json, 0, &mut arguments);
        }
        found.push(Call { name: name.clone(), arguments });
    }
    for captures in ACTION.iter().flat_map(|regex| regex.captures_iter(text)) {
        if let (Some(name), Some(input)) = (captures.get(1), captures.get(2)) {
            let mut arguments = vec![("input".to_owned(), input.as_str().trim().to_owned())];
            objects(input.as_str()).iter().for_each(|(json, _)| spread(None, json, 0, &mut arguments));
            found.push(Call { name: name.as_str().to_owned(), arguments });
        }
    }
}
