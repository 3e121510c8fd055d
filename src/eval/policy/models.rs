//! What is wrong with a model of the policy that is an endpoint, a command, or a server of its own.

use std::collections::BTreeMap;

use crate::document::{Document, Problems, pointer_part};
use crate::eval::model::{ExecSpec, HttpSpec, Limits, Price, Retry, ServerSpec};

/// The longest that one request of such a model may be given, in seconds.
const LONGEST: f64 = 3600.0;
/// The longest that a server may take to be ready: weights are fetched first.
const LONGEST_START: f64 = 86_400.0;
/// The longest that a server may take to end.
const LONGEST_END: f64 = 600.0;

pub(super) fn check_http(spec: &HttpSpec, pointer: &str, document: &Document, problems: &mut Problems) {
    let mut at = |field: &str, message: &str| problems.push(document.problem(&format!("{pointer}/{field}"), message));
    check_url("url", &spec.url, &mut at);
    if !spec.sends_prompt() {
        let field = if spec.body.is_some() { "body" } else { "url" };
        at(
            field,
            "the prompt is sent nowhere: put `{{prompt}}` into the body (or `{{messages}}` as a value of its own), or into the URL",
        );
    }
    if spec.response.as_deref().is_some_and(|pointer| !pointer.is_empty() && !pointer.starts_with('/')) {
        at("response", "not a JSON pointer: it begins with `/`, such as /choices/0/message/content");
    }
    if spec.response.is_some() && spec.transform.is_some() {
        at("transform", "`response` and `transform` both say where the answer stands: give one");
    }
    check_timeout(spec.timeout_seconds, &mut at);
    check_sending(spec.price, &spec.limits, &spec.retry, &mut at);
}

pub(super) fn check_exec(spec: &ExecSpec, pointer: &str, document: &Document, problems: &mut Problems) {
    let mut at = |field: &str, message: &str| problems.push(document.problem(&format!("{pointer}/{field}"), message));
    if spec.command.first().is_none_or(|program| program.trim().is_empty()) {
        at("command", "a command is a list that begins with the program");
    }
    check_timeout(spec.timeout_seconds, &mut at);
}

/// An address that requests go to: nothing secret stands in it.
pub(super) fn check_url(field: &str, url: &str, at: &mut dyn FnMut(&str, &str)) {
    match reqwest::Url::parse(url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => {
            if !parsed.username().is_empty() || parsed.password().is_some() {
                at(field, "a URL with a password in it ends up in logs; use headers");
            }
        }
        Ok(_) | Err(_) => at(field, "not a URL that begins with http:// or https://"),
    }
    if url.contains("${") {
        at(field, "a value of the environment in a URL ends up in logs; use headers");
    }
}

fn check_timeout(seconds: Option<f64>, at: &mut dyn FnMut(&str, &str)) {
    if seconds.is_some_and(|seconds| !(seconds > 0.0 && seconds <= LONGEST)) {
        at("timeout_seconds", "a timeout is more than 0 seconds, and at most an hour");
    }
}

pub(super) fn check_server(spec: &ServerSpec, pointer: &str, document: &Document, problems: &mut Problems) {
    let mut at = |field: &str, message: &str| problems.push(document.problem(&format!("{pointer}/{field}"), message));
    match (spec.preset, spec.command.first()) {
        (None, None) => at("", "a server is started by a `preset` (vllm, sglang, tgi, llama-cpp) or a `command`"),
        (Some(_), Some(_)) => at("command", "`preset` and `command` both say what is started: give one"),
        (None, Some(program)) if program.trim().is_empty() => {
            at("command", "a command is a list that begins with the program");
        }
        (None, Some(_)) if !spec.names("port") => {
            at("command", "`{port}` is nowhere in the command, its `args` or `env`: the server would listen elsewhere");
        }
        (None, Some(_)) | (Some(_), None) => {}
    }
    if spec.model.trim().is_empty() {
        at("model", "what is served is empty");
    }
    // A name that looks like an option would be one.
    if spec.preset.is_some() && spec.model.starts_with('-') {
        at("model", "a model does not begin with `-`");
    }
    if spec.ready.as_deref().is_some_and(|path| !path.starts_with('/')) {
        at("ready", "a path begins with `/`, such as /health");
    }
    if !(spec.ready_timeout_seconds > 0.0 && spec.ready_timeout_seconds <= LONGEST_START) {
        at("ready_timeout_seconds", "more than 0 seconds, and at most a day");
    }
    if !(0.0..=LONGEST_END).contains(&spec.stop_timeout_seconds) {
        at("stop_timeout_seconds", "0 to 600 seconds");
    }
    for name in spec.env.keys().filter(|name| name.is_empty() || name.contains(['=', '\0'])) {
        at(&format!("env/{}", pointer_part(name)), "not a name of a variable");
    }
    check_sending(spec.price, &spec.limits, &spec.retry, &mut at);
    check_body(&spec.extra_body, &mut at);
}

