//! Filters of templates as Jinja has them over Python's values: what is printed and written is Python's.
//! Source: Jinja 3.1 (`tojson`, `join`), Python's `json.dumps`, and lm-eval 0.4.13 (`regex_replace`). Kept out: methods (`template`).

use minijinja::value::{Kwargs, Value as Item};
use minijinja::{Environment, Error, ErrorKind};
use serde_json::Value;

use super::python;
use super::regex::Pattern;

/// The deepest value that is written as JSON.
const DEEPEST: usize = 64;

/// Puts the filters in the place of those that print otherwise.
pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_filter("regex_replace", regex_replace);
    environment.add_filter("string", |value: &Item| printed(value));
    environment.add_filter("join", join);
    environment.add_filter("tojson", to_json);
    environment.add_filter("e", escaped);
    environment.add_filter("escape", escaped);
}

/// `markupsafe.escape`.
fn escaped(value: &Item) -> Result<String, Error> {
    let text = printed(value)?.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Ok(text.replace('\'', "&#39;").replace('"', "&#34;"))
}

/// A value as Python prints it.
pub(super) fn printed(value: &Item) -> Result<String, Error> {
    value.as_str().map_or_else(|| json(value).map(|value| python::text(&value)), |text| Ok(text.to_owned()))
}

fn json(value: &Item) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

fn join(value: &Item, between: Option<&str>) -> Result<String, Error> {
    let texts = value.try_iter()?.map(|item| printed(&item)).collect::<Result<Vec<String>, Error>>()?;
    Ok(texts.join(between.unwrap_or_default()))
}

/// `json.dumps` with sorted keys and ASCII only, and without the letters that mean something in HTML.
fn to_json(value: &Item, options: Kwargs) -> Result<String, Error> {
    options.assert_all_used()?;
    let mut out = String::new();
    write(&json(value)?, 0, &mut out)?;
    Ok(out)
}

fn write(value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
    if depth > DEEPEST {
        return Err(Error::new(ErrorKind::InvalidOperation, "tojson: the value is nested too deep"));
    }
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(holds) => out.push_str(if *holds { "true" } else { "false" }),
        Value::Number(_) => out.push_str(&python::repr(value)),
        Value::String(text) => quoted(text, out),
        Value::Array(items) => {
            out.push('[');
            for (number, item) in items.iter().enumerate() {
                out.push_str(if number > 0 { ", " } else { "" });
                write(item, depth + 1, out)?;
            }
            out.push(']');
        }
        Value::Object(entries) => {
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by(|one, two| one.0.cmp(two.0));
            out.push('{');
            for (number, (key, item)) in sorted.into_iter().enumerate() {
                out.push_str(if number > 0 { ", " } else { "" });
                quoted(key, out);
                out.push_str(": ");
                write(item, depth + 1, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' if !matches!(letter, '<' | '>' | '&' | '\'') => out.push(letter),
            letter => {
                let mut pair = [0; 2];
                for unit in letter.encode_utf16(&mut pair) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}

fn regex_replace(text: &str, pattern: &str, replacement: &str, count: Option<usize>) -> Result<String, Error> {
    let wrong = |why: String| Error::new(ErrorKind::InvalidOperation, format!("regex_replace: {why}"));
    let pattern = Pattern::new(pattern).map_err(wrong)?;
    pattern.replaced(text, count.unwrap_or(0), &|found| expanded(replacement, found)).map_err(wrong)
}

/// Python's form of a replacement: `\1`, `\g<1>`, `\g<name>`, `\n`.
fn expanded(replacement: &str, found: &fancy_regex::Captures<'_, str>) -> String {
    let mut out = String::new();
    let mut rest = replacement;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let named = after.strip_prefix("g<").and_then(|after| after.split_once('>'));
        rest = if let Some((name, tail)) = named {
            let group = name.parse().map_or_else(|_| found.name(name), |index| found.get(index));
            out.push_str(group.map_or("", |group| group.as_str()));
            tail
        } else if digits > 0 {
            let (index, tail) = after.split_at(digits.min(2));
            out.push_str(index.parse().ok().and_then(|index| found.get(index)).map_or("", |group| group.as_str()));
            tail
        } else {
            let mut chars = after.chars();
            match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('\\') | None => out.push('\\'),
                Some(other) => out.extend(['\\', other]),
            }
            chars.as_str()
        };
    }
    out.push_str(rest);
    out
}
