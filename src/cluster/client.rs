//! The calls. Every one has a time limit; what a server says in its refusals is kept as untrusted text.
//! Kept out: the way there (`transport`), lost answers (`write`), and what a dry run makes of them (`rehearsal`).

use std::sync::Arc;

use serde_json::{Value, json};

use super::connection::Connection;
use super::error::Asked;
use super::patch::{Unpatched, contains, looks_edited, patched, same_wish};
use super::rehearsal::Overlay;
use super::rights::Right;
use super::transport::{Request, Transport};
use super::write::{Basis, Done, Write, version_of};
use super::{Call, ClusterError, Edit, FIELD_MANAGER, Place, Resource};
use crate::trust::Secret;

/// A cluster that answers, or a rehearsal on one.
#[derive(Clone)]
pub struct Cluster {
    pub(super) transport: Arc<Transport>,
    overlay: Option<Arc<Overlay>>,
}

impl Cluster {
    /// Finds the cluster; nothing is asked yet.
    pub async fn connect(connection: &Connection) -> Result<Self, ClusterError> {
        Ok(Self { transport: Arc::new(Transport::open(connection).await?), overlay: None })
    }

    /// The same cluster, with writes that change nothing: later reads see them, and they are recorded.
    pub fn rehearse(&self) -> Self {
        Self { transport: Arc::clone(&self.transport), overlay: Some(Arc::new(Overlay::default())) }
    }

    /// What a rehearsal would have written, in order; nothing for a real cluster.
    pub fn calls(&self) -> Vec<Call> {
        self.overlay.as_ref().map(|overlay| overlay.calls()).unwrap_or_default()
    }

    /// The namespace of the context.
    pub fn namespace(&self) -> &str {
        &self.transport.namespace
    }

    /// What the redactor must know: the tokens, passwords and keys by which the cluster is asked.
    pub fn secrets(&self) -> &[Secret] {
        &self.transport.secrets
    }

    /// What the server's clock said in its last answer, in milliseconds since 1970.
    pub fn server_time(&self) -> Option<i64> {
        self.transport.server_time()
    }

