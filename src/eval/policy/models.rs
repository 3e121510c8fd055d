//! What is wrong with a model of the policy that speaks no protocol of its own.

use crate::document::{Document, Problems};
use crate::eval::model::{ExecSpec, HttpSpec, Limits, Price, Retry};

/// The longest that one request of such a model may be given, in seconds.
const LONGEST: f64 = 3600.0;

pub(super) fn check_http(spec: &HttpSpec, pointer: &str, document: &Document, problems: &mut Problems) {
    let mut at = |field: &str, message: &str| problems.push(document.problem(&format!("{pointer}/{field}"), message));
    match reqwest::Url::parse(&spec.url) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            if !url.username().is_empty() || url.password().is_some() {
                at("url", "a URL with a password in it ends up in logs; use headers");
            }
        }
        Ok(_) | Err(_) => at("url", "not a URL that begins with http:// or https://"),
    }
    if spec.url.contains("${") {
        at("url", "a value of the environment in a URL ends up in logs; use headers");
    }
    if spec.response.as_deref().is_some_and(|pointer| !pointer.is_empty() && !pointer.starts_with('/')) {
        at("response", "not a JSON pointer: it begins with `/`, such as /choices/0/message/content");
    }
    if spec.response.is_some() && spec.transform.is_some() {
        at("transform", "`response` and `transform` both say where the answer stands: give one");
    }
    if spec.timeout_seconds.is_some_and(|seconds| !(seconds > 0.0 && seconds <= LONGEST)) {
        at("timeout_seconds", "a timeout is more than 0 seconds, and at most an hour");
    }
    check_sending(spec.price, &spec.limits, &spec.retry, &mut at);
}

pub(super) fn check_exec(spec: &ExecSpec, pointer: &str, document: &Document, problems: &mut Problems) {
    let mut at = |field: &str, message: &str| problems.push(document.problem(&format!("{pointer}/{field}"), message));
    if spec.command.first().is_none_or(|program| program.trim().is_empty()) {
        at("command", "a command is a list that begins with the program");
    }
    if spec.timeout_seconds.is_some_and(|seconds| !(seconds > 0.0 && seconds <= LONGEST)) {
        at("timeout_seconds", "a timeout is more than 0 seconds, and at most an hour");
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
