//! The thing under test that answers. One file or folder a provider; this file holds the trait and the factory's types.

mod build;
mod courier;
mod echo;
#[cfg(feature = "embedded")]
pub mod embedded;
mod exec;
mod failure;
mod http;
pub mod openai;
mod own;
mod probe;
mod provider;
pub mod replay;
pub mod server;
mod spec;

use std::time::Instant;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::request::{Answer, Request, Usage};
use crate::trust::{Digest, Untrusted};

pub use build::{Built, ModelBuildError, build};
pub use openai::Surroundings;
pub use own::OwnModels;
pub use probe::probe_log_likelihoods;
pub use provider::provider;
pub use spec::{
    Api, Device, Dtype, EchoSpec, EchoWord, EmbeddedSpec, ExecSpec, ExecWord, HttpSpec, HttpWord, Limits, Method,
    ModelSpec, OpenAiSpec, OpenAiWord, Preset, Price, ReplaySpec, Retry, ServerSpec, ServerWord,
};

/// Who answered: part of the cache key and of the report.
#[derive(Clone, Debug)]
pub struct ModelIdentity {
    /// The model's key in the policy.
    pub name: String,
    /// The word of `provider`, such as `openai`; `suite` for the models that suites name themselves.
    pub provider: &'static str,
    /// Changes whenever the answers could: weights, endpoint, revision, parameters sent with each request.
    pub digest: Digest,
    /// Whether the digest says enough to keep answers under it: not where something else decides them too.
    pub cacheable: bool,
    /// For people.
    pub description: Untrusted,
}

/// The frame of one attempt.
#[derive(Clone, Debug)]
pub struct Attempt<'a> {
    /// The suite's name.
    pub suite: &'a str,
    /// The case's id.
    pub case: &'a Untrusted,
    /// 0-based.
    pub repeat: u32,
    /// When the attempt has failed, retries and waits included.
    pub deadline: Instant,
    /// Ends the attempt at once: SIGTERM, or a verdict that is already certain.
    pub cancel: &'a CancellationToken,
}

/// An answer and what it took.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The answer; as many log-likelihoods as continuations were asked.
    pub answer: Answer,
    /// Tokens, where the model counts them.
    pub usage: Option<Usage>,
    /// Milliseconds of the successful request; absent for `replay`.
    pub latency_ms: Option<f64>,
    /// Milliseconds to the first token, when streamed.
    pub ttft_ms: Option<f64>,
    /// Requests sent, at least 1.
    pub attempts: u32,
}

/// Why a model gave no answer. The word of the kind is part of `samples.jsonl`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ModelError {
    /// No connection, or it broke; retried until the deadline.
    #[error("the model could not be reached")]
    Unreachable(Untrusted),
    /// 429 until the retries or the deadline ended.
    #[error("the model's rate limit did not clear")]
    RateLimited(Untrusted),
    /// The deadline of the attempt.
    #[error("the model did not answer in time")]
    Timeout(Untrusted),
    /// The server said no and would say so again: 4xx.
    #[error("the model refused the request")]
    Refused(Untrusted),
    /// 5xx until the retries or the deadline ended.
    #[error("the server failed")]
    Server(Untrusted),
    /// An answer that is not of the protocol's form.
    #[error("the answer could not be understood")]
    Malformed(Untrusted),
    /// The model cannot do what was asked, such as log-likelihoods over a chat endpoint.
    #[error("the model cannot do this")]
    Unsupported(Untrusted),
    /// No recorded completion for this case.
    #[error("no recorded answer")]
    Missing(Untrusted),
    /// Cancelled from outside: never journalled.
    #[error("cancelled")]
    Cancelled,
}

impl ModelError {
    /// The word of `samples.jsonl`, and the detail.
    pub fn parts(&self) -> (&'static str, Untrusted) {
        match self {
            ModelError::Unreachable(detail) => ("unreachable", detail.clone()),
            ModelError::RateLimited(detail) => ("rate_limited", detail.clone()),
            ModelError::Timeout(detail) => ("timeout", detail.clone()),
            ModelError::Refused(detail) => ("refused", detail.clone()),
            ModelError::Server(detail) => ("server", detail.clone()),
            ModelError::Malformed(detail) => ("malformed", detail.clone()),
            ModelError::Unsupported(detail) => ("unsupported", detail.clone()),
            ModelError::Missing(detail) => ("missing", detail.clone()),
            ModelError::Cancelled => ("cancelled", Untrusted::default()),
        }
    }
}

/// Anything that answers a [`Request`].
pub trait Model: Send + Sync {
    /// Who answers.
    fn identity(&self) -> &ModelIdentity;

    /// Whether it writes a chat as the model was taught it. What sends the turns leaves that to the other side.
    fn has_chat_form(&self) -> bool {
        true
    }

    /// Answers one request within the attempt's deadline. Retries are the model's own affair.
    fn answer<'a>(&'a self, request: &'a Request, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Answered, ModelError>>;
}
