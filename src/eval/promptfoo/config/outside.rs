//! Providers that speak no protocol of their own: a command, an endpoint of any form. Kept out: all others (`spec`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::environment::{Environment, replace_texts};
use super::files::Files;
use super::place::At;
use super::providers::Provider;
use super::spec::{INSTEAD, headers};
use crate::document::Problem;
use crate::eval::model::{ExecSpec, ExecWord, HttpSpec, HttpWord, Limits, Method, ModelSpec, Retry};

pub(super) fn exec(command: &str, provider: &Provider, files: &Files) -> Result<ModelSpec, Problem> {
    let words = words(command);
    if words.is_empty() {
        return Err(provider.at.problem("`exec:` names no command"));
    }
    Ok(ModelSpec::Exec(ExecSpec {
        provider: ExecWord::Exec,
        command: words,
        folder: Some(files.folder().canonicalize().unwrap_or_else(|_| files.folder().to_owned()).display().to_string()),
        options: Some(serde_json::json!({ "config": provider.config })),
        env: BTreeMap::new(),
        timeout_seconds: None,
        revision: None,
    }))
}

/// The words of a command; quotes hold words together.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut begun) = (String::new(), None, false);
    for letter in command.chars() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '"' | '\'') => (quote, begun) = (Some(letter), true),
            (None, letter) if letter.is_whitespace() => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (Some(_) | None, letter) => {
                word.push(letter);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

const HTTP: &[&str] = &[
    "url",
    "method",
    "headers",
    "body",
    "transformResponse",
    "responseParser",
    "timeout",
    "maxRetries",
    "temperature",
    "max_tokens",
    "stateful",
    "basePath",
];

pub(super) fn http(id: &str, provider: &Provider, environment: &Environment<'_>) -> Result<ModelSpec, Problem> {
    let config = &provider.config;
    for key in config.keys() {
        if !HTTP.contains(&key.as_str()) {
            let at = provider.at.part(&format!("/config/{key}"));
            let refused = [
                "request",
                "session",
                "sessionParser",
                "sessionSource",
                "queryParams",
                "auth",
                "signatureAuth",
                "tls",
                "validateStatus",
                "transformRequest",
                "requestTransform",
                "useHttps",
                "multipart",
                "tokenEstimation",
                "transformToolsFormat",
                "tools",
            ];
            return Err(match refused.contains(&key.as_str()) {
                true => at.key_problem(format!("`{key}` of an HTTP provider is not done here")).help(INSTEAD),
                false => at.key_problem(format!("unknown key `{key}` of an HTTP provider")).help(INSTEAD),
            });
        }
    }
    let shown = |text: &str| environment.shown_in(text);
    let url = config.get("url").and_then(Value::as_str).map_or_else(|| id.to_owned(), shown);
    if !url.contains("://") {
        return Err(provider.at.problem("an HTTP provider needs `config.url`"));
    }
    let method = match config.get("method").and_then(Value::as_str).map(str::to_uppercase).as_deref() {
        None => {
            if config.contains_key("body") {
                Method::Post
            } else {
                Method::Get
            }
        }
        Some("GET") => Method::Get,
        Some("POST") => Method::Post,
        Some("PUT") => Method::Put,
        Some("PATCH") => Method::Patch,
        Some(other) => {
            return Err(provider.at.part("/config/method").problem(format!("the method `{other}` is not asked with")));
        }
    };
    let transform = config.get("transformResponse").or_else(|| config.get("responseParser"));
    let transform = match transform {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.starts_with("file://") => {
            let at = provider.at.part("/config/transformResponse");
            return Err(at.problem("the transform of a reply stands in the config, in one expression").help(INSTEAD));
        }
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            return Err(provider.at.part("/config/transformResponse").problem("`transformResponse` is a text"));
        }
    };
    let body = config.get("body").map(|body| replace_texts(body, &shown));
    if let Some(body) = &body {
        only_the_prompt(body, &provider.at.part("/config/body"))?;
    }
    only_the_prompt(&Value::from(url.as_str()), &provider.at.part("/config/url"))?;
    let spec = HttpSpec {
        provider: HttpWord::Http,
        url,
        method,
        headers: headers(provider, environment)?,
        body,
        response: None,
        transform,
        timeout_seconds: None,
        ca_file: None,
        revision: None,
        price: None,
        limits: Limits::default(),
        retry: Retry::default(),
    };
    if !spec.sends_prompt() {
        let help = "put `{{prompt}}` into the body or the URL: every test would get the answer to the same question";
        return Err(provider.at.problem("this HTTP provider is never sent the prompt").help(help));
    }
    Ok(ModelSpec::Http(spec))
}

/// A body may hold the prompt; other vars of a test are not known to a model.
fn only_the_prompt(value: &Value, at: &At) -> Result<(), Problem> {
    match value {
        Value::String(text) => {
            let mut rest = text.as_str();
            while let Some((_, after)) = rest.split_once("{{") {
                let (tag, after) = after.split_once("}}").unwrap_or((after, ""));
                if tag.trim() != "prompt" && tag.trim() != "messages" {
                    let message = format!("`{{{{{}}}}}`: only the prompt is put into a request", tag.trim());
                    return Err(at.problem(message).help(INSTEAD));
                }
                rest = after;
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| only_the_prompt(item, at)),
        Value::Object(fields) => fields.values().try_for_each(|value| only_the_prompt(value, at)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}
