//! The prompt in a URL, a body or a text, put in so that it stays what it is: a text inside a JSON string, one value of a query.

use serde_json::Value;

use crate::eval::request::{ChatMessage, Prompt, Role};

/// What a prompt's place is called.
const PROMPT: &str = "prompt";
/// What the place of its turns is called.
const MESSAGES: &str = "messages";

/// A body as the spec writes it.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// None is sent.
    None,
    /// Sent as JSON.
    Json(Value),
    /// JSON but for the place of the prompt, which stands outside of quotes.
    Bare(String),
    /// Sent as a form: the prompt is percent-encoded.
    Form(String),
    /// Any other text.
    Text(String),
}

impl Body {
    /// Recognises what a body is. A text that is JSON counts as JSON.
    pub(super) fn of(body: Option<&Value>, content_type: Option<&str>) -> Self {
        let text = match body {
            None => return Body::None,
            Some(Value::String(text)) => text,
            Some(value) => return Body::Json(value.clone()),
        };
        if content_type.is_some_and(|kind| kind.contains("x-www-form-urlencoded")) {
            return Body::Form(text.clone());
        }
        if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
            return Body::Json(value);
        }
        let quoted = replaced(text, PROMPT, "\"\"");
        match serde_json::from_str(&quoted) {
            Ok(Value::Object(_) | Value::Array(_)) => Body::Bare(text.clone()),
            Ok(_) | Err(_) => Body::Text(text.clone()),
        }
    }

    /// The content type where the spec names none.
    pub(super) fn content_type(&self) -> Option<&'static str> {
        match self {
            Body::None => None,
            Body::Json(_) | Body::Bare(_) => Some("application/json"),
            Body::Form(_) => Some("application/x-www-form-urlencoded"),
            Body::Text(_) => Some("text/plain; charset=utf-8"),
        }
    }

    /// The body of one prompt.
    pub(super) fn with(&self, prompt: &Prompt, text: &str) -> Option<Vec<u8>> {
        let body = match self {
            Body::None => return None,
            Body::Json(value) => filled(value, prompt, text).to_string(),
            Body::Bare(template) => replaced(template, PROMPT, &Value::from(text).to_string()),
            Body::Form(template) => replaced(template, PROMPT, &encoded(text)),
            Body::Text(template) => replaced(template, PROMPT, text),
        };
        Some(body.into_bytes())
    }
}

/// The URL of one prompt.
pub(super) fn url(template: &str, text: &str) -> String {
    replaced(template, PROMPT, &encoded(text))
}

fn filled(value: &Value, prompt: &Prompt, text: &str) -> Value {
    match value {
        Value::String(template) if is_alone(template, MESSAGES) => turns(prompt),
        // A chat that is written as JSON is meant as JSON where it is a whole value, as promptfoo 0.121.20 has it.
        Value::String(template) if is_alone(template, PROMPT) => match prompt {
            Prompt::Written(written) => Value::Array(written.messages.clone()),
            Prompt::Text(_) | Prompt::Chat(_) => Value::from(text),
        },
        Value::String(template) => Value::from(replaced(template, PROMPT, text)),
        Value::Array(items) => items.iter().map(|item| filled(item, prompt, text)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), filled(value, prompt, text))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn turns(prompt: &Prompt) -> Value {
    let own = |messages: &[ChatMessage]| serde_json::to_value(messages).unwrap_or_default();
    match prompt {
        Prompt::Text(text) => own(&[ChatMessage { role: Role::User, content: text.clone() }]),
        Prompt::Chat(messages) => own(messages),
        Prompt::Written(written) => Value::Array(written.messages.clone()),
    }
}

fn is_alone(template: &str, name: &str) -> bool {
    let inner = template.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    inner.is_some_and(|inner| inner.trim() == name)
}

/// Puts a value in every place of a name. What is put in is not looked at again.
fn replaced(template: &str, name: &str, value: &str) -> String {
    let mut text = String::with_capacity(template.len() + value.len());
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        text.push_str(before);
        match behind.split_once("}}") {
            Some((inner, after)) if inner.trim() == name => {
                text.push_str(value);
                rest = after;
            }
            Some(_) | None => {
                text.push_str("{{");
                rest = behind;
            }
        }
    }
    text.push_str(rest);
    text
}

/// Percent-encoded: letters, digits and `-._~` stay. Source: RFC 3986, section 2.3.
fn encoded(text: &str) -> String {
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let letter = |byte: u8| if stays(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::eval::request::Written;

    fn text(body: &Body, prompt: &str) -> String {
        let prompt = Prompt::Text(prompt.to_owned());
        let Prompt::Text(words) = &prompt else { panic!("text") };
        String::from_utf8(body.with(&prompt, words).unwrap_or_default()).unwrap()
    }

    proptest! {
        #[test]
        fn no_prompt_breaks_out_of_json(prompt in ".*") {
            let bodies = [
                json!({"q": "Say: {{prompt}}", "deep": [{"x": "{{ prompt }}"}]}),
                json!("{\"q\": \"Say: {{prompt}}\", \"deep\": [{\"x\": \"{{prompt}}\"}]}"),
            ];
            for body in bodies {
                let sent: Value = serde_json::from_str(&text(&Body::of(Some(&body), None), &prompt)).unwrap();
                prop_assert_eq!(&sent, &json!({"q": format!("Say: {prompt}"), "deep": [{"x": prompt}]}));
            }
            let bare = Body::of(Some(&json!("{\"q\": {{prompt}}, \"n\": 1}")), None);
            let sent: Value = serde_json::from_str(&text(&bare, &prompt)).unwrap();
            prop_assert_eq!(sent, json!({"q": prompt, "n": 1}));
        }

        #[test]
        fn no_prompt_leaves_its_place_in_a_url(prompt in ".*") {
            let found = reqwest::Url::parse(&url("https://host.example/a/{{prompt}}?q={{prompt}}&n=1#f", &prompt)).unwrap();
            prop_assert_eq!(found.host_str(), Some("host.example"));
            let pairs: Vec<(String, String)> = found.query_pairs().into_owned().collect();
            prop_assert_eq!(pairs, [("q".to_owned(), prompt.clone()), ("n".to_owned(), "1".to_owned())]);
        }
    }

    #[test]
    fn turns_stand_as_turns() {
        let written = Written {
            text: "[{\"role\": \"user\", \"content\": \"hi\"}]".to_owned(),
            messages: vec![json!({"role": "user", "content": "hi"})],
        };
        let words = written.text.clone();
        let prompt = Prompt::Written(written);
        for place in ["{{prompt}}", "{{messages}}"] {
            let body = Body::of(Some(&json!({"m": place})), None).with(&prompt, &words).unwrap();
            let sent: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(sent, json!({"m": [{"role": "user", "content": "hi"}]}), "{place}");
        }
        assert_eq!(
            text(&Body::of(Some(&json!({"m": "{{messages}}"})), None), "hi"),
            "{\"m\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
        );
    }

    #[test]
    fn what_is_put_in_is_not_a_template() {
        assert_eq!(
            text(&Body::of(Some(&json!("ask {{prompt}} {{other}}")), None), "{{prompt}}"),
            "ask {{prompt}} {{other}}"
        );
        let form = Body::of(Some(&json!("q={{prompt}}&n=1")), Some("application/x-www-form-urlencoded"));
        assert_eq!(text(&form, "a&b=c d"), "q=a%26b%3Dc%20d&n=1");
    }
}
