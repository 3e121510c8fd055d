//! Objects of the whole cluster: its nodes, and what runs on them. Lists come in pages, of which only what is needed is kept, so that a large cluster fits.
//! Kept out: what they mean (`commands::gpu_check::plan`).

use serde_json::Value;

use super::error::Asked;
use super::rights::Right;
use super::transport::Request;
use super::{Cluster, ClusterError, Resource};

/// Objects that one answer may hold: a pod is some 10 kB.
const PAGE: usize = 500;
/// Pages that are read at most: Kubernetes itself is built for 150,000 pods. Source: "Considerations for large clusters".
const MOST_PAGES: usize = 400;

impl Cluster {
    /// Reads all objects of a kind, in every namespace, a page at a time, and keeps of each what `keep` takes from it. A rehearsal
    /// reads them as they are.
    pub async fn everywhere<T>(
        &self,
        resource: Resource,
        keep: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, ClusterError> {
        let root = if resource.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", resource.group) };
        let path = format!("{root}/{}/{}", resource.version, resource.plural);
        let asked = || Asked {
            right: Right::new("list", resource),
            place: format!("{} of the whole cluster", resource.plural),
        };
        let mut kept = Vec::new();
        let mut next = String::new();
        for _ in 0..MOST_PAGES {
            let query = form_urlencoded(&[("limit", &PAGE.to_string()), ("continue", &next)]);
            let request = Request { method: "GET", path: format!("{path}?{query}"), body: None, asked: asked() };
            let mut list = self.transport.read(&request).await?;
            let Some(Value::Array(items)) = list.get_mut("items").map(Value::take) else {
                return Err(ClusterError::Other(200, asked().says("an answer that is no list")));
            };
            kept.extend(items.iter().filter_map(&keep));
            match list.pointer("/metadata/continue").and_then(Value::as_str) {
                Some(token) if !token.is_empty() => next = token.to_owned(),
                Some(_) | None => return Ok(kept),
            }
        }
        Err(ClusterError::Other(200, asked().says("a list without an end")))
    }
}

/// The pairs whose value is not empty, as a query.
fn form_urlencoded(pairs: &[(&str, &str)]) -> String {
    let given = pairs.iter().filter(|(_, value)| !value.is_empty());
    let pairs: Vec<String> =
        given.map(|(name, value)| format!("{name}={}", super::client::url_encoded(value))).collect();
    pairs.join("&")
}
