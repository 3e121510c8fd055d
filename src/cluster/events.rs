//! Kubernetes Events about an object, for those who look at it with kubectl.
//! Kept out: what is worth an event (`deliver`).

use std::time::SystemTime;

use serde_json::{Value, json};

use super::lease::micro_time;
use super::{Cluster, ClusterError, EVENT, FIELD_MANAGER, Place};

/// The longest message: that of events.k8s.io/v1, in which core events are shown too (recorded from Kubernetes 1.36).
const LONGEST_MESSAGE: usize = 1024;

/// The two types of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventType {
    /// For information.
    Normal,
    /// Something went wrong, or soon will.
    Warning,
}

/// What is said about an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note<'a> {
    /// Its type.
    pub event_type: EventType,
    /// One word in CamelCase, for machines.
    pub reason: &'static str,
    /// For people; cut at 1024 bytes.
    pub message: &'a str,
}

impl Cluster {
    /// Makes an event about an object. `uid` binds it to this object and not to a later one of the same name.
    pub async fn note(&self, about: &Place, uid: Option<&str>, note: &Note<'_>) -> Result<(), ClusterError> {
        let random = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
        // The name of an object takes 253 bytes.
        let stem = cut(&about.name, 230).trim_end_matches(['.', '-']);
        let name = format!("{stem}.{random:016x}");
        let object = event(&name, about, uid, note, SystemTime::now());
        self.create(&EVENT.at(&about.namespace, &name), &object).await.map(drop)
    }
}

fn event(name: &str, about: &Place, uid: Option<&str>, note: &Note<'_>, now: SystemTime) -> Value {
    // Core events have whole seconds.
    let time = format!("{}Z", micro_time(now).split('.').next().unwrap_or_default());
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": about.namespace},
        "involvedObject": {
            "apiVersion": about.resource.api_version(),
            "kind": about.resource.kind,
            "namespace": about.namespace,
            "name": about.name,
        },
        "reason": note.reason,
        "message": cut(note.message, LONGEST_MESSAGE),
        "type": match note.event_type { EventType::Normal => "Normal", EventType::Warning => "Warning" },
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "reportingInstance": FIELD_MANAGER,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    });
    if let (Some(uid), Some(about)) = (uid, object.get_mut("involvedObject").and_then(Value::as_object_mut)) {
        about.insert("uid".to_owned(), Value::from(uid));
    }
    object
}

/// The longest beginning of at most this many bytes that ends between characters.
fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::SERVICE;
    use super::*;

    #[test]
    fn an_event_is_bound_to_its_object_and_its_message_fits() {
        let message = "ä".repeat(600);
        let note = Note { event_type: EventType::Warning, reason: "RolledBack", message: &message };
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let event = event("llm.1", &SERVICE.at("prod", "llm"), Some("u-1"), &note, now);
        assert_eq!(event["message"].as_str().map(str::len), Some(1024));
        assert_eq!(event["involvedObject"]["uid"], "u-1");
        assert_eq!(event["involvedObject"]["namespace"], event["metadata"]["namespace"]);
        assert_eq!(event["firstTimestamp"], "2023-11-14T22:13:20Z");
        assert_eq!(event["type"], "Warning");
        assert_eq!(cut("aä", 2), "a");
    }
}
