//! ReplicaSets make pods; a scripted kubelet lets them live or fail by the name of their image.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::apply::Manager;
use super::deployment::{CONTROLLER, number};
use super::store::{Key, World, text};

const KUBELET: &str = "kubelet";

/// One round over all ReplicaSets and pods.
pub fn run(world: &mut World) {
    let keys = |world: &World, plural: &str| -> Vec<Key> {
        world.objects.keys().filter(|key| key.plural == plural).cloned().collect()
    };
    for key in keys(world, "replicasets") {
        size(world, &key);
    }
    for key in keys(world, "pods") {
        live(world, &key);
    }
    for key in keys(world, "replicasets") {
        count(world, &key);
    }
}

fn size(world: &mut World, key: &Key) {
    let Some(set) = world.get(key).cloned() else { return };
    let mut pods = world.owned("Pod", &set);
    // Those that do not work go first, then the youngest.
    pods.sort_by_key(|pod| (is_ready(pod), std::cmp::Reverse(serial(pod))));
    let wanted = usize::try_from(number(&set["spec"]["replicas"])).unwrap_or(0);
    let surplus = pods.len().saturating_sub(wanted);
    for pod in pods.iter().take(surplus) {
        world.remove(&World::key_of(pod, "Pod"));
    }
    for _ in pods.len()..wanted {
        let name = format!("{}-{}", key.name, world.suffix());
        let pod = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"generateName": format!("{}-", key.name),
                "labels": set["spec"]["template"]["metadata"]["labels"],
                "annotations": set["spec"]["template"]["metadata"]["annotations"],
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": key.name,
                    "uid": set["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true}]},
            "spec": set["spec"]["template"]["spec"], "status": {"phase": "Pending", "qosClass": "BestEffort"}});
        world.create(&Key::new("Pod", &key.namespace, &name), pod, &Manager::update(CONTROLLER, ""));
    }
}

fn serial(pod: &Value) -> String {
    text(&pod["metadata"]["uid"]).to_owned()
}

/// Whether a pod takes traffic.
pub fn is_ready(pod: &Value) -> bool {
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn live(world: &mut World, key: &Key) {
    let Some(pod) = world.get(key).cloned() else { return };
    let images: Vec<String> =
        pod["spec"]["containers"].as_array().into_iter().flatten().map(|one| text(&one["image"]).to_owned()).collect();
    let all = images.join(" ");
    let told = world.ready.iter().filter(|(part, _)| all.contains(part.as_str())).map(|(_, ready)| *ready).next_back();
    let broken = ["never-pulls", "crash-loop", "unschedulable"].into_iter().find(|word| all.contains(word));
    let ready = told.unwrap_or(broken.is_none() && !all.contains("slow"));
    let now = world.now();
    let first = pod["status"]["conditions"].is_null();
    let image =
        images.iter().find(|image| broken.is_some_and(|word| image.contains(word))).cloned().unwrap_or_default();
    let status = match broken {
        Some("unschedulable") if !ready => {
            let message = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.";
            json!({"phase": "Pending", "conditions": [condition(&pod, &now, "PodScheduled", false, "Unschedulable", message)],
                "qosClass": "BestEffort"})
        }
        Some("never-pulls") if !ready => {
            let message = format!(
                "Back-off pulling image \"{image}\": ErrImagePull: failed to pull and unpack image \"docker.io/{image}\": not found"
            );
            started(
                &pod,
                &now,
                "Pending",
                false,
                json!({"waiting": {"reason": "ImagePullBackOff", "message": message}}),
                0,
            )
        }
        Some(_) if !ready => {
            let message = format!("back-off 5m0s restarting failed container=main pod={}_{}", key.name, key.namespace);
            started(
                &pod,
                &now,
                "Running",
                false,
                json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}}),
                6,
            )
        }
        _ => started(
            &pod,
            &now,
            "Running",
            ready,
            json!({"running": {"startedAt": pod["metadata"]["creationTimestamp"]}}),
            0,
        ),
    };
    world.set_status(key, status, KUBELET);
    if first
        && !ready
        && let Some(word) = broken
    {
        let (reason, message, from) = match word {
            "unschedulable" => (
                "FailedScheduling",
                "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.".to_owned(),
                "default-scheduler",
            ),
            "never-pulls" => ("Failed", format!("Failed to pull image \"{image}\": not found"), KUBELET),
            _ => ("BackOff", format!("Back-off restarting failed container main in pod {}", key.name), KUBELET),
        };
        world.event(&pod, "Pod", "Warning", reason, &message, from);
    }
}

/// A condition whose time moves only when its status does.
fn condition(pod: &Value, now: &str, kind: &str, holds: bool, reason: &str, message: &str) -> Value {
    let status = if holds { "True" } else { "False" };
    let mut old = pod["status"]["conditions"].as_array().into_iter().flatten();
    let same = old.find(|old| old["type"] == kind && old["status"] == status);
    let since = same.map_or(json!(now), |old| old["lastTransitionTime"].clone());
    let mut new = json!({"type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": since});
    if !holds {
        new["reason"] = json!(reason);
        new["message"] = json!(message);
    }
    new
}

fn started(pod: &Value, now: &str, phase: &str, ready: bool, state: Value, restarts: u32) -> Value {
    let containers = pod["spec"]["containers"].as_array().cloned().unwrap_or_default();
    let names: Vec<&str> = containers.iter().map(|one| text(&one["name"])).collect();
    let message = format!("containers with unready status: [{}]", names.join(" "));
    let each: Vec<Value> = [
        ("PodReadyToStartContainers", true),
        ("Initialized", true),
        ("Ready", ready),
        ("ContainersReady", ready),
        ("PodScheduled", true),
    ]
    .into_iter()
    .map(|(kind, holds)| condition(pod, now, kind, holds, "ContainersNotReady", &message))
    .collect();
    let statuses: Vec<Value> = containers
        .iter()
        .map(|one| {
            json!({"name": one["name"], "state": state, "lastState": {}, "ready": ready, "restartCount": restarts,
                "image": one["image"], "imageID": "", "started": ready})
        })
        .collect();
    json!({"phase": phase, "conditions": each, "hostIP": "192.168.0.10", "podIP": "10.244.0.1",
        "startTime": pod["metadata"]["creationTimestamp"], "containerStatuses": statuses, "qosClass": "BestEffort"})
}

fn count(world: &mut World, key: &Key) {
    let Some(set) = world.get(key).cloned() else { return };
    let pods = world.owned("Pod", &set);
    let patience = number(&set["spec"]["minReadySeconds"]);
    let now = world.now_millis() / 1000;
    let since = |pod: &Value| {
        let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
        let ready = conditions.find(|condition| condition["type"] == "Ready").cloned().unwrap_or_default();
        let time = OffsetDateTime::parse(text(&ready["lastTransitionTime"]), &Rfc3339);
        time.map_or(now, OffsetDateTime::unix_timestamp)
    };
    let ready: Vec<&Value> = pods.iter().filter(|pod| is_ready(pod)).collect();
    let available = ready.iter().filter(|pod| since(pod) + patience <= now).count();
    let mut status = json!({"replicas": pods.len(), "observedGeneration": set["metadata"]["generation"]});
    for (field, count) in
        [("fullyLabeledReplicas", pods.len()), ("readyReplicas", ready.len()), ("availableReplicas", available)]
    {
        if count > 0 {
            status[field] = json!(count);
        }
    }
    world.set_status(key, status, CONTROLLER);
}
