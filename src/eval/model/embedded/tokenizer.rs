//! Text to tokens and back, and a model's own chat form.

use std::path::Path;

use minijinja::value::Serde;
use serde::Deserialize;
use serde_json::Value;
use tokenizers::Tokenizer;

use super::error::EngineError;
use crate::eval::request::ChatMessage;

/// The file that newer models have their chat form in. Source: transformers, `CHAT_TEMPLATE_FILE`.
pub(super) const CHAT_TEMPLATE: &str = "chat_template.jinja";

/// A model's tokenizer.
pub(super) struct Text {
    tokenizer: Tokenizer,
    chat_template: Option<Form>,
    begin: String,
    end: String,
}

/// A model's chat form.
enum Form {
    Template(String),
    /// Several templates, none of which is the default.
    Unclear,
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
    /// Reads `tokenizer.json`, and the chat form of `chat_template.jinja`, else of `tokenizer_config.json`, where there is one.
    pub(super) fn read(folder: &Path) -> Result<Self, EngineError> {
        let path = folder.join("tokenizer.json");
        if !path.is_file() {
            return Err(EngineError::unusable(folder, "no tokenizer.json: save the tokenizer beside the weights"));
        }
        let tokenizer = Tokenizer::from_file(&path)
            .map_err(|error| EngineError::unusable(&path, format!("not a tokenizer: {error}")))?;
        let place = folder.join("tokenizer_config.json");
        let settings: Settings = match present(&place)? {
            Some(text) => {
                serde_json::from_str(&text).map_err(|error| EngineError::unusable(&place, error.to_string()))?
            }
            None => Settings::default(),
        };
        let form = match present(&folder.join(CHAT_TEMPLATE))? {
            Some(template) => Some(Form::Template(template)),
            None => settings.chat_template.as_ref().and_then(form_of),
        };
        let token = |value: &Option<Value>| match value {
            Some(Value::String(text)) => text.clone(),
            Some(object) => object.get("content").and_then(Value::as_str).unwrap_or_default().to_owned(),
            None => String::new(),
        };
        let (begin, end) = (token(&settings.bos_token), token(&settings.eos_token));
        Ok(Self { tokenizer, chat_template: form, begin, end })
    }

    /// A tokenizer that was made elsewhere.
    pub(super) fn new(tokenizer: Tokenizer, chat_template: Option<String>, begin: String, end: String) -> Self {
        Self { tokenizer, chat_template: chat_template.map(Form::Template), begin, end }
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

    /// Whether there is a template; which one may be unclear.
    pub(super) fn has_chat_form(&self) -> bool {
        self.chat_template.is_some()
    }

    /// A chat as one text: by the model's own template, or as lines `role: content` that end with `assistant:`.
    pub(super) fn chat(&self, messages: &[ChatMessage]) -> Result<String, EngineError> {
        let template = match &self.chat_template {
            Some(Form::Template(template)) => template,
            Some(Form::Unclear) => {
                let text = "the model has several chat templates and none that is called `default`: leave one in its tokenizer_config.json";
                return Err(EngineError::Unsuitable(text.into()));
            }
            None => {
                let lines = messages.iter().map(|message| format!("{}: {}\n", role(message), message.content));
                return Ok(lines.chain(std::iter::once("assistant:".to_owned())).collect());
            }
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

/// The text of a file that may be missing.
fn present(path: &Path) -> Result<Option<String>, EngineError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(EngineError::file(path, source)),
    }
}

/// One template, or a list of named ones, of which `default` is meant. Source: transformers, `get_chat_template`.
fn form_of(value: &Value) -> Option<Form> {
    match value {
        Value::String(template) => Some(Form::Template(template.clone())),
        Value::Array(named) => {
            let default = named.iter().find(|one| one.get("name").and_then(Value::as_str) == Some("default"));
            let template = default.and_then(|one| one.get("template")).and_then(Value::as_str);
            Some(template.map_or(Form::Unclear, |template| Form::Template(template.to_owned())))
        }
        Value::Null => None,
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => Some(Form::Unclear),
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
    fn a_chat_has_the_models_own_form_wherever_it_is_written() {
        use crate::eval::request::Role;
        let folder = tempfile::tempdir().unwrap();
        let tokenizer = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/models/good/tokenizer.json");
        std::fs::copy(tokenizer, folder.path().join("tokenizer.json")).unwrap();
        let written = |name: &str, text: &str| {
            use std::io::Write;
            let mut file = std::fs::File::create(folder.path().join(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        let message = ChatMessage { role: Role::User, content: "x".to_owned() };
        let chat = || Text::read(folder.path()).and_then(|text| text.chat(std::slice::from_ref(&message)));
        assert_eq!(chat().unwrap(), "user: x\nassistant:");
        let named = |name: &str| format!(r#"{{"chat_template": [{{"name": "{name}", "template": "list"}}]}}"#);
        for (config, expected) in [
            (r#"{"chat_template": "one"}"#, Some("one")),
            (&*named("default"), Some("list")),
            (&*named("tool_use"), None),
        ] {
            written("tokenizer_config.json", config);
            assert_eq!(chat().ok().as_deref(), expected, "{config}");
        }
        // Newer models have it in a file of its own, which comes first.
        written(CHAT_TEMPLATE, "{{ messages[0].role }}");
        assert_eq!(chat().unwrap(), "user");
        written("tokenizer_config.json", "{");
        assert!(chat().is_err(), "a form that cannot be read is not none");
    }

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
