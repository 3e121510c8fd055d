//! The objects, their versions, and what follows from a write: managed fields, generation, watches, garbage collection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::apply::{Manager, note_update};
use super::faults::{Call, Fault, Hook};
use super::kinds::Kind;
use super::{deployment, others, pods, rollout};

/// Where an object stands.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key {
    pub group: String,
    pub plural: String,
    pub namespace: String,
    pub name: String,
}

impl Key {
    pub fn new(kind: &str, namespace: &str, name: &str) -> Self {
        let kind = Kind::named(kind);
        Self {
            group: kind.group.into(),
            plural: kind.plural.into(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    pub fn kind(&self) -> &'static Kind {
        Kind::of(&self.group, &self.plural).unwrap()
    }
}

/// A change, for those who watch.
#[derive(Clone, Debug)]
pub struct Change {
    pub version: u64,
    pub what: &'static str,
    pub key: Key,
    pub object: Value,
}

/// Everything behind the API.
#[derive(Default)]
pub struct World {
    pub objects: BTreeMap<Key, Value>,
    pub version: u64,
    pub changes: Vec<Change>,
    pub tokens: BTreeSet<String>,
    /// Calls without a token are let in.
    pub anonymous: bool,
    /// (verb, resource) that the account may not do.
    pub denied: BTreeSet<(String, String)>,
    /// Groups whose definitions are not installed.
    pub absent: BTreeSet<String>,
    /// Whether pods of an image are ready, where the test has said so.
    pub ready: BTreeMap<String, bool>,
    pub hpa: BTreeMap<(String, String), i64>,
    /// Controllers run only by `step`.
    pub by_hand: bool,
    pub advanced: Duration,
    pub skew: i64,
    pub serial: u64,
    pub calls: Vec<Call>,
    pub faults: VecDeque<(String, Fault)>,
    pub hooks: Vec<Hook>,
}

impl World {
    /// The cluster's time, in milliseconds since 1970.
    pub fn now_millis(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + self.advanced;
        i64::try_from(since.as_millis()).unwrap()
    }

    /// The cluster's time as objects carry it.
    pub fn now(&self) -> String {
        let time = OffsetDateTime::from_unix_timestamp(self.now_millis() / 1000).unwrap();
        time.format(&Rfc3339).unwrap()
    }

    pub fn get(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key)
    }

    /// All objects of a kind in a namespace.
    pub fn all(&self, kind: &str, namespace: &str) -> Vec<Value> {
        let kind = Kind::named(kind);
        let of = |key: &Key| key.plural == kind.plural && key.group == kind.group && key.namespace == namespace;
        self.objects.iter().filter(|(key, _)| of(key)).map(|(_, object)| object.clone()).collect()
    }

    /// Those of a kind whose controller is this object.
    pub fn owned(&self, kind: &str, owner: &Value) -> Vec<Value> {
        let uid = &owner["metadata"]["uid"];
        let mut all = self.all(kind, text(&owner["metadata"]["namespace"]));
        all.retain(|object| {
            let mut owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
            owners.any(|owner| owner["uid"] == *uid && owner["controller"] == true)
        });
        all
    }

    fn uid(&mut self) -> String {
        self.serial += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.serial)
    }

    /// A name that no other object has, in the server's letters.
    pub fn suffix(&mut self) -> String {
        self.serial += 1;
        let letters = b"bcdfghjklmnpqrstvwxz2456789";
        let mut rest = self.serial.wrapping_mul(2_654_435_761) % 14_348_907;
        let mut word = String::new();
        for _ in 0..5 {
            word.push(char::from(letters[usize::try_from(rest % 27).unwrap()]));
            rest /= 27;
        }
        word
    }

    /// Puts a new object in. The caller has seen that none is there.
    pub fn create(&mut self, key: &Key, mut object: Value, manager: &Manager) -> Value {
        self.stamp(key, &mut object);
        object["metadata"].as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let now = self.now();
        if manager.operation == "Update" {
            note_update(&json!({}), &mut object, manager, &now);
        }
        self.keep("ADDED", key, object)
    }

    /// What the server writes into a new object.
    pub fn stamp(&mut self, key: &Key, object: &mut Value) {
        let meta = &mut object["metadata"];
        meta["name"] = json!(key.name);
        meta["namespace"] = json!(key.namespace);
        meta["uid"] = json!(self.uid());
        meta["creationTimestamp"] = json!(self.now());
        if key.kind().generation {
            meta["generation"] = json!(1);
        }
    }

    fn keep(&mut self, what: &'static str, key: &Key, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(key.clone(), object.clone());
        self.changes.push(Change { version: self.version, what, key: key.clone(), object: object.clone() });
        object
    }

