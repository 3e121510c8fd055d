//! Changes: POST, PUT, the four kinds of PATCH, DELETE.

use serde_json::{Value, json};

use super::api::{Target, scale, shown};
use super::apply::{Clash, Manager, apply};
use super::authority;
use super::http::Request;
use super::patch::{json_patch, merge, strategic};
use super::reply::{Reply, details};
use super::schema;
use super::store::{Key, World, text};

/// Longest body, as the real server has it.
const LARGEST: usize = 3 * 1024 * 1024;
/// Longest annotations of one object together.
const LARGEST_ANNOTATIONS: usize = 262_144;

/// A change and its answer. The answer is the object as written, before any controller sees it.
pub fn answer(world: &mut World, request: &Request, target: &Target) -> Reply {
    if request.body.len() > LARGEST {
        let message = format!("Request entity too large: limit is {LARGEST}");
        return Reply::refusal(413, "RequestEntityTooLarge", &message, Value::Null);
    }
    let outcome = match request.method.as_str() {
        "POST" => create(world, request, target),
        "PUT" => replace(world, request, target),
        _ => patch(world, request, target),
    };
    outcome.unwrap_or_else(|refusal| refusal)
}

fn manager(request: &Request, target: &Target) -> Manager {
    let agent = request.user_agent.split('/').next().filter(|name| !name.is_empty()).unwrap_or("unknown");
    let name = request.parameter("fieldManager").filter(|name| !name.is_empty()).unwrap_or(agent);
    Manager::update(name, &target.subresource)
}

fn parsed(request: &Request, target: &Target) -> Result<Value, Reply> {
    let kind = target.kind.kind;
    if !["application/json", "application/yaml", ""].contains(&request.content_type.as_str()) {
        let message = "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf";
        return Err(Reply::refusal(415, "UnsupportedMediaType", message, Value::Null));
    }
    let object: Value = serde_json::from_slice(&request.body).map_err(|error| {
        Reply::bad(&format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {error}"
        ))
    })?;
    let says = text(&object["kind"]);
    if !says.is_empty() && says != kind && !(target.subresource == "scale" && says == "Scale") {
        let version = text(&object["apiVersion"]);
        return Err(Reply::bad(&format!("{says} in version \"{version}\" cannot be handled as a {kind}")));
    }
    let namespace = text(&object["metadata"]["namespace"]);
    if !namespace.is_empty() && namespace != target.key.namespace {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Reply::bad(message));
    }
    Ok(object)
}

/// Unknown fields: refused where asked to be strict, else dropped with a warning.
fn known(request: &Request, target: &Target, object: &mut Value) -> Result<Vec<String>, Reply> {
    readable(request, target, object)?;
    let mut unknown = target.kind.unknown(object);
    unknown.extend(schema::unknown(target.kind, &target.version, object));
    let words: Vec<String> = unknown.iter().map(|field| format!("unknown field \"{field}\"")).collect();
    if words.is_empty() {
        return Ok(words);
    }
    if request.parameter("fieldValidation") == Some("Strict") {
        let all = format!("strict decoding error: {}", words.join(", "));
        if request.method == "PATCH" {
            return Err(Reply::unreadable_patch(&all));
        }
        let (kind, version) = (target.kind.kind, &target.version);
        return Err(Reply::bad(&format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {all}")));
    }
    for field in &unknown {
        drop_field(object, field);
    }
    Ok(if request.parameter("fieldValidation") == Some("Ignore") { Vec::new() } else { words })
}

fn drop_field(object: &mut Value, field: &str) {
    let pointer: String = field.replace('[', ".").replace(']', "").split('.').map(|part| format!("/{part}")).collect();
    let Some((parent, last)) = pointer.rsplit_once('/') else { return };
    if let Some(map) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
        map.shift_remove(last);
    }
}

/// What the server refuses although every field is known.
fn valid(target: &Target, before: Option<&Value>, object: &Value) -> Result<(), Reply> {
    let mut faults: Vec<(String, String)> = Vec::new();
    let mut fault = |field: &str, why: String| faults.push((field.to_owned(), why));
    let annotations = object["metadata"]["annotations"].as_object();
    let size: usize = annotations.into_iter().flatten().map(|(key, value)| key.len() + text(value).len()).sum();
    if size > LARGEST_ANNOTATIONS {
        fault("metadata.annotations", format!("Too long: may not be more than {LARGEST_ANNOTATIONS} bytes"));
    }
    for (key, value) in object["metadata"]["labels"].as_object().into_iter().flatten() {
        let value = text(value);
        let letter = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if value.len() > 63 || !value.chars().all(letter) {
            fault("metadata.labels", format!("Invalid value: {value:?}: a valid label must be … ({key})"));
        }
    }
    let spec = &object["spec"];
    if spec["replicas"].as_i64().is_some_and(|replicas| replicas < 0) {
        fault("spec.replicas", format!("Invalid value: {}: must be greater than or equal to 0", spec["replicas"]));
    }
    if ["Deployment", "ReplicaSet"].contains(&target.kind.kind) {
        let labels = &spec["template"]["metadata"]["labels"];
        if !super::store::fits(labels, &spec["selector"]["matchLabels"]) {
            let why = format!("Invalid value: {labels}: `selector` does not match template `labels`");
            fault("spec.template.metadata.labels", why);
        }
        if before.is_some_and(|before| before["spec"]["selector"] != spec["selector"]) {
            fault("spec.selector", format!("Invalid value: {}: field is immutable", spec["selector"]));
        }
    }
    let address = &spec["clusterIP"];
    if let Some(given) = before.map(|before| &before["spec"]["clusterIP"]).filter(|given| !given.is_null())
        && target.kind.kind == "Service"
        && given != address
    {
        fault("spec.clusterIPs[0]", format!("Invalid value: [{address}]: may not change once set"));
    }
    let seconds = &spec["leaseDurationSeconds"];
    if target.kind.kind == "Lease" && seconds.as_i64().is_some_and(|seconds| seconds <= 0) {
        fault("spec.leaseDurationSeconds", format!("Invalid value: {seconds}: must be greater than 0"));
    }
    for (field, why) in schema::faults(target.kind, &target.version, object) {
        fault(&field, why);
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Reply::invalid(target.kind, text(&object["metadata"]["name"]), &faults))
    }
}