/// Fields of a request that are the suite's.
pub(super) fn check_body(extra: &BTreeMap<String, serde_json::Value>, at: &mut dyn FnMut(&str, &str)) {
    for key in extra.keys() {
        if matches!(
            key.as_str(),
            "model" | "messages" | "prompt" | "stream" | "echo" | "logprobs" | "max_tokens" | "stop"
        ) {
            at(&format!("extra_body/{key}"), "this field of the request is set by the suite, not by extra_body");
        }
    }
}

/// What every endpoint has: a price, limits, retries.
pub(super) fn check_sending(price: Option<Price>, limits: &Limits, retry: &Retry, at: &mut dyn FnMut(&str, &str)) {
    if let Some(price) = price {
        let good = |value: f64| value.is_finite() && value >= 0.0;
        if !good(price.input_per_million) || !good(price.output_per_million) {
            at("price", "a price is 0 or more");
        }
    }
    if limits.requests_per_minute == Some(0) || limits.tokens_per_minute == Some(0) {
        at("limits", "a limit of 0 a minute would never send anything");
    }
    if !(1..=20).contains(&retry.attempts) {
        at("retry/attempts", "attempts are 1 to 20");
    }
    if !(0.0..=600.0).contains(&retry.max_wait_seconds) {
        at("retry/max_wait_seconds", "the longest wait is 0 to 600 seconds");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::policy::read_text;

    fn problems(model: &str) -> Vec<String> {
        let text = format!("version: 1\nmodels:\n  m: {model}\n");
        let found = read_text("llmci.yaml", &text, std::path::Path::new("")).err();
        found.into_iter().flat_map(Problems::sorted).map(|problem| problem.message.into_raw()).collect()
    }

    #[test]
    fn an_endpoint_that_is_never_sent_the_prompt_is_refused() {
        let sends = [
            "body: {q: '{{prompt}}'}",
            "body: {q: ['a', {b: 'Say {{ prompt }}'}]}",
            "body: {m: '{{messages}}'}",
            "body: 'q={{prompt}}', headers: {Content-Type: application/x-www-form-urlencoded}",
            "body: '{\"q\": {{prompt}}}'",
            "body: '{{prompt}}'",
            "method: GET, url: 'http://localhost/?q={{prompt}}'",
        ];
        let silent = [
            "method: GET",
            "method: GET, url: 'http://localhost/#{{prompt}}'",
            "body: {q: 'Say hello'}",
            "body: {q: '{{ question }}'}",
            "body: {m: 'all {{messages}}'}",
            "headers: {x-q: '{{prompt}}'}",
        ];
        let of = |more: &str| {
            let url = if more.contains("url:") { "" } else { "url: 'http://localhost', " };
            problems(&format!("{{provider: http, {url}{more}}}"))
        };
        for more in sends {
            assert_eq!(of(more), Vec::<String>::new(), "{more}");
        }
        for more in silent {
            let found = of(more);
            assert!(found.len() == 1 && found[0].contains("sent nowhere"), "{more}: {found:?}");
        }
    }

    #[test]
    fn no_secret_stands_in_an_address() {
        for url in ["https://user:pass@host/", "https://host/${KEY}", "ftp://host/"] {
            assert!(!problems(&format!("{{provider: openai, model: m, base_url: '{url}'}}")).is_empty(), "{url}");
            assert!(
                !problems(&format!("{{provider: http, body: '{{{{prompt}}}}', url: '{url}'}}")).is_empty(),
                "{url}"
            );
        }
    }
}
