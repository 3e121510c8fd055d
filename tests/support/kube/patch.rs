//! JSON patch, merge patch and strategic merge patch, as far as kubectl and the programs use them, with the API server's
//! own leniencies (evanphx/json-patch in it: `replace` of a missing key adds it, `test` of a missing key against null holds).

use serde_json::{Map, Value};

/// Applies a JSON patch; none when an operation cannot be done.
pub fn json_patch(object: &Value, patch: &Value) -> Option<Value> {
    let mut object = object.clone();
    for step in patch.as_array()? {
        let path: Vec<String> =
            step["path"].as_str()?.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
        let (last, parents) = path.split_last()?;
        let op = step["op"].as_str()?;
        let value = match op {
            "copy" | "move" => object.pointer(step["from"].as_str()?)?.clone(),
            _ => step.get("value").cloned().unwrap_or(Value::Null),
        };
        if op == "move" {
            let from = serde_json::json!([{"op": "remove", "path": step["from"]}]);
            object = json_patch(&object, &from)?;
        }
        let mut place = &mut object;
        for part in parents {
            place = match place {
                Value::Object(map) => map.get_mut(part)?,
                Value::Array(list) => list.get_mut(part.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        match (op, place) {
            ("test", Value::Object(map)) => {
                if map.get(last).unwrap_or(&Value::Null) != &value {
                    return None;
                }
            }
            ("test", Value::Array(list)) => {
                if list.get(last.parse::<usize>().ok()?)? != &value {
                    return None;
                }
            }
            ("add" | "replace" | "copy" | "move", Value::Object(map)) => {
                map.insert(last.clone(), value);
            }
            ("replace", Value::Array(list)) => *list.get_mut(last.parse::<usize>().ok()?)? = value,
            ("add" | "copy" | "move", Value::Array(list)) => {
                let index = if last == "-" { list.len() } else { last.parse().ok()? };
                if index > list.len() {
                    return None;
                }
                list.insert(index, value);
            }
            ("remove", Value::Object(map)) => {
                map.shift_remove(last)?;
            }
            ("remove", Value::Array(list)) => {
                let index = last.parse::<usize>().ok().filter(|index| *index < list.len())?;
                list.remove(index);
            }
            _ => return None,
        }
    }
    Some(object)
}

/// RFC 7386.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(map) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            map.shift_remove(name);
        } else {
            merge(map.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// The key by which a list of a built-in kind is merged; none: the list is replaced whole.
pub fn merge_key(field: &str, items: &[Value]) -> Option<&'static str> {
    let key = match field {
        "containers" | "initContainers" | "env" | "volumes" => "name",
        "ports" if items.iter().any(|item| item.get("containerPort").is_some()) => "containerPort",
        "ports" => "port",
        "volumeMounts" => "mountPath",
        "conditions" => "type",
        "ownerReferences" => "uid",
        _ => return None,
    };
    items.iter().all(|item| item.get(key).is_some()).then_some(key)
}

/// Strategic merge patch: lists of objects are merged by their key, `$patch: delete` takes an item out.
pub fn strategic(target: &mut Value, patch: &Value, field: &str) {
    match patch {
        Value::Object(patch) => {
            if !target.is_object() || patch.get("$patch").is_some_and(|what| what == "replace") {
                *target = Value::Object(Map::new());
            }
            let Some(map) = target.as_object_mut() else { return };
            if let Some(Value::Array(kept)) = patch.get("$retainKeys") {
                map.retain(|name, _| kept.iter().any(|key| key == name));
            }
            for (name, value) in patch {
                if name.starts_with('$') {
                    continue;
                }
                if value.is_null() {
                    map.shift_remove(name);
                } else {
                    strategic(map.entry(name.clone()).or_insert(Value::Null), value, name);
                }
            }
        }
        Value::Array(items) => {
            let (Some(key), Value::Array(list)) = (merge_key(field, items), &mut *target) else {
                let mut items = items.clone();
                items.retain(|item| item.get("$patch").is_none());
                *target = Value::Array(items);
                return;
            };
            for item in items {
                let at = list.iter().position(|old| old[key] == item[key]);
                match (at, item.get("$patch").is_some_and(|what| what == "delete")) {
                    (Some(at), true) => {
                        list.remove(at);
                    }
                    (Some(at), false) => strategic(&mut list[at], item, ""),
                    (None, true) => {}
                    (None, false) => list.push(item.clone()),
                }
            }
            let taken = std::mem::take(list);
            *list = ordered(taken, items, key);
        }
        _ => *target = patch.clone(),
    }
}

/// The items of the patch in its order, the others where they stood among them.
fn ordered(merged: Vec<Value>, patch: &[Value], key: &str) -> Vec<Value> {
    let place = |item: &Value| patch.iter().position(|one| one[key] == item[key]);
    let (mut named, others): (Vec<_>, Vec<_>) =
        merged.into_iter().enumerate().partition(|(_, item)| place(item).is_some());
    named.sort_by_key(|(_, item)| place(item));
    let (mut named, mut list) = (named.into_iter().peekable(), Vec::new());
    for (at, item) in others {
        while let Some((_, first)) = named.next_if(|(before, _)| *before < at) {
            list.push(first);
        }
        list.push(item);
    }
    list.extend(named.map(|(_, item)| item));
    list
}
