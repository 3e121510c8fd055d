//! Token ids in the place of text: the tokenizer of an endpoint's model, as lm-eval's `local-completions` uses it.
//! Source: lm-evaluation-harness 0.4.13, `models/api_models.py` and `api/model.py`. Kept out: what is sent (`echo`).

use std::path::Path;

use crate::eval::model::{Api, ModelError, OpenAiSpec};
use crate::trust::{Digest, Hasher};

/// `max_length` where the policy says nothing. Source: lm-eval 0.4.13, `TemplateAPI`.
const LONGEST: u32 = 2048;

/// Tokens of a request, the first of which are the context of the others.
pub(super) struct Part {
    /// All of them.
    pub(super) tokens: Vec<u32>,
    /// How many are the context.
    pub(super) context: usize,
}

/// The tokenizer of the endpoint's model.
pub(super) struct Tokens {
    text: Tokenizer,
    prefix: Option<u32>,
    longest: u32,
    digest: Digest,
}

impl Tokens {
    /// The tokenizer of a model's spec, where it names one.
    pub(super) fn of(spec: &OpenAiSpec, folder: &Path) -> Result<Option<Self>, String> {
        let Some(name) = &spec.tokenizer else {
            return match spec.max_length {
                Some(_) => Err("`max_length` counts tokens: name the model's `tokenizer` too".to_owned()),
                None => Ok(None),
            };
        };
        if spec.api == Api::Chat {
            return Err("a chat endpoint takes no tokens: use `api: completions`".to_owned());
        }
        let longest = spec.max_length.unwrap_or(LONGEST);
        if longest < 3 {
            return Err("`max_length` is at least 3".to_owned());
        }
        let named = folder.join(name);
        let path = if named.is_dir() { named.join("tokenizer.json") } else { named };
        let bytes = std::fs::read(&path).map_err(|error| format!("{name}: {error}"))?;
        let settings = std::fs::read(path.with_file_name("tokenizer_config.json")).unwrap_or_default();
        let text = Tokenizer::read(&bytes).map_err(|why| format!("{name}: {why}"))?;
        let prefix = prefix(&settings).and_then(|token| text.id(&token));
        let mut hasher = Hasher::new();
        hasher.part(&bytes).part(&settings);
        Ok(Some(Self { text, prefix, longest, digest: hasher.finish() }))
    }

    /// Over the tokenizer's files.
    pub(super) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Tokens of a request and its answer at most.
    pub(super) fn longest(&self) -> u32 {
        self.longest
    }

    /// The tokens of a text, without any that a tokenizer adds.
    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        self.text.encode(text).map_err(|why| ModelError::Unsupported(why.into()))
    }

    /// A continuation behind its context.
    pub(super) fn part(&self, context: &str, continuation: &str) -> Result<Part, ModelError> {
        let part = if context.is_empty() {
            let mut tokens = self.encode(continuation)?;
            let prefix = self.prefix()?;
            // A continuation that begins with the prefix token has it as its context.
            if tokens.first() != Some(&prefix) {
                tokens.insert(0, prefix);
            }
            Part { tokens, context: 1 }
        } else {
            // White space at the context's end belongs to the continuation's first token.
            let context_tokens = self.encode(context.trim_end())?.len();
            let tokens = self.encode(&format!("{context}{continuation}"))?;
            Part { tokens, context: context_tokens }
        };
        let wrong = |why: String| Err(ModelError::Unsupported(why.into()));
        if part.context == 0 || part.tokens.len() <= part.context {
            return wrong("the continuation has no token of its own behind a context".to_owned());
        }
        let most = self.longest.saturating_sub(1) as usize;
        if part.tokens.len() > most {
            return wrong(format!("{} tokens; `max_length` leaves {most}", part.tokens.len()));
        }
        Ok(part)
    }

    /// The windows of a text by itself: each of its tokens is predicted once.
    pub(super) fn rolling(&self, text: &str) -> Result<Vec<Part>, ModelError> {
        let tokens = self.encode(text)?;
        if tokens.is_empty() {
            return Err(ModelError::Unsupported("an empty text has no likelihood".into()));
        }
        Ok(windows(&tokens, self.prefix()?, self.longest.saturating_sub(2) as usize))
    }

    fn prefix(&self) -> Result<u32, ModelError> {
        let why = "tokenizer_config.json beside the tokenizer names neither `bos_token` nor `eos_token`: nothing can stand \
                   before a text";
        self.prefix.ok_or_else(|| ModelError::Unsupported(why.into()))
    }
}

