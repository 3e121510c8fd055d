//! A kubelet and a scheduler by script: what becomes of a pod is in the name of its image, or said by the test.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::control::{kind, put};
use super::world::World;

/// Brings every pod's status up to date.
pub fn run(world: &mut World) {
    for pod in world.store.list(kind("Pod"), "") {
        let (status, trouble) = status(world, &pod);
        if pod["status"] == status {
            continue;
        }
        if let Some((reason, message)) = trouble {
            event(world, &pod, reason, &message);
        }
        let mut pod = pod;
        pod["status"] = status;
        put(world, pod);
    }
}

/// Whether containers of this image become ready.
pub fn serves(scripted: &BTreeMap<String, bool>, image: &str) -> bool {
    const BAD: &[&str] = &["never-pulls", "crash-loop", "unschedulable", "slow"];
    scripted.get(image).copied().unwrap_or(!BAD.iter().any(|word| image.contains(word)))
}

fn status(world: &World, pod: &Value) -> (Value, Option<(&'static str, String)>) {
    let since = &pod["metadata"]["creationTimestamp"];
    let condition = |kind: &str, holds: bool| {
        let mut condition = json!({
            "type": kind, "status": if holds { "True" } else { "False" }, "lastProbeTime": null, "lastTransitionTime": since,
        });
        if !holds {
            condition["reason"] = json!("ContainersNotReady");
            condition["message"] = json!("containers with unready status: [main]");
        }
        condition
    };
    let containers = pod["spec"]["containers"].as_array().cloned().unwrap_or_default();
    let images: Vec<&str> = containers.iter().filter_map(|container| container["image"].as_str()).collect();
    if images.iter().any(|image| image.contains("unschedulable")) {
        let message = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.";
        let scheduled = json!({
            "type": "PodScheduled", "status": "False", "lastProbeTime": null, "lastTransitionTime": since,
            "reason": "Unschedulable", "message": message,
        });
        let status = json!({"phase": "Pending", "conditions": [scheduled], "qosClass": "BestEffort"});
        return (status, Some(("FailedScheduling", message.to_owned())));
    }
    let mut trouble = None;
    let mut all = true;
    let mut running = true;
    let mut statuses = Vec::new();
    for container in &containers {
        let image = container["image"].as_str().unwrap_or_default();
        let mut entry = json!({
            "name": container["name"], "state": {"running": {"startedAt": since}}, "lastState": {}, "ready": true,
            "restartCount": 0, "image": image, "imageID": format!("{image}@sha256:{}", "0".repeat(64)), "started": true,
        });
        let scripted = world.ready.get(image).copied();
        if image.contains("never-pulls") && scripted.is_none() {
            let message = format!("Back-off pulling image \"{image}\"");
            entry["state"] = json!({"waiting": {"reason": "ImagePullBackOff", "message": message}});
            entry["imageID"] = json!("");
            entry["started"] = json!(false);
            trouble = Some(("Failed", format!("Failed to pull image \"{image}\": not found")));
            running = false;
        } else if image.contains("crash-loop") && scripted.is_none() {
            let ended = json!({"exitCode": 1, "reason": "Error", "startedAt": since, "finishedAt": since});
            let name = container["name"].as_str().unwrap_or_default();
            let message = format!(
                "back-off 5m0s restarting failed container={name} pod={}",
                pod["metadata"]["name"].as_str().unwrap()
            );
            entry["state"] = json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}});
            entry["lastState"] = json!({"terminated": ended});
            entry["restartCount"] = json!(5);
            entry["started"] = json!(false);
            trouble = Some(("BackOff", format!("Back-off restarting failed container {name}")));
        } else if !scripted.unwrap_or(!image.contains("slow")) {
            entry["ready"] = json!(false);
            all = false;
        }
        if trouble.is_some() {
            entry["ready"] = json!(false);
            all = false;
        }
        statuses.push(entry);
    }
    let conditions = json!([
        condition("Initialized", true),
        condition("Ready", all),
        condition("ContainersReady", all),
        condition("PodScheduled", true),
    ]);
    let status = json!({
        "phase": if running { "Running" } else { "Pending" }, "conditions": conditions, "hostIP": "192.168.0.10",
        "podIP": "10.244.0.1", "startTime": since, "containerStatuses": statuses, "qosClass": "BestEffort",
    });
    (status, trouble)
}

fn event(world: &mut World, pod: &Value, reason: &str, message: &str) {
    let (now, found) = (world.store.stamp(), &pod["metadata"]);
    let name = format!("{}.{}", found["name"].as_str().unwrap(), world.store.suffix());
    let place = found["namespace"].as_str().unwrap();
    let event = json!({
        "metadata": {"name": name},
        "involvedObject": {"kind": "Pod", "namespace": place, "name": found["name"], "uid": found["uid"], "apiVersion": "v1"},
        "reason": reason, "message": message, "source": {"component": "kubelet"}, "firstTimestamp": now,
        "lastTimestamp": now, "count": 1, "type": "Warning",
    });
    world.store.create(kind("Event"), place, event);
}
