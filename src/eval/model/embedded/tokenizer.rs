//! Text to tokens and back, and a model's own chat form.

use std::path::Path;

use minijinja::value::Serde;
use serde::Deserialize;
use serde_json::Value;
use tokenizers::Tokenizer;

use super::error::EngineError;
use crate::eval::request::ChatMessage;

/// A model's tokenizer.
pub(super) struct Text {
    tokenizer: Tokenizer,
    chat_template: Option<String>,
    begin: String,
    end: String,
}

#[derive(Deserialize, Default)]
struct Settings {
    #[serde(default)]
    chat_template: Option<Value>,
    #[serde(default)]
    bos_token: Option<Value>,
    #[serde(default)]
    eos_token: Option<Value>,
}

impl Text {
    /// Reads `tokenizer.json`, and the chat form of `tokenizer_config.json` where there is one.
    pub(super) fn read(folder: &Path) -> Result<Self, EngineError> {
        let path = folder.join("tokenizer.json");
        if !path.is_file() {
            return Err(EngineError::unusable(folder, "no tokenizer.json: save the tokenizer beside the weights"));
        }
        let tokenizer = Tokenizer::from_file(&path)
            .map_err(|error| EngineError::unusable(&path, format!("not a tokenizer: {error}")))?;
        let settings = std::fs::read(folder.join("tokenizer_config.json")).unwrap_or_default();
        let settings: Settings = serde_json::from_slice(&settings).unwrap_or_default();
        let template = settings.chat_template.as_ref().and_then(Value::as_str).map(str::to_owned);
        let token = |value: &Option<Value>| match value {
            Some(Value::String(text)) => text.clone(),
            Some(object) => object.get("content").and_then(Value::as_str).unwrap_or_default().to_owned(),
            None => String::new(),
        };
        Ok(Self::new(tokenizer, template, token(&settings.bos_token), token(&settings.eos_token)))
    }

    /// A tokenizer that was made elsewhere.
    pub(super) fn new(tokenizer: Tokenizer, chat_template: Option<String>, begin: String, end: String) -> Self {
        Self { tokenizer, chat_template, begin, end }
    }

    /// Tokens of a text, with the special tokens that the tokenizer itself adds; a text that begins with the first of them, such as a
    /// chat that the model's template has written, has them already.
    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        let begins = !self.begin.is_empty() && text.starts_with(&self.begin);
        let encoding = self.tokenizer.encode_fast(text, !begins);
        Ok(encoding.map_err(|error| EngineError::Compute(format!("the tokenizer failed: {error}")))?.get_ids().to_vec())
    }

    /// The same without them: for a continuation that stands behind tokens of its own.
    pub(super) fn encode_bare(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        let encoding = self.tokenizer.encode_fast(text, false);
        Ok(encoding.map_err(|error| EngineError::Compute(format!("the tokenizer failed: {error}")))?.get_ids().to_vec())
    }

    /// Text of tokens, without special ones.
    pub(super) fn decode(&self, tokens: &[u32]) -> Result<String, EngineError> {
        self.tokenizer
            .decode(tokens, true)
            .map_err(|error| EngineError::Compute(format!("the tokenizer failed: {error}")))
    }

    /// A chat as one text: by the model's own template, or as lines `role: content` that end with `assistant:`.
    pub(super) fn chat(&self, messages: &[ChatMessage]) -> Result<String, EngineError> {
        let Some(template) = &self.chat_template else {
            let lines = messages.iter().map(|message| format!("{}: {}\n", role(message), message.content));
            return Ok(lines.chain(std::iter::once("assistant:".to_owned())).collect());
        };
        let mut environment = minijinja::Environment::new();
        environment.set_fuel(Some(1_000_000));
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_unknown_method_callback(python_method);
        environment.add_function("raise_exception", |text: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, text))
        });
        let scope = serde_json::json!({
            "messages": messages,
            "bos_token": self.begin,
            "eos_token": self.end,
            "add_generation_prompt": true,
        });
        environment.render_named_str("chat_template", template, Serde(&scope)).map_err(|error| {
            EngineError::Unsuitable(format!("the model's chat template refuses this chat: {error}").into())
        })
    }
}

fn role(message: &ChatMessage) -> &'static str {
    match message.role {
        crate::eval::request::Role::System => "system",
        crate::eval::request::Role::User => "user",
        crate::eval::request::Role::Assistant => "assistant",
    }
}

/// The few methods of Python's strings that chat templates use.
fn python_method(
    _: &mut minijinja::State<'_, '_>,
    value: &minijinja::Value,
    method: &str,
    arguments: &[minijinja::Value],
) -> Result<minijinja::Value, minijinja::Error> {
    let unknown = || minijinja::Error::from(minijinja::ErrorKind::UnknownMethod);
    let text = value.as_str().ok_or_else(unknown)?;
    let argument = arguments.first().and_then(minijinja::Value::as_str);
    Ok(match (method, argument) {
        ("strip", None) => text.trim().into(),
        ("lstrip", None) => text.trim_start().into(),
        ("rstrip", None) => text.trim_end().into(),
        ("upper", None) => text.to_uppercase().into(),
        ("lower", None) => text.to_lowercase().into(),
        ("startswith", Some(part)) => text.starts_with(part).into(),
        ("endswith", Some(part)) => text.ends_with(part).into(),
        ("split", Some(part)) if !part.is_empty() => text.split(part).map(str::to_owned).collect::<Vec<_>>().into(),
        (_, _) => return Err(unknown()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_begins_with_the_first_token_gets_no_second_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/models/good/tokenizer.json");
        let mut json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let first = serde_json::json!({"SpecialToken": {"id": "<|end|>", "type_id": 0}});
        let text = serde_json::json!({"Sequence": {"id": "A", "type_id": 0}});
        json["post_processor"] = serde_json::json!({
            "type": "TemplateProcessing",
            "single": [first, text],
            "pair": [first, text],
            "special_tokens": {"<|end|>": {"id": "<|end|>", "ids": [0], "tokens": ["<|end|>"]}},
        });
        let tokenizer = Tokenizer::from_bytes(serde_json::to_vec(&json).unwrap()).unwrap();
        let text = Text::new(tokenizer, None, "<|end|>".to_owned(), String::new());
        let plain = text.encode("The sky").unwrap();
        assert_eq!(plain.first(), Some(&0));
        assert_eq!(text.encode("<|end|>The sky").unwrap(), plain);
    }
}
