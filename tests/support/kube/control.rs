//! The controllers, run until nothing changes: autoscaler, Deployments, ReplicaSets, and the kubelet of `kubelet`.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::kinds::{Kind, by_kind};
use super::world::World;
use super::{argo, kserve, kubelet, select};

const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";

/// Runs all controllers until nothing changes.
pub fn settle(world: &mut World) {
    if world.held {
        return;
    }
    for _ in 0..500 {
        let before = world.store.version;
        autoscale(world);
        for deployment in world.store.list(kind("Deployment"), "") {
            reconcile(world, &deployment);
        }
        for set in world.store.list(kind("ReplicaSet"), "") {
            fill(world, &set);
        }
        argo::run(world);
        kserve::run(world);
        kubelet::run(world);
        if world.store.version == before {
            return;
        }
    }
    panic!("the controllers do not come to rest");
}

/// A kind by its name.
pub fn kind(name: &str) -> &'static Kind {
    by_kind(name).unwrap()
}

/// Puts an object's new state in place.
pub fn put(world: &mut World, object: Value) -> Value {
    let kind = kind(object["kind"].as_str().unwrap());
    let place = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    world.store.update(kind, &place, &name, object)
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn autoscale(world: &mut World) {
    for scaler in world.store.list(kind("HorizontalPodAutoscaler"), "") {
        let place = scaler["metadata"]["namespace"].as_str().unwrap().to_owned();
        let Some(wanted) = world.autoscale.get(scaler["metadata"]["name"].as_str().unwrap()).copied() else { continue };
        let target = scaler["spec"]["scaleTargetRef"]["name"].as_str().unwrap().to_owned();
        if let Some(mut workload) = world.store.get(kind("Deployment"), &place, &target).cloned() {
            // A workload at 0 is switched off, and left so.
            if number(&workload["spec"]["replicas"]) != 0 {
                workload["spec"]["replicas"] = json!(wanted);
                put(world, workload);
            }
        }
        let mut scaler = scaler;
        scaler["status"]["currentReplicas"] = json!(wanted);
        scaler["status"]["desiredReplicas"] = json!(wanted);
        put(world, scaler);
    }
}

/// A template without the label that ReplicaSets add.
fn plain(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.shift_remove("pod-template-hash");
    }
    template
}

/// The hash of a template.
pub fn hash(template: &Value) -> String {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for byte in template.to_string().bytes() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }
    format!("{:08x}", (state >> 32) as u32)
}

fn share(value: &Value, of: i64, up: bool) -> i64 {
    match value.as_str().and_then(|text| text.strip_suffix('%')).and_then(|text| text.parse::<i64>().ok()) {
        Some(percent) if up => (of * percent + 99) / 100,
        Some(percent) => of * percent / 100,
        None => number(value),
    }
}

