//! Patches of JSON as values: JSON patch (RFC 6902: add, replace, remove, test), merge patch (RFC 7386), the field-wise
//! merge of an apply, and whether a change is in an object. Pure.
//! Kept out: sending them (`write`), and who owns a field.

use serde_json::{Map, Value};

use super::Edit;

/// Why a JSON patch did not apply. Nothing of it was done then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unpatched {
    /// The `test` of this path does not hold.
    Test(String),
    /// There is no such path, or none in which a value could be put.
    Path(String),
}

/// The object after a JSON patch: all edits, or none. As the API server does it, `replace` also puts a field that is
/// missing in an object that is there, and a missing field equals null in a `test` (recorded from Kubernetes 1.36).
pub fn patched(object: &Value, edits: &[Edit]) -> Result<Value, Unpatched> {
    let mut object = object.clone();
    for edit in edits {
        match edit {
            Edit::Test(path, wanted) => {
                let keys = keys_of(path).ok_or_else(|| Unpatched::Path(path.clone()))?;
                if find(&object, &keys).unwrap_or(&Value::Null) != wanted {
                    return Err(Unpatched::Test(path.clone()));
                }
            }
            Edit::Add(path, value) => put(&mut object, path, value, Put::Add)?,
            Edit::Replace(path, value) => put(&mut object, path, value, Put::Replace)?,
            Edit::Remove(path) => remove(&mut object, path)?,
        }
    }
    Ok(object)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Put {
    Add,
    Replace,
}

/// A pointer from its keys: `~` and `/` are escaped (RFC 6901).
pub fn pointer(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect()
}

fn keys_of(path: &str) -> Option<Vec<String>> {
    if path.is_empty() {
        return Some(Vec::new());
    }
    let rest = path.strip_prefix('/')?;
    rest.split('/').map(unescaped).collect()
}

/// `~2`, or a `~` at the end, is no pointer.
fn unescaped(key: &str) -> Option<String> {
    let mut parts = key.split('~');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let (letter, rest) = match (part.strip_prefix('0'), part.strip_prefix('1')) {
            (Some(rest), _) => ('~', rest),
            (None, Some(rest)) => ('/', rest),
            (None, None) => return None,
        };
        text.push(letter);
        text.push_str(rest);
    }
    Some(text)
}

/// An index has no sign and no zero before it.
fn index_of(key: &str) -> Option<usize> {
    let plain = key == "0" || (!key.starts_with('0') && !key.is_empty());
    (plain && key.bytes().all(|byte| byte.is_ascii_digit())).then(|| key.parse().ok()).flatten()
}

fn find<'a>(object: &'a Value, keys: &[String]) -> Option<&'a Value> {
    keys.iter().try_fold(object, |value, key| match value {
        Value::Object(map) => map.get(key),
        Value::Array(list) => list.get(index_of(key)?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    })
}

fn parent<'a>(object: &'a mut Value, keys: &[String]) -> Option<&'a mut Value> {
    keys.iter().try_fold(object, |value, key| match value {
        Value::Object(map) => map.get_mut(key),
        Value::Array(list) => list.get_mut(index_of(key)?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    })
}

fn put(object: &mut Value, path: &str, value: &Value, how: Put) -> Result<(), Unpatched> {
    let missing = || Unpatched::Path(path.to_owned());
    let keys = keys_of(path).ok_or_else(missing)?;
    let Some((last, before)) = keys.split_last() else {
        *object = value.clone();
        return Ok(());
    };
    match parent(object, before).ok_or_else(missing)? {
        Value::Object(map) => {
            map.insert(last.clone(), value.clone());
        }
        Value::Array(list) if how == Put::Add => {
            let at = if last == "-" { list.len() } else { index_of(last).ok_or_else(missing)? };
            if at > list.len() {
                return Err(missing());
            }
            list.insert(at, value.clone());
        }
        Value::Array(list) => *index_of(last).and_then(|at| list.get_mut(at)).ok_or_else(missing)? = value.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(missing()),
    }
    Ok(())
}

