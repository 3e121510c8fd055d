//! The Deployment controller: ReplicaSets by template, revisions, rolling updates, status.
//! Learned from kubernetes `pkg/controller/deployment` (sync.go, rolling.go, progress.go) and checked against a real one.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::apply::Manager;
use super::store::{Key, World, text};

/// The controllers' manager.
pub const CONTROLLER: &str = "kube-controller-manager";
const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MAXIMUM: &str = "deployment.kubernetes.io/max-replicas";

/// One round over all Deployments.
pub fn run(world: &mut World) {
    let deployments: Vec<Key> =
        world.objects.keys().filter(|key| key.plural == "deployments" && key.group == "apps").cloned().collect();
    for key in deployments {
        reconcile(world, &key);
    }
}

/// The name of a template's ReplicaSet, in the letters that Kubernetes uses for it.
pub fn hash(template: &Value) -> String {
    let digest = Sha256::digest(template.to_string().as_bytes());
    let letters = b"bcdfghjklmnpqrstvwxz2456789";
    digest.iter().take(10).map(|byte| char::from(letters[usize::from(*byte) % 27])).collect()
}

fn plain(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.shift_remove("pod-template-hash");
    }
    template
}

pub fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn revision(object: &Value) -> i64 {
    object["metadata"]["annotations"][REVISION].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A number or a percentage of the replicas.
fn portion(value: &Value, of: i64, up: bool) -> i64 {
    match value {
        Value::String(text) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(0);
            if up { (of * percent + 99) / 100 } else { of * percent / 100 }
        }
        other => number(other),
    }
}

fn update(world: &mut World, key: &Key, object: Value) {
    world.update(key, object, &Manager::update(CONTROLLER, ""));
}

fn scale(world: &mut World, owner: &Value, set: &Value, to: i64, limits: (i64, i64)) {
    let key = World::key_of(set, "ReplicaSet");
    let Some(mut now) = world.get(&key).cloned() else { return };
    let from = number(&now["spec"]["replicas"]);
    now["spec"]["replicas"] = json!(to);
    now["metadata"]["annotations"][DESIRED] = json!(limits.0.to_string());
    now["metadata"]["annotations"][MAXIMUM] = json!(limits.1.to_string());
    update(world, &key, now);
    if from != to {
        let way = if from < to { "up" } else { "down" };
        let message = format!("Scaled {way} replica set {} from {from} to {to}", key.name);
        world.event(owner, "Deployment", "Normal", "ScalingReplicaSet", &message, "deployment-controller");
    }
}

fn reconcile(world: &mut World, key: &Key) {
    let Some(deployment) = world.get(key).cloned() else { return };
    let spec = &deployment["spec"];
    let mut sets = world.owned("ReplicaSet", &deployment);
    sets.sort_by_key(revision);
    let template = plain(&spec["template"]);
    let mut newest = sets.iter().find(|set| plain(&set["spec"]["template"]) == template).cloned();
    let paused = spec["paused"] == true;
    let desired = number(&spec["replicas"]);
    let recreate = spec["strategy"]["type"] == "Recreate";
    let rolling = &spec["strategy"]["rollingUpdate"];
    let surge = if recreate { 0 } else { portion(&rolling["maxSurge"], desired, true) };
    let mut unavailable = if recreate { 0 } else { portion(&rolling["maxUnavailable"], desired, false) };
    if surge == 0 && unavailable == 0 {
        unavailable = 1;
    }
    let limits = (desired, desired + surge);
    if !paused {
        let last = sets.iter().map(revision).max().unwrap_or(0);
        match &newest {
            None => {
                newest = Some(create(world, &deployment, last + 1));
            }
            Some(set) if revision(set) < last => {
                let key = World::key_of(set, "ReplicaSet");
                let mut again = set.clone();
                let was = again["metadata"]["annotations"][REVISION].as_str().unwrap_or_default().to_owned();
                let before = text(&again["metadata"]["annotations"][HISTORY]).to_owned();
                let history = if before.is_empty() { was } else { format!("{before},{was}") };
                again["metadata"]["annotations"][HISTORY] = json!(history);
                again["metadata"]["annotations"][REVISION] = json!((last + 1).to_string());
                update(world, &key, again.clone());
                newest = Some(again);
            }
            Some(_) => {}
        }
        let mut marked = deployment.clone();
        let now = newest.as_ref().map_or(0, revision);
        marked["metadata"]["annotations"][REVISION] = json!(now.to_string());
        update(world, key, marked);
        roll(world, &deployment, newest.as_ref(), limits, unavailable, recreate);
    } else if let Some(set) = &newest
        && sets.iter().filter(|set| number(&set["spec"]["replicas"]) > 0).count() <= 1
    {
        scale(world, &deployment, set, desired, limits);
    }
    super::pods::run(world);
    status(world, key, newest.map(|set| World::key_of(&set, "ReplicaSet")), unavailable);
    clean(world, key);
}

