//! From a template and vars to the prompt that is asked, and to the vars that assertions see, step by step as promptfoo 0.121.20 does it
//! (`renderPrompt`). Kept out: templates themselves (`nunjucks`), combinations of vars (`rows`).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::files::{Files, ending};
use super::media;
use super::programs::{Asks, Programs, program};
use super::prompts::Written;
use crate::eval::promptfoo::assert::{json_of, string_of, trimmed};
use crate::eval::promptfoo::nunjucks::{self, TemplateError, json_indented, render_value};
use crate::eval::promptfoo::test::{Code, CodeSource, Language};
use crate::eval::request::{self, Prompt};

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
    /// Settings of a request that a program gives beside its prompt.
    pub(super) config: Map<String, Value>,
}

/// What a prompt is rendered with.
pub(super) struct With<'a> {
    pub(super) files: &'a Files,
    pub(super) programs: &'a Programs,
    pub(super) environment: &'a BTreeMap<String, String>,
    /// `nunjucksFilters`.
    pub(super) filters: &'a BTreeMap<String, Code>,
    /// The id and the label of who is asked, as programs see them.
    pub(super) provider: (&'a str, Option<&'a str>),
}

impl With<'_> {
    fn provider(&self) -> Value {
        match self.provider {
            (id, Some(label)) => json!({"id": id, "label": label}),
            (id, None) => json!({"id": id}),
        }
    }
}

