//! The calls. Every one has a time limit; what a server says in its refusals is kept as untrusted text.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use super::{ClusterError, Edit, FIELD_MANAGER, Place, Resource};
use crate::net::chain_of;
use crate::trust::{Secret, Untrusted};

/// The longest that one call may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A cluster's objects are small: etcd takes 1.5 MiB.
const LARGEST_REPLY: usize = 16 * 1024 * 1024;

/// How the cluster is found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Connection {
    /// A context of the kubeconfig. Default: the current one; in a pod, the pod's own account.
    pub context: Option<String>,
    /// The kubeconfig's text, where it comes from an input and not from a file.
    pub kubeconfig: Option<String>,
}

/// A cluster that answers.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    client: kube::Client,
    namespace: String,
    secrets: Vec<Secret>,
    /// What the server's clock said last, in milliseconds since 1970; 0 before its first answer.
    server_time: AtomicI64,
}

impl Cluster {
    /// Finds the cluster; nothing is asked yet.
    pub async fn connect(connection: &Connection) -> Result<Self, ClusterError> {
        crate::net::install_tls_provider();
        let unread = |error: &dyn std::error::Error| ClusterError::Config(Untrusted::new(chain_of(error)));
        let options = KubeConfigOptions { context: connection.context.clone(), ..KubeConfigOptions::default() };
        let mut config = match &connection.kubeconfig {
            Some(text) => {
                let kubeconfig = Kubeconfig::from_yaml(text).map_err(|error| unread(&error))?;
                kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| unread(&error))?
            }
            None if connection.context.is_some() => {
                kube::Config::from_kubeconfig(&options).await.map_err(|error| unread(&error))?
            }
            None => kube::Config::infer().await.map_err(|error| unread(&error))?,
        };
        config.connect_timeout = Some(Duration::from_secs(5));
        config.read_timeout = Some(PATIENCE);
        config.write_timeout = Some(PATIENCE);
        let namespace = config.default_namespace.clone();
        let secrets = secrets_of(&config);
        let client = kube::Client::try_from(config).map_err(|error| unread(&error))?;
        Ok(Self { inner: Arc::new(Inner { client, namespace, secrets, server_time: AtomicI64::new(0) }) })
    }

    /// The namespace of the context.
    pub fn namespace(&self) -> &str {
        &self.inner.namespace
    }

    /// What the kubeconfig holds that nobody may see.
    pub fn secrets(&self) -> &[Secret] {
        &self.inner.secrets
    }

    /// What the server's clock said in its last answer, in milliseconds since 1970.
    pub fn server_time(&self) -> Option<i64> {
        Some(self.inner.server_time.load(Ordering::SeqCst)).filter(|time| *time > 0)
    }

    /// Reads an object.
    pub async fn get(&self, place: &Place) -> Result<Value, ClusterError> {
        self.call("GET", &place.path(), None).await
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
        let query: String = labels
            .map(|labels| {
                let encoded: String = url_encoded(labels);
                format!("?labelSelector={encoded}")
            })
            .unwrap_or_default();
        let list = self.call("GET", &format!("{}{query}", resource.path(namespace)), None).await?;
        list.get("items").and_then(Value::as_array).cloned().ok_or_else(|| ClusterError::Other(200, "no list".into()))
    }

    /// Makes an object. [`ClusterError::Exists`] where it is there already.
    pub async fn create(&self, place: &Place, object: &Value) -> Result<Value, ClusterError> {
        let path = format!("{}?{}", place.resource.path(&place.namespace), strict());
        self.call("POST", &path, Some(("application/json", object))).await
    }

    /// Replaces an object whose `metadata.resourceVersion` is still what `object` says; else [`ClusterError::Conflict`].
    pub async fn replace(&self, place: &Place, object: &Value) -> Result<Value, ClusterError> {
        self.call("PUT", &format!("{}?{}", place.path(), strict()), Some(("application/json", object))).await
    }

    /// Changes parts of an object: all of them or none. A `Test` that does not hold is [`ClusterError::Conflict`].
    pub async fn edit(&self, place: &Place, edits: &[Edit]) -> Result<Value, ClusterError> {
        let patch: Vec<Value> = edits.iter().map(Edit::json).collect();
        let path = format!("{}?{}", place.path(), strict());
        self.call("PATCH", &path, Some(("application/json-patch+json", &Value::Array(patch)))).await
    }

    /// Server-side apply by our own field manager, never by force: a field of another manager is [`ClusterError::Owned`].
    pub async fn apply(&self, place: &Place, object: &Value) -> Result<Value, ClusterError> {
        let path = format!("{}?{}&force=false", place.path(), strict());
        self.call("PATCH", &path, Some(("application/apply-patch+yaml", object))).await
    }

    /// A merge patch of a subresource (`status`, `scale`), or of the object itself. Never for lists: it replaces them.
    pub async fn merge(&self, place: &Place, subresource: Option<&str>, patch: &Value) -> Result<Value, ClusterError> {
        let part = subresource.map(|name| format!("/{name}")).unwrap_or_default();
        let path = format!("{}{part}?{}", place.path(), strict());
        self.call("PATCH", &path, Some(("application/merge-patch+json", patch))).await
    }

    /// Deletes an object, and in the background what it owns. One that is not there is deleted.
    pub async fn delete(&self, place: &Place) -> Result<(), ClusterError> {
        let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"});
        match self.call("DELETE", &place.path(), Some(("application/json", &options))).await {
            Ok(_) | Err(ClusterError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether the account may do this, as the server's own rules say (SelfSubjectAccessReview).
    pub async fn may(
        &self,
        namespace: &str,
        resource: Resource,
        part: Option<&str>,
        verb: &str,
    ) -> Result<bool, ClusterError> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "namespace": namespace, "verb": verb, "group": resource.group, "resource": resource.plural,
                "subresource": part.unwrap_or_default(),
            }},
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer = self.call("POST", path, Some(("application/json", &review))).await?;
        Ok(answer.pointer("/status/allowed").and_then(Value::as_bool) == Some(true))
    }

    async fn call(&self, method: &str, path: &str, body: Option<(&str, &Value)>) -> Result<Value, ClusterError> {
        let mut request = http::Request::builder().method(method).uri(path).header("accept", "application/json");
        let bytes = match body {
            Some((kind, value)) => {
                request = request.header("content-type", kind);
                value.to_string().into_bytes()
            }
            None => Vec::new(),
        };
        let broken = |error: &dyn std::error::Error| ClusterError::Unreachable(Untrusted::new(chain_of(error)));
        let request = request.body(Body::from(bytes)).map_err(|error| broken(&error))?;
        let answer = tokio::time::timeout(PATIENCE, self.inner.client.send(request)).await;
        let answer = answer.map_err(|_| ClusterError::Unreachable("no answer in 10 s".into()))?;
        let answer = answer.map_err(|error| broken(&error))?;
        self.note_time(&answer);
        let status = answer.status().as_u16();
        let bytes = tokio::time::timeout(PATIENCE, answer.into_body().collect_bytes()).await;
        let bytes = bytes.map_err(|_| ClusterError::Unreachable("half an answer in 10 s".into()))?;
        let bytes = bytes.map_err(|error| broken(&error))?;
        if bytes.len() > LARGEST_REPLY {
            return Err(ClusterError::Other(status, "an answer of more than 16 MiB".into()));
        }
        if (200..300).contains(&status) {
            return serde_json::from_slice(&bytes)
                .map_err(|_| ClusterError::Other(status, "an answer that is not JSON".into()));
        }
        Err(refusal(status, &bytes, body.map(|(kind, _)| kind)))
    }

    fn note_time(&self, answer: &http::Response<Body>) {
        let date = answer.headers().get("date").and_then(|value| value.to_str().ok());
        let date = date.and_then(|text| httpdate::parse_http_date(text).ok());
        let since = date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok());
        if let Some(time) = since.and_then(|since| i64::try_from(since.as_millis()).ok()) {
            self.inner.server_time.fetch_max(time, Ordering::SeqCst);
        }
    }
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