fn create(world: &mut World, deployment: &Value, revision: i64) -> Value {
    let meta = &deployment["metadata"];
    let template_hash = hash(&deployment["spec"]["template"]);
    let name = format!("{}-{template_hash}", text(&meta["name"]));
    let key = Key::new("ReplicaSet", text(&meta["namespace"]), &name);
    let mut template = deployment["spec"]["template"].clone();
    template["metadata"]["labels"]["pod-template-hash"] = json!(template_hash);
    let mut selector = deployment["spec"]["selector"].clone();
    selector["matchLabels"]["pod-template-hash"] = json!(template_hash);
    let mut set = json!({"kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": {
            "labels": template["metadata"]["labels"], "annotations": meta["annotations"],
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": meta["name"], "uid": meta["uid"],
                "controller": true, "blockOwnerDeletion": true}]},
        "spec": {"replicas": 0, "selector": selector, "template": template}, "status": {"replicas": 0}});
    if let Some(annotations) = set["metadata"]["annotations"].as_object_mut() {
        annotations.shift_remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    if !deployment["spec"]["minReadySeconds"].is_null() {
        set["spec"]["minReadySeconds"] = deployment["spec"]["minReadySeconds"].clone();
    }
    set["metadata"]["annotations"][REVISION] = json!(revision.to_string());
    world.create(&key, set, &Manager::update(CONTROLLER, ""))
}

fn roll(
    world: &mut World,
    deployment: &Value,
    newest: Option<&Value>,
    limits: (i64, i64),
    unavailable: i64,
    recreate: bool,
) {
    let Some(newest) = newest else { return };
    let sets = world.owned("ReplicaSet", deployment);
    let old: Vec<&Value> = sets.iter().filter(|set| set["metadata"]["name"] != newest["metadata"]["name"]).collect();
    let size = |set: &Value| number(&set["spec"]["replicas"]);
    let available = |set: &Value| number(&set["status"]["availableReplicas"]);
    let old_size: i64 = old.iter().map(|set| size(set)).sum();
    let Some(fresh) = world.get(&World::key_of(newest, "ReplicaSet")).cloned() else { return };
    if recreate && old_size > 0 {
        for set in old {
            scale(world, deployment, set, 0, limits);
        }
        return;
    }
    let now = size(&fresh);
    let room = limits.1 - (old_size + now);
    let to = if now > limits.0 { limits.0 } else { now + room.clamp(0, limits.0 - now) };
    scale(world, deployment, &fresh, to, limits);
    if old_size == 0 {
        return;
    }
    let least = limits.0 - unavailable;
    let mut spare = old_size + to - least - (to - available(&fresh));
    let mut kept = Vec::new();
    for set in old {
        // Pods that do not work go first.
        let broken = (size(set) - available(set)).clamp(0, spare.max(0));
        spare -= broken;
        kept.push((set, size(set) - broken));
    }
    let working: i64 = kept.iter().map(|(set, left)| available(set).min(*left)).sum();
    let mut down = (working + available(&fresh) - least).max(0);
    for (set, left) in kept {
        let less = down.min(left);
        down -= less;
        scale(world, deployment, set, left - less, limits);
    }
}

fn millis(time: &Value) -> i64 {
    let time = OffsetDateTime::parse(text(time), &Rfc3339).map_or(0, OffsetDateTime::unix_timestamp);
    time * 1000
}

