//! A streamed reply: server-sent events, put together as they arrive.

use std::time::Instant;

use serde::Deserialize;

use super::reply::{Counted, Failure, Generated, finish};
use super::send::quote;
use crate::eval::model::Api;
use crate::eval::request::{Completion, Usage};
use crate::net::Body;

/// The longest line of a stream, in bytes.
const LONGEST_LINE: usize = 4 * 1024 * 1024;

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    choices: Vec<Part>,
    #[serde(default)]
    usage: Option<Counted>,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

/// What has arrived so far.
#[derive(Default)]
struct Assembly {
    text: String,
    finish: Option<String>,
    usage: Option<Usage>,
    first_token_ms: Option<f64>,
    done: bool,
}

/// Reads a stream to its end. One that breaks off before its last event is no answer.
pub(super) async fn read(response: reqwest::Response, began: Instant, api: Api) -> Result<Generated, Failure> {
    let mut body = Body::new(response);
    let mut assembly = Assembly::default();
    let mut line = Vec::new();
    while let Some(piece) = body.next().await.map_err(|error| Failure::of_body(&error))? {
        for byte in piece.as_ref() {
            if *byte == b'\n' {
                assembly.line(&line, began, api)?;
                line.clear();
            } else if line.len() < LONGEST_LINE {
                line.push(*byte);
            } else {
                return Err(Failure::Malformed("a line of the stream is too long".into()));
            }
        }
    }
    assembly.line(&line, began, api)?;
    assembly.finished()
}

impl Assembly {
    fn line(&mut self, line: &[u8], began: Instant, api: Api) -> Result<(), Failure> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // Comments, event names and blank lines carry nothing.
        let Some(data) = line.strip_prefix(b"data:") else { return Ok(()) };
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            self.done = true;
            return Ok(());
        }
        let event: Event = serde_json::from_slice(data)
            .map_err(|error| Failure::Malformed(quote(&format!("an event that is not JSON ({error})"))))?;
        if let Some(error) = event.error.filter(|error| !error.is_null()) {
            return Err(Failure::Malformed(quote(&format!("an error in the stream: {error}"))));
        }
        self.usage = event.usage.map(Usage::from).or(self.usage);
        for part in event.choices.into_iter().take(1) {
            let text = match api {
                Api::Chat => part.delta.and_then(|delta| delta.content.or(delta.refusal)),
                Api::Completions => part.text,
            };
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                self.first_token_ms.get_or_insert_with(|| began.elapsed().as_secs_f64() * 1e3);
                self.text.push_str(&text);
            }
            self.finish = part.finish_reason.or(self.finish.take());
        }
        Ok(())
    }

    fn finished(self) -> Result<Generated, Failure> {
        if !self.done && self.finish.is_none() {
            return Err(Failure::Broken("the stream broke off before its last event".into()));
        }
        let completion =
            Completion { text: self.text.into(), finish: finish(self.finish.as_deref()), token_log_probs: None };
        Ok(Generated { completion, usage: self.usage, first_token_ms: self.first_token_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_lines(lines: &[&str]) -> Result<Generated, Failure> {
        let mut assembly = Assembly::default();
        for line in lines {
            assembly.line(line.as_bytes(), Instant::now(), Api::Chat)?;
        }
        assembly.finished()
    }

    #[test]
    fn a_stream_is_put_together_and_one_that_breaks_off_is_no_answer() {
        let part = r#"data: {"choices":[{"delta":{"content":"Pa"}}]}"#;
        let rest = "data:{\"choices\":[{\"delta\":{\"content\":\"ris\"},\"finish_reason\":null}]}\r";
        let end = r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
        let usage = r#"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
        let whole = read_lines(&[": ping", "event: x", part, "", rest, end, usage, "data: [DONE]"]);
        let whole = whole.unwrap_or_else(|_| panic!("a whole stream"));
        assert_eq!(whole.completion.text.raw(), "Paris");
        assert_eq!(whole.usage.map(|usage| usage.completion_tokens), Some(2));
        assert!(whole.first_token_ms.is_some());
        assert!(matches!(read_lines(&[part, rest]), Err(Failure::Broken(_))));
        assert!(matches!(read_lines(&["data: {\"error\":{\"message\":\"busy\"}}"]), Err(Failure::Malformed(_))));
        assert!(matches!(read_lines(&["data: {"]), Err(Failure::Malformed(_))));
    }
}
