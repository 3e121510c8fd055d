//! Sending one request until it is answered, refused, or out of time: the same for every endpoint.
//! Kept out: what is sent, and what a reply means (`openai`, `http`).

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use super::failure::Failure;
use super::{Attempt, Limits, ModelError, Retry};
use crate::eval::request::{Generate, Prompt};
use crate::net::{self, ClientOptions, Decision, Limiter, NetError, RetryPolicy, client, decide};
use crate::trust::{Untrusted, beginning};

/// Characters of a server's error that are kept.
const QUOTE: usize = 500;
/// Characters of text that make about one token.
const CHARACTERS_A_TOKEN: usize = 4;

/// A reply that was understood, with what it took.
pub(super) struct Sent<T> {
    pub(super) value: T,
    pub(super) latency_ms: f64,
    pub(super) attempts: u32,
}

/// One form of reply.
pub(super) trait Reader: Sync {
    /// What it holds.
    type Value: Send;

    /// Whether a reply of this status is read; all others are failures.
    fn reads(&self, status: u16) -> bool {
        status == 200
    }

    /// Reads a reply of such a status; `began` is when its request was sent.
    fn read(
        &self,
        response: reqwest::Response,
        began: Instant,
    ) -> impl Future<Output = Result<Self::Value, Failure>> + Send;
}

/// A client with its limits and its patience.
pub(super) struct Courier {
    client: reqwest::Client,
    limiter: Limiter,
    retry: RetryPolicy,
}

impl Courier {
    /// Builds the client.
    pub(super) fn new(options: &ClientOptions, limits: &Limits, retry: &Retry) -> Result<Self, NetError> {
        let retry = RetryPolicy {
            attempts: retry.attempts,
            longest_wait: Duration::from_secs_f64(retry.max_wait_seconds.clamp(0.0, 600.0)),
        };
        let limiter = Limiter::new(limits.requests_per_minute, limits.tokens_per_minute);
        Ok(Self { client: client(options)?, limiter, retry })
    }

    /// Sends what `request` makes, and again while that may help, within the attempt's deadline.
    pub(super) async fn send<R: Reader>(
        &self,
        request: impl Fn(&reqwest::Client) -> reqwest::RequestBuilder + Send + Sync,
        tokens: u32,
        attempt: &Attempt<'_>,
        reader: &R,
    ) -> Result<Sent<R::Value>, ModelError> {
        let deadline = tokio::time::Instant::from_std(attempt.deadline);
        let mut attempts = 0;
        let last = Mutex::new(None);
        // Pinned here: a future of several kilobytes is not moved from hand to hand.
        let mut work = std::pin::pin!(async {
            loop {
                if !self.limiter.pass(tokens, attempt.deadline).await {
                    return Err(ModelError::Timeout(
                        "the rate limits of the policy leave no room before the deadline".into(),
                    ));
                }
                attempts += 1;
                let began = Instant::now();
                let failure = match self.once(&request, began, reader).await {
                    Ok(value) => {
                        let latency_ms = began.elapsed().as_secs_f64() * 1e3;
                        return Ok(Sent { value, latency_ms, attempts });
                    }
                    Err(failure) => failure,
                };
                let left = attempt.deadline.saturating_duration_since(Instant::now());
                let decision = decide(&self.retry, attempts, failure.answered(), left, chance(), SystemTime::now());
                let error = failure.error();
                match decision {
                    Decision::GiveUp => return Err(error),
                    Decision::Wait(wait) => {
                        if let Ok(mut last) = last.lock() {
                            *last = Some(error);
                        }
                        tokio::time::sleep(wait).await;
                    }
                }
            }
        });
        let outcome = tokio::select! {
            biased;
            () = attempt.cancel.cancelled() => return Err(ModelError::Cancelled),
            outcome = tokio::time::timeout_at(deadline, work.as_mut()) => outcome,
        };
        match outcome {
            Ok(outcome) => outcome,
            // What stood in the way before the deadline says more than the deadline.
            Err(_) => {
                let last = last.lock().ok().and_then(|mut last| last.take());
                Err(last.unwrap_or_else(|| ModelError::Timeout("no whole answer before the deadline".into())))
            }
        }
    }

    async fn once<R: Reader>(
        &self,
        request: &(impl Fn(&reqwest::Client) -> reqwest::RequestBuilder + Send + Sync),
        began: Instant,
        reader: &R,
    ) -> Result<R::Value, Failure> {
        let response = request(&self.client).send().await.map_err(|error| unsent(&error))?;
        let status = response.status().as_u16();
        if reader.reads(status) {
            return reader.read(response, began).await;
        }
        let after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let text = match net::read_body(response).await {
            Ok(body) => quote(&String::from_utf8_lossy(&body)),
            Err(error) => error_text(&error),
        };
        Err(Failure::Status { status, after, text })
    }
}

/// The beginning of a server's text, cut so that no half of a secret is left.
pub(super) fn quote(text: &str) -> Untrusted {
    Untrusted::new(beginning(text, QUOTE))
}

/// An error of the client in words.
pub(super) fn error_text(error: &NetError) -> Untrusted {
    match error {
        NetError::Broken(detail) => detail.clone(),
        other @ (NetError::File { .. }
        | NetError::Certificates(_)
        | NetError::Build(_)
        | NetError::TooLarge(_)
        | NetError::Refused(_)) => Untrusted::new(other.to_string()),
    }
}

/// A request that was not answered. An address that is refused stays so: it is not asked again.
fn unsent(error: &reqwest::Error) -> Failure {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let refused = causes.into_iter().any(|cause| cause.is::<net::Refused>());
    if refused { Failure::Unsupported(net_text(error)) } else { Failure::Broken(net_text(error)) }
}

fn net_text(error: &reqwest::Error) -> Untrusted {
    quote(&net::chain_of(error))
}

/// Tokens of a request, before anybody has counted them.
pub(super) fn estimate(request: &Generate) -> u32 {
    let characters = match &request.prompt {
        Prompt::Text(text) => text.len(),
        Prompt::Chat(messages) => messages.iter().map(|message| message.content.len()).sum(),
        Prompt::Written(written) => written.text.len(),
    };
    let prompt = u32::try_from(characters / CHARACTERS_A_TOKEN).unwrap_or(u32::MAX);
    prompt.saturating_add(request.max_tokens)
}

/// Jitter needs no seed: it never changes a result, only when it arrives.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 1.0,
    }
}
