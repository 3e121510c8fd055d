//! How much two answers are alike: word for word, by their embeddings, or by a judge.

use std::sync::Arc;
use std::time::Instant;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{Form, endpoint_spec};
use crate::deliver::plan::Similarity;
use crate::eval::Prompt;
use crate::eval::model::{Model, ModelBuildError, ModelSpec, Surroundings, build};
use crate::eval::scorer::alike;
use crate::net::{ClientOptions, NetError, Reach, client, read_body};
use crate::trust::Secret;

/// Why there is nothing that could compare.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The judging model.
    #[error(transparent)]
    Judge(#[from] ModelBuildError),
    /// The embedding endpoint.
    #[error(transparent)]
    Client(#[from] NetError),
    /// The environment lacks a variable that the plan names.
    #[error("the environment variable {0} is not set; `shadow.answers.similarity` takes a key from it")]
    Environment(String),
}

/// What compares.
pub(super) enum Comparison {
    /// White space folded, then word for word.
    Exact,
    /// The cosine of embeddings.
    Embedding(Embeddings),
    /// A judge.
    Judge(Arc<dyn Model>),
}

/// `POST /embeddings`. Source: OpenAI's API reference, "Create embeddings".
pub(super) struct Embeddings {
    client: reqwest::Client,
    url: reqwest::Url,
    key: Option<HeaderValue>,
    model: String,
}

impl Comparison {
    /// Builds what the plan asks for.
    pub(super) fn new(
        similarity: &Similarity,
        around: &Surroundings<'_>,
        secrets: &mut Vec<Secret>,
    ) -> Result<Self, CompareError> {
        match similarity {
            Similarity::Exact => Ok(Comparison::Exact),
            Similarity::Judge { base_url, model, api_key_env } => {
                let spec = endpoint_spec(base_url, model, Form::Chat, api_key_env.clone());
                let built = build("judge", &ModelSpec::Openai(spec), around)?;
                secrets.extend(built.secrets);
                Ok(Comparison::Judge(built.model))
            }
            Similarity::Embedding { base_url, model, api_key_env } => {
                let reach = Reach::new(around.trusted.iter().map(String::as_str));
                let url = reqwest::Url::parse(&format!("{}/embeddings", base_url.trim_end_matches('/')));
                let url = url.map_err(|_| NetError::Build("the address of the embeddings is no URL".to_owned()))?;
                reach.check(&url).map_err(NetError::Refused)?;
                let mut key = None;
                if let Some(variable) = api_key_env {
                    let missing = || CompareError::Environment(variable.clone());
                    let secret = Secret::new(&(around.environment)(variable).ok_or_else(missing)?);
                    let mut value =
                        HeaderValue::from_str(&format!("Bearer {}", secret.expose())).map_err(|_| missing())?;
                    value.set_sensitive(true);
                    key = Some(value);
                    secrets.push(secret);
                }
                let options = ClientOptions {
                    idle_connections: around.connections,
                    reach: Some(reach),
                    ..ClientOptions::default()
                };
                Ok(Comparison::Embedding(Embeddings { client: client(&options)?, url, key, model: model.clone() }))
            }
        }
    }

    /// 0 to 1; none where what compares gave no answer.
    pub(super) async fn likeness(
        &self,
        request: &Prompt,
        stable: &str,
        canary: &str,
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Option<f64> {
        match self {
            Comparison::Exact => Some(if folded(stable).eq(folded(canary)) { 1.0 } else { 0.0 }),
            // Silence beside silence is the same; no model has to say so, and some refuse empty texts.
            Comparison::Embedding(_) | Comparison::Judge(_) if stable.trim().is_empty() || canary.trim().is_empty() => {
                Some(if stable.trim().is_empty() && canary.trim().is_empty() { 1.0 } else { 0.0 })
            }
            Comparison::Embedding(embeddings) => {
                let asked = embeddings.cosine(stable, canary);
                tokio::select! {
                    () = cancel.cancelled() => None,
                    found = tokio::time::timeout(deadline.saturating_duration_since(Instant::now()), asked) => found.ok()?,
                }
            }
            Comparison::Judge(judge) => {
                alike(judge.as_ref(), request, stable, canary, cancel).await.ok().map(|score| score.value())
            }
        }
    }
}

fn folded(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: [&'a str; 2],
    encoding_format: &'static str,
}

#[derive(Deserialize)]
struct Reply {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    embedding: Vec<f64>,
}

impl Embeddings {
    async fn cosine(&self, first: &str, second: &str) -> Option<f64> {
        let body = Body { model: &self.model, input: [first, second], encoding_format: "float" };
        let mut request = self.client.post(self.url.clone()).json(&body);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key.clone());
        }
        let response = request.send().await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        cosine_of(&read_body(response).await.ok()?)
    }
}

/// Of exactly two embeddings of one length; below 0 counts as nothing in common.
fn cosine_of(body: &[u8]) -> Option<f64> {
    let Reply { mut data } = serde_json::from_slice(body).ok()?;
    data.sort_by_key(|item| item.index);
    let [Item { index: 0, embedding: first }, Item { index: 1, embedding: second }] = data.as_slice() else {
        return None;
    };
    if first.len() != second.len() {
        return None;
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let length = (dot(first, first) * dot(second, second)).sqrt();
    let cosine = dot(first, second) / length;
    (length > 0.0 && cosine.is_finite()).then(|| cosine.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_of_two_embeddings_is_between_nothing_and_the_same() {
        let of = |data: &str| cosine_of(format!("{{\"data\": [{data}]}}").as_bytes());
        let item = |index: u8, embedding: &str| format!("{{\"index\": {index}, \"embedding\": [{embedding}]}}");
        let both = |first: &str, second: &str| of(&format!("{},{}", item(1, second), item(0, first)));
        assert_eq!(both("3,4", "6,8"), Some(1.0));
        assert_eq!(both("1,0", "0,1"), Some(0.0));
        assert_eq!(both("1,0", "-1,0"), Some(0.0));
        assert!(both("1,0", "1,1").is_some_and(|cosine| (cosine - 0.5_f64.sqrt()).abs() < 1e-12));
        for (first, second) in [("0,0", "1,1"), ("1", "1,1"), ("1e308,1e308", "1e308,1e308"), ("", "")] {
            assert_eq!(both(first, second), None, "{first} {second}");
        }
        assert_eq!(of(&item(0, "1")), None);
        assert_eq!(of(&format!("{},{}", item(0, "1"), item(0, "1"))), None);
        assert_eq!(cosine_of(b"<html>"), None);
    }

    #[tokio::test]
    async fn white_space_makes_no_difference_and_words_do() {
        let (exact, cancel) = (Comparison::Exact, CancellationToken::new());
        let prompt = Prompt::Text(String::new());
        let now = Instant::now();
        for (first, second, want) in [("a  b\n", " a b", 1.0), ("a b", "ab", 0.0), ("", " ", 1.0), ("a", "", 0.0)] {
            assert_eq!(exact.likeness(&prompt, first, second, now, &cancel).await, Some(want), "{first:?} {second:?}");
        }
    }
}