/// Tokens, passwords and keys of a configuration; a token of a file or a program is none of them, since it is never shown.
fn secrets_of(config: &kube::Config) -> Vec<Secret> {
    // The library shows them to its own serialiser only.
    let account = serde_json::to_value(&config.auth_info).unwrap_or_default();
    let fields = ["token", "password", "client-key-data"];
    let found = fields.iter().filter_map(|field| account.get(field).and_then(Value::as_str));
    found.filter(|text| text.trim().len() >= 4).map(Secret::new).collect()
}

fn url_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// A refusal by its status. Its body is a `Status` object, or plain text where no API group answers.
fn refusal(status: u16, bytes: &[u8], kind: Option<&str>) -> ClusterError {
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let message = value.get("message").and_then(Value::as_str).map(str::to_owned);
    let text = Untrusted::new(message.unwrap_or_else(|| String::from_utf8_lossy(bytes).chars().take(500).collect()));
    let reason = value.get("reason").and_then(Value::as_str).unwrap_or_default();
    match (status, reason, kind) {
        (401, ..) => ClusterError::Unauthorized(text),
        (403, ..) => ClusterError::Forbidden(text),
        (404, ..) => ClusterError::NotFound(text),
        (409, "AlreadyExists", _) => ClusterError::Exists(text),
        (409, _, Some("application/apply-patch+yaml")) => ClusterError::Owned(text),
        (409, ..) | (422, _, Some("application/json-patch+json")) => ClusterError::Conflict(text),
        (400 | 413 | 415 | 422, ..) => ClusterError::Invalid(text),
        _ => ClusterError::Other(status, text),
    }
}
