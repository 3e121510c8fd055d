//! What a reply of GitHub means: done, no right, ask later, or no use. Pure.
//! Sources: GitHub docs, "Rate limits for the REST API"; the refusal of too much content comes as 403, 429 or 422.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use serde_json::Value;

use crate::trust::Untrusted;

/// What is waited where a limit is met and no time is named. Source: as above ("at least one minute").
const UNNAMED: Duration = Duration::from_secs(60);

/// Why a request did not do what it should.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// The token may not, or may not even see that there is something (401, 403, 404).
    NoRight(u16, Untrusted),
    /// A limit, whose end is too far away.
    Limited,
    /// No answer, after all attempts.
    Unreachable(Untrusted),
    /// The server understood and refused.
    Refused(u16, Untrusted),
    /// The process was asked to stop.
    Interrupted,
}

impl Trouble {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Trouble::NoRight(status, text) => format!("the token may not ({status}: {})", text.raw()),
            Trouble::Limited => "GitHub's limit of requests is reached".to_owned(),
            Trouble::Unreachable(text) => format!("no answer from GitHub: {}", text.raw()),
            Trouble::Refused(status, text) => format!("GitHub refused ({status}: {})", text.raw()),
            Trouble::Interrupted => "the run was stopped".to_owned(),
        }
    }
}

/// One reply, read.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Reply {
    /// Done, with this body.
    Done(Value),
    /// Not done: ask again after this time.
    Later(Duration),
    /// It is not known whether it was done.
    Lost(Untrusted),
    /// Not done, and asking again is of no use.
    No(Trouble),
}

/// Reads a reply.
pub(super) fn read(status: u16, headers: &HeaderMap, body: &[u8]) -> Reply {
    let value: Option<Value> = match body.is_empty() {
        true => Some(Value::Null),
        false => serde_json::from_slice(body).ok(),
    };
    let message = || message(status, value.as_ref());
    match status {
        200..=299 => match value {
            Some(value) => Reply::Done(value),
            None => Reply::Lost(Untrusted::new("the reply is no JSON")),
        },
        429 => Reply::Later(asked(headers)),
        403 | 422 if limited(headers, message().raw()) => Reply::Later(asked(headers)),
        401 | 403 | 404 => Reply::No(Trouble::NoRight(status, message())),
        408 | 500..=599 => Reply::Lost(message()),
        _ => Reply::No(Trouble::Refused(status, message())),
    }
}

/// Whether a refusal is one of too much, and not one of no right.
fn limited(headers: &HeaderMap, message: &str) -> bool {
    let text = message.to_lowercase();
    header(headers, "retry-after").is_some()
        || header(headers, "x-ratelimit-remaining") == Some("0")
        || ["secondary rate limit", "rate limit exceeded", "abuse"].iter().any(|words| text.contains(words))
}

/// The server's own sentence, with the codes of its errors.
fn message(status: u16, body: Option<&Value>) -> Untrusted {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let own = body.and_then(|body| body.get("message")).and_then(text);
    let errors = body.and_then(|body| body.get("errors")).and_then(Value::as_array);
    let details = errors
        .into_iter()
        .flatten()
        .filter_map(|error| text(error).or_else(|| error.get("message").or_else(|| error.get("code")).and_then(text)));
    let parts: Vec<String> = own.into_iter().chain(details).collect();
    match parts.is_empty() {
        true => Untrusted::new(format!("status {status}")),
        false => Untrusted::new(parts.join("; ")),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The wait that the server asks for: `Retry-After`, else the end of the limit by the server's own clock.
fn asked(headers: &HeaderMap) -> Duration {
    if let Some(text) = header(headers, "retry-after") {
        // Seconds; nonsense and dates ask for the usual time.
        return text.trim().parse().map(Duration::from_secs).unwrap_or(UNNAMED);
    }
    let now = header(headers, "date").and_then(|date| httpdate::parse_http_date(date).ok());
    let now = now.and_then(|now| now.duration_since(SystemTime::UNIX_EPOCH).ok());
    let reset = header(headers, "x-ratelimit-reset").and_then(|text| text.trim().parse().ok());
    match (header(headers, "x-ratelimit-remaining"), reset, now) {
        (Some("0"), Some(reset), Some(now)) => Duration::from_secs(reset).saturating_sub(now),
        _ => UNNAMED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Reply {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        read(status, &headers, body.as_bytes())
    }

    const SECONDARY: &str = r#"{"message":"You have exceeded a secondary rate limit."}"#;

    #[test]
    fn limits_are_told_from_missing_rights() {
        let seconds = |n| Reply::Later(Duration::from_secs(n));
        assert_eq!(of(429, &[("retry-after", "7")], "{}"), seconds(7));
        assert_eq!(of(403, &[("retry-after", "5")], SECONDARY), seconds(5));
        assert_eq!(of(403, &[], SECONDARY), seconds(60));
        assert_eq!(of(422, &[], r#"{"message":"Validation Failed","errors":[{"code":"abuse"}]}"#), seconds(60));
        let reset = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1700000010"),
            ("date", "Tue, 14 Nov 2023 22:13:20 GMT"),
        ];
        assert_eq!(of(403, &reset, r#"{"message":"API rate limit exceeded"}"#), seconds(10));
        assert_eq!(of(429, &[("retry-after", "-1")], ""), seconds(60));
        let integration = r#"{"message":"Resource not accessible by integration"}"#;
        assert!(matches!(of(403, &[], integration), Reply::No(Trouble::NoRight(403, _))));
        assert!(matches!(of(404, &[], ""), Reply::No(Trouble::NoRight(404, _))));
        assert!(matches!(of(422, &[], r#"{"message":"Body is too long"}"#), Reply::No(Trouble::Refused(422, _))));
    }

    #[test]
    fn a_reply_that_may_have_been_done_is_lost_and_not_refused() {
        for (status, body) in [(502, "<html>"), (500, "{}"), (200, "{\"id\":"), (201, "<html>")] {
            assert!(matches!(of(status, &[], body), Reply::Lost(_)), "{status}");
        }
        assert_eq!(of(204, &[], ""), Reply::Done(Value::Null));
    }
}
