//! Writes: POST, PUT, PATCH in its four kinds, DELETE, and the subresources `status` and `scale`.

use serde_json::{Value, json};

use super::api::Target;
use super::fields::{self, Manager};
use super::http::Request;
use super::kinds::by_plural;
use super::reply::{
    Reply, already_exists, bad_request, failure, forbidden, invalid, not_found, other_uid, patch_refused, stale,
};
use super::store::key;
use super::world::World;
use super::{patch, schema, shape};

/// Does a write, and gives its reply.
pub fn write(world: &mut World, request: &Request, target: &Target, verb: &str, user: &str) -> Result<Reply, Reply> {
    if !request.query.contains_key("dryRun") {
        return change(world, request, target, verb, user);
    }
    let (objects, managers) = (world.store.objects.clone(), world.store.managers.clone());
    let (version, length) = (world.store.version, world.store.log.len());
    let reply = change(world, request, target, verb, user);
    world.store.objects = objects;
    world.store.managers = managers;
    world.store.version = version;
    world.store.log.truncate(length);
    reply
}

fn change(world: &mut World, request: &Request, target: &Target, verb: &str, user: &str) -> Result<Reply, Reply> {
    match verb {
        "create" => create(world, request, target),
        "update" => update(world, request, target),
        "patch" => patch(world, request, target, user),
        _ => delete(world, request, target),
    }
}

fn manager(request: &Request, target: &Target, apply: bool) -> Manager {
    let agent =
        request.headers.get("user-agent").map_or("unknown", |agent| agent.split('/').next().unwrap_or_default());
    let name = request.query.get("fieldManager").cloned().unwrap_or_else(|| agent.to_owned());
    Manager { name, apply, version: target.kind.api_version() }
}