/// What cannot even be read: times of a Lease that have not six decimals.
fn readable(request: &Request, target: &Target, object: &Value) -> Result<(), Reply> {
    for field in ["renewTime", "acquireTime"] {
        let value = &object["spec"][field];
        if target.kind.kind == "Lease" && value.as_str().is_some_and(|time| !micro(time)) {
            let why = format!("parsing time {value} as \"2006-01-02T15:04:05.000000Z07:00\"");
            return Err(if request.method == "PATCH" {
                Reply::unreadable_patch(&why)
            } else {
                Reply::bad(&format!("Lease in version \"v1\" cannot be handled as a Lease: {why}"))
            });
        }
    }
    Ok(())
}

/// A time with six decimals exactly.
fn micro(time: &str) -> bool {
    let decimals = time.split_once('.').map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).count());
    decimals == Some(6)
}

fn create(world: &mut World, request: &Request, target: &Target) -> Result<Reply, Reply> {
    let mut object = parsed(request, target)?;
    let mut warnings = known(request, target, &mut object)?;
    let mut key = target.key.clone();
    key.name = text(&object["metadata"]["name"]).to_owned();
    if key.name.is_empty() {
        let prefix = text(&object["metadata"]["generateName"]).to_owned();
        if prefix.is_empty() {
            let faults = [("metadata.name".to_owned(), "Required value: name or generateName is required".to_owned())];
            return Err(Reply::invalid(target.kind, "", &faults));
        }
        key.name = format!("{prefix}{}", world.suffix());
    }
    target.kind.fill(&mut object);
    object["metadata"]["name"] = json!(key.name);
    if target.kind.kind == "Event" && text(&object["involvedObject"]["namespace"]) != key.namespace {
        let faults =
            [("involvedObject.namespace".to_owned(), "Invalid value: does not match event.namespace".to_owned())];
        return Err(Reply::invalid(target.kind, &key.name, &faults));
    }
    housed(world, &key)?;
    valid(target, None, &object)?;
    if world.get(&key).is_some() {
        return Err(Reply::exists(target.kind, &key.name));
    }
    object = shown(&object, target);
    if dry(request) {
        world.stamp(&key, &mut object);
        return Ok(Reply { warnings, ..Reply::json(201, object) });
    }
    let made = world.create(&key, object, &manager(request, target));
    warnings.dedup();
    Ok(Reply { warnings, ..Reply::json(201, made) })
}

/// The users' namespaces are there, and those into which the test has put something.
fn housed(world: &World, key: &Key) -> Result<(), Reply> {
    let namespace = &key.namespace;
    let known = namespace.is_empty() || ["default", super::NAMESPACE].contains(&namespace.as_str());
    if known || world.objects.keys().any(|other| other.namespace == *namespace) {
        return Ok(());
    }
    let message = format!("namespaces \"{namespace}\" not found");
    Err(Reply::refusal(404, "NotFound", &message, json!({"name": namespace, "kind": "namespaces"})))
}

fn dry(request: &Request) -> bool {
    request.parameter("dryRun") == Some("All")
}

