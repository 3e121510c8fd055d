//! Replies of the API server, and its errors word by word as v1.36.2 gave them.

use serde_json::{Value, json};

use super::kinds::Kind;

/// A whole reply.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub kind: &'static str,
    pub body: Vec<u8>,
}

impl Reply {
    /// JSON of this status.
    pub fn json(status: u16, body: &Value) -> Self {
        Self { status, headers: Vec::new(), kind: "application/json", body: body.to_string().into_bytes() }
    }

    /// The router's own 404.
    pub fn no_page() -> Self {
        Self {
            status: 404,
            headers: vec![("X-Content-Type-Options", "nosniff".to_owned())],
            kind: "text/plain; charset=utf-8",
            body: b"404 page not found\n".to_vec(),
        }
    }
}

/// A `Status` of a failure.
pub fn failure(code: u16, reason: &str, message: &str, details: Option<Value>) -> Reply {
    let mut body =
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message});
    if !reason.is_empty() {
        body["reason"] = json!(reason);
    }
    if let Some(details) = details {
        body["details"] = details;
    }
    body["code"] = json!(code);
    Reply::json(code, &body)
}

/// `details` that name an object.
pub fn details(kind: &Kind, name: &str) -> Value {
    let mut details = json!({});
    if !name.is_empty() {
        details["name"] = json!(name);
    }
    if !kind.group.is_empty() {
        details["group"] = json!(kind.group);
    }
    details["kind"] = json!(kind.plural);
    details
}

/// The object is not there.
pub fn not_found(kind: &Kind, name: &str) -> Reply {
    let message = format!("{} \"{name}\" not found", kind.qualified());
    failure(404, "NotFound", &message, Some(details(kind, name)))
}

/// The object is there already.
pub fn already_exists(kind: &Kind, name: &str) -> Reply {
    let message = format!("{} \"{name}\" already exists", kind.qualified());
    failure(409, "AlreadyExists", &message, Some(details(kind, name)))
}

/// The resourceVersion is not the newest.
pub fn stale(kind: &Kind, name: &str) -> Reply {
    let message = format!(
        "Operation cannot be fulfilled on {} \"{name}\": the object has been modified; please apply your changes to the latest version and try again",
        kind.qualified()
    );
    failure(409, "Conflict", &message, Some(details(kind, name)))
}

/// The uid is another object's.
pub fn other_uid(kind: &Kind, name: &str, wanted: &str, found: &str) -> Reply {
    let message = format!(
        "Operation cannot be fulfilled on {} \"{name}\": Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}",
        kind.qualified()
    );
    failure(409, "Conflict", &message, Some(details(kind, name)))
}

/// A field has a value that cannot be.
pub fn invalid(kind: &Kind, name: &str, field: &str, message: &str) -> Reply {
    let whole = if kind.group.is_empty() { kind.kind.to_owned() } else { format!("{}.{}", kind.kind, kind.group) };
    let mut details = details(kind, name);
    details["kind"] = json!(kind.kind);
    details["causes"] = json!([{"reason": "FieldValueInvalid", "message": message, "field": field}]);
    failure(422, "Invalid", &format!("{whole} \"{name}\" is invalid: {field}: {message}"), Some(details))
}

/// A JSON patch cannot be applied: the server does not say why.
pub fn patch_refused() -> Reply {
    failure(422, "Invalid", "the server rejected our request due to an error in our request", Some(json!({})))
}

/// The request is malformed.
pub fn bad_request(message: &str) -> Reply {
    failure(400, "BadRequest", message, None)
}

/// A path of a built-in group that leads nowhere.
pub fn no_resource() -> Reply {
    failure(404, "NotFound", "the server could not find the requested resource", Some(json!({})))
}

/// The token is not known.
pub fn unauthorized() -> Reply {
    failure(401, "Unauthorized", "Unauthorized", None)
}

/// The user has no right to it.
pub fn forbidden(kind: &Kind, user: &str, verb: &str, namespace: &str, name: &str, subresource: &str) -> Reply {
    let object = if name.is_empty() { String::new() } else { format!(" \"{name}\"") };
    let resource =
        if subresource.is_empty() { kind.plural.to_owned() } else { format!("{}/{subresource}", kind.plural) };
    let place = if namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace \"{namespace}\"")
    };
    let message = format!(
        "{}{object} is forbidden: User \"{user}\" cannot {verb} resource \"{resource}\" in API group \"{}\" {place}",
        kind.qualified(),
        kind.group
    );
    let mut reply = failure(403, "Forbidden", &message, Some(details(kind, name)));
    reply.headers.push(("X-Content-Type-Options", "nosniff".to_owned()));
    reply
}
