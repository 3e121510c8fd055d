//! Small pieces of work on objects as they come from the API: places within them, edits, and a form in which two of them can
//! be compared.
//! Kept out: what the pieces mean.

use std::collections::BTreeSet;

pub(super) use super::super::trouble::misfit;
pub(super) use super::super::workload::text;
use serde_json::{Map, Value};

use super::super::Trouble;
use crate::cluster::{Cluster, ClusterError, Edit, Place};
use crate::trust::Untrusted;

/// The list at a JSON pointer; none is an empty one.
pub(super) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Somebody else changed what was ours.
pub(super) fn foreign(words: impl Into<String>) -> Trouble {
    Trouble::Foreign(Untrusted::new(words))
}

/// Reads what the plan names; an object that is not there is the plan's fault.
pub(super) async fn read(cluster: &Cluster, place: &Place) -> Result<Value, Trouble> {
    match cluster.get(place).await {
        Ok(object) => Ok(object),
        // No group and version answers there: the cluster room says it in these words.
        Err(ClusterError::NotFound(text)) if text.raw().contains(crate::cluster::NOT_SERVED) => {
            let (kind, version) = (place.resource.kind, place.resource.api_version());
            Err(misfit(format!("the cluster knows no {kind} of {version}: it is not installed, or too old")))
        }
        Err(ClusterError::NotFound(_)) => Err(misfit(format!("there is no {}", place.words()))),
        Err(error) => Err(error.into()),
    }
}

/// The first edit of every patch: nobody wrote in between.
pub(super) fn unchanged(object: &Value) -> Result<Edit, Trouble> {
    let pointer = "/metadata/resourceVersion";
    match object.pointer(pointer) {
        Some(version @ Value::String(_)) => Ok(Edit::Test(pointer.to_owned(), version.clone())),
        Some(_) | None => {
            Err(Trouble::Cluster(ClusterError::Other(200, "an object without a resourceVersion".to_owned().into())))
        }
    }
}

/// A key as a part of a JSON pointer.
pub(super) fn part(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// An annotation's text.
pub(super) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(key)?.as_str()
}

/// Puts an annotation.
pub(super) fn annotate(object: &Value, key: &str, value: &str) -> Edit {
    match object.pointer("/metadata/annotations") {
        Some(Value::Object(_)) => Edit::Add(format!("/metadata/annotations/{}", part(key)), value.into()),
        Some(_) | None => {
            let only = Map::from_iter([(key.to_owned(), Value::from(value))]);
            Edit::Add("/metadata/annotations".to_owned(), Value::Object(only))
        }
    }
}

/// Takes an annotation away, and the map with it where nothing else is in it, as it was before.
pub(super) fn unannotate(object: &Value, key: &str) -> Option<Edit> {
    let map = object.pointer("/metadata/annotations")?.as_object()?;
    map.get(key)?;
    let whole = map.len() == 1;
    Some(Edit::Remove(if whole {
        "/metadata/annotations".to_owned()
    } else {
        format!("/metadata/annotations/{}", part(key))
    }))
}

/// The named fields of an entry, those that are there.
pub(super) fn pick(entry: &Value, fields: &[&str]) -> Value {
    let found = fields.iter().filter_map(|field| Some(((*field).to_owned(), entry.get(*field)?.clone())));
    Value::Object(found.collect())
}

/// The edits that make the named fields of the entry at `pointer` those of `after`; nothing else of the object is named.
pub(super) fn changes(pointer: &str, before: &Value, after: &Value, fields: &[&str]) -> Vec<Edit> {
    let at = |field: &str| format!("{pointer}/{}", part(field));
    fields
        .iter()
        .filter_map(|field| match (before.get(*field), after.get(*field)) {
            (Some(old), Some(new)) if old == new => None,
            (Some(_), Some(new)) => Some(Edit::Replace(at(field), new.clone())),
            (None, Some(new)) => Some(Edit::Add(at(field), new.clone())),
            (Some(_), None) => Some(Edit::Remove(at(field))),
            (None, None) => None,
        })
        .collect()
}

/// Text that is the same for values that mean the same: keys in order, whole numbers without a fraction.
pub(super) fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            let fields: Vec<String> = keys
                .into_iter()
                .map(|key| {
                    let value = map.get(key).map(canonical).unwrap_or_default();
                    format!("{}:{value}", Value::from(key.as_str()))
                })
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Number(number) => match number.as_f64() {
            Some(real) if real.fract() == 0.0 && real.abs() < 1e15 => format!("{real:.0}"),
            Some(_) | None => number.to_string(),
        },
        Value::Null | Value::Bool(_) | Value::String(_) => value.to_string(),
    }
}

/// Who wrote last, besides us, by `metadata.managedFields`: a GitOps controller is named there. Times are whole seconds there, so
/// that there may be several.
pub(super) fn last_writer(object: &Value) -> Option<String> {
    let part = |entry: &Value, name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let others: Vec<(String, String)> = list(object, "/metadata/managedFields")
        .iter()
        .filter(|entry| part(entry, "subresource").is_empty())
        .map(|entry| (part(entry, "time"), part(entry, "manager")))
        .filter(|(_, manager)| manager != crate::cluster::FIELD_MANAGER && !manager.is_empty())
        .collect();
    let newest = others.iter().map(|(time, _)| time).max()?;
    let last: BTreeSet<&str> =
        others.iter().filter(|(time, _)| time == newest).map(|(_, manager)| manager.as_str()).collect();
    Some(last.into_iter().collect::<Vec<_>>().join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_that_mean_the_same_have_one_text() {
        let one = json!({"b": 10.0, "a": [1, {"y": null, "x": "t"}]});
        let two = json!({"a": [1, {"x": "t", "y": null}], "b": 10});
        assert_eq!(canonical(&one), canonical(&two));
        assert_ne!(canonical(&one), canonical(&json!({"a": [1], "b": 10.5})));
        assert_ne!(canonical(&json!(["a,b"])), canonical(&json!(["a", "b"])));
    }

    #[test]
    fn only_fields_that_differ_are_edited() {
        let edits = changes("/spec", &json!({"a": 1, "b": 2, "z": 9}), &json!({"a": 1, "c": 3}), &["a", "b", "c"]);
        assert_eq!(edits, [Edit::Remove("/spec/b".into()), Edit::Add("/spec/c".into(), json!(3))]);
    }

    #[test]
    fn the_last_writer_is_the_newest_that_is_not_us() {
        let object = json!({"metadata": {"managedFields": [
            {"manager": "argocd", "time": "2026-01-02T00:00:00Z"},
            {"manager": "llmci", "time": "2026-01-03T00:00:00Z"},
            {"manager": "istiod", "time": "2026-01-04T00:00:00Z", "subresource": "status"},
            {"manager": "kubectl", "time": "2026-01-01T00:00:00Z"}]}});
        assert_eq!(last_writer(&object).as_deref(), Some("argocd"));
        let even = json!({"metadata": {"managedFields": [
            {"manager": "kubectl", "time": "2026-01-02T00:00:00Z"}, {"manager": "argocd", "time": "2026-01-02T00:00:00Z"}]}});
        assert_eq!(last_writer(&even).as_deref(), Some("argocd or kubectl"));
        assert_eq!(last_writer(&json!({})), None);
    }
}
