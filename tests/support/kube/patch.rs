//! Patches: JSON patch as the API server does it, merge patch, strategic merge patch for the lists that kubectl touches.

use serde_json::{Map, Value};

/// A JSON patch: all of it or none. As the real server: `replace` of a missing key adds it, `test` against null holds where
/// nothing is, and numbers are compared as written.
pub fn json_patch(object: &Value, patch: &Value) -> Result<Value, ()> {
    let mut now = object.clone();
    for step in patch.as_array().ok_or(())? {
        let path = step["path"].as_str().ok_or(())?;
        let value = step.get("value").cloned().unwrap_or_default();
        match step["op"].as_str().ok_or(())? {
            "test" => {
                let there = now.pointer(path).unwrap_or(&Value::Null);
                if *there != value {
                    return Err(());
                }
            }
            "add" => insert(&mut now, path, value, Insert::New)?,
            "replace" => insert(&mut now, path, value, Insert::Over)?,
            "remove" => drop(take(&mut now, path)?),
            "move" => {
                let moved = take(&mut now, step["from"].as_str().ok_or(())?)?;
                insert(&mut now, path, moved, Insert::New)?;
            }
            "copy" => {
                let copied = now.pointer(step["from"].as_str().ok_or(())?).cloned().ok_or(())?;
                insert(&mut now, path, copied, Insert::New)?;
            }
            _ => return Err(()),
        }
    }
    Ok(now)
}

enum Insert {
    New,
    Over,
}

fn parent<'a>(object: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), ()> {
    let (parent, last) = path.rsplit_once('/').ok_or(())?;
    let last = last.replace("~1", "/").replace("~0", "~");
    Ok((object.pointer_mut(parent).ok_or(())?, last))
}

fn insert(object: &mut Value, path: &str, value: Value, how: Insert) -> Result<(), ()> {
    if path.is_empty() {
        *object = value;
        return Ok(());
    }
    let (parent, last) = parent(object, path)?;
    match parent {
        Value::Object(map) => drop(map.insert(last, value)),
        Value::Array(list) if last == "-" => list.push(value),
        Value::Array(list) => {
            let index: usize = last.parse().map_err(|_| ())?;
            match how {
                Insert::New if index <= list.len() => list.insert(index, value),
                Insert::Over if index < list.len() => list[index] = value,
                Insert::New | Insert::Over => return Err(()),
            }
        }
        _ => return Err(()),
    }
    Ok(())
}

fn take(object: &mut Value, path: &str) -> Result<Value, ()> {
    let (parent, last) = parent(object, path)?;
    match parent {
        Value::Object(map) => map.shift_remove(&last).ok_or(()),
        Value::Array(list) => {
            let index: usize = last.parse().map_err(|_| ())?;
            if index < list.len() { Ok(list.remove(index)) } else { Err(()) }
        }
        _ => Err(()),
    }
}

/// RFC 7396.
pub fn merge(object: &Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else { return patch.clone() };
    let mut map = object.as_object().cloned().unwrap_or_default();
    for (key, change) in changes {
        if change.is_null() {
            map.shift_remove(key);
        } else {
            let merged = merge(map.get(key).unwrap_or(&Value::Null), change);
            map.insert(key.clone(), merged);
        }
    }
    Value::Object(map)
}

/// The key by which items of a list are told apart: `k8s.io/api` `patchMergeKey` and `listMapKey`.
pub fn list_keys(field: &str) -> &'static [&'static str] {
    match field {
        "containers" | "initContainers" | "ephemeralContainers" | "env" | "volumes" | "imagePullSecrets" => &["name"],
        "volumeMounts" => &["mountPath"],
        "conditions" => &["type"],
        "ownerReferences" => &["uid"],
        _ => &[],
    }
}

/// The key of a list's items, where `ports` may be a container's or a Service's.
pub fn keys_of(field: &str, items: &[Value]) -> &'static [&'static str] {
    let container = |item: &Value| item.get("containerPort").is_some();
    match field {
        "ports" if items.iter().any(container) => &["containerPort", "protocol"],
        "ports" if items.iter().any(|item| item.get("port").is_some()) => &["port", "protocol"],
        other => list_keys(other),
    }
}

/// Strategic merge patch: lists with keys are merged, `$patch: delete` and `$retainKeys` are known, order directives are not.
pub fn strategic(field: &str, object: &Value, patch: &Value) -> Value {
    match (object, patch) {
        (_, Value::Object(changes)) => {
            if changes.get("$patch").is_some_and(|what| what == "replace") {
                let mut new = changes.clone();
                new.shift_remove("$patch");
                return Value::Object(new);
            }
            let mut map = object.as_object().cloned().unwrap_or_default();
            if let Some(retained) = changes.get("$retainKeys").and_then(Value::as_array) {
                map.retain(|key, _| retained.iter().any(|kept| kept == key.as_str()));
            }
            for (key, change) in changes {
                if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/") {
                    let gone = change.as_array().cloned().unwrap_or_default();
                    if let Some(items) = map.get_mut(list).and_then(Value::as_array_mut) {
                        items.retain(|item| !gone.contains(item));
                    }
                } else if key.starts_with('$') {
                    // `$setElementOrder` is read with its list.
                } else if change.is_null() {
                    map.shift_remove(key);
                } else {
                    let mut merged = strategic(key, map.get(key).unwrap_or(&Value::Null), change);
                    if let Some(order) = changes.get(&format!("$setElementOrder/{key}")) {
                        sort(&mut merged, order);
                    }
                    map.insert(key.clone(), merged);
                }
            }
            Value::Object(map)
        }
        (_, Value::Array(changes)) => {
            let old = object.as_array().cloned().unwrap_or_default();
            let merge_keys: &[&str] = match field {
                "ports" => &keys_of(field, changes)[..keys_of(field, changes).len().min(1)],
                other => list_keys(other),
            };
            if merge_keys.is_empty() || !changes.iter().all(Value::is_object) {
                return patch.clone();
            }
            let mut items = old;
            let mut new = Vec::new();
            for change in changes {
                let same = |item: &Value| merge_keys.iter().all(|key| item.get(*key) == change.get(*key));
                let at = items.iter().position(same);
                match (at, change["$patch"] == "delete") {
                    (Some(at), true) => drop(items.remove(at)),
                    (None, true) => {}
                    (Some(at), false) => items[at] = strategic("", &items[at], change),
                    (None, false) => new.push(strategic("", &Value::Object(Map::new()), change)),
                }
            }
            // As the real server: without an order, what is new comes first.
            new.extend(items);
            Value::Array(new)
        }
        _ => patch.clone(),
    }
}

/// Puts a list into the order that a client asks for: each entry of it names the key of an item.
fn sort(list: &mut Value, order: &Value) {
    let (Some(items), Some(order)) = (list.as_array_mut(), order.as_array()) else { return };
    let is = |item: &Value, wanted: &Value| {
        wanted.as_object().is_some_and(|keys| keys.iter().all(|(key, value)| item.get(key) == Some(value)))
    };
    items.sort_by_key(|item| order.iter().position(|wanted| is(item, wanted)).unwrap_or(order.len()));
}
