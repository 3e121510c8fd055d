//! What the account may do.

use serde_json::{Value, json};

use super::api::Target;
use super::http::Request;
use super::reply::Reply;
use super::store::{World, text};

fn denied(world: &World, verb: &str, resource: &str) -> bool {
    world.denied.iter().any(|(denied, of)| (denied == verb || denied == "*") && of == resource)
}

/// A refusal, where the right was taken away.
pub fn check(world: &World, verb: &str, target: &Target) -> Option<Reply> {
    let mut resource = target.key.plural.clone();
    if !target.subresource.is_empty() {
        resource = format!("{resource}/{}", target.subresource);
    }
    denied(world, verb, &resource)
        .then(|| Reply::forbidden(target.kind, verb, &resource, &target.key.namespace, &target.key.name))
}

/// Answers a SelfSubjectAccessReview.
pub fn review(world: &World, request: &Request) -> Reply {
    let mut object: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let asked = &object["spec"]["resourceAttributes"];
    let mut resource = text(&asked["resource"]).to_owned();
    if let Some(part) = asked["subresource"].as_str().filter(|part| !part.is_empty()) {
        resource = format!("{resource}/{part}");
    }
    let allowed = !denied(world, text(&asked["verb"]), &resource);
    object["kind"] = json!("SelfSubjectAccessReview");
    object["apiVersion"] = json!("authorization.k8s.io/v1");
    object["metadata"] = json!({});
    object["status"] = json!({"allowed": allowed});
    Reply::json(201, object)
}