    /// Reads an object.
    pub async fn get(&self, place: &Place) -> Result<Value, ClusterError> {
        if let Some(seen) = self.overlay.as_ref().and_then(|overlay| overlay.seen(place)) {
            return seen.ok_or_else(|| asked("get", place).refusal(404, br#"{"message":"not there"}"#, None));
        }
        let request = Request { method: "GET", path: place.path(), body: None, asked: asked("get", place) };
        self.transport.read(&request).await
    }

    /// Reads an object that may not be there.
    pub async fn find(&self, place: &Place) -> Result<Option<Value>, ClusterError> {
        match self.get(place).await {
            Ok(object) => Ok(Some(object)),
            Err(ClusterError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads all objects of a kind, or those with these labels (`app=llm,track=canary`).
    pub async fn list(
        &self,
        resource: Resource,
        namespace: &str,
        labels: Option<&str>,
    ) -> Result<Vec<Value>, ClusterError> {
        let query = labels.map(|labels| format!("?labelSelector={}", url_encoded(labels))).unwrap_or_default();
        let path = format!("{}{query}", resource.path(namespace));
        let asked = Asked { right: Right::new("list", resource), place: format!("{} in {namespace}", resource.plural) };
        let request = Request { method: "GET", path, body: None, asked };
        let mut list = self.transport.read(&request).await?;
        let Some(Value::Array(mut items)) = list.get_mut("items").map(Value::take) else {
            return Err(ClusterError::Other(200, request.asked.says("an answer that is no list")));
        };
        // The items of a list do not say what they are.
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            item.entry("apiVersion").or_insert_with(|| Value::from(resource.api_version()));
            item.entry("kind").or_insert_with(|| Value::from(resource.kind));
        }
        match &self.overlay {
            Some(overlay) => overlay.list(resource, namespace, labels, items).ok_or_else(|| {
                ClusterError::Invalid(request.asked.says("a rehearsal knows only KEY=VALUE in a selector"))
            }),
            None => Ok(items),
        }
    }

    /// A question in the form of a POST, which stores nothing. It is asked for real in a rehearsal, too.
    pub(super) async fn question(&self, path: &str, body: &Value) -> Result<Value, ClusterError> {
        let right = Right::new("create", super::ACCESS_REVIEW);
        let asked = Asked { right, place: "SelfSubjectAccessReview".to_owned() };
        let body = Some(("application/json", body));
        self.transport.read(&Request { method: "POST", path: path.to_owned(), body, asked }).await
    }

    /// Makes an object. [`ClusterError::Exists`] where it is there already.
    pub async fn create(&self, place: &Place, object: &Value) -> Result<Value, ClusterError> {
        if let Some(overlay) = &self.overlay {
            return overlay.create(place, self.find(place).await?, object);
        }
        let request = Request {
            method: "POST",
            path: format!("{}?{}", place.resource.path(&place.namespace), strict()),
            body: Some(("application/json", object)),
            asked: asked("create", place),
        };
        let looks = |found: &Value| contains(found, object);
        self.transport.write(&Write { request, place, basis: Basis::Absent, done: Done::Looks(&looks) }).await
    }

    /// Replaces an object whose `metadata.resourceVersion` is still what `object` says; else [`ClusterError::Conflict`].
    /// Without one it is refused here: the server would overwrite whatever is there.
    pub async fn replace(&self, place: &Place, object: &Value) -> Result<Value, ClusterError> {
        let asked = asked("update", place);
        let Some(version) = version_of(object).filter(|version| !version.is_empty()) else {
            return Err(ClusterError::Invalid(asked.says("no metadata.resourceVersion to compare")));
        };
        if let Some(overlay) = &self.overlay {
            return overlay.replace(place, self.get(place).await?, object);
        }
        let path = format!("{}?{}", place.path(), strict());
        let request = Request { method: "PUT", path, body: Some(("application/json", object)), asked };
        let looks = |found: &Value| same_wish(found, object);
        self.transport.write(&Write { request, place, basis: Basis::Version(version), done: Done::Looks(&looks) }).await
    }

    /// Changes parts of an object: all of them or none. A `Test` that does not hold is [`ClusterError::Conflict`].
    pub async fn edit(&self, place: &Place, edits: &[Edit]) -> Result<Value, ClusterError> {
        if let Some(overlay) = &self.overlay {
            return overlay.edit(place, self.get(place).await?, edits);
        }
        let patch = Value::Array(edits.iter().map(Edit::json).collect());
        let request = Request {
            method: "PATCH",
            path: format!("{}?{}", place.path(), strict()),
            body: Some(("application/json-patch+json", &patch)),
            asked: asked("patch", place),
        };
        let tested = edits.iter().find_map(|edit| match edit {
            Edit::Test(path, Value::String(version)) if path == "/metadata/resourceVersion" => Some(version.as_str()),
            Edit::Test(..) | Edit::Add(..) | Edit::Replace(..) | Edit::Remove(_) => None,
        });
        let looks = |found: &Value| looks_edited(found, edits);
        let basis = tested.map_or(Basis::Anything, Basis::Version);
        match self.transport.write(&Write { request, place, basis, done: Done::Looks(&looks) }).await {
            // The server does not say which edit failed: one that can never apply is no conflict.
            Err(ClusterError::Conflict(text)) => match self.get(place).await.map(|found| patched(&found, edits)) {
                Ok(Err(Unpatched::Path(path))) => {
                    Err(ClusterError::Invalid(asked("patch", place).says(&format!("no such path: {path}"))))
                }
                Ok(Ok(_) | Err(Unpatched::Test(_))) | Err(_) => Err(ClusterError::Conflict(text)),
            },
            other => other,
        }
    }

    /// Server-side apply by our own field manager, never by force: a field of another manager is [`ClusterError::Owned`].
    pub async fn apply(&self, place: &Place, object: &Value) -> Result<Value, ClusterError> {
        if let Some(overlay) = &self.overlay {
            return overlay.apply(place, self.find(place).await?, object);
        }
        let request = Request {
            method: "PATCH",
            path: format!("{}?{}&force=false", place.path(), strict()),
            body: Some(("application/apply-patch+yaml", object)),
            asked: asked("patch", place),
        };
        let looks = |found: &Value| contains(found, object);
        self.transport.write(&Write { request, place, basis: Basis::Anything, done: Done::Looks(&looks) }).await
    }

    /// A merge patch of a subresource (`status`, `scale`), or of the object itself. Never for lists: it replaces them.
    pub async fn merge(
        &self,
        place: &Place,
        subresource: Option<&'static str>,
        patch: &Value,
    ) -> Result<Value, ClusterError> {
        if let Some(overlay) = &self.overlay {
            return overlay.merge(place, self.get(place).await?, patch);
        }
        let part = subresource.map(|name| format!("/{name}")).unwrap_or_default();
        let mut asked = asked("patch", place);
        asked.right.subresource = subresource;
        let request = Request {
            method: "PATCH",
            path: format!("{}{part}?{}", place.path(), strict()),
            body: Some(("application/merge-patch+json", patch)),
            asked,
        };
        let looks = |found: &Value| contains(found, patch);
        self.transport.write(&Write { request, place, basis: Basis::Anything, done: Done::Looks(&looks) }).await
    }

    /// Deletes an object, and in the background what it owns. One that is not there is deleted.
    pub async fn delete(&self, place: &Place) -> Result<(), ClusterError> {
        if let Some(overlay) = &self.overlay {
            overlay.delete(place, self.find(place).await?);
            return Ok(());
        }
        let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"});
        let request = Request {
            method: "DELETE",
            path: place.path(),
            body: Some(("application/json", &options)),
            asked: asked("delete", place),
        };
        match self.transport.write(&Write { request, place, basis: Basis::Anything, done: Done::Gone }).await {
            Ok(_) | Err(ClusterError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

pub(super) fn asked(verb: &'static str, place: &Place) -> Asked {
    Asked { right: Right::new(verb, place.resource).named(&place.name), place: place.words() }
}

impl Edit {
    fn json(&self) -> Value {
        match self {
            Edit::Test(path, value) => json!({"op": "test", "path": path, "value": value}),
            Edit::Add(path, value) => json!({"op": "add", "path": path, "value": value}),
            Edit::Replace(path, value) => json!({"op": "replace", "path": path, "value": value}),
            Edit::Remove(path) => json!({"op": "remove", "path": path}),
        }
    }
}

/// Unknown fields are an error, not a warning that nobody reads.
fn strict() -> String {
    format!("fieldManager={FIELD_MANAGER}&fieldValidation=Strict")
}

pub(super) fn url_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