fn there(world: &World, target: &Target) -> Result<Value, Reply> {
    world.get(&target.key).cloned().ok_or_else(|| Reply::not_found(target.kind, &target.key.name))
}

fn replace(world: &mut World, request: &Request, target: &Target) -> Result<Reply, Reply> {
    let mut object = parsed(request, target)?;
    let name = text(&object["metadata"]["name"]).to_owned();
    if name != target.key.name {
        let path = &target.key.name;
        return Err(Reply::bad(&format!(
            "the name of the object ({name}) does not match the name on the URL ({path})"
        )));
    }
    let warnings = known(request, target, &mut object)?;
    let before = there(world, target)?;
    let must = target.kind.custom() || target.kind.kind == "Lease";
    if must && text(&object["metadata"]["resourceVersion"]).is_empty() {
        return Err(Reply::unversioned(target.kind, &name));
    }
    let uid = text(&object["metadata"]["uid"]);
    if !uid.is_empty() && before["metadata"]["uid"] != uid {
        return Err(Reply::conflict(target.kind, &name, &format!("Precondition failed: UID in precondition: {uid}")));
    }
    store(world, request, target, &before, object, warnings)
}

/// The last part of every change of an object that is there.
fn store(
    world: &mut World,
    request: &Request,
    target: &Target,
    before: &Value,
    object: Value,
    warnings: Vec<String>,
) -> Result<Reply, Reply> {
    let version = text(&object["metadata"]["resourceVersion"]);
    if !version.is_empty() && before["metadata"]["resourceVersion"] != version {
        return Err(Reply::stale(target.kind, &target.key.name));
    }
    let mut new = match target.subresource.as_str() {
        "scale" => {
            let mut new = before.clone();
            new["spec"]["replicas"] = object["spec"]["replicas"].clone();
            new
        }
        "status" => {
            let mut new = before.clone();
            new["status"] = object["status"].clone();
            new
        }
        _ => {
            let mut new = object;
            let map = new.as_object_mut().unwrap();
            map.shift_remove("status");
            if target.kind.subresources.contains(&"status") && !before["status"].is_null() {
                map.insert("status".into(), before["status"].clone());
            }
            target.kind.fill(&mut new);
            new
        }
    };
    valid(target, Some(before), &new)?;
    new = shown(&new, target);
    let written = if dry(request) { new } else { world.update(&target.key, new, &manager(request, target)) };
    let written = if target.subresource == "scale" { scale(&written) } else { shown(&written, target) };
    Ok(Reply { warnings, ..Reply::json(200, written) })
}

fn patch(world: &mut World, request: &Request, target: &Target) -> Result<Reply, Reply> {
    let body: Value =
        serde_json::from_slice(&request.body).map_err(|error| Reply::bad(&format!("error decoding patch: {error}")))?;
    if request.content_type == "application/apply-patch+yaml" {
        return applied(world, request, target, &body);
    }
    let before = there(world, target)?;
    let base = if target.subresource == "scale" { scale(&before) } else { shown(&before, target) };
    let mut object = match request.content_type.as_str() {
        "application/json-patch+json" => json_patch(&base, &body).map_err(|()| Reply::patch_failed())?,
        "application/merge-patch+json" => merge(&base, &body),
        "application/strategic-merge-patch+json" if !target.kind.custom() => strategic("", &base, &body),
        "application/strategic-merge-patch+json" => {
            let message = "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
            return Err(Reply::refusal(415, "UnsupportedMediaType", message, Value::Null));
        }
        _ => return Err(Reply::refusal(415, "UnsupportedMediaType", "415: Unsupported Media Type", json!({}))),
    };
    if object["metadata"]["uid"] != before["metadata"]["uid"] {
        let why = format!("Invalid value: {}: field is immutable", object["metadata"]["uid"]);
        return Err(Reply::invalid(target.kind, &target.key.name, &[("metadata.uid".into(), why)]));
    }
    let warnings = if target.subresource == "scale" { Vec::new() } else { known(request, target, &mut object)? };
    store(world, request, target, &before, object, warnings)
}

