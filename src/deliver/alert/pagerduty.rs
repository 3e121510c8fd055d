//! PagerDuty's Events API v2: a page begins, or ends. Pure.
//! Sources, read in autumn 2026: PagerDuty/api-schema at 5cd58ff, `reference/events-v2/openapiv3.json` (fields, severities);
//! PagerDuty/developer-docs, `docs/events-API-v2/02-Trigger-Events.md` (lengths).

use serde_json::{Value, json};

use super::{Action, Channel, Notice, action, traffic, web_address};
use crate::report::Sink;
use crate::trust::{Digest, Secret, Untrusted};

/// The longest summary.
const SUMMARY: usize = 1024;
/// The longest `dedup_key`.
const KEY: usize = 255;
/// Letters of an integration's key.
pub(super) const ROUTING_KEY: usize = 32;
/// What one detail may hold: an event of more than 512 KB is refused, and nobody reads more than this.
const DETAIL: usize = 4000;

/// The events of a notice: none for most. The routing key is a part of the body.
pub fn events(notice: &Notice, routing_key: &Secret, sink: &Sink) -> Vec<Value> {
    let event = |action: &str, rollout: &str| json!({"routing_key": routing_key.expose(), "event_action": action, "dedup_key": dedup_key(rollout, sink)});
    match action(Channel::PagerDuty, notice.kind) {
        Action::Nothing | Action::Say => Vec::new(),
        Action::Resolve => {
            // A page that is not open is not opened by its end.
            let rollouts = [Some(notice.rollout.as_str()), notice.recovers.as_deref()];
            rollouts.into_iter().flatten().map(|rollout| event("resolve", rollout)).collect()
        }
        Action::Trigger => {
            let mut event = event("trigger", &notice.rollout);
            if let Some(event) = event.as_object_mut() {
                event.insert("payload".to_owned(), payload(notice, sink));
                event.insert("client".to_owned(), json!("llmci canary-promote"));
                if let Some(url) = notice.run.as_deref().and_then(|url| web_address(url, sink)) {
                    event.insert("client_url".to_owned(), json!(url));
                    event.insert("links".to_owned(), json!([{"href": url, "text": "the run"}]));
                }
            }
            vec![event]
        }
    }
}

fn payload(notice: &Notice, sink: &Sink) -> Value {
    let text = |text: String, most: usize| sink.text(&Untrusted::new(text), most.saturating_sub(3));
    let summary = format!(
        "{}: {}; {}: {}",
        notice.workload,
        notice.kind.words(),
        traffic(notice.split),
        notice.why.raw().replace('\n', " ")
    );
    let mut payload = json!({
        "summary": text(summary, SUMMARY),
        "severity": "critical",
        "source": text(format!("{}/{}", notice.namespace, notice.workload), KEY),
        "component": text(notice.workload.clone(), KEY),
        "group": text(notice.namespace.clone(), KEY),
        "class": notice.kind.word(),
        "custom_details": {
            "why": text(notice.why.raw().to_owned(), DETAIL),
            "old version": text(notice.old.words(), DETAIL),
            "new version": text(notice.new.words(), DETAIL),
            "traffic": traffic(notice.split),
            "rollout": text(notice.rollout.clone(), DETAIL),
        },
    });
    if let (Some(time), Some(payload)) = (notice.time(), payload.as_object_mut()) {
        payload.insert("timestamp".to_owned(), json!(time));
    }
    payload
}

/// The key of a rollout's page: the same for its failure, its rollback and its end.
fn dedup_key(rollout: &str, sink: &Sink) -> String {
    let key = format!("llmci/{rollout}");
    if key.len() <= KEY && sink.whole(&key) == key && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        key
    } else {
        format!("llmci/{}", Digest::of(rollout.as_bytes()).hex())
    }
}
