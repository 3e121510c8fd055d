//! Who owns which field (`metadata.managedFields`), and server-side apply. Lists without keys, and selectors, are owned whole.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::patch::keys_of;

/// A path to a field, in the words of `fieldsV1`: `f:spec`, `k:{"name":"main"}`, `.`.
pub type Path = Vec<String>;

/// Who writes, and how.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Manager {
    pub name: String,
    pub operation: &'static str,
    pub subresource: String,
}

impl Manager {
    pub fn update(name: &str, subresource: &str) -> Self {
        Self { name: name.to_owned(), operation: "Update", subresource: subresource.to_owned() }
    }
}

/// A field that another manager owns.
pub struct Clash {
    pub owner: String,
    pub field: String,
}

/// The fields of an object that can be owned.
pub fn leaves(object: &Value) -> BTreeSet<Path> {
    let mut out = BTreeSet::new();
    for (key, value) in object.as_object().into_iter().flatten() {
        match key.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    if ["labels", "annotations", "ownerReferences", "finalizers"].contains(&key.as_str()) {
                        walk(value, key, vec!["f:metadata".into(), format!("f:{key}")], &mut out);
                    }
                }
            }
            _ => walk(value, key, vec![format!("f:{key}")], &mut out),
        }
    }
    out
}

fn walk(value: &Value, field: &str, path: Path, out: &mut BTreeSet<Path>) {
    match value {
        Value::Object(map) if !map.is_empty() && field != "selector" => {
            for (key, value) in map {
                walk(value, key, extended(&path, format!("f:{key}")), out);
            }
        }
        Value::Array(items) if !keys_of(field, items).is_empty() => {
            for item in items {
                let path = extended(&path, item_key(field, items, item));
                out.insert(extended(&path, ".".into()));
                walk(item, "", path, out);
            }
        }
        _ => drop(out.insert(path)),
    }
}

fn extended(path: &Path, next: String) -> Path {
    let mut path = path.clone();
    path.push(next);
    path
}

fn item_key(field: &str, items: &[Value], item: &Value) -> String {
    let keys: BTreeMap<&str, Value> = keys_of(field, items)
        .iter()
        .map(|key| {
            (
                *key,
                item.get(*key).cloned().unwrap_or_else(|| if *key == "protocol" { json!("TCP") } else { Value::Null }),
            )
        })
        .collect();
    format!("k:{}", json!(keys))
}

fn at<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    let mut now = object;
    for step in path {
        now = if step == "." {
            now
        } else if let Some(key) = step.strip_prefix("f:") {
            now.get(key)?
        } else {
            let keys: Map<String, Value> = serde_json::from_str(step.strip_prefix("k:")?).ok()?;
            now.as_array()?.iter().find(|item| is_item(item, &keys))?
        };
    }
    Some(now)
}

fn is_item(item: &Value, keys: &Map<String, Value>) -> bool {
    keys.iter().all(|(key, value)| item.get(key) == Some(value) || (key == "protocol" && item.get(key).is_none()))
}

fn remove(object: &mut Value, path: &[String]) {
    let Some((step, rest)) = path.split_first() else { return };
    if let Some(key) = step.strip_prefix("f:") {
        if rest.is_empty() {
            if let Some(map) = object.as_object_mut() {
                map.shift_remove(key);
            }
        } else if let Some(next) = object.get_mut(key) {
            remove(next, rest);
            let empty = next.as_object().is_some_and(Map::is_empty) || next.as_array().is_some_and(Vec::is_empty);
            if empty && key != "spec" && key != "metadata" {
                object.as_object_mut().unwrap().shift_remove(key);
            }
        }
    } else if let Some(Ok(keys)) = step.strip_prefix("k:").map(serde_json::from_str::<Map<String, Value>>) {
        let Some(items) = object.as_array_mut() else { return };
        if rest.first().is_some_and(|step| step == ".") {
            items.retain(|item| !is_item(item, &keys));
        } else if let Some(item) = items.iter_mut().find(|item| is_item(item, &keys)) {
            remove(item, rest);
        }
    }
}

fn words(path: &Path) -> String {
    let mut text = String::new();
    for step in path {
        if let Some(key) = step.strip_prefix("f:") {
            text.push_str(&format!(".{key}"));
        } else if let Some(Ok(keys)) = step.strip_prefix("k:").map(serde_json::from_str::<Map<String, Value>>) {
            let each: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            text.push_str(&format!("[{}]", each.join(",")));
        }
    }
    text
}

type Owners = BTreeMap<Manager, BTreeSet<Path>>;

fn owners(object: &Value) -> Owners {
    let mut owners = Owners::new();
    for entry in object["metadata"]["managedFields"].as_array().into_iter().flatten() {
        let operation = if entry["operation"] == "Apply" { "Apply" } else { "Update" };
        let manager = Manager {
            name: entry["manager"].as_str().unwrap_or_default().to_owned(),
            operation,
            subresource: entry["subresource"].as_str().unwrap_or_default().to_owned(),
        };
        let mut set = BTreeSet::new();
        unfold(&entry["fieldsV1"], &Vec::new(), &mut set);
        owners.insert(manager, set);
    }
    owners
}

