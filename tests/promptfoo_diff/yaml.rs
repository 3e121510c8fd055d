//! Writes a value as people write YAML: blocks, plain and quoted texts, literal blocks for several lines.

use serde_json::Value;

use super::dice::Dice;

/// The value as a document.
pub(crate) fn document(dice: &mut Dice, value: &Value) -> String {
    let mut text = String::new();
    node(dice, value, 0, &mut text);
    text
}

fn node(dice: &mut Dice, value: &Value, depth: usize, into: &mut String) {
    let pad = "  ".repeat(depth);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                into.push_str(&format!("{pad}{}:", scalar(key)));
                below(dice, value, depth, into);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                into.push_str(&format!("{pad}-"));
                match item {
                    Value::Object(fields) if !fields.is_empty() && dice.percent(80) => {
                        let mut text = String::new();
                        node(dice, item, depth + 1, &mut text);
                        into.push(' ');
                        into.push_str(text.trim_start());
                    }
                    _ => below(dice, item, depth, into),
                }
            }
        }
        flat => into.push_str(&format!("{pad}{flat}\n")),
    }
}

fn below(dice: &mut Dice, value: &Value, depth: usize, into: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() && !dice.percent(15) => {
            into.push('\n');
            node(dice, value, depth + 1, into);
        }
        Value::Array(items) if !items.is_empty() && !dice.percent(15) => {
            into.push('\n');
            node(dice, value, depth + 1, into);
        }
        Value::String(text) if literal(text) && dice.percent(70) => {
            let mark = if text.ends_with('\n') { "|" } else { "|-" };
            into.push_str(&format!(" {mark}\n"));
            for line in text.trim_end_matches('\n').split('\n') {
                into.push_str(&format!("{}{line}\n", "  ".repeat(depth + 2)));
            }
        }
        Value::String(text) if dice.percent(50) => into.push_str(&format!(" {}\n", scalar(text))),
        flat => into.push_str(&format!(" {flat}\n")),
    }
}

/// Whether the text survives a literal block as it is.
fn literal(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    text.contains('\n')
        && !body.ends_with('\n')
        && !body.starts_with([' ', '\n'])
        && body.chars().all(|character| character == '\n' || !character.is_control())
        && body.split('\n').all(|line| !line.ends_with(' ') && !line.is_empty())
}

/// A text as plain as YAML allows without a doubt.
fn scalar(text: &str) -> String {
    const WORDS: &[&str] = &["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = text.chars().next().is_some_and(|first| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || matches!(character, ' ' | '_' | '-' | '.' | '/'))
        && !text.ends_with(' ')
        && !WORDS.contains(&text.to_lowercase().as_str());
    if plain { text.to_owned() } else { Value::from(text).to_string() }
}