fn condition(status: &Value, kind: &str) -> Value {
    let all = status["conditions"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default()
}

/// Sets a condition as the real controller does: its times move only when what it says changes.
fn set_condition(status: &mut Value, now: &str, kind: &str, said: (&str, &str, String), touched: bool) {
    let old = condition(status, kind);
    let (value, reason, message) = said;
    if old["status"] == value && old["reason"] == reason && !touched {
        return;
    }
    let moved = if old["status"] == value { old["lastTransitionTime"].clone() } else { json!(now) };
    let new = json!({"type": kind, "status": value, "lastUpdateTime": now, "lastTransitionTime": moved, "reason": reason,
        "message": message});
    let mut all = status["conditions"].as_array().cloned().unwrap_or_default();
    all.retain(|condition| condition["type"] != kind);
    all.push(new);
    status["conditions"] = json!(all);
}

fn status(world: &mut World, key: &Key, newest: Option<Key>, unavailable: i64) {
    let Some(deployment) = world.get(key).cloned() else { return };
    let sets = world.owned("ReplicaSet", &deployment);
    let sum = |field: &str| -> i64 { sets.iter().map(|set| number(&set["status"][field])).sum() };
    let desired = number(&deployment["spec"]["replicas"]);
    let fresh = newest.and_then(|key| world.get(&key).cloned());
    let updated = fresh.as_ref().map_or(0, |set| number(&set["status"]["replicas"]));
    let (replicas, ready, available) = (sum("replicas"), sum("readyReplicas"), sum("availableReplicas"));
    let asked: i64 = sets.iter().map(|set| number(&set["spec"]["replicas"])).sum();
    let old = &deployment["status"];
    let mut new = json!({"observedGeneration": deployment["metadata"]["generation"]});
    for (field, count) in [
        ("replicas", replicas),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", available),
        ("unavailableReplicas", (asked - available).max(0)),
    ] {
        // As the real server: what is 0 is not there.
        if count != 0 {
            new[field] = json!(count);
        }
    }
    if let Some(conditions) = old.get("conditions") {
        new["conditions"] = conditions.clone();
    }
    let now = world.now();
    let said = if available >= desired - unavailable {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.".to_owned())
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.".to_owned())
    };
    set_condition(&mut new, &now, "Available", said, false);
    let name = fresh.as_ref().map_or("", |set| text(&set["metadata"]["name"]));
    let progressing = condition(old, "Progressing");
    let complete = updated == desired && replicas == desired && available >= desired;
    let gone = |field: &str| number(&old[field]);
    let progress = updated > gone("updatedReplicas")
        || replicas - updated < gone("replicas") - gone("updatedReplicas")
        || ready > gone("readyReplicas")
        || available > gone("availableReplicas");
    let changed = old["observedGeneration"] != deployment["metadata"]["generation"];
    let finished = progressing["reason"] == "NewReplicaSetAvailable";
    let for_template = text(&progressing["message"]).contains(&format!("\"{name}\""));
    let deadline = number(&deployment["spec"]["progressDeadlineSeconds"]) * 1000;
    if deployment["spec"]["paused"] == true {
        let said = ("Unknown", "DeploymentPaused", "Deployment is paused".to_owned());
        set_condition(&mut new, &now, "Progressing", said, false);
    } else if complete {
        let said = ("True", "NewReplicaSetAvailable", format!("ReplicaSet \"{name}\" has successfully progressed."));
        set_condition(&mut new, &now, "Progressing", said, !for_template);
    } else if finished && for_template {
        // A later scale-up, or pods that stopped being ready, have no deadline.
    } else if progress || progressing.is_null() || (changed && !for_template) {
        let said = ("True", "ReplicaSetUpdated", format!("ReplicaSet \"{name}\" is progressing."));
        set_condition(&mut new, &now, "Progressing", said, true);
    } else if progressing["status"] != "False" && millis(&progressing["lastUpdateTime"]) + deadline < world.now_millis()
    {
        let said = ("False", "ProgressDeadlineExceeded", format!("ReplicaSet \"{name}\" has timed out progressing."));
        set_condition(&mut new, &now, "Progressing", said, true);
    }
    world.set_status(key, new, CONTROLLER);
}

/// Deletes ReplicaSets that are empty and beyond the history.
fn clean(world: &mut World, key: &Key) {
    let Some(deployment) = world.get(key).cloned() else { return };
    if condition(&deployment["status"], "Progressing")["reason"] != "NewReplicaSetAvailable" {
        return;
    }
    let template = plain(&deployment["spec"]["template"]);
    let limit = usize::try_from(number(&deployment["spec"]["revisionHistoryLimit"])).unwrap_or(10);
    let mut old = world.owned("ReplicaSet", &deployment);
    old.retain(|set| plain(&set["spec"]["template"]) != template);
    old.sort_by_key(revision);
    let beyond = old.len().saturating_sub(limit);
    for set in old.iter().take(beyond).filter(|set| number(&set["status"]["replicas"]) == 0) {
        world.remove(&World::key_of(set, "ReplicaSet"));
    }
}
