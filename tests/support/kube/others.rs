//! The autoscaler, and KServe's split between its last two revisions.

use serde_json::{Value, json};

use super::apply::Manager;
use super::deployment::{CONTROLLER, hash, number};
use super::store::{Key, World, text};

/// Autoscalers write the replicas of their targets through the scale subresource, within their bounds; a target at 0 is left alone.
pub fn scale(world: &mut World) {
    let keys: Vec<Key> = world.objects.keys().filter(|key| key.plural == "horizontalpodautoscalers").cloned().collect();
    for key in keys {
        let hpa = world.objects[&key].clone();
        let target = &hpa["spec"]["scaleTargetRef"];
        if !["Deployment", "Rollout"].contains(&text(&target["kind"])) {
            continue;
        }
        let workload = Key::new(text(&target["kind"]), &key.namespace, text(&target["name"]));
        let Some(mut object) = world.get(&workload).cloned() else { continue };
        let now = number(&object["spec"]["replicas"]);
        if now == 0 {
            continue;
        }
        let wish = world.hpa.get(&(key.namespace.clone(), key.name.clone())).copied().unwrap_or(now);
        let least = hpa["spec"]["minReplicas"].as_i64().unwrap_or(1);
        let most = hpa["spec"]["maxReplicas"].as_i64().unwrap_or(i64::MAX);
        let wish = wish.min(most).max(least);
        if wish != now {
            object["spec"]["replicas"] = json!(wish);
            world.update(&workload, object.clone(), &Manager::update(CONTROLLER, "scale"));
        }
        let status = json!({"currentReplicas": number(&object["status"]["replicas"]), "desiredReplicas": wish,
            "observedGeneration": 1, "currentMetrics": null});
        world.set_status(&key, status, CONTROLLER);
    }
}

/// KServe: `spec.predictor.canaryTrafficPercent` splits between the newest revision and the last one that was rolled out.
/// Fields as in kserve's `inference_service_status.go`.
pub fn serve(world: &mut World) {
    let keys: Vec<Key> = world.objects.keys().filter(|key| key.plural == "inferenceservices").cloned().collect();
    for key in keys {
        let object = world.objects[&key].clone();
        let mut predictor = object["spec"]["predictor"].clone();
        let percent = predictor["canaryTrafficPercent"].as_i64();
        if let Some(map) = predictor.as_object_mut() {
            map.shift_remove("canaryTrafficPercent");
        }
        let old = &object["status"]["components"]["predictor"];
        let made = text(&old["latestCreatedRevision"]).to_owned();
        let print = hash(&predictor);
        let generation = if object["status"]["stubDigest"] == print.as_str() {
            made.rsplit('-').next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(1)
        } else {
            made.rsplit('-').next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) + 1
        };
        let latest = format!("{}-predictor-{generation:05}", key.name);
        let rolled = text(&old["latestRolledoutRevision"]).to_owned();
        let previous = text(&old["previousRolledoutRevision"]).to_owned();
        let images = predictor.to_string();
        let mut told = world.ready.iter().filter(|(part, _)| images.contains(part.as_str())).map(|(_, ready)| *ready);
        let broken = ["never-pulls", "crash-loop", "unschedulable", "slow"].iter().any(|word| images.contains(word));
        let ready = told.next_back().unwrap_or(!broken);
        let stable = if rolled == latest { previous.clone() } else { rolled.clone() };
        let share = match percent {
            _ if !ready => 0,
            Some(percent) if !stable.is_empty() => percent,
            Some(_) | None => 100,
        };
        let mut traffic = Vec::new();
        if ready {
            traffic.push(json!({"latestRevision": true, "percent": share, "revisionName": latest}));
        }
        if share < 100 && !stable.is_empty() {
            let mut one = json!({"latestRevision": false, "percent": 100 - share, "revisionName": stable});
            if ready {
                one["tag"] = json!("prev");
            }
            traffic.push(one);
        }
        let mut part = json!({"latestCreatedRevision": latest, "traffic": traffic});
        let rolled_now = if share == 100 { latest.clone() } else { rolled.clone() };
        let previous_now = if rolled_now == rolled { previous } else { rolled };
        part["latestReadyRevision"] = if ready { json!(latest) } else { old["latestReadyRevision"].clone() };
        for (field, value) in [("latestRolledoutRevision", rolled_now), ("previousRolledoutRevision", previous_now)] {
            if !value.is_empty() {
                part[field] = json!(value);
            }
        }
        let mut images = object["status"]["stubImages"].as_object().cloned().unwrap_or_default();
        images.insert(latest, json!(image(&predictor)));
        let holds = if ready { "True" } else { "False" };
        let conditions: Vec<Value> =
            ["PredictorReady", "Ready"].iter().map(|kind| json!({"type": kind, "status": holds})).collect();
        let transition = if ready { "UpToDate" } else { "InProgress" };
        let status = json!({"components": {"predictor": part}, "conditions": conditions,
            "modelStatus": {"transitionStatus": transition}, "observedGeneration": object["metadata"]["generation"],
            "url": format!("http://{}.{}.example.com", key.name, key.namespace), "stubDigest": print, "stubImages": images});
        world.set_status(&key, status, "kserve-controller-manager");
    }
}

fn image(predictor: &Value) -> String {
    let of = |value: &Value| value["image"].as_str().or_else(|| value["storageUri"].as_str()).map(str::to_owned);
    let container = predictor["containers"].as_array().and_then(|list| list.first()).and_then(of);
    container.or_else(|| of(&predictor["model"])).unwrap_or_default()
}
