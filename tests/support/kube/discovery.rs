//! What the server says of itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::kinds::{KINDS, Kind};
use super::reply::{Body, Reply};
use super::store::World;

/// The answer to a path of discovery; none where the path is another.
pub fn answer(world: &World, path: &str) -> Option<Reply> {
    let groups: BTreeSet<&str> = KINDS
        .iter()
        .map(|kind| kind.group)
        .filter(|group| !group.is_empty() && !world.absent.contains(*group))
        .chain(["authorization.k8s.io"])
        .collect();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let value = match parts.as_slice() {
        ["version"] => json!({"major": "1", "minor": "36", "gitVersion": "v1.36.2", "platform": "linux/amd64"}),
        ["healthz" | "readyz" | "livez"] => {
            return Some(Reply { status: 200, body: Body::Text("ok".into()), warnings: Vec::new() });
        }
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ["apis"] => {
            let groups: Vec<Value> = groups.iter().map(|name| group(name)).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        ["apis", name] if groups.contains(name) => {
            let mut value = group(name);
            value["kind"] = json!("APIGroup");
            value["apiVersion"] = json!("v1");
            value
        }
        ["api", "v1"] => resources("", "v1"),
        ["apis", name, version] if versions(name).contains(version) && groups.contains(name) => {
            resources(name, version)
        }
        ["apis", name, _]
            if groups.contains(name) && !KINDS.iter().any(|kind| kind.group == *name && kind.custom()) =>
        {
            return Some(Reply::no_resource());
        }
        ["apis", _] | ["apis", _, _] => return Some(Reply::page_not_found()),
        _ => return None,
    };
    Some(Reply::json(200, value))
}

fn versions(group: &str) -> Vec<&'static str> {
    match group {
        "authorization.k8s.io" => vec!["v1"],
        other => KINDS.iter().find(|kind| kind.group == other).map_or(Vec::new(), |kind| kind.versions.to_vec()),
    }
}

fn group(name: &str) -> Value {
    let of = |version: &&str| json!({"groupVersion": format!("{name}/{version}"), "version": version});
    let all: Vec<Value> = versions(name).iter().map(of).collect();
    json!({"name": name, "versions": all, "preferredVersion": all[0]})
}

fn resources(group: &str, version: &str) -> Value {
    let mut list = Vec::new();
    let served = |kind: &&Kind| kind.group == group && kind.versions.contains(&version);
    for kind in KINDS.iter().filter(served) {
        list.push(json!({"name": kind.plural, "singularName": kind.kind.to_lowercase(), "namespaced": true,
            "kind": kind.kind, "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"]}));
        for part in kind.subresources {
            let name = format!("{}/{part}", kind.plural);
            let mut entry = json!({"name": name, "singularName": "", "namespaced": true, "kind": kind.kind,
                "verbs": ["get", "patch", "update"]});
            if *part == "scale" {
                entry["group"] = json!("autoscaling");
                entry["version"] = json!("v1");
                entry["kind"] = json!("Scale");
            }
            list.push(entry);
        }
    }
    if group == "authorization.k8s.io" {
        list.push(json!({"name": "selfsubjectaccessreviews", "singularName": "", "namespaced": false,
            "kind": "SelfSubjectAccessReview", "verbs": ["create"]}));
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list})
}
