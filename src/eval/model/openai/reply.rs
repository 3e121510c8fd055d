//! A whole reply of chat or completions. Kept out: the ways in which a request can fail (`failure`).

use serde::Deserialize;

use super::send::quote;
use crate::eval::model::Api;
use crate::eval::request::{Completion, Finish, Usage};
use crate::net;

pub(super) use crate::eval::model::failure::Failure;

/// A generated text with what the endpoint counted.
pub(super) struct Generated {
    pub(super) completion: Completion,
    pub(super) usage: Option<Usage>,
    pub(super) first_token_ms: Option<f64>,
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Counted>,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    message: Option<Message>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    logprobs: Option<LogProbs>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

/// Both forms: chat has `content`, completions has `token_logprobs`.
#[derive(Deserialize)]
pub(super) struct LogProbs {
    #[serde(default)]
    content: Option<Vec<TokenLogProb>>,
    #[serde(default)]
    pub(super) token_logprobs: Option<Vec<Option<f64>>>,
    #[serde(default)]
    pub(super) text_offset: Option<Vec<u64>>,
    #[serde(default)]
    pub(super) top_logprobs: Option<Vec<Option<std::collections::BTreeMap<String, f64>>>>,
}

#[derive(Deserialize)]
struct TokenLogProb {
    logprob: f64,
}

/// Tokens as the endpoint counted them.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct Counted {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

impl From<Counted> for Usage {
    fn from(counted: Counted) -> Self {
        Usage { prompt_tokens: counted.prompt_tokens, completion_tokens: counted.completion_tokens }
    }
}

impl LogProbs {
    fn values(self) -> Option<Vec<f64>> {
        let chat = self.content.map(|tokens| tokens.into_iter().map(|token| token.logprob).collect::<Vec<_>>());
        chat.or_else(|| self.token_logprobs.map(|values| values.into_iter().flatten().collect()))
    }
}

/// Why an answer ended, in our words.
pub(super) fn finish(reason: Option<&str>) -> Finish {
    match reason {
        Some("stop") => Finish::Stop,
        Some("length") => Finish::Length,
        Some("content_filter") => Finish::ContentFilter,
        Some(_) | None => Finish::Other,
    }
}

/// Reads a whole reply.
pub(super) async fn read(response: reqwest::Response, api: Api) -> Result<Generated, Failure> {
    let body = net::read_body(response).await.map_err(|error| Failure::of_body(&error))?;
    parse(&body, api)
}

fn parse(body: &[u8], api: Api) -> Result<Generated, Failure> {
    let malformed = |what: &str| {
        let text = String::from_utf8_lossy(body);
        Failure::Malformed(quote(&format!("{what}: {text}")))
    };
    let reply: Reply =
        serde_json::from_slice(body).map_err(|error| malformed(&format!("not a reply of the protocol ({error})")))?;
    if reply.error.as_ref().is_some_and(|error| !error.is_null()) {
        return Err(malformed("an error behind status 200"));
    }
    let choice = reply.choices.into_iter().next().ok_or_else(|| malformed("a reply without choices"))?;
    let text = match (api, choice.message, choice.text) {
        (Api::Chat, Some(message), _) => message.content.or(message.refusal),
        (Api::Completions, _, text) => text,
        (Api::Chat, None, _) => None,
    };
    let text = text.ok_or_else(|| malformed("a choice without text"))?;
    let completion = Completion {
        text: text.into(),
        finish: finish(choice.finish_reason.as_deref()),
        token_log_probs: choice.logprobs.and_then(LogProbs::values),
    };
    Ok(Generated { completion, usage: reply.usage.map(Usage::from), first_token_ms: None })
}

/// The log-probabilities of the first choice of a completions reply.
pub(super) async fn read_log_probs(response: reqwest::Response) -> Result<LogProbs, Failure> {
    let body = net::read_body(response).await.map_err(|error| Failure::of_body(&error))?;
    let reply: Reply = serde_json::from_slice(&body)
        .map_err(|error| Failure::Malformed(quote(&format!("not a reply of the protocol ({error})"))))?;
    let log_probs = reply.choices.into_iter().next().and_then(|choice| choice.logprobs);
    log_probs.ok_or_else(|| Failure::Unsupported("the endpoint returns no log-probabilities".into()))
}
