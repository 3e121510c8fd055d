//! A small Argo Rollouts controller: canary steps of `setWeight` and `pause`, abort.
//! Fields of the status as in argoproj/argo-rollouts 9f8d111d8, pkg/apis/rollouts/v1alpha1/types.go.

use serde_json::{Value, json};

use super::apply::Manager;
use super::deployment::{hash, number};
use super::store::{Key, World, text};

const CONTROLLER: &str = "rollouts-controller";
const LABEL: &str = "rollouts-pod-template-hash";

/// One round over all Rollouts.
pub fn run(world: &mut World) {
    let keys: Vec<Key> = world.objects.keys().filter(|key| key.plural == "rollouts").cloned().collect();
    for key in keys {
        reconcile(world, &key);
    }
}

/// What the controller carries from look to look: the status, as it will be written.
struct Progress {
    status: Value,
    steps: Vec<Value>,
    step: usize,
}

fn reconcile(world: &mut World, key: &Key) {
    let Some(rollout) = world.get(key).cloned() else { return };
    let steps = rollout["spec"]["strategy"]["canary"]["steps"].as_array().cloned().unwrap_or_default();
    let pod_hash = hash(&rollout["spec"]["template"]);
    let old = &rollout["status"];
    let mut status = if old.is_object() { old.clone() } else { json!({}) };
    status["observedGeneration"] = json!(number(&rollout["metadata"]["generation"]).to_string());
    let first = text(&old["stableRS"]).is_empty();
    if first {
        status["stableRS"] = json!(pod_hash);
    }
    if old["currentPodHash"] != pod_hash.as_str() {
        status["currentPodHash"] = json!(pod_hash);
        let at = if status["stableRS"] == pod_hash.as_str() { steps.len() } else { 0 };
        status["currentStepIndex"] = json!(at);
        drop_fields(&mut status, &["abort", "abortedAt", "pauseConditions", "controllerPause"]);
    }
    let step = usize::try_from(number(&status["currentStepIndex"])).unwrap_or(0);
    let mut progress = Progress { status, steps, step };
    let canary_hash = text(&progress.status["currentPodHash"]).to_owned();
    let stable_hash = text(&progress.status["stableRS"]).to_owned();
    set(world, &rollout, &canary_hash);
    let aborted = progress.status["abort"] == true;
    let weight = if canary_hash == stable_hash { 100 } else { advance(world, &rollout, &mut progress, aborted) };
    let mut finished = canary_hash == stable_hash;
    place(world, &rollout, &canary_hash, &stable_hash, weight);
    super::pods::run(world);
    let ready = available(world, &rollout, &canary_hash) >= wanted(&rollout, weight, &canary_hash, &stable_hash);
    if !aborted && progress.step >= progress.steps.len() && ready && !finished {
        progress.status["stableRS"] = json!(canary_hash);
        drop_fields(&mut progress.status, &["promoteFull"]);
        finished = true;
        place(world, &rollout, &canary_hash, &canary_hash, 100);
        super::pods::run(world);
    }
    let mut status = progress.status;
    if !aborted {
        status["currentStepIndex"] = json!(progress.step);
    }
    let paused = status["pauseConditions"].as_array().is_some_and(|list| !list.is_empty());
    let (phase, message) = if aborted {
        ("Degraded", "RolloutAborted: Rollout aborted update".to_owned())
    } else if paused {
        ("Paused", text(&status["pauseConditions"][0]["reason"]).to_owned())
    } else if finished && ready {
        ("Healthy", String::new())
    } else {
        ("Progressing", "more replicas need to be updated".to_owned())
    };
    status["phase"] = json!(phase);
    status["message"] = json!(message);
    if message.is_empty() {
        drop_fields(&mut status, &["message"]);
    }
    let stable = text(&status["stableRS"]).to_owned();
    let shown = if finished { 0 } else { weight };
    status["canary"] = json!({"weights": {"canary": {"podTemplateHash": canary_hash, "weight": shown},
        "stable": {"podTemplateHash": stable, "weight": 100 - shown}}});
    status["replicas"] = json!(
        world.owned("Pod", &rollout).len().max(usize::try_from(number(&rollout["spec"]["replicas"])).unwrap_or(0))
    );
    status["updatedReplicas"] = json!(available(world, &rollout, &canary_hash));
    world.set_status(key, status, CONTROLLER);
}

