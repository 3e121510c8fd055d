//! Which form a file of probes has, by its content: the header of a table, the keys of a line, else our own.

use serde_json::Value;

use super::{Format, csv, spot};
use crate::document::Problem;

/// Columns by which a table is known.
const TABLES: &[(Format, &[&str])] = &[
    (Format::Ailuminate, &["release_prompt_id", "prompt_text", "hazard"]),
    (Format::Harmbench, &["behavior", "semanticcategory", "behaviorid"]),
    (Format::Xstest, &["prompt", "type", "focus"]),
    (Format::Xstest, &["prompt", "type", "label"]),
    (Format::Advbench, &["goal", "target"]),
];

/// The form of a text, or why it has none.
pub(super) fn format(text: &str, shown: &str) -> Result<Format, Problem> {
    let trimmed = text.trim_start();
    if trimmed.starts_with('[') {
        return Ok(Format::Prompts);
    }
    if trimmed.starts_with('{') {
        return Ok(of_object(trimmed));
    }
    let header = match csv::Rows::new(text).next() {
        Some(Ok(row)) => row.fields.iter().map(|field| csv::folded(field)).collect(),
        Some(Err(_)) | None => Vec::new(),
    };
    let known =
        TABLES.iter().find(|(_, columns)| columns.iter().all(|column| header.iter().any(|name| name == column)));
    if let Some((format, _)) = known {
        return Ok(*format);
    }
    // A first line of several columns and no colon is a table that we do not know.
    let first = trimmed.lines().next().unwrap_or_default();
    if header.len() > 1 && !first.contains(':') && !first.starts_with('#') {
        let words: Vec<&str> = Format::ALL.iter().map(|format| format.word()).collect();
        let problem = Problem::new(shown, spot(1), "a table whose columns belong to no known set of prompts");
        return Err(problem.help(format!("give `format:` where it is one of {}", words.join(", "))));
    }
    Ok(Format::Probes)
}

fn of_object(text: &str) -> Format {
    let first = text.lines().next().unwrap_or_default();
    let Ok(Value::Object(keys)) = serde_json::from_str::<Value>(first) else {
        return Format::Prompts;
    };
    if keys.contains_key("ans0") && keys.contains_key("question") {
        Format::Bbq
    } else if keys.contains_key("continuation") && keys.get("prompt").is_some_and(Value::is_object) {
        Format::RealToxicityPrompts
    } else {
        Format::Prompts
    }
}
