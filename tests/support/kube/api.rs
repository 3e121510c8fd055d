//! From a path to what is asked: discovery, an object, all objects of a kind, a subresource.

use serde_json::{Value, json};

use super::http::Request;
use super::kinds::{KINDS, Kind};
use super::reply::Reply;
use super::store::{Key, World};
use super::{Shared, authority, discovery, list, write};

/// An object or a collection that is asked for.
pub struct Target {
    pub kind: &'static Kind,
    pub version: String,
    pub key: Key,
    pub subresource: String,
}

/// Answers a call, and lets the controllers run where it changed something.
pub fn answer(shared: &Shared, request: &Request) -> Reply {
    let mut world = shared.world();
    let before = world.version;
    let reply = respond(&mut world, request);
    if world.version != before {
        if !world.by_hand {
            world.settle();
        }
        shared.changed.notify_all();
    }
    reply
}

fn respond(world: &mut World, request: &Request) -> Reply {
    let path = request.path.trim_end_matches('/');
    match (&request.token, path) {
        (Some(token), _) if !world.tokens.contains(token) => return Reply::unauthorized(),
        (None, "/version" | "/healthz" | "/readyz" | "/livez") | (Some(_), _) => {}
        (None, _) if world.anonymous => {}
        (None, _) => {
            let message = format!("forbidden: User \"system:anonymous\" cannot get path \"{path}\"");
            return Reply::refusal(403, "Forbidden", &message, json!({}));
        }
    }
    if let Some(reply) = discovery::answer(world, path) {
        return reply;
    }
    if path.starts_with("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews") {
        return authority::review(world, request);
    }
    match target(world, path) {
        Ok(target) => serve(world, request, &target),
        Err(reply) => reply,
    }
}

fn target(world: &World, path: &str) -> Result<Target, Reply> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (group, version, rest) = match parts.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Err(Reply::page_not_found()),
    };
    if world.absent.contains(group) || !KINDS.iter().any(|kind| kind.group == group) {
        return Err(Reply::page_not_found());
    }
    let (namespace, plural, name, subresource) = match rest {
        ["namespaces", namespace, plural] => (*namespace, *plural, "", ""),
        ["namespaces", namespace, plural, name] => (*namespace, *plural, *name, ""),
        ["namespaces", namespace, plural, name, subresource] => (*namespace, *plural, *name, *subresource),
        [plural] => ("", *plural, "", ""),
        _ => return Err(Reply::page_not_found()),
    };
    let custom = KINDS.iter().any(|kind| kind.group == group && kind.custom());
    let unserved = || if custom { Reply::page_not_found() } else { Reply::no_resource() };
    let kind = Kind::of(group, plural).filter(|kind| kind.versions.contains(&version)).ok_or_else(unserved)?;
    if !subresource.is_empty() && !kind.subresources.contains(&subresource) {
        // A custom resource without this subresource: as though the object were not there.
        return Err(if kind.custom() { Reply::not_found(kind, name) } else { unserved() });
    }
    let key = Key { group: group.into(), plural: plural.into(), namespace: namespace.into(), name: name.into() };
    Ok(Target { kind, version: version.into(), key, subresource: subresource.into() })
}

fn serve(world: &mut World, request: &Request, target: &Target) -> Reply {
    let named = !target.key.name.is_empty();
    let watch = matches!(request.parameter("watch"), Some("1" | "true"));
    let verb = match (request.method.as_str(), named) {
        ("GET", true) => "get",
        ("GET", false) if watch => "watch",
        ("GET", false) => "list",
        ("POST", false) => "create",
        ("PUT", true) => "update",
        ("PATCH", true) => "patch",
        ("DELETE", true) => "delete",
        _ => {
            let message = "the server does not allow this method on the requested resource";
            return Reply::refusal(405, "MethodNotAllowed", message, json!({}));
        }
    };
    if let Some(refusal) = authority::check(world, verb, target) {
        return refusal;
    }
    match verb {
        "list" | "watch" => list::answer(world, request, target),
        "get" => match world.get(&target.key) {
            None => Reply::not_found(target.kind, &target.key.name),
            Some(object) if target.subresource == "scale" => Reply::json(200, scale(object)),
            Some(object) => Reply::json(200, shown(object, target)),
        },
        "delete" => write::delete(world, request, target),
        _ => write::answer(world, request, target),
    }
}

/// An object in the version in which it is asked for.
pub fn shown(object: &Value, target: &Target) -> Value {
    let mut object = object.clone();
    object["kind"] = json!(target.kind.kind);
    object["apiVersion"] = json!(target.kind.api_version(&target.version));
    object
}

/// The scale of a workload.
pub fn scale(object: &Value) -> Value {
    let meta = &object["metadata"];
    let labels = object["spec"]["selector"]["matchLabels"].as_object().cloned().unwrap_or_default();
    let pairs: Vec<String> =
        labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    let replicas = |value: &Value| value["replicas"].as_i64().unwrap_or(0);
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": meta["name"],
        "namespace": meta["namespace"], "uid": meta["uid"], "resourceVersion": meta["resourceVersion"],
        "creationTimestamp": meta["creationTimestamp"]}, "spec": {"replicas": replicas(&object["spec"])},
        "status": {"replicas": replicas(&object["status"]), "selector": pairs.join(",")}})
}
