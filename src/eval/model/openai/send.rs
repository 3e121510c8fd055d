//! What is sent to an endpoint of this protocol. Kept out: how it is sent until it is answered (`courier`).

use std::time::Instant;

use serde::Serialize;

use super::OpenAi;
use super::reply::{self, Failure, Generated};
use super::stream;
use crate::eval::model::{Answered, Api, Attempt, ModelError};
use crate::eval::request::{Answer, Completion, Finish, Generate};

pub(super) use crate::eval::model::courier::{Reader, Sent, quote};

struct Whole(Api);

impl Reader for Whole {
    type Value = Generated;

    async fn read(&self, response: reqwest::Response, _: Instant) -> Result<Generated, Failure> {
        reply::read(response, self.0).await
    }
}

struct Streamed(Api);

impl Reader for Streamed {
    type Value = Generated;

    async fn read(&self, response: reqwest::Response, began: Instant) -> Result<Generated, Failure> {
        stream::read(response, began, self.0).await
    }
}

impl OpenAi {
    /// Asks for text.
    pub(super) async fn generate(&self, request: &Generate, attempt: &Attempt<'_>) -> Result<Answered, ModelError> {
        let body = self.body(request)?;
        let tokens = crate::eval::model::courier::estimate(request);
        let sent = if self.spec.stream {
            self.send(&body, tokens, attempt, &Streamed(self.spec.api)).await?
        } else {
            self.send(&body, tokens, attempt, &Whole(self.spec.api)).await?
        };
        let Sent { mut value, latency_ms, attempts } = sent;
        if request.stop.len() > super::MOST_STOPS {
            cut(&mut value.completion, &request.stop);
        }
        Ok(Answered {
            answer: Answer::Completion(value.completion),
            usage: value.usage,
            latency_ms: Some(latency_ms),
            ttft_ms: value.first_token_ms,
            attempts,
        })
    }

    /// Sends a body, and again while that may help, within the attempt's deadline.
    pub(super) async fn send<B: Serialize, R: Reader>(
        &self,
        body: &B,
        tokens: u32,
        attempt: &Attempt<'_>,
        reader: &R,
    ) -> Result<Sent<R::Value>, ModelError> {
        self.send_to(&self.url, body, tokens, attempt, reader).await
    }

    /// The same to another address of the endpoint.
    pub(super) async fn send_to<B: Serialize, R: Reader>(
        &self,
        url: &reqwest::Url,
        body: &B,
        tokens: u32,
        attempt: &Attempt<'_>,
        reader: &R,
    ) -> Result<Sent<R::Value>, ModelError> {
        let bytes = serde_json::to_vec(body).map_err(|error| ModelError::Unsupported(error.to_string().into()))?;
        let request =
            |client: &reqwest::Client| client.post(url.clone()).headers(self.headers.clone()).body(bytes.clone());
        self.courier.send(request, tokens, attempt, reader).await
    }
}

/// Ends a text at the first stop text in it: an endpoint does not look for more than a few.
fn cut(completion: &mut Completion, stops: &[String]) {
    let text = completion.text.raw();
    let first = stops.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(stop.as_str())).min();
    if let Some(kept) = first.and_then(|at| text.get(..at)) {
        completion.text = kept.to_owned().into();
        completion.finish = Finish::Stop;
        // They are those of the whole text.
        completion.token_log_probs = None;
    }
}
