//! All objects as stable text, to hold the state before against the state after: what differs from run to run is masked.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::control::ready;
use super::world::World;

/// Objects by kind and name. Pods are counted by image and readiness, Events and ReplicaSets at 0 are left out.
pub fn snapshot(world: &World) -> String {
    let mut whole = BTreeMap::new();
    let mut pods: BTreeMap<String, usize> = BTreeMap::new();
    for ((kind, place, name), object) in &world.store.objects {
        match kind.as_str() {
            "events" => {}
            "pods" => {
                let image = object["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
                let state = if ready(object) { "ready" } else { "not ready" };
                *pods.entry(format!("{place}/{image} {state}")).or_default() += 1;
            }
            "replicasets.apps" if object["spec"]["replicas"] == 0 => {}
            _ => {
                let hash = &object["metadata"]["labels"]["pod-template-hash"];
                let name = hash.as_str().map_or(name.clone(), |hash| name.replace(hash, "HASH"));
                let mut object = object.clone();
                mask(&mut object);
                // Several ReplicaSets of one Deployment may live at once.
                let image = object["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
                let image = if kind == "replicasets.apps" { image } else { "" };
                whole.insert(format!("{kind} {place}/{name} {image}").trim_end().to_owned(), object);
            }
        }
    }
    whole.insert("pods".to_owned(), json!(pods));
    serde_json::to_string_pretty(&whole).unwrap()
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(map) => {
            // A way back re-uses a ReplicaSet and counts on: that is no difference.
            for name in
                ["managedFields", "deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history"]
            {
                map.shift_remove(name);
            }
            let mut sorted: Vec<(String, Value)> = std::mem::take(map).into_iter().collect();
            sorted.sort_by(|one, other| one.0.cmp(&other.0));
            let mut masked = Map::new();
            for (name, mut value) in sorted {
                let varies = matches!(
                    name.as_str(),
                    "uid"
                        | "resourceVersion"
                        | "generation"
                        | "observedGeneration"
                        | "pod-template-hash"
                        | "clusterIP"
                        | "clusterIPs"
                ) || name.ends_with("Time")
                    || name.ends_with("Timestamp");
                // The words of a condition name the ReplicaSet.
                let named = name == "message" && value.as_str().is_some_and(|text| text.contains("ReplicaSet \""));
                if varies || named {
                    value = json!("***");
                } else {
                    mask(&mut value);
                }
                masked.insert(name, value);
            }
            // A ReplicaSet's own name.
            if masked.get("ownerReferences").is_some()
                && let Some(name) = masked.get("name").and_then(Value::as_str).and_then(|name| name.rsplit_once('-'))
            {
                masked["name"] = json!(format!("{}-***", name.0));
            }
            *map = masked;
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}
