//! Who owns which field, and server-side apply: kept beside the objects, since only its conflicts are looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::kinds::Kind;
use super::patch::merge_key;
use super::reply::{Reply, failure};

/// A step of a path: a field, or an item of a list by its key (`name="main"`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Field(String),
    Item(String, String),
}

pub type Path = Vec<Step>;

/// Who wrote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Manager {
    pub name: String,
    pub apply: bool,
    pub version: String,
}

/// The fields of each manager.
pub type Managers = BTreeMap<Manager, BTreeSet<Path>>;

/// The path as the server writes it.
pub fn words(path: &Path) -> String {
    let mut text = String::new();
    for step in path {
        let _ = match step {
            Step::Field(name) => write!(text, ".{name}"),
            Step::Item(key, value) => write!(text, "[{key}={value}]"),
        };
    }
    text
}

/// The leaves of an object that can be owned.
pub fn leaves(kind: &Kind, object: &Value) -> BTreeMap<Path, Value> {
    let mut found = BTreeMap::new();
    let Some(map) = object.as_object() else { return found };
    for (name, value) in map {
        let path = vec![Step::Field(name.clone())];
        match name.as_str() {
            "kind" | "apiVersion" | "status" => {}
            "metadata" => {
                for field in ["labels", "annotations", "ownerReferences", "finalizers"] {
                    if let Some(value) = value.get(field) {
                        let path = vec![path[0].clone(), Step::Field(field.to_owned())];
                        walk(false, path, field, value, &mut found);
                    }
                }
            }
            _ => walk(kind.custom, path, name, value, &mut found),
        }
    }
    found
}

fn walk(custom: bool, path: Path, field: &str, value: &Value, found: &mut BTreeMap<Path, Value>) {
    match value {
        // Selectors are atomic maps.
        Value::Object(map) if !map.is_empty() && (custom || field != "selector") => {
            for (name, value) in map {
                let mut path = path.clone();
                path.push(Step::Field(name.clone()));
                walk(custom, path, name, value, found);
            }
        }
        Value::Array(items) if !custom && merge_key(field, items).is_some() => {
            let Some(key) = merge_key(field, items) else { return };
            for item in items {
                let mut path = path.clone();
                path.push(Step::Item(key.to_owned(), item[key].to_string()));
                walk(custom, path, "", item, found);
            }
        }
        _ => {
            found.insert(path, value.clone());
        }
    }
}

/// An ordinary write: what it changed becomes its manager's.
pub fn updated(managers: &mut Managers, manager: &Manager, kind: &Kind, old: &Value, new: &Value) {
    let (old, new) = (leaves(kind, old), leaves(kind, new));
    let changed: BTreeSet<Path> =
        new.iter().filter(|(path, value)| old.get(*path) != Some(value)).map(|(path, _)| path.clone()).collect();
    if changed.is_empty() && old.len() == new.len() {
        return;
    }
    for (owner, paths) in managers.iter_mut() {
        paths.retain(|path| new.contains_key(path) && (owner == manager || !changed.contains(path)));
    }
    managers.entry(manager.clone()).or_default().extend(changed);
    managers.retain(|_, paths| !paths.is_empty());
}

/// Server-side apply: the object with the body in it, or the conflict.
pub fn apply(
    managers: &mut Managers,
    manager: &Manager,
    kind: &Kind,
    live: &Value,
    body: &Value,
    force: bool,
) -> Result<Value, Reply> {
    let (present, wanted) = (leaves(kind, live), leaves(kind, body));
    let mut conflicts: BTreeMap<Manager, Vec<Path>> = BTreeMap::new();
    for (path, value) in &wanted {
        if present.get(path) == Some(value) {
            continue;
        }
        for (owner, paths) in managers.iter() {
            // A whole map or list that was one leaf may have become several: the shorter path is in conflict too.
            if owner != manager && paths.iter().any(|owned| owned == path) {
                conflicts.entry(owner.clone()).or_default().push(path.clone());
            }
        }
    }
    if !conflicts.is_empty() && !force {
        return Err(conflict(&conflicts));
    }
    for (owner, paths) in &conflicts {
        if let Some(owned) = managers.get_mut(owner) {
            owned.retain(|path| !paths.contains(path));
        }
    }
    let mut object = live.clone();
    for path in managers.get(manager).cloned().unwrap_or_default() {
        let others = managers.iter().any(|(owner, paths)| owner != manager && paths.contains(&path));
        if !wanted.contains_key(&path) && !others {
            remove(&mut object, &path);
        }
    }
    for (path, value) in &wanted {
        set(&mut object, path, value);
    }
    managers.insert(manager.clone(), wanted.into_keys().collect());
    managers.retain(|_, paths| !paths.is_empty());
    Ok(object)
}

fn conflict(conflicts: &BTreeMap<Manager, Vec<Path>>) -> Reply {
    let owner = |manager: &Manager| {
        if manager.apply {
            format!("\"{}\"", manager.name)
        } else {
            format!("\"{}\" using {}", manager.name, manager.version)
        }
    };
    let count: usize = conflicts.values().map(Vec::len).sum();
    let mut text = String::new();
    let mut causes = Vec::new();
    for (manager, paths) in conflicts {
        if count > 1 {
            let _ = write!(text, "{}conflicts with {}:", if text.is_empty() { "" } else { "\n" }, owner(manager));
        }
        for path in paths {
            let message = format!("conflict with {}", owner(manager));
            let _ = if count > 1 {
                write!(text, "\n- {}", words(path))
            } else {
                write!(text, "{message}: {}", words(path))
            };
            causes.push(json!({"reason": "FieldManagerConflict", "message": message, "field": words(path)}));
        }
    }
    let message = format!("Apply failed with {count} conflict{}: {text}", if count == 1 { "" } else { "s" });
    failure(409, "Conflict", &message, Some(json!({"causes": causes})))
}

fn set(object: &mut Value, path: &[Step], value: &Value) {
    let Some((step, rest)) = path.split_first() else {
        *object = value.clone();
        return;
    };
    match step {
        Step::Field(name) => {
            if !object.is_object() {
                *object = Value::Object(Map::new());
            }
            set(object.as_object_mut().unwrap().entry(name.clone()).or_insert(Value::Null), rest, value);
        }
        Step::Item(key, wanted) => {
            if !object.is_array() {
                *object = json!([]);
            }
            let list = object.as_array_mut().unwrap();
            let wanted: Value = serde_json::from_str(wanted).unwrap();
            let at = list.iter().position(|item| item[key] == wanted).unwrap_or_else(|| {
                list.push(json!({key.as_str(): wanted}));
                list.len() - 1
            });
            set(&mut list[at], rest, value);
        }
    }
}

fn remove(object: &mut Value, path: &[Step]) {
    match path {
        [Step::Field(name)] => {
            if let Some(map) = object.as_object_mut() {
                map.shift_remove(name);
            }
        }
        [Step::Field(name), rest @ ..] => {
            if let Some(inner) = object.get_mut(name) {
                remove(inner, rest);
            }
        }
        [Step::Item(key, wanted), rest @ ..] => {
            let Some(list) = object.as_array_mut() else { return };
            let wanted: Value = serde_json::from_str(wanted).unwrap();
            if let Some(at) = list.iter().position(|item| item[key] == wanted) {
                remove(&mut list[at], rest);
                // An item of which only its key is left was ours alone.
                if list[at].as_object().is_none_or(|item| item.len() <= 1) {
                    list.remove(at);
                }
            }
        }
        [] => {}
    }
}
