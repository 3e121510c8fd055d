//! Embeddings over an endpoint. Source: OpenAI's API reference, `POST /embeddings`.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::OpenAi;
use super::reply::Failure;
use super::send::{Reader, Sent};
use crate::eval::model::echo::plain_text;
use crate::eval::model::{Answered, Attempt, ModelError};
use crate::eval::request::{Answer, Embed, Usage};
use crate::net;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a str,
    encoding_format: &'static str,
}

#[derive(Deserialize)]
struct Reply {
    data: Vec<Vector>,
    #[serde(default)]
    usage: Option<Counted>,
}

#[derive(Deserialize)]
struct Vector {
    embedding: Vec<f64>,
}

#[derive(Deserialize)]
struct Counted {
    #[serde(default)]
    prompt_tokens: u64,
}

impl OpenAi {
    /// Asks for the embedding of a text.
    pub(super) async fn embed(&self, request: &Embed, attempt: &Attempt<'_>) -> Result<Answered, ModelError> {
        let input = plain_text(&request.prompt);
        let model = self.spec.embedding_model.as_deref().unwrap_or(&self.spec.model);
        let body = Body { model, input: &input, encoding_format: "float" };
        let tokens = u32::try_from(input.len() / 4).unwrap_or(u32::MAX);
        let sent = self.send_to(&self.embeddings, &body, tokens, attempt, &Vectors).await?;
        let Sent { value: (vector, usage), latency_ms, attempts } = sent;
        let answer = Answer::Embedding(vector);
        Ok(Answered { answer, usage, latency_ms: Some(latency_ms), ttft_ms: None, attempts })
    }
}

struct Vectors;

impl Reader for Vectors {
    type Value = (Vec<f64>, Option<Usage>);

    async fn read(&self, response: reqwest::Response, _: Instant) -> Result<Self::Value, Failure> {
        let bytes = net::read_body(response).await.map_err(|error| Failure::of_body(&error))?;
        let reply: Reply = serde_json::from_slice(&bytes)
            .map_err(|error| Failure::Malformed(format!("no embeddings in the reply: {error}").into()))?;
        let [Vector { embedding }] = <[Vector; 1]>::try_from(reply.data)
            .map_err(|all| Failure::Malformed(format!("{} embeddings of one text", all.len()).into()))?;
        if embedding.is_empty() || embedding.iter().any(|number| !number.is_finite()) {
            return Err(Failure::Malformed("an embedding without numbers, or with one that is none".into()));
        }
        let usage = reply.usage.map(|counted| Usage { prompt_tokens: counted.prompt_tokens, completion_tokens: 0 });
        Ok((embedding, usage))
    }
}
