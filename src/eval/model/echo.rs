//! A model that gives the prompt back: for suites that test assertions and prompts, and for demos.

use futures::future::BoxFuture;

use super::{Answered, Attempt, Model, ModelError, ModelIdentity};
use crate::eval::request::{Answer, Completion, Finish, Prompt, Request, Usage};
use crate::trust::{Digest, Untrusted};

/// Answers with the prompt's own text.
pub(super) struct Echo(ModelIdentity);

impl Echo {
    /// One that goes by this name.
    pub(super) fn new(name: &str) -> Self {
        let digest = Digest::of(b"echo-1");
        let description = Untrusted::new("the prompt itself");
        Self(ModelIdentity { name: name.to_owned(), provider: "echo", digest, cacheable: true, description })
    }
}

impl Model for Echo {
    fn identity(&self) -> &ModelIdentity {
        &self.0
    }

    fn answer<'a>(&'a self, request: &'a Request, _: Attempt<'a>) -> BoxFuture<'a, Result<Answered, ModelError>> {
        let answered = match request {
            Request::Generate(generate) => {
                let text = plain_text(&generate.prompt).into();
                // promptfoo's echo says of no reason why it ended, of no token and of no cost.
                let answer = Answer::Completion(Completion { text, finish: Finish::Other, token_log_probs: None });
                Ok(Answered {
                    answer,
                    usage: Some(Usage::default()),
                    latency_ms: Some(0.0),
                    ttft_ms: None,
                    attempts: 1,
                })
            }
            Request::RankChoices(_) | Request::Rolling(_) | Request::Embed(_) => Err(text_only("echo")),
        };
        Box::pin(std::future::ready(answered))
    }
}

/// What a provider says that is asked for more than a text.
pub(super) fn text_only(provider: &str) -> ModelError {
    ModelError::Unsupported(format!("`provider: {provider}` gives text only").into())
}

/// A prompt as one text. Of a chat: its messages as JSON, the way in which a chat that is written as text stands.
pub(super) fn plain_text(prompt: &Prompt) -> String {
    match prompt {
        Prompt::Text(text) => text.clone(),
        Prompt::Chat(messages) => serde_json::to_string(messages).unwrap_or_default(),
        Prompt::Written(written) => written.text.clone(),
    }
}