fn applied(world: &mut World, request: &Request, target: &Target, config: &Value) -> Result<Reply, Reply> {
    let Some(name) = request.parameter("fieldManager").filter(|name| !name.is_empty()) else {
        let why = "Required value: is required for apply patch";
        let message = format!("PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: {why}");
        let causes = json!([{"reason": "FieldValueRequired", "message": why, "field": "fieldManager"}]);
        let details = json!({"group": "meta.k8s.io", "kind": "PatchOptions", "causes": causes});
        return Err(Reply::refusal(422, "Invalid", &message, details));
    };
    if config["kind"].is_null() || config["apiVersion"].is_null() {
        return Err(Reply::bad("invalid object type: /, Kind="));
    }
    if !config["metadata"]["managedFields"].is_null() {
        return Err(Reply::bad("metadata.managedFields must be nil"));
    }
    let mut unknown = target.kind.unknown(config);
    unknown.extend(schema::unknown(target.kind, &target.version, config));
    if let Some(field) = unknown.first() {
        let (key, version) = (&target.key.name, target.kind.api_version(&target.version));
        let space = text(&config["metadata"]["namespace"]);
        let kind = target.kind.kind;
        let message = format!(
            "failed to create typed patch object ({space}/{key}; {version}, Kind={kind}): .{field}: field not declared in schema"
        );
        return Err(Reply::refusal(500, "", &message, Value::Null));
    }
    let live = world.get(&target.key).cloned();
    let version = text(&config["metadata"]["resourceVersion"]);
    if !version.is_empty() && live.as_ref().is_none_or(|live| live["metadata"]["resourceVersion"] != version) {
        return Err(Reply::stale(target.kind, &target.key.name));
    }
    let (force, now) = (request.parameter("force") == Some("true"), world.now());
    let before = live.clone().unwrap_or_else(|| json!({}));
    let mut object = apply(&before, config, name, force, &now).map_err(|clashes| clash(&clashes))?;
    target.kind.fill(&mut object);
    valid(target, live.as_ref(), &object)?;
    let manager = Manager { name: name.to_owned(), operation: "Apply", subresource: String::new() };
    if live.is_some() {
        let written = if dry(request) { object } else { world.update(&target.key, object, &manager) };
        return Ok(Reply::json(200, shown(&written, target)));
    }
    if let Some(refusal) = authority::check(world, "create", target) {
        return Err(refusal);
    }
    housed(world, &target.key)?;
    let object = shown(&object, target);
    let written = if dry(request) { object } else { world.create(&target.key, object, &manager) };
    Ok(Reply::json(201, written))
}

fn clash(clashes: &[Clash]) -> Reply {
    let causes: Vec<Value> = clashes
        .iter()
        .map(|clash| {
            json!({"reason": "FieldManagerConflict", "message": format!("conflict with {}", clash.owner), "field": clash.field})
        })
        .collect();
    let text = if let [one] = clashes {
        format!("Apply failed with 1 conflict: conflict with {}: {}", one.owner, one.field)
    } else {
        let mut text = format!("Apply failed with {} conflicts: ", clashes.len());
        let mut owners: Vec<&str> = clashes.iter().map(|clash| clash.owner.as_str()).collect();
        owners.sort_unstable();
        owners.dedup();
        let part = |owner: &str| {
            let fields: String = clashes
                .iter()
                .filter(|clash| clash.owner == owner)
                .map(|clash| format!("\n- {}", clash.field))
                .collect();
            format!("conflicts with {owner}:{fields}")
        };
        text.push_str(&owners.into_iter().map(part).collect::<Vec<String>>().join("\n"));
        text
    };
    Reply::refusal(409, "Conflict", &text, json!({"causes": causes}))
}

/// Deletes an object. What it owns follows when the controllers run, unless it is to be orphaned.
pub fn delete(world: &mut World, request: &Request, target: &Target) -> Reply {
    let (kind, name) = (target.kind, &target.key.name);
    let Some(object) = world.get(&target.key).cloned() else { return Reply::not_found(kind, name) };
    let options: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    for (field, word) in [("resourceVersion", "ResourceVersion"), ("uid", "UID")] {
        let wanted = text(&options["preconditions"][field]);
        if !wanted.is_empty() && object["metadata"][field] != wanted {
            let there = text(&object["metadata"][field]);
            let why =
                format!("the {word} in the precondition ({wanted}) does not match the {word} in record ({there})");
            return Reply::conflict(kind, name, &why);
        }
    }
    if dry(request) {
        return Reply::json(200, shown(&object, target));
    }
    let policy = request.parameter("propagationPolicy").unwrap_or_else(|| text(&options["propagationPolicy"]));
    if policy == "Orphan" {
        for owned in world.objects.values_mut() {
            if let Some(owners) = owned.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut) {
                owners.retain(|owner| owner["uid"] != object["metadata"]["uid"]);
            }
        }
    }
    world.remove(&target.key);
    if policy == "Foreground" {
        let mut gone = shown(&object, target);
        gone["metadata"]["deletionTimestamp"] = json!(world.now());
        gone["metadata"]["finalizers"] = json!(["foregroundDeletion"]);
        return Reply::json(200, gone);
    }
    let mut about = details(kind, name);
    about["uid"] = object["metadata"]["uid"].clone();
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": about});
    Reply::json(200, status)
}
