//! A small controller of Argo Rollouts: canaries with `setWeight` and `pause`, going on, aborting. Steps of other kinds pass at once,
//! and a pause with a duration waits for a hand as one without does.

use serde_json::{Value, json};

use super::control::{hash, kind, owner, put};
use super::world::World;

const LABEL: &str = "rollouts-pod-template-hash";

/// Brings every Rollout up to date.
pub fn run(world: &mut World) {
    for rollout in world.store.list(kind("Rollout"), "") {
        reconcile(world, rollout);
    }
}

fn reconcile(world: &mut World, mut rollout: Value) {
    let current = hash(&rollout["spec"]["template"]);
    let mut status = rollout["status"].as_object().cloned().map_or(json!({}), Value::Object);
    let steps = rollout["spec"]["strategy"]["canary"]["steps"].as_array().cloned().unwrap_or_default();
    let desired = rollout["spec"]["replicas"].as_u64().unwrap_or(1);
    if status["stableRS"].is_null() {
        status["stableRS"] = json!(current);
        status["currentStepIndex"] = json!(steps.len());
    }
    if status["currentPodHash"] != current {
        status["currentPodHash"] = json!(current);
        let back = status["stableRS"] == current;
        status["currentStepIndex"] = json!(if back { steps.len() } else { 0 });
        for field in ["abort", "abortedAt", "pauseConditions", "controllerPause", "message"] {
            status.as_object_mut().unwrap().shift_remove(field);
        }
    }
    let stable = status["stableRS"].as_str().unwrap().to_owned();
    let aborted = status["abort"] == true && stable != current;
    if aborted {
        status["currentStepIndex"] = json!(0);
        for field in ["pauseConditions", "controllerPause"] {
            status.as_object_mut().unwrap().shift_remove(field);
        }
    }
    let index = usize::try_from(status["currentStepIndex"].as_u64().unwrap_or(0)).unwrap().min(steps.len());
    let weight =
        match steps[..index].iter().chain(steps.get(index)).filter_map(|step| step["setWeight"].as_u64()).next_back() {
            _ if aborted => 0,
            _ if index == steps.len() => 100,
            weight => weight.unwrap_or(0),
        };
    let routed = !rollout["spec"]["strategy"]["canary"]["trafficRouting"].is_null();
    let canary = if stable == current { desired } else { (desired * weight).div_ceil(100) };
    let kept = if stable == current {
        0
    } else if routed {
        desired
    } else {
        desired - canary
    };
    let fresh = ensure(world, &rollout, &current, canary);
    let ready = fresh >= canary;
    // What serves goes only when the new is there.
    if stable != current && (ready || routed) {
        ensure(world, &rollout, &stable, kept);
    }
    let step = steps.get(index);
    let paused = step.is_some_and(|step| step.get("pause").is_some());
    let mut phase = ("Progressing", "more replicas need to be updated");
    if aborted {
        phase = ("Degraded", "RolloutAborted: Rollout aborted update");
    } else if !ready {
        // It waits.
    } else if index == steps.len() {
        if stable != current {
            ensure(world, &rollout, &stable, 0);
        }
        status["stableRS"] = json!(current);
        phase = ("Healthy", "");
    } else if !paused {
        status["currentStepIndex"] = json!(index + 1);
    } else if status["controllerPause"] != true {
        status["controllerPause"] = json!(true);
        status["pauseConditions"] = json!([{"reason": "CanaryPauseStep", "startTime": world.store.stamp()}]);
        phase = ("Paused", "CanaryPauseStep");
    } else if status["pauseConditions"].as_array().is_none_or(Vec::is_empty) {
        // Somebody took the reason away: on to the next step.
        status["currentStepIndex"] = json!(index + 1);
        for field in ["controllerPause", "pauseConditions"] {
            status.as_object_mut().unwrap().shift_remove(field);
        }
    } else {
        phase = ("Paused", "CanaryPauseStep");
    }
    if routed {
        let weight = if ready { weight } else { status["canary"]["weights"]["canary"]["weight"].as_u64().unwrap_or(0) };
        let weight = if status["stableRS"] == current { 0 } else { weight };
        status["canary"]["weights"] = json!({
            "canary": {"weight": weight, "podTemplateHash": current},
            "stable": {"weight": 100 - weight, "podTemplateHash": status["stableRS"]},
        });
    }
    status["phase"] = json!(phase.0);
    status["message"] = json!(phase.1);
    if phase.1.is_empty() {
        status.as_object_mut().unwrap().shift_remove("message");
    }
    // A number as text: so it is in Argo's own type.
    status["observedGeneration"] = json!(rollout["metadata"]["generation"].to_string());
    status["updatedReplicas"] = json!(fresh);
    rollout["status"] = status;
    put(world, rollout);
}

/// A ReplicaSet of this hash and size; how many of its pods are ready.
fn ensure(world: &mut World, rollout: &Value, hash: &str, count: u64) -> u64 {
    let place = rollout["metadata"]["namespace"].as_str().unwrap().to_owned();
    let name = format!("{}-{hash}", rollout["metadata"]["name"].as_str().unwrap());
    if let Some(mut set) = world.store.get(kind("ReplicaSet"), &place, &name).cloned() {
        if set["spec"]["replicas"] != count {
            set["spec"]["replicas"] = json!(count);
            set = put(world, set);
        }
        return set["status"]["readyReplicas"].as_u64().unwrap_or(0);
    }
    let mut template = rollout["spec"]["template"].clone();
    template["metadata"]["labels"][LABEL] = json!(hash);
    let mut selector = rollout["spec"]["selector"].clone();
    selector["matchLabels"][LABEL] = json!(hash);
    let object = json!({
        "metadata": {"name": name, "labels": template["metadata"]["labels"], "ownerReferences": owner(rollout)},
        "spec": {"replicas": count, "selector": selector, "template": template},
        "status": {"replicas": 0},
    });
    world.store.create(kind("ReplicaSet"), &place, object);
    0
}

/// Selectors and weights of a Rollout that moves traffic.
pub fn roads(world: &World, place: &str) -> Vec<(Value, f64)> {
    let mut roads = Vec::new();
    for rollout in world.store.list(kind("Rollout"), place) {
        for leg in rollout["status"]["canary"]["weights"].as_object().into_iter().flat_map(|legs| legs.values()) {
            roads.push((json!({LABEL: leg["podTemplateHash"]}), leg["weight"].as_f64().unwrap_or(0.0)));
        }
    }
    roads
}