fn remove(object: &mut Value, path: &str) -> Result<(), Unpatched> {
    let missing = || Unpatched::Path(path.to_owned());
    let keys = keys_of(path).ok_or_else(missing)?;
    let (last, before) = keys.split_last().ok_or_else(missing)?;
    match parent(object, before).ok_or_else(missing)? {
        // The order of the other fields stays.
        Value::Object(map) => map.shift_remove(last).map(drop).ok_or_else(missing),
        Value::Array(list) => {
            let at = index_of(last).filter(|at| *at < list.len()).ok_or_else(missing)?;
            list.remove(at);
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(missing()),
    }
}

/// The object after a merge patch: null takes a field away, a list replaces a list.
pub fn merged(object: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut map = object.as_object().cloned().unwrap_or_default();
    for (key, value) in patch {
        if value.is_null() {
            map.shift_remove(key);
        } else {
            let new = merged(map.get(key).unwrap_or(&Value::Null), value);
            map.insert(key.clone(), new);
        }
    }
    Value::Object(map)
}

/// Whether every field of `wanted` is in `object`. What a server adds by itself does not count; nothing and null are one.
pub fn contains(object: &Value, wanted: &Value) -> bool {
    match (object, wanted) {
        (Value::Object(map), Value::Object(wanted)) => wanted.iter().all(|(key, value)| match map.get(key) {
            Some(found) => contains(found, value),
            None => is_nothing(value),
        }),
        (Value::Array(list), Value::Array(wanted)) => {
            list.len() == wanted.len() && list.iter().zip(wanted).all(|(found, value)| contains(found, value))
        }
        _ => object == wanted,
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null()
        || value.as_object().is_some_and(|map| map.values().all(is_nothing))
        || value.as_array().is_some_and(Vec::is_empty)
}

/// Whether two versions of an object say the same, but for what the server counts and what a controller reports.
pub(super) fn same_wish(one: &Value, other: &Value) -> bool {
    wish(one) == wish(other)
}

fn wish(object: &Value) -> Value {
    let mut map = object.as_object().cloned().unwrap_or_default();
    map.shift_remove("status");
    let metadata = map.get("metadata").map(without_versions).unwrap_or_default();
    map.insert("metadata".to_owned(), metadata);
    Value::Object(map)
}

fn without_versions(metadata: &Value) -> Value {
    let mut map: Map<String, Value> = metadata.as_object().cloned().unwrap_or_default();
    for counted in ["resourceVersion", "generation", "managedFields"] {
        map.shift_remove(counted);
    }
    Value::Object(map)
}

/// Whether an object looks as these edits leave it. A patch whose edits cannot be told from its result (a place in a
/// list that was taken away) is never taken for done.
pub(super) fn looks_edited(object: &Value, edits: &[Edit]) -> bool {
    edits.iter().all(|edit| match edit {
        Edit::Test(..) => true,
        Edit::Add(path, value) if path.ends_with("/-") => {
            let list = keys_of(path.trim_end_matches("/-")).and_then(|keys| find(object, &keys).cloned());
            list.as_ref().and_then(Value::as_array).and_then(|list| list.last()).is_some_and(|last| last == value)
        }
        Edit::Add(path, value) | Edit::Replace(path, value) => {
            keys_of(path).and_then(|keys| find(object, &keys)).is_some_and(|found| contains(found, value))
        }
        Edit::Remove(path) => keys_of(path).is_some_and(|keys| find(object, &keys).is_none()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn add(path: &str, value: Value) -> Edit {
        Edit::Add(path.into(), value)
    }
    fn replace(path: &str, value: Value) -> Edit {
        Edit::Replace(path.into(), value)
    }
    fn test(path: &str, value: Value) -> Edit {
        Edit::Test(path.into(), value)
    }
    fn take(path: &str) -> Edit {
        Edit::Remove(path.into())
    }

    #[test]
    fn patches_do_what_the_standard_and_the_api_server_say() {
        let path = |text: &str| Err(Unpatched::Path(text.to_owned()));
        let table = [
            (json!({"a": 1}), vec![add("/b", json!(2))], Ok(json!({"a": 1, "b": 2}))),
            (json!({"a": 1}), vec![add("/a", json!(2))], Ok(json!({"a": 2}))),
            (json!([1, 3]), vec![add("/1", json!(2))], Ok(json!([1, 2, 3]))),
            (json!([1]), vec![add("/-", json!(2))], Ok(json!([1, 2]))),
            (json!([1]), vec![add("/1", json!(2))], Ok(json!([1, 2]))),
            (json!([1]), vec![add("/2", json!(2))], path("/2")),
            (json!([1]), vec![add("/01", json!(2))], path("/01")),
            (json!([1]), vec![add("/+0", json!(2))], path("/+0")),
            (json!([1]), vec![replace("/0", json!(2))], Ok(json!([2]))),
            (json!([1]), vec![replace("/1", json!(2))], path("/1")),
            (json!([1]), vec![replace("/-", json!(2))], path("/-")),
            (json!({"a": {}}), vec![replace("/a/b", json!(2))], Ok(json!({"a": {"b": 2}}))),
            (json!({"a": {}}), vec![replace("/b/c", json!(2))], path("/b/c")),
            (json!({"a": 1}), vec![replace("", json!(2))], Ok(json!(2))),
            (json!({"a": 1, "b": 2, "c": 3}), vec![take("/a")], Ok(json!({"b": 2, "c": 3}))),
            (json!([1, 2]), vec![take("/0")], Ok(json!([2]))),
            (json!({"a": 1}), vec![take("/b")], path("/b")),
            (json!([1]), vec![take("/-")], path("/-")),
            (json!({"a/b": 1, "c~d": 2}), vec![take("/a~1b"), take("/c~0d")], Ok(json!({}))),
            (json!({"~1": 1}), vec![take("/~01")], Ok(json!({}))),
            (json!({"~2": 1}), vec![take("/~2")], path("/~2")),
            (json!({"a": 1}), vec![take("a")], path("a")),
            (json!({"a": 1}), vec![test("/a", json!(1)), take("/a")], Ok(json!({}))),
            (json!({"a": 1}), vec![test("/a", json!("1"))], Err(Unpatched::Test("/a".into()))),
            (json!({"a": 1}), vec![test("/b", json!(null))], Ok(json!({"a": 1}))),
            (json!({"w": 10}), vec![test("/w", json!(10.0))], Err(Unpatched::Test("/w".into()))),
        ];
        for (object, edits, wanted) in table {
            assert_eq!(patched(&object, &edits), wanted, "{object} {edits:?}");
        }
    }

    #[test]
    fn a_patch_that_fails_late_changes_nothing() {
        let object = json!({"a": 1});
        assert!(patched(&object, &[add("/b", json!(2)), test("/a", json!(2))]).is_err());
        assert_eq!(object, json!({"a": 1}));
    }

    #[test]
    fn pointers_are_read_as_they_are_written() {
        for key in ["a/b", "~", "~1", "a~0/b", "llmci.dev/split", ""] {
            assert_eq!(keys_of(&pointer(&["x", key])), Some(vec!["x".to_owned(), key.to_owned()]));
        }
    }

    #[test]
    fn a_merge_patch_takes_away_with_null_and_replaces_lists() {
        let object = json!({"a": {"b": 1, "c": 2}, "l": [1, 2]});
        let patch = json!({"a": {"b": null, "d": {"e": null}}, "l": [3]});
        assert_eq!(merged(&object, &patch), json!({"a": {"c": 2, "d": {}}, "l": [3]}));
    }

    #[test]
    fn what_the_server_adds_is_no_difference_and_what_it_lacks_is_one() {
        let wanted = json!({"spec": {"ports": [{"port": 80}], "x": {}}});
        assert!(contains(&json!({"spec": {"ports": [{"port": 80, "protocol": "TCP"}], "y": 1}}), &wanted));
        assert!(!contains(&json!({"spec": {"ports": [{"port": 81}]}}), &wanted));
        assert!(!contains(&json!({"spec": {"ports": [{"port": 80}, {"port": 81}]}}), &wanted));
        assert!(!contains(&json!({}), &wanted));
    }

    #[test]
    fn an_edit_that_is_not_there_is_never_taken_for_done() {
        let object = json!({"a": 1, "l": [1, 2]});
        assert!(looks_edited(&object, &[test("/a", json!(0)), replace("/a", json!(1)), add("/l/-", json!(2))]));
        assert!(looks_edited(&object, &[take("/b")]));
        for edit in [replace("/a", json!(2)), add("/l/-", json!(1)), take("/l/0"), take("/a"), add("/b", json!(null))] {
            assert!(!looks_edited(&object, std::slice::from_ref(&edit)), "{edit:?}");
        }
    }
}