/// An owner reference of a controller.
pub fn owner(object: &Value) -> Value {
    json!([{
        "apiVersion": object["apiVersion"], "kind": object["kind"], "name": object["metadata"]["name"],
        "uid": object["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    }])
}

fn reconcile(world: &mut World, deployment: &Value) {
    let uid = &deployment["metadata"]["uid"];
    let mut sets: Vec<Value> =
        world.store.owned(uid).into_iter().filter(|object| object["kind"] == "ReplicaSet").collect();
    let desired = number(&deployment["spec"]["replicas"]);
    let template = plain(&deployment["spec"]["template"]);
    let revision = |set: &Value| -> i64 {
        set["metadata"]["annotations"][REVISION].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    let newest = sets.iter().map(revision).max().unwrap_or(0);
    let at = sets.iter().position(|set| plain(&set["spec"]["template"]) == template);
    let paused = deployment["spec"]["paused"] == true;
    let mut fresh = None;
    let mut created = false;
    match at {
        Some(at) => {
            let mut set = sets.remove(at);
            let own = revision(&set);
            if own < newest && !paused {
                let history = match set["metadata"]["annotations"][HISTORY].as_str() {
                    Some(text) => format!("{text},{own}"),
                    None => own.to_string(),
                };
                set["metadata"]["annotations"][HISTORY] = json!(history);
                set["metadata"]["annotations"][REVISION] = json!((newest + 1).to_string());
                set = put(world, set);
            }
            fresh = Some(set);
        }
        None if !paused => {
            fresh = Some(new_set(world, deployment, &template, newest + 1));
            created = true;
        }
        None => {}
    }
    if let Some(set) = &mut fresh
        && (!paused || sets.is_empty())
    {
        roll(world, deployment, desired, set, &mut sets);
    }
    report(world, deployment, fresh.as_ref(), &sets, created);
}

fn new_set(world: &mut World, deployment: &Value, template: &Value, revision: i64) -> Value {
    let (name, hash) = (deployment["metadata"]["name"].as_str().unwrap(), hash(template));
    let mut selector = deployment["spec"]["selector"].clone();
    selector["matchLabels"]["pod-template-hash"] = json!(hash);
    let mut template = template.clone();
    template["metadata"]["labels"]["pod-template-hash"] = json!(hash);
    let mut annotations = deployment["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    annotations.shift_remove("kubectl.kubernetes.io/last-applied-configuration");
    annotations.insert(REVISION.to_owned(), json!(revision.to_string()));
    let object = json!({
        "metadata": {
            "name": format!("{name}-{hash}"), "labels": template["metadata"]["labels"], "annotations": annotations,
            "ownerReferences": owner(deployment),
        },
        "spec": {"replicas": 0, "selector": selector, "template": template},
        "status": {"replicas": 0},
    });
    let place = deployment["metadata"]["namespace"].as_str().unwrap().to_owned();
    world.store.create(kind("ReplicaSet"), &place, object)
}

fn sized(world: &mut World, set: &mut Value, count: i64) {
    if number(&set["spec"]["replicas"]) != count {
        set["spec"]["replicas"] = json!(count);
        *set = put(world, set.clone());
    }
}

fn roll(world: &mut World, deployment: &Value, desired: i64, fresh: &mut Value, old: &mut [Value]) {
    let size = |set: &Value| number(&set["spec"]["replicas"]);
    let available = |set: &Value| number(&set["status"]["availableReplicas"]).min(number(&set["spec"]["replicas"]));
    let strategy = &deployment["spec"]["strategy"];
    if strategy["type"] == "Recreate" {
        let gone = old.iter().all(|set| number(&set["status"]["replicas"]) == 0);
        for set in old {
            sized(world, set, 0);
        }
        if gone {
            sized(world, fresh, desired);
        }
        return;
    }
    let surge = share(&strategy["rollingUpdate"]["maxSurge"], desired, true);
    let mut lacking = share(&strategy["rollingUpdate"]["maxUnavailable"], desired, false);
    if surge == 0 && lacking == 0 {
        lacking = 1;
    }
    let total = size(fresh) + old.iter().map(size).sum::<i64>();
    let others = total - size(fresh);
    if others == 0 || size(fresh) > desired {
        sized(world, fresh, desired);
    } else {
        let room = (desired + surge - total).clamp(0, (desired - size(fresh)).max(0));
        let count = size(fresh) + room;
        sized(world, fresh, count);
    }
    let total = size(fresh) + others;
    let least = desired - lacking;
    let mut down = total - least - (size(fresh) - available(fresh));
    for set in old.iter_mut() {
        // Those that do not serve anybody go first.
        let count = (size(set) - available(set)).min(down).max(0);
        let left = size(set) - count;
        sized(world, set, left);
        down -= count;
    }
    let mut down = (available(fresh) + old.iter().map(available).sum::<i64>() - least).min(down);
    for set in old.iter_mut() {
        let count = size(set).min(down).max(0);
        let left = size(set) - count;
        sized(world, set, left);
        down -= count;
    }
}

fn report(world: &mut World, deployment: &Value, fresh: Option<&Value>, old: &[Value], created: bool) {
    let desired = number(&deployment["spec"]["replicas"]);
    let all: Vec<&Value> = fresh.into_iter().chain(old).collect();
    let sum = |field: &str| all.iter().map(|set| number(&set["status"][field])).sum::<i64>();
    let (total, available) = (sum("replicas"), sum("availableReplicas"));
    let updated = fresh.map_or(0, |set| number(&set["status"]["replicas"]));
    let wanted: i64 = all.iter().map(|set| number(&set["spec"]["replicas"])).sum();
    let mut status = json!({"observedGeneration": deployment["metadata"]["generation"]});
    let counts = [
        ("replicas", total),
        ("updatedReplicas", updated),
        ("readyReplicas", sum("readyReplicas")),
        ("availableReplicas", available),
        ("unavailableReplicas", (wanted.max(total) - available).max(0)),
    ];
    for (field, count) in counts {
        if count > 0 {
            status[field] = json!(count);
        }
    }
    let lacking = share(&deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], desired, false);
    let (now, before) =
        (world.store.stamp(), deployment["status"]["conditions"].as_array().cloned().unwrap_or_default());
    let of = |kind: &str| before.iter().find(|condition| condition["type"] == kind).cloned();
    let enough = available >= desired - lacking;
    let available_now = if enough {
        condition(
            "Available",
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
            of("Available"),
            &now,
        )
    } else {
        let text = "Deployment does not have minimum availability.";
        condition("Available", "False", "MinimumReplicasUnavailable", text, of("Available"), &now)
    };
    let name = fresh.map_or("", |set| set["metadata"]["name"].as_str().unwrap_or_default());
    let complete = updated == desired && total == desired && available == desired;
    let earlier = of("Progressing");
    let reason = earlier.as_ref().map_or("", |condition| condition["reason"].as_str().unwrap_or_default()).to_owned();
    let moved = ["updatedReplicas", "readyReplicas", "availableReplicas", "replicas"]
        .iter()
        .any(|field| status[*field] != deployment["status"][*field]);
    // A scaling after the end of an update has no deadline, and does not begin to progress again.
    let settled = reason == "NewReplicaSetAvailable"
        && earlier.as_ref().is_some_and(|condition| {
            condition["message"].as_str().is_some_and(|text| text.contains(&format!("\"{name}\"")))
        })
        && old.iter().all(|set| number(&set["spec"]["replicas"]) == 0);
    let progressing = if deployment["spec"]["paused"] == true {
        condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", earlier, &now)
    } else if complete || settled {
        let text = format!("ReplicaSet \"{name}\" has successfully progressed.");
        condition("Progressing", "True", "NewReplicaSetAvailable", &text, earlier, &now)
    } else if created {
        let text = format!("Created new replica set \"{name}\"");
        condition("Progressing", "True", "NewReplicaSetCreated", &text, earlier, &now)
    } else if !moved && reason != "NewReplicaSetAvailable" && late(world, deployment, earlier.as_ref()) {
        let text = format!("ReplicaSet \"{name}\" has timed out progressing.");
        condition("Progressing", "False", "ProgressDeadlineExceeded", &text, earlier, &now)
    } else {
        let text = format!("ReplicaSet \"{name}\" is progressing.");
        let mut condition = condition("Progressing", "True", "ReplicaSetUpdated", &text, earlier, &now);
        if moved {
            condition["lastUpdateTime"] = json!(now);
        }
        condition
    };
    status["conditions"] = json!([available_now, progressing]);
    let mut deployment = deployment.clone();
    deployment["status"] = status;
    if let Some(set) = fresh {
        deployment["metadata"]["annotations"][REVISION] = set["metadata"]["annotations"][REVISION].clone();
    }
    put(world, deployment);
}

fn late(world: &World, deployment: &Value, progressing: Option<&Value>) -> bool {
    let Some(condition) = progressing else { return false };
    if condition["reason"] == "ProgressDeadlineExceeded" {
        return true;
    }
    let since = condition["lastUpdateTime"].as_str().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    let deadline = number(&deployment["spec"]["progressDeadlineSeconds"]);
    deadline > 0 && since.is_some_and(|since| (world.store.now() - since).whole_seconds() > deadline)
}

/// A condition whose times move only when it changes.
fn condition(kind: &str, status: &str, reason: &str, message: &str, before: Option<Value>, now: &str) -> Value {
    let same = before
        .as_ref()
        .is_some_and(|old| old["status"] == status && old["reason"] == reason && old["message"] == message);
    if let Some(before) = before.as_ref().filter(|_| same) {
        return before.clone();
    }
    let turned =
        before.filter(|old| old["status"] == status).map_or(json!(now), |old| old["lastTransitionTime"].clone());
    json!({
        "type": kind, "status": status, "lastUpdateTime": now, "lastTransitionTime": turned,
        "reason": reason, "message": message,
    })
}

/// Whether a pod serves.
pub fn ready(pod: &Value) -> bool {
    pod["status"]["conditions"]
        .as_array()
        .is_some_and(|list| list.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True"))
}

fn fill(world: &mut World, set: &Value) {
    let place = set["metadata"]["namespace"].as_str().unwrap().to_owned();
    // It may have been taken away with its owner in this very round.
    let Some(set) = world.store.get(kind("ReplicaSet"), &place, set["metadata"]["name"].as_str().unwrap()).cloned()
    else {
        return;
    };
    let wanted = usize::try_from(number(&set["spec"]["replicas"])).unwrap_or(0);
    let mut pods = world.store.owned(&set["metadata"]["uid"]);
    // Those that are not ready go first, then the youngest.
    let age = |pod: &Value| pod["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse::<u64>().ok());
    pods.sort_by_key(|pod| (!ready(pod), age(pod)));
    let surplus: BTreeSet<String> =
        pods.iter().skip(wanted).map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect();
    for name in &surplus {
        world.store.remove(kind("Pod"), &place, name, false);
    }
    pods.retain(|pod| !surplus.contains(pod["metadata"]["name"].as_str().unwrap()));
    for _ in pods.len()..wanted {
        let prefix = format!("{}-", set["metadata"]["name"].as_str().unwrap());
        let template = &set["spec"]["template"];
        let mut metadata = template["metadata"].clone();
        metadata["name"] = json!(format!("{prefix}{}", world.store.suffix()));
        metadata["generateName"] = json!(prefix);
        metadata["ownerReferences"] = owner(&set);
        let pod = json!({"metadata": metadata, "spec": template["spec"], "status": {"phase": "Pending"}});
        pods.push(world.store.create(kind("Pod"), &place, pod));
    }
    let serving = pods.iter().filter(|pod| ready(pod)).count();
    let mut status = json!({"replicas": pods.len(), "observedGeneration": set["metadata"]["generation"]});
    for (field, count) in
        [("fullyLabeledReplicas", pods.len()), ("readyReplicas", serving), ("availableReplicas", serving)]
    {
        if count > 0 {
            status[field] = json!(count);
        }
    }
    let mut set = set;
    set["status"] = status;
    put(world, set);
}

/// Pods that a selector's map picks.
pub fn picked(world: &World, place: &str, selector: &Value) -> Vec<Value> {
    let Some(selector) = selector.as_object().filter(|map| !map.is_empty()) else { return Vec::new() };
    let terms: Vec<String> =
        selector.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    let mut pods = world.store.list(kind("Pod"), place);
    pods.retain(|pod| select::labels(&terms.join(","), &pod["metadata"]["labels"]));
    pods
}
