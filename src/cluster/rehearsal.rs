//! A dry run: reads see the cluster and what was "written" over it; writes change only that, and are recorded.
//! Kept out: the cluster itself. Workloads are ready at once, so that a dry run can walk the whole of a rollout.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::client::asked;
use super::diff::{Line, diff};
use super::patch::{Unpatched, merged, patched};
use super::write::version_of;
use super::{ClusterError, DEPLOYMENT, Edit, Place, Resource};

/// A write that was not done.
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// `create`, `replace`, `patch`, `apply`, `merge` or `delete`.
    pub method: &'static str,
    /// On what.
    pub place: Place,
    /// The object before it.
    pub before: Option<Value>,
    /// The object after it.
    pub after: Option<Value>,
}

impl Call {
    /// What it would have changed, without what the server counts and reports by itself.
    pub fn lines(&self) -> Vec<Line> {
        let plain = |object: &Option<Value>| {
            let hidden = json!({"status": null, "metadata": {
                "resourceVersion": null, "generation": null, "managedFields": null, "uid": null, "creationTimestamp": null}});
            object.as_ref().map(|object| merged(object, &hidden)).unwrap_or_else(|| json!({}))
        };
        let (before, after) = (plain(&self.before), plain(&self.after));
        let lines = diff(&before, &after);
        // Some writes are of the status alone.
        if lines.is_empty() {
            let status = |object: &Option<Value>| object.as_ref().and_then(|object| object.get("status")).cloned();
            return diff(&json!({"status": status(&self.before)}), &json!({"status": status(&self.after)}));
        }
        lines
    }
}

/// What lies over the cluster.
#[derive(Default)]
pub(super) struct Overlay(Mutex<Written>);

#[derive(Default)]
struct Written {
    /// None: deleted.
    objects: BTreeMap<Place, Option<Value>>,
    calls: Vec<Call>,
}

impl Overlay {
    fn written(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.written().calls.clone()
    }

    /// What was written at a place; `Some(None)` where it was deleted.
    pub(super) fn seen(&self, place: &Place) -> Option<Option<Value>> {
        self.written().objects.get(place).cloned()
    }

    /// The cluster's list with what was written over it. None: a selector that a rehearsal cannot follow.
    pub(super) fn list(
        &self,
        resource: Resource,
        namespace: &str,
        labels: Option<&str>,
        mut items: Vec<Value>,
    ) -> Option<Vec<Value>> {
        let wanted = labels.map(selected).unwrap_or_else(|| Some(Vec::new()))?;
        let written = self.written();
        let here = |place: &&Place| place.resource == resource && place.namespace == namespace;
        items.retain(|item| {
            let name = item.pointer("/metadata/name").and_then(Value::as_str);
            !written.objects.keys().filter(here).any(|place| Some(place.name.as_str()) == name)
        });
        let over = written.objects.iter().filter(|(place, _)| here(place)).filter_map(|(_, object)| object.as_ref());
        items.extend(over.filter(|object| has_labels(object, &wanted)).cloned());
        Some(items)
    }

    pub(super) fn create(&self, place: &Place, found: Option<Value>, object: &Value) -> Result<Value, ClusterError> {
        if found.is_some() {
            return Err(ClusterError::Exists(asked("create", place).says("it is there already")));
        }
        Ok(self.put("create", place, None, object.clone()))
    }

    pub(super) fn replace(&self, place: &Place, found: Value, object: &Value) -> Result<Value, ClusterError> {
        if version_of(&found) != version_of(object) {
            return Err(ClusterError::Conflict(asked("update", place).says("the object has been modified")));
        }
        // As of an object with a status subresource: a replacement does not reach it.
        let mut after = object.clone();
        if let (Some(status), Some(map)) = (found.get("status"), after.as_object_mut()) {
            map.insert("status".to_owned(), status.clone());
        }
        Ok(self.put("replace", place, Some(found), after))
    }

    pub(super) fn edit(&self, place: &Place, found: Value, edits: &[Edit]) -> Result<Value, ClusterError> {
        let asked = asked("patch", place);
        match patched(&found, edits) {
            Ok(after) => Ok(self.put("patch", place, Some(found), after)),
            Err(Unpatched::Test(path)) => Err(ClusterError::Conflict(asked.says(&format!("test of {path} failed")))),
            Err(Unpatched::Path(path)) => Err(ClusterError::Invalid(asked.says(&format!("no such path: {path}")))),
        }
    }

    pub(super) fn apply(&self, place: &Place, found: Option<Value>, object: &Value) -> Result<Value, ClusterError> {
        let after = merged(found.as_ref().unwrap_or(&Value::Null), object);
        Ok(self.put("apply", place, found, after))
    }

    pub(super) fn merge(&self, place: &Place, found: Value, patch: &Value) -> Result<Value, ClusterError> {
        let after = merged(&found, patch);
        Ok(self.put("merge", place, Some(found), after))
    }

    pub(super) fn delete(&self, place: &Place, found: Option<Value>) {
        let mut written = self.written();
        written.objects.insert(place.clone(), None);
        written.calls.push(Call { method: "delete", place: place.clone(), before: found, after: None });
    }

    fn put(&self, method: &'static str, place: &Place, before: Option<Value>, mut after: Value) -> Value {
        let mut written = self.written();
        let count = written.calls.len() + 1;
        let generation = |object: &Value| object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
        let mut metadata = json!({"name": place.name, "namespace": place.namespace});
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.extend(after.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default());
            // A word that no real server counts with: it can never be taken for a real version.
            metadata.insert("resourceVersion".to_owned(), json!(format!("rehearsal-{count}")));
            metadata.entry("uid").or_insert_with(|| json!(format!("rehearsal-{count}")));
            let old = before.as_ref().map_or(0, generation);
            let changed = before.as_ref().and_then(|before| before.get("spec")) != after.get("spec");
            metadata.insert("generation".to_owned(), json!(if changed { old + 1 } else { old.max(1) }));
        }
        if let Some(map) = after.as_object_mut() {
            map.insert("metadata".to_owned(), metadata);
        }
        if place.resource == DEPLOYMENT {
            make_ready(&mut after);
        }
        written.objects.insert(place.clone(), Some(after.clone()));
        written.calls.push(Call { method, place: place.clone(), before, after: Some(after.clone()) });
        after
    }
}

/// The status that the Deployment's controller reaches in the end. What is 0 is absent in it.
fn make_ready(deployment: &mut Value) {
    let replicas = deployment.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let generation = deployment.pointer("/metadata/generation").cloned().unwrap_or_default();
    let mut status = json!({
        "observedGeneration": generation,
        "conditions": [
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
        ],
    });
    if let (Some(map), true) = (status.as_object_mut(), replicas > 0) {
        for count in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
            map.insert(count.to_owned(), json!(replicas));
        }
    }
    if let Some(map) = deployment.as_object_mut() {
        map.insert("status".to_owned(), status);
    }
}

/// `KEY=VALUE` and `KEY==VALUE`, all of them.
fn selected(labels: &str) -> Option<Vec<(String, String)>> {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=')?;
        let value = value.strip_prefix('=').unwrap_or(value);
        let plain = !key.is_empty() && !key.contains(['!', ' ', '(']) && !value.contains(['=', ' ', '(']);
        plain.then(|| (key.to_owned(), value.to_owned()))
    };
    labels.split(',').map(str::trim).filter(|part| !part.is_empty()).map(pair).collect()
}

fn has_labels(object: &Value, wanted: &[(String, String)]) -> bool {
    let labels = object.pointer("/metadata/labels");
    wanted.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str) == Some(value))
}
