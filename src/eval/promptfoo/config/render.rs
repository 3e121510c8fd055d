//! From a template and vars to the prompt that is asked, and to the vars that assertions see, step by step as promptfoo 0.121.20 does it
//! (`renderPrompt`). Kept out: templates themselves (`nunjucks`), combinations of vars (`rows`).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::files::{Files, ending};
use crate::eval::promptfoo::assert::{json_of, string_of, trimmed};
use crate::eval::promptfoo::nunjucks::{self, TemplateError, json_indented, render_value};
use crate::eval::request::{Prompt, Written};

/// Vars in one another are looked up so often.
const ROUNDS: usize = 5;

#[expect(clippy::expect_used, reason = "written here, and tried by every test")]
static NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{\{\s*(\w+)\s*\}\}").expect("a regular expression"));
#[expect(clippy::expect_used, reason = "written here, and tried by every test")]
static MENTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\{\{\s*([^{}\s|]+)\s*(?:\|[^}]+)?\}\}|\{%\s*(?:if|for)\s+([^{}\s]+)\s*.*?%\}")
        .expect("a regular expression")
});
#[expect(clippy::expect_used, reason = "written here, and tried by every test")]
static LOOP: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{%\s*for\s+(\w+)\s+in\s+(\w+)\s*%\}").expect("a regular expression"));

/// A prompt and its vars.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Rendered {
    pub(super) prompt: String,
    pub(super) vars: Map<String, Value>,
}

/// Renders a prompt.
pub(super) fn render(
    raw: &str,
    vars: &Map<String, Value>,
    files: &Files,
    environment: &BTreeMap<String, String>,
) -> Result<Rendered, String> {
    let vars = resolved(vars, files)?;
    let said = |error: TemplateError| error.to_string();
    // JSON is rendered text by text, so that what a var holds needs no escape.
    if let Ok(value) = serde_json::from_str::<Value>(raw) {
        if let Ok(rendered) = render_value(&value, &vars, environment) {
            return Ok(Rendered { prompt: json_indented(&rendered, "  "), vars });
        }
    }
    let mut inner = Map::with_capacity(vars.len());
    for (key, value) in &vars {
        let value = match value {
            Value::String(text) if nunjucks::has_marks(text) && !mentions_unknown(text, &vars) => {
                Value::String(nunjucks::render(&wrapped(text), &vars, environment).map_err(said)?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                value.clone()
            }
        };
        inner.insert(key.clone(), value);
    }
    let prompt = nunjucks::render(&wrapped(raw), &inner, environment).map_err(said)?;
    Ok(Rendered { prompt, vars })
}

/// Vars with their files read, their last line break gone, and the names of other vars in them replaced.
fn resolved(vars: &Map<String, Value>, files: &Files) -> Result<Map<String, Value>, String> {
    let mut resolved = Map::with_capacity(vars.len());
    for (key, value) in vars {
        let value = match value {
            Value::String(text) => match text.strip_prefix("file://") {
                Some(path) => Value::String(file(path, files)?),
                None => Value::String(text.strip_suffix('\n').unwrap_or(text).to_owned()),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.clone(),
        };
        resolved.insert(key.clone(), value);
    }
    for _ in 0..ROUNDS {
        let mut changed = false;
        let keys: Vec<String> = resolved.keys().cloned().collect();
        for key in keys {
            let Some(Value::String(text)) = resolved.get(&key) else { continue };
            let Some(found) = NAME.captures(text) else { continue };
            let (Some(whole), Some(name)) = (found.get(0), found.get(1)) else { continue };
            let Some(value) = resolved.get(name.as_str()) else { continue };
            let text = [text.get(..whole.start()), Some(&*string_of(value)), text.get(whole.end()..)]
                .into_iter()
                .flatten()
                .collect::<String>();
            if text.len() > 1 << 22 {
                return Err(format!("the var `{key}` grows without end"));
            }
            resolved.insert(key, Value::String(text));
            changed = true;
        }
        if !changed {
            break;
        }
    }
    Ok(resolved)
}

fn file(path: &str, files: &Files) -> Result<String, String> {
    let text = match ending(path).as_str() {
        "yaml" | "yml" => json_of(&files.value(path)?),
        "js" | "cjs" | "mjs" | "ts" | "cts" | "mts" | "py" => {
            return Err(format!("`{path}`: a var that a program makes is not made here"));
        }
        "pdf" | "jpg" | "jpeg" | "png" | "gif" | "webp" | "bmp" | "svg" | "tif" | "tiff" | "ico" | "avif" | "heic"
        | "heif" | "mp3" | "wav" | "ogg" | "flac" | "m4a" | "mp4" | "webm" | "mov" | "avi" | "mkv" => {
            return Err(format!("`{path}`: images, sound and documents are not sent here"));
        }
        _ => trimmed(&files.text(path)?).to_owned(),
    };
    Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
}

/// A text in which a tag is not closed on its line stands as it is.
fn wrapped(text: &str) -> String {
    let open = [("{%", '%'), ("{{", '}'), ("{#", '#')].into_iter().any(|(mark, end)| {
        text.match_indices(mark).any(|(at, _)| {
            let rest = text.get(at + 2..).unwrap_or_default();
            let stop =
                rest.find(|letter: char| letter == end || matches!(letter, '\n' | '\r' | '\u{2028}' | '\u{2029}'));
            stop.is_none_or(|stop| !rest.get(stop..).is_some_and(|rest| rest.starts_with(end)))
        })
    });
    let is_word = |mark: &str, word: &str| {
        text.match_indices("{%").any(|(at, _)| {
            let inside = text.get(at + 2..).unwrap_or_default().trim_start();
            inside.strip_prefix(word).is_some_and(|rest| rest.trim_start().starts_with(mark))
        })
    };
    if open && !(is_word("%}", "raw") && is_word("%}", "endraw")) {
        return format!("{{% raw %}}{text}{{% endraw %}}");
    }
    text.to_owned()
}

/// Whether a var's text names a var that is not there: it stays as it is then.
fn mentions_unknown(text: &str, vars: &Map<String, Value>) -> bool {
    let mut names: Vec<&str> = Vec::new();
    for found in MENTION.captures_iter(text) {
        if let Some(name) = found.get(1).or_else(|| found.get(2)) {
            names.push(name.as_str());
        }
    }
    for found in LOOP.captures_iter(text) {
        if let (Some(item), Some(list)) = (found.get(1), found.get(2)) {
            names.retain(|name| *name != item.as_str());
            names.push(list.as_str());
        }
    }
    names.iter().any(|name| {
        let begins = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
        let root =
            name.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).next().unwrap_or_default();
        begins && root != "env" && !vars.contains_key(root)
    })
}

/// The prompt as a model is given it: a text that is a chat as JSON, or as YAML that begins with `- role:`, is one.
pub(super) fn prompt(text: String) -> Prompt {
    let value = if trimmed(&text).starts_with("- role:") {
        crate::document::parse_yaml("prompt", &text).ok().map(|document| document.value().clone())
    } else {
        serde_json::from_str(&text).ok()
    };
    match value {
        Some(Value::Array(messages)) if is_chat(&messages) => Prompt::Written(Written { text, messages }),
        Some(_) | None => Prompt::Text(text),
    }
}

fn is_chat(messages: &[Value]) -> bool {
    !messages.is_empty() && messages.iter().all(|message| message.get("role").is_some_and(Value::is_string))
}
