//! The content-addressed cache: the same model, asked the same thing for the same repeat, is not asked again.
//! Errors are never kept, and a kept answer has no latency.

use serde::{Deserialize, Serialize};

use super::model::ModelIdentity;
use super::request::{Answer, Request, Usage};
use crate::store::{Store, StoreError};
use crate::trust::{Digest, Hasher};

/// Answers in a store.
pub struct Cache(Box<dyn Store>);

/// What is kept of an answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// The answer.
    pub answer: Answer,
    /// Its tokens, which still cost nothing a second time.
    pub usage: Option<Usage>,
}

impl Cache {
    /// Answers kept in `store`.
    pub fn new(store: Box<dyn Store>) -> Self {
        Self(store)
    }

    /// The address of an answer: model, request (its seed included) and repeat; none where the model's answers are not kept.
    pub fn key(model: &ModelIdentity, request: &Request, repeat: u32) -> Option<Digest> {
        if !model.cacheable {
            return None;
        }
        let request = serde_json::to_vec(request).ok()?;
        let mut hasher = Hasher::new();
        hasher.part(b"llmci-answer-1").part(model.digest.hex().as_bytes()).part(&request).part(&repeat.to_le_bytes());
        Some(hasher.finish())
    }

    /// The answer, if it is there and readable. A damaged value counts as absent: the model is asked again.
    pub async fn get(&self, key: &Digest) -> Result<Option<Kept>, StoreError> {
        let bytes = self.0.get(key).await?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Keeps an answer.
    pub async fn put(&self, key: &Digest, kept: &Kept) -> Result<(), StoreError> {
        match serde_json::to_vec(kept) {
            Ok(bytes) => self.0.put(key, bytes).await,
            // An answer that JSON cannot hold is not worth a failed run: it is asked again next time.
            Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{Completion, Finish, Generate, OutputFormat, Prompt};
    use crate::store::DirectoryStore;
    use crate::trust::Untrusted;

    fn identity(weights: &[u8]) -> ModelIdentity {
        let digest = Digest::of(weights);
        ModelIdentity {
            name: "m".to_owned(),
            provider: "embedded",
            digest,
            cacheable: true,
            description: Untrusted::default(),
        }
    }

    fn request(seed: u64) -> Request {
        Request::Generate(Generate {
            prompt: Prompt::Text("2 + 2 =".to_owned()),
            max_tokens: 4,
            temperature: 0.0,
            seed: Some(seed),
            stop: Vec::new(),
            format: OutputFormat::Text,
            logprobs: false,
            told: None,
        })
    }

    #[test]
    fn another_model_request_seed_or_repeat_is_another_address() {
        let keys = [
            Cache::key(&identity(b"a"), &request(1), 0),
            Cache::key(&identity(b"b"), &request(1), 0),
            Cache::key(&identity(b"a"), &request(2), 0),
            Cache::key(&identity(b"a"), &request(1), 1),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert_eq!(keys[0], Cache::key(&identity(b"a"), &request(1), 0));
        let unknown = ModelIdentity { cacheable: false, ..identity(b"a") };
        assert_eq!(Cache::key(&unknown, &request(1), 0), None, "its digest does not say what answers");
    }

    #[tokio::test]
    async fn a_damaged_value_is_asked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = DirectoryStore::open(folder.path()).unwrap();
        let key = Cache::key(&identity(b"a"), &request(1), 0).unwrap();
        store.put(&key, b"{\"answer\":".to_vec()).await.unwrap();
        let cache = Cache::new(Box::new(store));
        assert_eq!(cache.get(&key).await.unwrap(), None);
        let text = Untrusted::new("4");
        let answer = Answer::Completion(Completion { text, finish: Finish::Stop, token_log_probs: None });
        let kept = Kept { answer, usage: None };
        cache.put(&key, &kept).await.unwrap();
        assert_eq!(cache.get(&key).await.unwrap(), Some(kept));
    }
}