/// Renders a prompt, with what stands before and after its own text.
pub(super) fn render(
    prompt: &Written,
    around: (&str, &str),
    vars: &Map<String, Value>,
    with: &With<'_>,
) -> Result<Rendered, String> {
    let raw = format!("{}{}{}", around.0, prompt.raw, around.1);
    let vars = read(vars, &raw, with)?;
    let (raw, config) = match &prompt.program {
        Some(program) => made(program, prompt, &vars, with)?,
        None => (raw, Map::new()),
    };
    let vars = resolved(vars)?;
    let said = |error: TemplateError| error.to_string();
    // JSON is rendered text by text, so that what a var holds needs no escape. It knows no filters of the config's own.
    if let Ok(value) = serde_json::from_str::<Value>(&raw)
        && let Ok(rendered) = render_value(&value, &vars, with.environment)
    {
        return Ok(Rendered { prompt: json_indented(&rendered, "  "), vars, config });
    }
    let filter = |name: &str, given: &dyn Fn() -> Vec<Value>| {
        let code = with.filters.get(name)?;
        let given: Vec<(&str, Value)> = given().into_iter().map(|value| ("", value)).collect();
        Some(with.programs.ask(code, Asks::Function(""), &given))
    };
    let mut inner = Map::with_capacity(vars.len());
    for (key, value) in &vars {
        let value = match value {
            Value::String(text) if nunjucks::has_marks(text) && !mentions_unknown(text, &vars) => {
                let text = nunjucks::render_with(&wrapped(text), &vars, with.environment, &filter);
                Value::String(text.map_err(said)?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                value.clone()
            }
        };
        inner.insert(key.clone(), value);
    }
    let prompt = nunjucks::render_with(&wrapped(&raw), &inner, with.environment, &filter).map_err(said)?;
    Ok(Rendered { prompt, vars, config })
}

/// The prompt that a program makes, and settings that it gives beside it.
fn made(
    program: &Code,
    prompt: &Written,
    vars: &Map<String, Value>,
    with: &With<'_>,
) -> Result<(String, Map<String, Value>), String> {
    let asks = match (&program.source, program.language) {
        (CodeSource::File { function: None, .. }, Language::Python) => Asks::Printed,
        (_, Language::Python | Language::JavaScript | Language::Ruby) => Asks::Function(""),
    };
    let context = json!({"vars": vars, "provider": with.provider(), "config": prompt.config});
    match with.programs.ask(program, asks, &[("context", context)])? {
        Value::String(text) => Ok((text, Map::new())),
        Value::Object(mut fields) if fields.contains_key("prompt") => {
            let text = match fields.shift_remove("prompt").unwrap_or_default() {
                Value::String(text) => text,
                other => json_of(&other),
            };
            let config = match fields.shift_remove("config") {
                Some(Value::Object(config)) => config,
                Some(_) | None => Map::new(),
            };
            Ok((text, config))
        }
        value @ (Value::Object(_) | Value::Array(_)) => Ok((json_of(&value), Map::new())),
        value @ (Value::Null | Value::Bool(_) | Value::Number(_)) => {
            Err(format!("the program of the prompt gives {value}, and no text or object"))
        }
    }
}

/// Vars with their files read, and what programs make of them. Each program sees what was read before it.
fn read(vars: &Map<String, Value>, raw: &str, with: &With<'_>) -> Result<Map<String, Value>, String> {
    let mut read = vars.clone();
    for (key, value) in vars {
        if let Value::String(text) = value
            && let Some(path) = text.strip_prefix("file://")
        {
            let value = file(key, path, raw, &read, with)?;
            read.insert(key.clone(), value);
        }
    }
    Ok(read)
}

/// Vars with their last line break gone, and the names of other vars in them replaced.
fn resolved(vars: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut resolved = vars;
    for value in resolved.values_mut() {
        if let Value::String(text) = value
            && text.ends_with('\n')
        {
            text.pop();
        }
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

fn file(key: &str, path: &str, raw: &str, vars: &Map<String, Value>, with: &With<'_>) -> Result<Value, String> {
    let files = with.files;
    let ending = ending(path);
    Ok(match ending.as_str() {
        "yaml" | "yml" => Value::from(json_of(&files.value(path)?)),
        "js" | "cjs" | "mjs" | "ts" | "cts" | "mts" | "py" => return said(key, path, raw, vars, with),
        "pdf" => return Err(format!("`{path}`: text is not taken out of documents here")),
        _ => match media::of(&ending) {
            Some(media::Media::Image) => Value::from(media::data_url(&ending, &files.base64(path)?)),
            Some(media::Media::Other) => Value::from(&*files.base64(path)?),
            None => Value::from(trimmed(&files.text(path)?)),
        },
    })
}

/// A var that a program says, as `{output}` or `{error}`.
fn said(key: &str, path: &str, raw: &str, vars: &Map<String, Value>, with: &With<'_>) -> Result<Value, String> {
    let code = program(path, with.files)?.ok_or_else(|| format!("`{path}` is no program that runs here"))?;
    let mut given = vec![("name", Value::from(key)), ("prompt", Value::from(raw)), ("vars", json!(vars))];
    if code.language == Language::JavaScript {
        given.push(("provider", with.provider()));
    }
    let said = with.programs.ask(&code, Asks::Function("get_var"), &given)?;
    let part = |name: &str| said.get(name).filter(|value| is_true(value));
    if let Some(error) = part("error") {
        return Err(format!("`{path}` says: {}", string_of(error)));
    }
    match (part("output"), code.language) {
        (Some(Value::String(text)), Language::Python) => Ok(Value::from(trimmed(text))),
        (Some(value), Language::JavaScript) => Ok(value.clone()),
        (_, _) => Err(format!("`{path}` gives no `output`, which would be the var `{key}`")),
    }
}

/// What is true in JavaScript.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64().is_none_or(|number| number != 0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// A text in which a tag is not closed on its line stands as it is.
fn wrapped(text: &str) -> String {
    let open = [("{%", '%'), ("{{", '}'), ("{#", '#')].into_iter().any(|(mark, end)| {
        text.match_indices(mark).any(|(at, _)| {
            let rest = text.get(at + 2..).unwrap_or_default();
            let stop = rest.find([end, '\n', '\r', '\u{2028}', '\u{2029}']);
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
        Some(Value::Array(messages)) if is_chat(&messages) => Prompt::Written(request::Written { text, messages }),
        Some(_) | None => Prompt::Text(text),
    }
}

fn is_chat(messages: &[Value]) -> bool {
    !messages.is_empty() && messages.iter().all(|message| message.get("role").is_some_and(Value::is_string))
}
