//! All objects as stable JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::store::World;

/// What changes from run to run, by the name of its field.
const MASKED: &[&str] = &[
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "lastUpdateTime",
    "lastTransitionTime",
    "startTime",
    "startedAt",
    "renewTime",
    "acquireTime",
    "firstTimestamp",
    "lastTimestamp",
    "time",
    "abortedAt",
];

/// Keys are `Kind/namespace/name`; pods are told apart by a running number. Managed fields and events are left out.
pub fn of(world: &World) -> Value {
    let mut all = Map::new();
    let mut pods: BTreeMap<String, usize> = BTreeMap::new();
    for (key, object) in &world.objects {
        if key.plural == "events" {
            continue;
        }
        let mut object = sorted(object);
        if let Some(meta) = object["metadata"].as_object_mut() {
            meta.shift_remove("managedFields");
        }
        let mut name = key.name.clone();
        if key.plural == "pods" {
            let base = name.rsplit_once('-').map_or(name.clone(), |(base, _)| base.to_owned());
            let number = pods.entry(base.clone()).or_default();
            *number += 1;
            name = format!("{base}-#{number}");
            object["metadata"]["name"] = json!(name);
        }
        all.insert(format!("{}/{}/{name}", key.kind().kind, key.namespace), object);
    }
    Value::Object(all)
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            let masked = |key: &String, value: &Value| {
                if MASKED.contains(&key.as_str()) && value.is_string() { json!("…") } else { sorted(value) }
            };
            Value::Object(keys.into_iter().map(|key| (key.clone(), masked(key, &map[key]))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}
