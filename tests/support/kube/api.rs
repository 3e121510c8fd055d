//! What a request means: rights, discovery, reads and watches. Writes are in `write`.

use std::time::Duration;

use serde_json::{Value, json};

use super::http::Request;
use super::kinds::{KINDS, Kind, by_plural};
use super::reply::{Reply, bad_request, failure, forbidden, no_resource, not_found, unauthorized};
use super::world::World;
use super::{control, select, write};

/// What is sent back.
pub enum Answer {
    Reply(Reply),
    Watch(Watch),
}

/// A watch that goes on.
pub struct Watch {
    kind: &'static Kind,
    namespace: String,
    labels: String,
    fields: String,
    version: u64,
    pub time: Duration,
    /// Sent first: what is there, or why it cannot be watched.
    first: Vec<Value>,
}

/// The parts of an object's path.
pub struct Target {
    pub kind: &'static Kind,
    pub namespace: String,
    pub name: String,
    pub subresource: String,
}

/// Does it.
pub fn answer(world: &mut World, request: &Request) -> Answer {
    control::settle(world);
    let token = request.headers.get("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let user = match token {
        Some(token) if token == world.token && !world.expired => world.user.clone(),
        Some(_) => return Answer::Reply(unauthorized()),
        None if world.open => world.user.clone(),
        None => "system:anonymous".to_owned(),
    };
    let segments: Vec<&str> = request.path.split('/').filter(|part| !part.is_empty()).collect();
    if let Some(reply) = open(world, request, &segments) {
        return Answer::Reply(reply);
    }
    let target = match target(world, &segments) {
        Ok(target) => target,
        Err(reply) => return Answer::Reply(reply),
    };
    let watches = request.query.get("watch").is_some_and(|value| value == "1" || value == "true");
    let verb = match (request.method.as_str(), target.name.is_empty()) {
        ("GET", _) if watches => "watch",
        ("GET", true) => "list",
        ("GET", false) => "get",
        ("POST", true) => "create",
        ("PUT", false) => "update",
        ("PATCH", false) => "patch",
        ("DELETE", false) => "delete",
        ("DELETE", true) => "deletecollection",
        _ => {
            let message = "the server does not allow this method on the requested resource";
            return Answer::Reply(failure(405, "MethodNotAllowed", message, Some(json!({}))));
        }
    };
    let mut resource = target.kind.plural.to_owned();
    if !target.subresource.is_empty() {
        resource = format!("{resource}/{}", target.subresource);
    }
    if user == "system:anonymous" || !world.allows(verb, &resource) {
        let reply = forbidden(target.kind, &user, verb, &target.namespace, &target.name, &target.subresource);
        return Answer::Reply(reply);
    }
    match verb {
        "watch" => watch(world, request, &target),
        "list" => Answer::Reply(list(world, request, &target)),
        "get" => Answer::Reply(get(world, &target)),
        _ => {
            let reply = write::write(world, request, &target, verb, &user).unwrap_or_else(|reply| reply);
            if !world.held {
                control::settle(world);
            }
            Answer::Reply(reply)
        }
    }
}

