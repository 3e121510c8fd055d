//! What a provider of the config's own is told of a case besides the prompt: a command its context, an endpoint the vars that its address
//! and body show. Follows promptfoo 0.121.20. Kept out: how they are asked (`eval::model`).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::part::Part;
use super::prompts::Written;
use super::render::Rendered;
use crate::eval::promptfoo::nunjucks::{render, render_value};
use crate::eval::request::Told;

/// How a provider is told.
#[derive(Clone, Debug)]
pub(super) enum Tells {
    /// In the last argument of a command.
    Command,
    /// In templates.
    Endpoint { url: String, body: Option<Value>, is_json: bool },
}

#[expect(clippy::expect_used, reason = "written here, and tried by every test")]
static PLAIN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{\{-?\s*([A-Za-z_][\w.]*)\s*-?\}\}").expect("a regular expression"));

impl Tells {
    /// Of one case.
    pub(super) fn of(
        &self,
        part: &Part,
        prompt: &Written,
        rendered: &Rendered,
        environment: &BTreeMap<String, String>,
    ) -> Result<Told, String> {
        match self {
            Tells::Command => Ok(Told::Command(context(part, prompt, rendered))),
            Tells::Endpoint { url, body, is_json } => {
                let mut vars = rendered.vars.clone();
                vars.insert("prompt".to_owned(), Value::from(rendered.prompt.as_str()));
                let shown = |template: &str| render(template, &vars, environment).map_err(|error| error.to_string());
                // What stands plainly in an address stays one part of it; what goes through a filter is as the filter gives it.
                let url = shown(&PLAIN.replace_all(url, "{{ $1 | string | urlencode }}"))?;
                let body = match body {
                    None => None,
                    Some(Value::String(text)) => Some(text_body(text, *is_json, &vars, environment)?),
                    Some(value) => Some(json_body(value, &vars, environment)?),
                };
                Ok(Told::Endpoint { url, body })
            }
        }
    }
}

/// A body of JSON: texts that are objects or lists themselves, once rendered, are sent as such.
fn json_body(body: &Value, vars: &Map<String, Value>, environment: &BTreeMap<String, String>) -> Result<Value, String> {
    fn opened(value: Value) -> Value {
        match value {
            Value::String(text) => match serde_json::from_str(&text) {
                Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
                Ok(_) | Err(_) => Value::String(text),
            },
            Value::Array(items) => items.into_iter().map(opened).collect(),
            Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, opened(value))).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
        }
    }
    render_value(body, vars, environment).map(opened).map_err(|error| error.to_string())
}

/// A body of text. Where it is meant as JSON, vars that would break it are put in as JSON.
fn text_body(
    body: &str,
    is_json: bool,
    vars: &Map<String, Value>,
    environment: &BTreeMap<String, String>,
) -> Result<Value, String> {
    let shown = |template: &str| render(template, vars, environment).map_err(|error| error.to_string());
    if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(body) {
        return json_body(&value, vars, environment);
    }
    let plain = shown(body)?;
    if !is_json {
        return Ok(Value::String(plain));
    }
    if let Ok(value) = serde_json::from_str(&plain) {
        return Ok(value);
    }
    let quoted = shown(&PLAIN.replace_all(body, "{{ $1 | dump }}"))?;
    Ok(serde_json::from_str(&quoted).unwrap_or(Value::String(plain)))
}

/// The context of a command.
fn context(part: &Part, prompt: &Written, rendered: &Rendered) -> Map<String, Value> {
    let mut test = Map::new();
    if let Some(description) = &part.description {
        test.insert("description".to_owned(), Value::from(description.as_str()));
    }
    test.insert("vars".to_owned(), json!(rendered.vars));
    test.insert("metadata".to_owned(), json!(part.metadata));
    test.insert("options".to_owned(), json!(part.options));
    if let Some(threshold) = part.threshold {
        test.insert("threshold".to_owned(), json!(threshold));
    }
    let mut config = prompt.config.clone();
    config.extend(rendered.config.clone());
    let mut context = Map::new();
    context.insert("vars".to_owned(), json!(rendered.vars));
    let about = json!({"raw": prompt.raw, "label": prompt.label, "config": config, "template": prompt.raw});
    context.insert("prompt".to_owned(), about);
    context.insert("test".to_owned(), Value::Object(test));
    context
}
