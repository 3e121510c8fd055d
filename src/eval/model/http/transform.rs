//! Where the answer stands in a reply: behind a pointer, or in what a script makes of it. The script sees what promptfoo 0.121.20 shows
//! to `transformResponse`. Kept out: the engine (`eval::script`).

use serde_json::{Map, Value, json};

use crate::eval::model::HttpSpec;
use crate::eval::model::courier::quote;
use crate::eval::model::failure::Failure;
use crate::eval::script::{Form, Returned, Script};
use crate::trust::Untrusted;

/// A reply with what a script may look at.
pub(super) struct Reply {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Map<String, Value>,
    /// The body.
    pub text: String,
}

/// The answer in a reply. What has none is asked for again; a script that fails over JSON is not: it would fail again.
pub(super) fn answer_in(spec: &HttpSpec, reply: &Reply) -> Result<String, Failure> {
    let malformed = |what: &str| Failure::Malformed(Untrusted::new(format!("{what}: {}", quote(&reply.text).raw())));
    if reply.text.trim().is_empty() {
        return Err(malformed("the reply is empty"));
    }
    let json: Option<Value> = serde_json::from_str(&reply.text).ok();
    let found = match (&spec.response, &spec.transform, json) {
        (_, Some(script), json) => scripted(script, json, reply)?,
        (Some(pointer), None, Some(json)) => json.pointer(pointer).cloned(),
        (Some(_), None, None) => return Err(malformed("the reply is not JSON")),
        (None, None, Some(json)) => Some(json),
        (None, None, None) => Some(Value::from(reply.text.as_str())),
    };
    match found {
        Some(Value::String(text)) if text.trim().is_empty() => Err(malformed("the answer is empty")),
        Some(Value::String(text)) => Ok(text),
        None | Some(Value::Null) => Err(malformed("the reply has no answer where it is looked for")),
        Some(value) => Ok(value.to_string()),
    }
}

fn scripted(script: &str, json: Option<Value>, reply: &Reply) -> Result<Option<Value>, Failure> {
    let is_json = json.is_some();
    let failed = |what: &str| {
        let text = Untrusted::new(format!("the transform {what}; the reply: {}", quote(&reply.text).raw()));
        if is_json { Failure::Unsupported(text) } else { Failure::Malformed(text) }
    };
    let source = script.trim().trim_end_matches(';');
    let source = if is_function(source) {
        format!("return ({source})(json, text, context)")
    } else {
        format!("return ({source})")
    };
    let context = json!({"response": {"status": reply.status, "headers": reply.headers}});
    let arguments =
        [("json", json.unwrap_or_default()), ("text", Value::from(reply.text.as_str())), ("context", context)];
    let returned = Script::new(source, Form::Body)
        .run(&arguments)
        .map_err(|error| failed(&format!("fails: {}", error.text().raw())))?;
    match returned {
        // An object with `output` is a whole response in promptfoo's form.
        Returned::Value(Value::Object(mut fields)) if fields.contains_key("output") => Ok(fields.remove("output")),
        Returned::Value(value) => Ok(Some(value)),
        Returned::Undefined => Ok(None),
        Returned::NotFinite(_) | Returned::Function | Returned::BigInt(_) | Returned::Symbol => {
            Err(failed(&format!("gives a {}, which is no answer", returned.type_of())))
        }
    }
}

/// `(json) => ...` or `function (json) {...}`. Source: promptfoo 0.121.20, providers/httpTransforms.
fn is_function(source: &str) -> bool {
    let parameters = |rest: &str| {
        rest.trim_start().strip_prefix('(').and_then(|rest| rest.split_once(')').map(|(_, rest)| rest.to_owned()))
    };
    match source.strip_prefix("function") {
        Some(rest) => parameters(rest).is_some(),
        None if source.starts_with('(') => parameters(source).is_some_and(|rest| rest.trim_start().starts_with("=>")),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(more: Value, text: &str) -> Result<String, Failure> {
        let mut spec = json!({"provider": "http", "url": "http://localhost"});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let headers = Map::from_iter([("x-kind".to_owned(), json!("chat"))]);
        answer_in(&serde_json::from_value(spec).unwrap(), &Reply { status: 201, headers, text: text.to_owned() })
    }

    #[test]
    fn an_answer_is_found_by_pointer_or_script() {
        let reply = r#"{"choices": [{"text": "hi"}], "n": 3}"#;
        let table = [
            (json!({}), "plain", "plain"),
            (json!({}), r#""quoted""#, "quoted"),
            (json!({}), r#"{"a": 1}"#, r#"{"a":1}"#),
            (json!({"response": "/choices/0/text"}), reply, "hi"),
            (json!({"response": "/n"}), reply, "3"),
            (json!({"transform": "json.choices[0].text"}), reply, "hi"),
            (json!({"transform": "json.choices[0].text + json.n;"}), reply, "hi3"),
            (json!({"transform": "(json, text) => text.length"}), "four", "4"),
            (json!({"transform": "function (json) { return json.n }"}), reply, "3"),
            (json!({"transform": "({output: json.n + 1, cost: 0})"}), reply, "4"),
            (json!({"transform": "{ output: json.n, tokenUsage: {} }"}), reply, "3"),
            (json!({"transform": "context.response.status + context.response.headers['x-kind']"}), reply, "201chat"),
        ];
        for (more, text, expected) in table {
            match answer(more.clone(), text) {
                Ok(found) => assert_eq!(found, expected, "{more}"),
                Err(failure) => panic!("{more}: {failure:?}"),
            }
        }
    }

    #[test]
    fn a_reply_without_an_answer_is_none() {
        let table = [
            (json!({}), " "),
            (json!({}), "null"),
            (json!({}), r#""""#),
            (json!({"response": "/a"}), r#"{"a": " \n"}"#),
            (json!({"transform": "json.a"}), r#"{"a": ""}"#),
            (json!({"transform": "({output: ''})"}), "{}"),
            (json!({"response": "/a/b"}), r#"{"a": 1}"#),
            (json!({"response": "/a"}), "<html>"),
            (json!({"response": "/a"}), r#"{"a": null}"#),
            (json!({"transform": "json.a.b"}), "<html>"),
            (json!({"transform": "json.a"}), "{}"),
        ];
        for (more, text) in table {
            assert!(matches!(answer(more.clone(), text), Err(Failure::Malformed(_))), "{more} {text}");
        }
        for script in ["json.a.b", "while (true) {}", "() => {", "NaN", "process.env.KEY", "json.then"] {
            assert!(answer(json!({"transform": script}), "{}").is_err(), "{script}");
        }
    }
}
