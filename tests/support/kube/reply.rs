//! Answers, and the refusals in the words of a real API server.

use serde_json::{Value, json};

use super::kinds::Kind;

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Body,
    pub warnings: Vec<String>,
}

/// What is in it.
#[derive(Clone, Debug)]
pub enum Body {
    Json(Value),
    Text(String),
}

impl Reply {
    pub fn json(status: u16, value: Value) -> Self {
        Self { status, body: Body::Json(value), warnings: Vec::new() }
    }

    /// The page of a path that nobody serves: text, not a Status.
    pub fn page_not_found() -> Self {
        Self { status: 404, body: Body::Text("404 page not found\n".into()), warnings: Vec::new() }
    }

    pub fn refusal(status: u16, reason: &str, message: &str, details: Value) -> Self {
        let mut value =
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message});
        if !reason.is_empty() {
            value["reason"] = json!(reason);
        }
        if !details.is_null() {
            value["details"] = details;
        }
        value["code"] = json!(status);
        Self::json(status, value)
    }

    pub fn unauthorized() -> Self {
        Self::refusal(401, "Unauthorized", "Unauthorized", Value::Null)
    }

    pub fn bad(message: &str) -> Self {
        Self::refusal(400, "BadRequest", message, Value::Null)
    }

    pub fn no_resource() -> Self {
        Self::refusal(404, "NotFound", "the server could not find the requested resource", json!({}))
    }

    pub fn not_found(kind: &Kind, name: &str) -> Self {
        Self::refusal(404, "NotFound", &format!("{} \"{name}\" not found", kind.words()), details(kind, name))
    }

    pub fn exists(kind: &Kind, name: &str) -> Self {
        Self::refusal(409, "AlreadyExists", &format!("{} \"{name}\" already exists", kind.words()), details(kind, name))
    }

    pub fn stale(kind: &Kind, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again".to_owned();
        Self::conflict(kind, name, &why)
    }

    pub fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.words());
        Self::refusal(409, "Conflict", &message, details(kind, name))
    }

    /// What a failed JSON patch says: nothing.
    pub fn patch_failed() -> Self {
        Self::refusal(422, "Invalid", "the server rejected our request due to an error in our request", json!({}))
    }

    pub fn invalid(kind: &Kind, name: &str, faults: &[(String, String)]) -> Self {
        let each: Vec<String> = faults.iter().map(|(field, why)| format!("{field}: {why}")).collect();
        let text = if each.len() == 1 { each.concat() } else { format!("[{}]", each.join(", ")) };
        let causes: Vec<Value> = faults
            .iter()
            .map(|(field, why)| json!({"reason": "FieldValueInvalid", "message": why, "field": field}))
            .collect();
        let mut details = json!({"name": name, "group": kind.group, "kind": kind.kind, "causes": causes});
        if kind.group.is_empty() {
            details.as_object_mut().unwrap().shift_remove("group");
        }
        Self::refusal(422, "Invalid", &format!("{} \"{name}\" is invalid: {text}", kind.title()), details)
    }

    /// What comes of an update that names no version, where one must be named.
    pub fn unversioned(kind: &Kind, name: &str) -> Self {
        let why = "Invalid value: 0: must be specified for an update";
        let mut about = details(kind, name);
        about["causes"] = json!([{"reason": "FieldValueInvalid", "message": why, "field": "metadata.resourceVersion"}]);
        let message = format!("{} \"{name}\" is invalid: metadata.resourceVersion: {why}", kind.words());
        Self::refusal(422, "Invalid", &message, about)
    }

    /// What a patch comes to that leaves an object which cannot be read.
    pub fn unreadable_patch(why: &str) -> Self {
        let quoted = format!("Invalid value: \"{{…}}\": {why}");
        let causes = json!([{"reason": "FieldValueInvalid", "message": quoted, "field": "patch"}]);
        Self::refusal(422, "Invalid", &format!(" \"\" is invalid: patch: {quoted}"), json!({"causes": causes}))
    }

    pub fn forbidden(kind: &Kind, verb: &str, resource: &str, namespace: &str, name: &str) -> Self {
        let named = if name.is_empty() { String::new() } else { format!(" \"{name}\"") };
        let message = format!(
            "{}{named} is forbidden: User \"llmci\" cannot {verb} resource \"{resource}\" in API group \"{}\" in the namespace \"{namespace}\"",
            kind.words(),
            kind.group
        );
        Self::refusal(403, "Forbidden", &message, details(kind, name))
    }
}

pub fn details(kind: &Kind, name: &str) -> Value {
    let mut details = json!({});
    for (key, value) in [("name", name), ("group", kind.group), ("kind", kind.plural)] {
        if !value.is_empty() {
            details[key] = json!(value);
        }
    }
    details
}