fn unfold(tree: &Value, path: &Path, out: &mut BTreeSet<Path>) {
    let map = tree.as_object().cloned().unwrap_or_default();
    if map.is_empty() && !path.is_empty() {
        out.insert(path.clone());
    }
    for (key, tree) in &map {
        unfold(tree, &extended(path, key.clone()), out);
    }
}

fn folded(set: &BTreeSet<Path>) -> Value {
    let mut tree = json!({});
    for path in set {
        let mut now = &mut tree;
        for step in path {
            now = now.as_object_mut().unwrap().entry(step.clone()).or_insert_with(|| json!({}));
        }
    }
    tree
}

fn record(object: &mut Value, owners: &Owners, before: &Value, now: &str) {
    let api_version = object["apiVersion"].clone();
    let old = before["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let entries: Vec<Value> = owners
        .iter()
        .filter(|(_, set)| !set.is_empty())
        .map(|(manager, set)| {
            let mut entry = json!({"manager": manager.name, "operation": manager.operation, "apiVersion": api_version,
                "time": now, "fieldsType": "FieldsV1", "fieldsV1": folded(set)});
            if !manager.subresource.is_empty() {
                entry["subresource"] = json!(manager.subresource);
            }
            let same = |was: &&Value| {
                ["manager", "operation", "subresource", "fieldsV1"].iter().all(|key| was.get(*key) == entry.get(*key))
            };
            if let Some(was) = old.iter().find(same) {
                entry["time"] = was["time"].clone();
            }
            entry
        })
        .collect();
    object["metadata"]["managedFields"] = json!(entries);
}

/// Notes who wrote what in an ordinary write.
pub fn note_update(before: &Value, after: &mut Value, manager: &Manager, now: &str) {
    let mut owners = owners(before);
    let (old, new) = (leaves(before), leaves(after));
    let changed: BTreeSet<Path> = new
        .iter()
        .filter(|path| {
            path.last().is_some_and(|step| step == ".") && !old.contains(*path)
                || path.last().is_none_or(|step| step != ".") && at(before, path) != at(after, path)
        })
        .cloned()
        .collect();
    for set in owners.values_mut() {
        set.retain(|path| new.contains(path) && !changed.contains(path));
    }
    owners.entry(manager.clone()).or_default().extend(changed);
    record(after, &owners, before, now);
}

/// Server-side apply of `config` by a manager on what is there (null: nothing).
pub fn apply(live: &Value, config: &Value, name: &str, force: bool, now: &str) -> Result<Value, Vec<Clash>> {
    let manager = Manager { name: name.to_owned(), operation: "Apply", subresource: String::new() };
    let mut owners = owners(live);
    let wanted = leaves(config);
    let mut clashes = Vec::new();
    for path in &wanted {
        if path.last().is_some_and(|step| step == ".") || at(live, path) == at(config, path) {
            continue;
        }
        for (other, set) in &mut owners {
            if *other != manager && set.contains(path) {
                if force {
                    set.remove(path);
                } else {
                    clashes.push(Clash { owner: title(other, live), field: words(path) });
                }
            }
        }
    }
    if !clashes.is_empty() {
        return Err(clashes);
    }
    let mut merged = merge("", live, config);
    let before = owners.insert(manager.clone(), wanted.clone()).unwrap_or_default();
    for path in before.difference(&wanted) {
        if !owners.values().any(|set| set.contains(path)) {
            remove(&mut merged, path);
        }
    }
    record(&mut merged, &owners, live, now);
    Ok(merged)
}

fn title(manager: &Manager, live: &Value) -> String {
    let mut text = format!("{:?}", manager.name);
    if !manager.subresource.is_empty() {
        text.push_str(&format!(" with subresource {:?}", manager.subresource));
    }
    if manager.operation == "Update" {
        text.push_str(&format!(" using {}", live["apiVersion"].as_str().unwrap_or_default()));
    }
    text
}

fn merge(field: &str, live: &Value, config: &Value) -> Value {
    match (live, config) {
        (Value::Object(old), Value::Object(new)) if field != "selector" => {
            let mut map = old.clone();
            for (key, value) in new {
                let merged = merge(key, old.get(key).unwrap_or(&Value::Null), value);
                map.insert(key.clone(), merged);
            }
            Value::Object(map)
        }
        (Value::Array(old), Value::Array(new)) if !keys_of(field, new).is_empty() => {
            let mut items = old.clone();
            for item in new {
                let key = item_key(field, new, item);
                match items.iter().position(|was| item_key(field, new, was) == key) {
                    Some(index) => items[index] = merge("", &items[index], item),
                    None => items.push(item.clone()),
                }
            }
            Value::Array(items)
        }
        _ => config.clone(),
    }
}
