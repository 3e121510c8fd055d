//! What the tests of routers share: a JSON patch applied as an API server does, and tables of objects.

use serde_json::Value;

use super::super::{Percent, Split, Trouble};
use super::ours::{Entry, clearing, look, shifting};
use crate::cluster::Edit;

/// The object after the edits; a `Test` that does not hold is a panic.
pub(super) fn applied(object: &Value, edits: &[Edit]) -> Value {
    let mut object = object.clone();
    for edit in edits {
        match edit {
            Edit::Test(path, value) => assert_eq!(object.pointer(path), Some(value), "{path}"),
            Edit::Replace(path, value) => *object.pointer_mut(path).expect(path) = value.clone(),
            Edit::Add(path, value) => add(&mut object, path, value),
            Edit::Remove(path) => {
                let (parent, key) = split_path(path);
                match object.pointer_mut(&parent).expect(path) {
                    Value::Object(map) => drop(map.shift_remove(&key).expect(path)),
                    Value::Array(list) => drop(list.remove(key.parse().expect(path))),
                    other => panic!("{path}: {other}"),
                }
            }
        }
    }
    object
}

fn add(object: &mut Value, path: &str, value: &Value) {
    let (parent, key) = split_path(path);
    match object.pointer_mut(&parent).expect(path) {
        Value::Object(map) => drop(map.insert(key, value.clone())),
        Value::Array(list) if key == "-" => list.push(value.clone()),
        Value::Array(list) => list.insert(key.parse().expect(path), value.clone()),
        other => panic!("{path}: {other}"),
    }
}

fn split_path(path: &str) -> (String, String) {
    let (parent, key) = path.rsplit_once('/').expect(path);
    (parent.to_owned(), key.replace("~1", "/").replace("~0", "~"))
}

/// This share to the canary.
pub(super) fn canary(percent: u8) -> Split {
    Split::to_canary(Percent::new(percent).expect("a percent"))
}

/// This share mirrored.
pub(super) fn mirrored(percent: u8) -> Split {
    Split { canary: Percent::ZERO, mirror: Percent::new(percent).expect("a percent") }
}

/// The object after a shift.
pub(super) fn shifted(kind: &dyn Entry, object: &Value, split: Split) -> Value {
    let edits = shifting(kind, object, split).expect("a shift");
    if let Some(first) = edits.first() {
        assert!(matches!(first, Edit::Test(path, _) if path == "/metadata/resourceVersion"));
    }
    let after = applied(object, &edits);
    assert_eq!(look(kind, &after).expect("a look").split, split);
    assert!(shifting(kind, &after, split).expect("a shift").is_empty(), "a shift is done once");
    after
}

/// The object after everything of ours is gone.
pub(super) fn cleared(kind: &dyn Entry, object: &Value) -> Value {
    applied(object, &clearing(kind, object).expect("a clearing"))
}

/// The words of a trouble, with its kind before.
pub(super) fn words<T>(result: Result<T, Trouble>) -> String {
    match result {
        Ok(_) => "fine".to_owned(),
        Err(Trouble::Plan(words)) => format!("plan: {}", words.raw()),
        Err(Trouble::Foreign(words)) => format!("foreign: {}", words.raw()),
        Err(other) => format!("other: {other}"),
    }
}
