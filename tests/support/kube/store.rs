//! The objects: versions, uids, generations, and the log that watches read. Nothing here knows of HTTP or of controllers.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::fields::Managers;
use super::kinds::Kind;

/// Group and plural, namespace, name.
pub type Key = (String, String, String);

/// One change, for watches.
#[derive(Clone, Debug)]
pub struct Change {
    pub version: u64,
    pub what: &'static str,
    pub kind: String,
    pub object: Value,
}

/// All objects.
#[derive(Debug, Default)]
pub struct Store {
    pub objects: BTreeMap<Key, Value>,
    pub managers: BTreeMap<Key, Managers>,
    pub log: Vec<Change>,
    pub version: u64,
    /// What the server's clock is ahead of the machine's.
    pub skew: Duration,
    names: u64,
}

/// The key of an object.
pub fn key(kind: &Kind, namespace: &str, name: &str) -> Key {
    (kind.qualified(), namespace.to_owned(), name.to_owned())
}

impl Store {
    /// The server's time.
    pub fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + self.skew
    }

    /// The server's time as objects carry it.
    pub fn stamp(&self) -> String {
        self.now().replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap()
    }

    /// Five letters that no other name got.
    pub fn suffix(&mut self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        self.names += 1;
        let mut left = self.names.wrapping_mul(2_654_435_761) % 14_348_907;
        let mut text = String::new();
        for _ in 0..5 {
            text.push(char::from(LETTERS[(left % 27) as usize]));
            left /= 27;
        }
        text
    }

    pub fn get(&self, kind: &Kind, namespace: &str, name: &str) -> Option<&Value> {
        self.objects.get(&key(kind, namespace, name))
    }

    /// Objects of a kind, of one namespace or of all.
    pub fn list(&self, kind: &Kind, namespace: &str) -> Vec<Value> {
        let qualified = kind.qualified();
        self.objects
            .iter()
            .filter(|((kind, place, _), _)| *kind == qualified && (namespace.is_empty() || place == namespace))
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// Puts a new object in: it is given its uid, version and time.
    pub fn create(&mut self, kind: &Kind, namespace: &str, mut object: Value) -> Value {
        self.version += 1;
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let given = object["metadata"].as_object().cloned().unwrap_or_default();
        let mut metadata = json!({"name": name});
        if kind.namespaced() {
            metadata["namespace"] = json!(namespace);
        }
        let digest = format!("{:016x}", self.version.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        metadata["uid"] = json!(format!(
            "{}-{}-4{}-8{}-{:012x}",
            &digest[..8],
            &digest[8..12],
            &digest[12..15],
            &digest[3..6],
            self.version
        ));
        metadata["resourceVersion"] = json!(self.version.to_string());
        if object.get("spec").is_some()
            && !matches!(kind.kind, "Service" | "Lease" | "HorizontalPodAutoscaler" | "Namespace")
            || kind.custom
        {
            metadata["generation"] = json!(1);
        }
        metadata["creationTimestamp"] = json!(self.stamp());
        for (name, value) in given {
            let ours = ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"];
            if !ours.contains(&name.as_str()) && metadata.get(&name).is_none() {
                metadata[&name] = value;
            }
        }
        let rest = object.as_object_mut().unwrap();
        for name in ["kind", "apiVersion", "metadata"] {
            rest.shift_remove(name);
        }
        let mut whole = json!({"kind": kind.kind, "apiVersion": kind.api_version(), "metadata": metadata});
        whole.as_object_mut().unwrap().extend(std::mem::take(rest));
        self.note("ADDED", kind, &whole);
        self.objects.insert(key(kind, namespace, &name), whole.clone());
        whole
    }

    /// Puts a new state of an object in place; one that changes nothing keeps the version.
    pub fn update(&mut self, kind: &Kind, namespace: &str, name: &str, mut object: Value) -> Value {
        let old = self.objects[&key(kind, namespace, name)].clone();
        for field in ["uid", "resourceVersion", "generation", "creationTimestamp", "name", "namespace"] {
            let kept = old["metadata"][field].clone();
            let metadata = object["metadata"].as_object_mut().unwrap();
            if kept.is_null() {
                metadata.shift_remove(field);
            } else {
                metadata.insert(field.to_owned(), kept);
            }
        }
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.shift_remove("managedFields");
        for field in ["labels", "annotations"] {
            if metadata.get(field).is_some_and(|map| map.as_object().is_none_or(serde_json::Map::is_empty)) {
                metadata.shift_remove(field);
            }
        }
        object["kind"] = json!(kind.kind);
        object["apiVersion"] = json!(kind.api_version());
        if object == old {
            return old;
        }
        if object["spec"] != old["spec"] && !old["metadata"]["generation"].is_null() {
            object["metadata"]["generation"] = json!(old["metadata"]["generation"].as_u64().unwrap_or(0) + 1);
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.note("MODIFIED", kind, &object);
        self.objects.insert(key(kind, namespace, name), object.clone());
        object
    }

    /// Takes an object away, and what it owns.
    pub fn remove(&mut self, kind: &Kind, namespace: &str, name: &str, orphan: bool) -> Option<Value> {
        let key = key(kind, namespace, name);
        let mut object = self.objects.remove(&key)?;
        self.managers.remove(&key);
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.note("DELETED", kind, &object);
        if !orphan {
            let uid = object["metadata"]["uid"].clone();
            for owned in self.owned(&uid) {
                let kind = super::kinds::by_kind(owned["kind"].as_str().unwrap()).unwrap();
                let place = owned["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
                self.remove(kind, &place, owned["metadata"]["name"].as_str().unwrap(), false);
            }
        }
        Some(object)
    }

    /// What this uid owns.
    pub fn owned(&self, uid: &Value) -> Vec<Value> {
        self.objects
            .values()
            .filter(|object| {
                object["metadata"]["ownerReferences"]
                    .as_array()
                    .is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == *uid))
            })
            .cloned()
            .collect()
    }

    fn note(&mut self, what: &'static str, kind: &Kind, object: &Value) {
        self.log.push(Change { version: self.version, what, kind: kind.qualified(), object: object.clone() });
    }
}
