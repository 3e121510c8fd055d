//! Providers that speak no protocol of their own: a command, an endpoint of any form. Kept out: all others (`spec`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::environment::{Environment, replace_texts};
use super::files::Files;
use super::providers::Provider;
use super::spec::{INSTEAD, headers};
use super::told::Tells;
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
    without_secrets(id, provider, environment, |key| matches!(key, "url" | "body"))?;
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
    // A case may put its vars anywhere but into the host, which is sent the headers' secrets, and into the headers.
    let host = url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    if host.contains("{{") || host.contains("{%") {
        return Err(provider.at.problem(format!("`{url}`: the host of a provider is written out")).help(INSTEAD));
    }
    let headers = headers(provider, environment)?;
    let spec = HttpSpec {
        provider: HttpWord::Http,
        url,
        method,
        headers,
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
    let silent = !spec.sends_prompt();
    let spec = ModelSpec::Http(spec);
    if silent && tells(&spec).is_none() {
        let help =
            "put `{{prompt}}` or a var into the body or the URL: every test would get the answer to the same question";
        return Err(provider.at.problem("this HTTP provider is never sent the prompt").help(help));
    }
    Ok(spec)
}

/// How a provider of this spec is told what a case is about; none where the prompt is all that it is told.
pub(super) fn tells(spec: &ModelSpec) -> Option<Tells> {
    match spec {
        ModelSpec::Exec(_) => Some(Tells::Command),
        ModelSpec::Http(spec) => {
            let vars = shows_vars(&Value::from(spec.url.as_str())) || spec.body.as_ref().is_some_and(shows_vars);
            let kind = spec.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            let is_json = kind.is_some_and(|(_, kind)| kind.contains("json"));
            vars.then(|| Tells::Endpoint { url: spec.url.clone(), body: spec.body.clone(), is_json })
        }
        ModelSpec::Openai(_)
        | ModelSpec::Server(_)
        | ModelSpec::Echo(_)
        | ModelSpec::Embedded(_)
        | ModelSpec::Replay(_) => None,
    }
}

/// A problem where a provider's id, or a part of its `config`, names a secret: only headers and keys may.
pub(super) fn without_secrets(
    id: &str,
    provider: &Provider,
    environment: &Environment<'_>,
    is_shown: impl Fn(&str) -> bool,
) -> Result<(), Problem> {
    environment.no_secret_in(id, &provider.at)?;
    for (key, value) in provider.config.iter().filter(|(key, _)| is_shown(key)) {
        let at = provider.at.part(&format!("/config/{}", crate::document::pointer_part(key)));
        texts_of(value).into_iter().try_for_each(|text| environment.no_secret_in(text, &at))?;
    }
    Ok(())
}

/// Every text in a value, and every name.
fn texts_of(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts_of).collect(),
        Value::Object(fields) => {
            fields.iter().flat_map(|(name, value)| std::iter::once(name.as_str()).chain(texts_of(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// Whether a tag in it names anything but the prompt.
fn shows_vars(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            let mut tags = text.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap_or_default().trim());
            text.contains("{%") || tags.any(|tag| tag != "prompt" && tag != "messages")
        }
        Value::Array(items) => items.iter().any(shows_vars),
        Value::Object(fields) => fields.values().any(shows_vars),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