fn parse(request: &Request, target: &Target) -> Result<Value, Reply> {
    let kind = request.headers.get("content-type").map_or("application/json", String::as_str);
    if !kind.starts_with("application/json") {
        let message = "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf";
        return Err(failure(415, "UnsupportedMediaType", message, None));
    }
    let body: Value = serde_json::from_slice(&request.body).map_err(|_| {
        bad_request(&format!(
            "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error",
            target.kind.kind
        ))
    })?;
    if !target.subresource.is_empty() {
        return Ok(body);
    }
    if let Some(fault) = shape::times(target.kind, &body) {
        let (kind, version) = (target.kind.kind, target.kind.version);
        return Err(bad_request(&format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {fault}")));
    }
    let (group, wanted) = (body["apiVersion"].as_str(), target.kind.kind);
    if let Some(found) = body["kind"].as_str().filter(|found| *found != wanted) {
        let message = format!(
            "{found} in version \"{}\" cannot be handled as a {wanted}: converting to it: unknown conversion",
            group.unwrap_or_default()
        );
        return Err(bad_request(&message));
    }
    if let Some(namespace) = body["metadata"]["namespace"].as_str()
        && target.kind.namespaced()
        && namespace != target.namespace
    {
        return Err(bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(body)
}

/// Unknown fields: an error where the client asked for it, else warnings.
fn known(request: &Request, target: &Target, object: &mut Value, patched: bool) -> Result<Vec<String>, Reply> {
    let mut unknown = shape::drop_unknown(target.kind, object);
    unknown.extend(schema::drop_unknown(target.kind, object));
    let mode = request.query.get("fieldValidation").map_or("Warn", String::as_str);
    if unknown.is_empty() || mode == "Ignore" {
        return Ok(Vec::new());
    }
    let words: Vec<String> = unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
    if mode != "Strict" {
        return Ok(words);
    }
    let words = format!("strict decoding error: {}", words.join(", "));
    if patched {
        let message = format!("Invalid value: {:?}: {words}", object.to_string());
        let details = json!({"causes": [{"reason": "FieldValueInvalid", "message": message, "field": "patch"}]});
        return Err(failure(422, "Invalid", &format!(" \"\" is invalid: patch: {message}"), Some(details)));
    }
    let (kind, version) = (target.kind.kind, target.kind.version);
    Err(bad_request(&format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {words}")))
}

fn done(code: u16, object: &Value, warnings: Vec<String>) -> Reply {
    let mut reply = Reply::json(code, object);
    reply.headers.extend(warnings.into_iter().map(|text| ("Warning", format!("299 - {text:?}"))));
    reply
}

fn create(world: &mut World, request: &Request, target: &Target) -> Result<Reply, Reply> {
    let mut object = parse(request, target)?;
    let warnings = known(request, target, &mut object, false)?;
    insert(world, target, object, &manager(request, target, false)).map(|object| done(201, &object, warnings))
}

/// Puts a new object in, as `manager`.
pub fn insert(world: &mut World, target: &Target, mut object: Value, manager: &Manager) -> Result<Value, Reply> {
    let kind = target.kind;
    if object["metadata"]["name"].is_null()
        && let Some(prefix) = object["metadata"]["generateName"].as_str()
    {
        object["metadata"]["name"] = json!(format!("{prefix}{}", world.store.suffix()));
    }
    let Some(name) = object["metadata"]["name"].as_str().map(str::to_owned) else {
        return Err(invalid(kind, "", "metadata.name", "Required value: name or generateName is required"));
    };
    let namespaces = by_plural("", "v1", "namespaces").unwrap();
    if kind.namespaced() && world.store.get(namespaces, "", &target.namespace).is_none() {
        return Err(not_found(namespaces, &target.namespace));
    }
    if world.store.get(kind, &target.namespace, &name).is_some() {
        return Err(already_exists(kind, &name));
    }
    let served = !kind.subresources.is_empty();
    if let Some(map) = object.as_object_mut()
        && served
    {
        map.shift_remove("status");
    }
    shape::defaults(kind, &mut object, world.store.version);
    shape::check(kind, None, &object)?;
    schema::check(kind, &object)?;
    if served && !kind.custom {
        object["status"] = json!(if kind.kind == "Service" { json!({"loadBalancer": {}}) } else { json!({}) });
    }
    let object = world.store.create(kind, &target.namespace, object);
    let managers = world.store.managers.entry(key(kind, &target.namespace, &name)).or_default();
    if !manager.apply {
        fields::updated(managers, manager, kind, &Value::Null, &object);
    }
    Ok(object)
}

fn present(world: &World, target: &Target) -> Result<Value, Reply> {
    world
        .store
        .get(target.kind, &target.namespace, &target.name)
        .cloned()
        .ok_or_else(|| not_found(target.kind, &target.name))
}

fn update(world: &mut World, request: &Request, target: &Target) -> Result<Reply, Reply> {
    let mut object = parse(request, target)?;
    let old = present(world, target)?;
    if target.subresource == "scale" {
        return rescale(world, target, request, &object["spec"]["replicas"]);
    }
    if let Some(name) = object["metadata"]["name"].as_str().filter(|name| *name != target.name) {
        let message = format!("the name of the object ({name}) does not match the name on the URL ({})", target.name);
        return Err(bad_request(&message));
    }
    let warnings = known(request, target, &mut object, false)?;
    let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if version.is_empty() && (target.kind.custom || target.kind.kind == "Lease") {
        let field = "metadata.resourceVersion";
        return Err(invalid(target.kind, &target.name, field, "Invalid value: 0: must be specified for an update"));
    }
    if let Some(uid) = object["metadata"]["uid"].as_str()
        && old["metadata"]["uid"] != uid
    {
        return Err(other_uid(target.kind, &target.name, uid, old["metadata"]["uid"].as_str().unwrap_or_default()));
    }
    let object = commit(world, target, old, object, &manager(request, target, false))?;
    Ok(done(200, &object, warnings))
}

/// A new state of an object: checked, and put in place.
fn commit(world: &mut World, target: &Target, old: Value, mut new: Value, manager: &Manager) -> Result<Value, Reply> {
    let kind = target.kind;
    let version = new["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if !version.is_empty() && old["metadata"]["resourceVersion"] != version {
        return Err(stale(kind, &target.name));
    }
    if target.subresource == "status" {
        let mut object = old.clone();
        object["status"] = new["status"].clone();
        return Ok(world.store.update(kind, &target.namespace, &target.name, object));
    }
    if kind.subresources.contains(&"status")
        && let Some(map) = new.as_object_mut()
    {
        match old.get("status") {
            Some(status) => map.insert("status".to_owned(), status.clone()),
            None => map.shift_remove("status"),
        };
    }
    if kind.kind == "Service" && new["spec"]["clusterIP"].is_null() {
        for field in ["clusterIP", "clusterIPs"] {
            new["spec"][field] = old["spec"][field].clone();
        }
    }
    shape::defaults(kind, &mut new, world.store.version);
    shape::check(kind, Some(&old), &new)?;
    schema::check(kind, &new)?;
    let object = world.store.update(kind, &target.namespace, &target.name, new);
    let managers = world.store.managers.entry(key(kind, &target.namespace, &target.name)).or_default();
    if !manager.apply {
        fields::updated(managers, manager, kind, &old, &object);
    }
    Ok(object)
}

fn patch(world: &mut World, request: &Request, target: &Target, user: &str) -> Result<Reply, Reply> {
    let how = request.headers.get("content-type").map_or("", |kind| kind.split(';').next().unwrap_or_default());
    let supported = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
    match how {
        "application/apply-patch+yaml" => return apply(world, request, target, user),
        "application/strategic-merge-patch+json" if target.kind.custom => {
            let message =
                format!("the body of the request was in an unknown format - accepted media types include: {supported}");
            return Err(failure(415, "UnsupportedMediaType", &message, None));
        }
        "application/json-patch+json" | "application/merge-patch+json" | "application/strategic-merge-patch+json" => {}
        _ => return Err(failure(415, "UnsupportedMediaType", "415: Unsupported Media Type", Some(json!({})))),
    }
    let old = present(world, target)?;
    let body: Value = serde_json::from_slice(&request.body)
        .map_err(|error| bad_request(&format!("error decoding patch: {error}")))?;
    let scaled = target.subresource == "scale";
    let mut object = if scaled { scale(&old) } else { old.clone() };
    match how {
        "application/json-patch+json" => object = patch::json_patch(&object, &body).ok_or_else(patch_refused)?,
        "application/merge-patch+json" => patch::merge(&mut object, &body),
        _ => patch::strategic(&mut object, &body, ""),
    }
    if scaled {
        return rescale(world, target, request, &object["spec"]["replicas"]);
    }
    if object["metadata"]["uid"] != old["metadata"]["uid"] {
        let message = format!("Invalid value: {}: field is immutable", object["metadata"]["uid"]);
        return Err(invalid(target.kind, &target.name, "metadata.uid", &message));
    }
    if let Some(fault) = shape::times(target.kind, &object) {
        return Err(failure(422, "Invalid", &format!(" \"\" is invalid: patch: Invalid value: {fault}"), None));
    }
    let warnings = known(request, target, &mut object, true)?;
    let object = commit(world, target, old, object, &manager(request, target, false))?;
    Ok(done(200, &object, warnings))
}

fn apply(world: &mut World, request: &Request, target: &Target, user: &str) -> Result<Reply, Reply> {
    if !request.query.contains_key("fieldManager") {
        let message = "Required value: is required for apply patch";
        let details = json!({"group": "meta.k8s.io", "kind": "PatchOptions",
            "causes": [{"reason": "FieldValueRequired", "message": message, "field": "fieldManager"}]});
        let message = format!("PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: {message}");
        return Err(failure(422, "Invalid", &message, Some(details)));
    }
    let mut body: Value =
        serde_json::from_slice(&request.body).map_err(|error| bad_request(&format!("error decoding YAML: {error}")))?;
    if body["kind"].is_null() || body["apiVersion"].is_null() {
        return Err(bad_request("invalid object type: /, Kind="));
    }
    if !body["metadata"]["managedFields"].is_null() {
        return Err(bad_request("metadata.managedFields must be nil"));
    }
    let unknown = [shape::drop_unknown(target.kind, &mut body), schema::drop_unknown(target.kind, &mut body)].concat();
    if let Some(path) = unknown.first() {
        let (name, version, kind) = (&target.name, target.kind.api_version(), target.kind.kind);
        let place = body["metadata"]["namespace"].as_str().unwrap_or_default();
        let message = format!(
            "failed to create typed patch object ({place}/{name}; {version}, Kind={kind}): .{path}: field not declared in schema"
        );
        return Err(failure(500, "", &message, None));
    }
    let (kind, manager) = (target.kind, manager(request, target, true));
    let place = key(kind, &target.namespace, &target.name);
    let Ok(old) = present(world, target) else {
        if !world.allows("create", kind.plural) {
            return Err(forbidden(kind, user, "create", &target.namespace, &target.name, ""));
        }
        let owned = fields::leaves(kind, &body).into_keys().collect();
        let object = insert(world, target, body, &manager)?;
        world.store.managers.entry(place).or_default().insert(manager, owned);
        return Ok(Reply::json(201, &object));
    };
    let mut managers = world.store.managers.get(&place).cloned().unwrap_or_default();
    let force = request.query.get("force").is_some_and(|value| value == "true");
    let mut object = fields::apply(&mut managers, &manager, kind, &old, &body, force)?;
    if let Some(version) = body["metadata"].get("resourceVersion") {
        object["metadata"]["resourceVersion"] = version.clone();
    }
    let object = commit(world, target, old, object, &manager)?;
    world.store.managers.insert(place, managers);
    Ok(Reply::json(200, &object))
}

fn delete(world: &mut World, request: &Request, target: &Target) -> Result<Reply, Reply> {
    let (kind, name) = (target.kind, &target.name);
    let old = present(world, target)?;
    let options: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let (wanted, found) = (&options["preconditions"], &old["metadata"]);
    if let Some(uid) = wanted["uid"].as_str()
        && found["uid"] != uid
    {
        return Err(other_uid(kind, name, uid, found["uid"].as_str().unwrap_or_default()));
    }
    if let Some(version) = wanted["resourceVersion"].as_str()
        && found["resourceVersion"] != version
    {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": Precondition failed: ResourceVersion in precondition: {version}, ResourceVersion in object meta: {}",
            kind.qualified(),
            found["resourceVersion"].as_str().unwrap_or_default()
        );
        return Err(failure(409, "Conflict", &message, Some(super::reply::details(kind, name))));
    }
    let orphan = options["propagationPolicy"] == "Orphan";
    world.store.remove(kind, &target.namespace, name, orphan);
    let mut details = super::reply::details(kind, name);
    details["uid"] = found["uid"].clone();
    Ok(Reply::json(
        200,
        &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}),
    ))
}

/// The `Scale` of a workload.
pub fn scale(object: &Value) -> Value {
    let found = &object["metadata"];
    let mut metadata = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        metadata[field] = found[field].clone();
    }
    let selector: Vec<String> = object["spec"]["selector"]["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    let replicas = object["status"]["replicas"].as_u64().unwrap_or(0);
    let mut spec = json!({});
    if object["spec"]["replicas"].as_u64().is_some_and(|count| count > 0) {
        spec["replicas"] = object["spec"]["replicas"].clone();
    }
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec,
        "status": {"replicas": replicas, "selector": selector.join(",")},
    })
}

fn rescale(world: &mut World, target: &Target, request: &Request, replicas: &Value) -> Result<Reply, Reply> {
    let old = present(world, target)?;
    let mut object = old.clone();
    object["spec"]["replicas"] = json!(replicas.as_i64().unwrap_or(0));
    let whole = Target {
        subresource: String::new(),
        kind: target.kind,
        namespace: target.namespace.clone(),
        name: target.name.clone(),
    };
    let object = commit(world, &whole, old, object, &manager(request, target, false))?;
    Ok(Reply::json(200, &scale(&object)))
}