fn open(world: &mut World, request: &Request, segments: &[&str]) -> Option<Reply> {
    let group_of = |group: &str| {
        let version = KINDS.iter().find(|kind| kind.group == group)?.version;
        let version = json!({"groupVersion": format!("{group}/{version}"), "version": version});
        Some(json!({"name": group, "versions": [version], "preferredVersion": version}))
    };
    let reply = match segments {
        ["version"] => json!({
            "major": "1", "minor": "36", "gitVersion": "v1.36.2", "gitCommit": "llmci-tests", "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none", "compiler": "none", "platform": "linux/amd64",
        }),
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ["apis"] => {
            let mut groups: Vec<&str> = KINDS.iter().map(|kind| kind.group).filter(|group| !group.is_empty()).collect();
            groups.dedup();
            groups.retain(|group| installed(world, group));
            let groups: Vec<Value> = groups.into_iter().filter_map(group_of).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        ["api", "v1"] => resources(world, "", "v1"),
        ["apis", group, ..] if !installed(world, group) && *group != "authorization.k8s.io" => {
            return Some(Reply::no_page());
        }
        ["apis", group] => {
            let mut body = json!({"kind": "APIGroup", "apiVersion": "v1"});
            body.as_object_mut()?.extend(group_of(group)?.as_object_mut().map(std::mem::take)?);
            body
        }
        ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"] if request.method == "POST" => {
            let mut body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let asked = &body["spec"]["resourceAttributes"];
            let mut resource = asked["resource"].as_str().unwrap_or_default().to_owned();
            if let Some(sub) = asked["subresource"].as_str().filter(|sub| !sub.is_empty()) {
                resource = format!("{resource}/{sub}");
            }
            let allowed = world.allows(asked["verb"].as_str().unwrap_or_default(), &resource);
            body["kind"] = json!("SelfSubjectAccessReview");
            body["apiVersion"] = json!("authorization.k8s.io/v1");
            body["metadata"] = json!({});
            body["status"] = json!({"allowed": allowed});
            return Some(Reply::json(201, &body));
        }
        ["apis", group, version] => {
            if !KINDS.iter().any(|kind| kind.group == *group && kind.version == *version) {
                let custom = KINDS.iter().any(|kind| kind.group == *group && kind.custom);
                return Some(if custom { Reply::no_page() } else { no_resource() });
            }
            resources(world, group, version)
        }
        ["healthz" | "livez" | "readyz"] => {
            return Some(Reply {
                kind: "text/plain; charset=utf-8",
                body: b"ok".to_vec(),
                ..Reply::json(200, &json!({}))
            });
        }
        ["api", "v1", ..] | ["apis", _, _, ..] => return None,
        _ => return Some(Reply::no_page()),
    };
    Some(Reply::json(200, &reply))
}

fn installed(world: &World, group: &str) -> bool {
    KINDS.iter().any(|kind| kind.group == group && !world.absent.contains(kind.plural))
}

fn resources(world: &World, group: &str, version: &str) -> Value {
    const VERBS: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
    let mut list = Vec::new();
    for kind in KINDS.iter().filter(|kind| kind.group == group && !world.absent.contains(kind.plural)) {
        let mut entry = json!({
            "name": kind.plural, "singularName": kind.kind.to_lowercase(), "namespaced": kind.namespaced(),
            "kind": kind.kind, "verbs": VERBS,
        });
        if !kind.short.is_empty() {
            entry["shortNames"] = json!([kind.short]);
        }
        list.push(entry);
        for sub in kind.subresources {
            let mut entry = json!({
                "name": format!("{}/{sub}", kind.plural), "singularName": "", "namespaced": kind.namespaced(),
                "kind": kind.kind, "verbs": ["get", "patch", "update"],
            });
            if *sub == "scale" {
                entry["group"] = json!("autoscaling");
                entry["version"] = json!("v1");
                entry["kind"] = json!("Scale");
            }
            list.push(entry);
        }
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list})
}

fn target(world: &World, segments: &[&str]) -> Result<Target, Reply> {
    let (group, version, rest) = match segments {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Err(Reply::no_page()),
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() && rest != ["status"] => (*namespace, rest),
        rest => ("", rest),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (*plural, "", ""),
        [plural, name] => (*plural, *name, ""),
        [plural, name, sub] => (*plural, *name, *sub),
        _ => return Err(Reply::no_page()),
    };
    let missing =
        || if KINDS.iter().any(|kind| kind.group == group && kind.custom) { Reply::no_page() } else { no_resource() };
    let kind =
        by_plural(group, version, plural).filter(|kind| !world.absent.contains(kind.plural)).ok_or_else(missing)?;
    if !subresource.is_empty() && !kind.subresources.contains(&subresource) {
        // As though the object were not there.
        return Err(if kind.custom { not_found(kind, name) } else { missing() });
    }
    Ok(Target { kind, namespace: namespace.to_owned(), name: name.to_owned(), subresource: subresource.to_owned() })
}