    /// Writes over an object. What changes nothing keeps its version.
    pub fn update(&mut self, key: &Key, mut object: Value, manager: &Manager) -> Value {
        let before = self.objects[key].clone();
        for field in ["uid", "creationTimestamp", "name", "namespace", "generation", "resourceVersion"] {
            if !before["metadata"][field].is_null() {
                object["metadata"][field] = before["metadata"][field].clone();
            }
        }
        if key.kind().generation && differ(&before, &object) {
            object["metadata"]["generation"] = json!(before["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
        }
        if manager.operation == "Update" {
            if bare(&before) == bare(&object) {
                return before;
            }
            object["metadata"]["managedFields"] = before["metadata"]["managedFields"].clone();
            let now = self.now();
            note_update(&before, &mut object, manager, &now);
        }
        if before == object {
            return before;
        }
        self.keep("MODIFIED", key, object)
    }

    /// Writes `status` as a controller does.
    pub fn set_status(&mut self, key: &Key, status: Value, manager: &str) -> bool {
        let Some(before) = self.get(key).cloned() else { return false };
        let mut object = before.clone();
        object["status"] = status;
        self.update(key, object, &Manager::update(manager, "status"))["metadata"]["resourceVersion"]
            != before["metadata"]["resourceVersion"]
    }

    pub fn remove(&mut self, key: &Key) {
        if let Some(mut object) = self.objects.remove(key) {
            self.version += 1;
            object["metadata"]["resourceVersion"] = json!(self.version.to_string());
            self.changes.push(Change { version: self.version, what: "DELETED", key: key.clone(), object });
        }
    }

    /// The key of an object that is in the store.
    pub fn key_of(object: &Value, kind: &str) -> Key {
        Key::new(kind, text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]))
    }

    /// A note of a controller, as `kubectl describe` shows it.
    pub fn event(&mut self, about: &Value, kind: &str, level: &str, reason: &str, message: &str, component: &str) {
        let meta = &about["metadata"];
        let name = format!("{}.{:x}", text(&meta["name"]), self.version + 1);
        let key = Key::new("Event", text(&meta["namespace"]), &name);
        let about_kind = Kind::named(kind);
        let now = self.now();
        let event = json!({"kind": "Event", "apiVersion": "v1", "metadata": {}, "involvedObject": {"kind": kind,
            "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"],
            "apiVersion": about_kind.api_version(about_kind.versions[0]), "resourceVersion": meta["resourceVersion"]},
            "reason": reason, "message": message, "source": {"component": component}, "firstTimestamp": now,
            "lastTimestamp": now, "count": 1, "type": level, "eventTime": null, "reportingComponent": component,
            "reportingInstance": ""});
        self.create(&key, event, &Manager::update(component, ""));
    }

    /// Runs the controllers until nothing changes any more.
    pub fn settle(&mut self) {
        for _ in 0..500 {
            if !self.step() {
                return;
            }
        }
        panic!("the stub's controllers never come to rest");
    }

    /// One round of every controller.
    pub fn step(&mut self) -> bool {
        let before = self.version;
        self.collect();
        others::scale(self);
        deployment::run(self);
        rollout::run(self);
        pods::run(self);
        others::serve(self);
        self.version != before
    }

    /// Deletes what is owned by objects that are gone.
    fn collect(&mut self) {
        let uids: BTreeSet<String> =
            self.objects.values().map(|object| text(&object["metadata"]["uid"]).to_owned()).collect();
        let gone: Vec<Key> = self
            .objects
            .iter()
            .filter(|(_, object)| {
                let owners = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
                !owners.is_empty() && !owners.iter().any(|owner| uids.contains(text(&owner["uid"])))
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.remove(&key);
        }
    }
}

fn differ(before: &Value, after: &Value) -> bool {
    let strip = |object: &Value| {
        let mut object = object.clone();
        let map = object.as_object_mut().unwrap();
        map.shift_remove("metadata");
        map.shift_remove("status");
        object
    };
    strip(before) != strip(after)
}

fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(meta) = object["metadata"].as_object_mut() {
        meta.shift_remove("managedFields");
        meta.shift_remove("resourceVersion");
    }
    object
}

/// A string of an object, or nothing.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whether labels fit a selector of plain pairs. An empty selector fits nothing.
pub fn fits(labels: &Value, selector: &Value) -> bool {
    let pairs = selector.as_object();
    pairs.is_some_and(|pairs| !pairs.is_empty() && pairs.iter().all(|(key, value)| labels.get(key) == Some(value)))
}