fn drop_fields(status: &mut Value, fields: &[&str]) {
    for field in fields {
        if let Some(map) = status.as_object_mut() {
            map.shift_remove(*field);
        }
    }
}

/// Takes the steps that may be taken; the weight in force.
fn advance(world: &World, rollout: &Value, progress: &mut Progress, aborted: bool) -> i64 {
    if aborted {
        progress.step = 0;
        progress.status["currentStepIndex"] = json!(0);
        drop_fields(&mut progress.status, &["pauseConditions", "controllerPause"]);
        if progress.status["abortedAt"].is_null() {
            progress.status["abortedAt"] = json!(world.now());
        }
        return 0;
    }
    // A full promotion leaves no step and no pause.
    if progress.status["promoteFull"] == true {
        progress.step = progress.steps.len();
        drop_fields(&mut progress.status, &["pauseConditions", "controllerPause"]);
    }
    let hash = text(&progress.status["currentPodHash"]).to_owned();
    let stable = text(&progress.status["stableRS"]).to_owned();
    while let Some(step) = progress.steps.get(progress.step).cloned() {
        let paused = progress.status["pauseConditions"].as_array().is_some_and(|list| !list.is_empty());
        if let Some(weight) = step["setWeight"].as_i64() {
            if available(world, rollout, &hash) < wanted(rollout, weight, &hash, &stable) {
                return weight;
            }
        } else if !step["pause"].is_null() {
            if paused {
                break;
            }
            if progress.status["controllerPause"] != true {
                let condition = json!({"reason": "CanaryPauseStep", "startTime": world.now()});
                progress.status["pauseConditions"] = json!([condition]);
                progress.status["controllerPause"] = json!(true);
                break;
            }
            // Somebody has cleared the conditions: the step is done.
            drop_fields(&mut progress.status, &["controllerPause", "pauseConditions"]);
        }
        progress.step += 1;
    }
    if progress.step >= progress.steps.len() {
        return 100;
    }
    progress.steps[..progress.step].iter().rev().find_map(|step| step["setWeight"].as_i64()).unwrap_or(0)
}

fn routed(rollout: &Value) -> bool {
    !rollout["spec"]["strategy"]["canary"]["trafficRouting"].is_null()
}

fn wanted(rollout: &Value, weight: i64, canary: &str, stable: &str) -> i64 {
    let replicas = rollout["spec"]["replicas"].as_i64().unwrap_or(1);
    if canary == stable { replicas } else { (replicas * weight + 99) / 100 }
}

fn name_of(rollout: &Value, hash: &str) -> Key {
    let meta = &rollout["metadata"];
    Key::new("ReplicaSet", text(&meta["namespace"]), &format!("{}-{hash}", text(&meta["name"])))
}

fn set(world: &mut World, rollout: &Value, hash: &str) {
    let key = name_of(rollout, hash);
    if world.get(&key).is_some() {
        return;
    }
    let meta = &rollout["metadata"];
    let mut template = rollout["spec"]["template"].clone();
    template["metadata"]["labels"][LABEL] = json!(hash);
    let mut selector = rollout["spec"]["selector"].clone();
    selector["matchLabels"][LABEL] = json!(hash);
    let set = json!({"kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": {"labels": template["metadata"]["labels"],
            "ownerReferences": [{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": meta["name"],
                "uid": meta["uid"], "controller": true, "blockOwnerDeletion": true}]},
        "spec": {"replicas": 0, "selector": selector, "template": template}, "status": {"replicas": 0}});
    world.create(&key, set, &Manager::update(CONTROLLER, ""));
}

/// Gives both ReplicaSets their sizes. Others have none.
fn place(world: &mut World, rollout: &Value, canary: &str, stable: &str, weight: i64) {
    let replicas = rollout["spec"]["replicas"].as_i64().unwrap_or(1);
    let new = wanted(rollout, weight, canary, stable);
    for set in world.owned("ReplicaSet", rollout) {
        let key = World::key_of(&set, "ReplicaSet");
        let size = if key == name_of(rollout, canary) {
            new
        } else if key == name_of(rollout, stable) {
            if routed(rollout) { replicas } else { replicas - new }
        } else {
            0
        };
        let mut set = set;
        set["spec"]["replicas"] = json!(size);
        world.update(&key, set, &Manager::update(CONTROLLER, ""));
    }
}

fn available(world: &World, rollout: &Value, hash: &str) -> i64 {
    world.get(&name_of(rollout, hash)).map_or(0, |set| number(&set["status"]["availableReplicas"]))
}