/// The token before a text that nothing precedes: the one that texts begin with, else the one that ends them.
fn prefix(settings: &[u8]) -> Option<String> {
    let settings: serde_json::Value = serde_json::from_slice(settings).ok()?;
    let token = |key: &str| {
        let token = settings.get(key)?;
        token.as_str().or_else(|| token.get("content")?.as_str()).map(str::to_owned)
    };
    token("bos_token").or_else(|| token("eos_token"))
}

#[cfg(feature = "embedded")]
struct Tokenizer(tokenizers::Tokenizer);

#[cfg(feature = "embedded")]
impl Tokenizer {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        tokenizers::Tokenizer::from_bytes(bytes).map(Self).map_err(|error| format!("not a tokenizer: {error}"))
    }

    fn id(&self, token: &str) -> Option<u32> {
        self.0.token_to_id(token)
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, String> {
        let encoding = self.0.encode_fast(text, false).map_err(|error| format!("the tokenizer failed: {error}"))?;
        Ok(encoding.get_ids().to_vec())
    }
}

#[cfg(feature = "embedded")]
fn windows(tokens: &[u32], prefix: u32, longest: usize) -> Vec<Part> {
    let all = crate::eval::model::embedded::windows(tokens, prefix, longest).into_iter();
    all.map(|pair| Part { tokens: pair.tokens, context: pair.context }).collect()
}

/// Without the engine there is no tokenizer.
#[cfg(not(feature = "embedded"))]
enum Tokenizer {}

#[cfg(not(feature = "embedded"))]
impl Tokenizer {
    fn read(_: &[u8]) -> Result<Self, String> {
        Err("this build has no tokenizers; build with the feature `embedded`, or leave `tokenizer` out".to_owned())
    }

    fn id(&self, _: &str) -> Option<u32> {
        match *self {}
    }

    fn encode(&self, _: &str) -> Result<Vec<u32>, String> {
        match *self {}
    }
}

#[cfg(not(feature = "embedded"))]
fn windows(_: &[u32], _: u32, _: usize) -> Vec<Part> {
    Vec::new()
}

#[cfg(feature = "embedded")]
#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(max_length: u32) -> Tokens {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/models");
        let spec = serde_json::json!({
            "provider": "openai", "base_url": "http://localhost/v1", "model": "m", "api": "completions",
            "tokenizer": "good", "max_length": max_length,
        });
        let spec: OpenAiSpec = serde_json::from_value(spec).unwrap();
        Tokens::of(&spec, &folder).unwrap().unwrap()
    }

    #[test]
    fn white_space_at_the_contexts_end_belongs_to_the_continuation() {
        let tokens = tokens(2048);
        let (with, without) =
            (tokens.part("The sky is ", "blue").unwrap(), tokens.part("The sky is", " blue").unwrap());
        assert_eq!((&with.tokens, with.context), (&without.tokens, without.context));
        assert_eq!(with.context, tokens.encode("The sky is").unwrap().len());
    }

    #[test]
    fn a_text_alone_stands_behind_the_token_that_ends_texts_where_none_begins_them() {
        let tokens = tokens(2048);
        let part = tokens.part("", " blue").unwrap();
        assert_eq!((part.tokens.first(), part.context), (Some(&0), 1));
        assert_eq!(part.tokens.len(), 1 + tokens.encode(" blue").unwrap().len());
        let windows = tokens.rolling("a b c").unwrap();
        assert!(matches!(windows.as_slice(), [one] if one.tokens.first() == Some(&0) && one.context == 1));
    }

    #[test]
    fn what_is_longer_than_the_model_is_refused_or_asked_in_windows() {
        let tokens = tokens(8);
        let text = "one two three four five six seven eight nine";
        assert!(tokens.part(text, " ten").is_err());
        let count = tokens.encode(text).unwrap().len();
        let windows = tokens.rolling(text).unwrap();
        assert!(windows.len() > 1 && windows.iter().all(|part| part.tokens.len() <= 7));
        assert_eq!(windows.iter().map(|part| part.tokens.len() - part.context).sum::<usize>(), count);
    }

    #[test]
    fn a_tokenizer_without_use_and_a_length_without_tokenizer_are_refused() {
        let base = serde_json::json!({"provider": "openai", "base_url": "http://localhost/v1", "model": "m"});
        for more in [
            serde_json::json!({"tokenizer": "good"}),
            serde_json::json!({"api": "completions", "max_length": 10}),
            serde_json::json!({"api": "completions", "tokenizer": "absent"}),
            serde_json::json!({"api": "completions", "tokenizer": "good", "max_length": 2}),
        ] {
            let mut spec = base.clone();
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let spec: OpenAiSpec = serde_json::from_value(spec).unwrap();
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/models");
            assert!(Tokens::of(&spec, &folder).is_err(), "{more}");
        }
    }
}