fn get(world: &World, target: &Target) -> Reply {
    match world.store.get(target.kind, &target.namespace, &target.name) {
        Some(object) if target.subresource == "scale" => Reply::json(200, &write::scale(object)),
        Some(object) => Reply::json(200, object),
        None => not_found(target.kind, &target.name),
    }
}

fn chosen(world: &World, kind: &Kind, namespace: &str, labels: &str, fields: &str) -> Vec<Value> {
    let mut items = world.store.list(kind, namespace);
    items.retain(|item| select::labels(labels, &item["metadata"]["labels"]) && select::fields(fields, item));
    items
}

fn list(world: &World, request: &Request, target: &Target) -> Reply {
    let of = |name: &str| request.query.get(name).cloned().unwrap_or_default();
    let (labels, fields) = (of("labelSelector"), of("fieldSelector"));
    if let Some(field) = select::unsupported(&fields, target.kind) {
        return bad_request(&format!("field label not supported: {field}"));
    }
    let mut items = chosen(world, target.kind, &target.namespace, &labels, &fields);
    let mut metadata = json!({"resourceVersion": world.store.version.to_string()});
    // The place in the list is the name of the last one given.
    if let Some(last) = request.query.get("continue") {
        items.retain(|item| item["metadata"]["name"].as_str() > Some(last.as_str()));
    }
    if let Some(limit) = request.query.get("limit").and_then(|text| text.parse::<usize>().ok())
        && limit > 0
        && items.len() > limit
    {
        metadata["continue"] = items[limit - 1]["metadata"]["name"].clone();
        metadata["remainingItemCount"] = json!(items.len() - limit);
        items.truncate(limit);
    }
    if !target.kind.custom {
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            item.shift_remove("kind");
            item.shift_remove("apiVersion");
        }
    }
    let body = json!({
        "kind": format!("{}List", target.kind.kind), "apiVersion": target.kind.api_version(),
        "metadata": metadata, "items": items,
    });
    Reply::json(200, &body)
}

fn watch(world: &World, request: &Request, target: &Target) -> Answer {
    let of = |name: &str| request.query.get(name).cloned().unwrap_or_default();
    let (labels, mut fields) = (of("labelSelector"), of("fieldSelector"));
    if !target.name.is_empty() {
        fields = format!("metadata.name={}", target.name);
    }
    let from = of("resourceVersion");
    let mut first = Vec::new();
    let version = match from.parse::<u64>() {
        _ if from.is_empty() || from == "0" => {
            for object in chosen(world, target.kind, &target.namespace, &labels, &fields) {
                first.push(json!({"type": "ADDED", "object": object}));
            }
            world.store.version
        }
        Ok(version) => version,
        Err(_) => {
            let message = format!("invalid resource version: resourceVersion: Invalid value: \"{from}\"");
            return Answer::Reply(bad_request(&message));
        }
    };
    let seconds = of("timeoutSeconds").parse().unwrap_or(600);
    let watch = Watch {
        kind: target.kind,
        namespace: target.namespace.clone(),
        labels,
        fields,
        version,
        time: Duration::from_secs(seconds),
        first,
    };
    Answer::Watch(watch)
}

/// The lines of a watch that have not been sent yet.
pub fn events(world: &World, watch: &mut Watch) -> Vec<String> {
    let mut lines: Vec<String> = watch.first.drain(..).map(|event| format!("{event}\n")).collect();
    let kind = watch.kind.qualified();
    for change in world.store.log.iter().filter(|change| change.version > watch.version && change.kind == kind) {
        let object = &change.object;
        if (watch.namespace.is_empty() || object["metadata"]["namespace"] == watch.namespace)
            && select::labels(&watch.labels, &object["metadata"]["labels"])
            && select::fields(&watch.fields, object)
        {
            lines.push(format!("{}\n", json!({"type": change.what, "object": object})));
        }
    }
    watch.version = world.store.version;
    lines
}
