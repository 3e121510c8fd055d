//! What each receiver takes, written after its documentation and not after our code: docs.slack.dev (`reference/block-kit`,
//! `messaging/formatting-message-text`), PagerDuty/api-schema (`reference/events-v2/openapiv3.json`) with the lengths of
//! PagerDuty/developer-docs, and docs/how-to/rollout-alerts.md for our own web hook.

use regex::Regex;
use serde_json::Value;

/// What Slack would refuse, or make more of than text.
pub fn slack(message: &Value, is_app: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    known(message, &["channel", "text", "blocks", "unfurl_links", "unfurl_media"], &mut wrong);
    if message["channel"].is_string() != is_app {
        wrong.push("a channel is named by apps, and by nobody else".to_owned());
    }
    markup(&message["text"], 40_000, &mut wrong);
    let blocks = message["blocks"].as_array().cloned().unwrap_or_default();
    if blocks.is_empty() || blocks.len() > 50 {
        wrong.push(format!("{} blocks", blocks.len()));
    }
    for block in &blocks {
        match block["type"].as_str() {
            Some("header") => {
                known(block, &["type", "text"], &mut wrong);
                if block["text"]["type"] != "plain_text" {
                    wrong.push("a header is plain text".to_owned());
                }
                text(&block["text"], 150, &mut wrong);
            }
            Some("section") => {
                known(block, &["type", "text", "fields"], &mut wrong);
                let fields = block.get("fields").and_then(Value::as_array).cloned().unwrap_or_default();
                if fields.len() > 10 || (fields.is_empty() && !block["text"].is_object()) {
                    wrong.push(format!("a section of {} fields", fields.len()));
                }
                fields.iter().for_each(|field| text(field, 2000, &mut wrong));
                block.get("text").into_iter().for_each(|field| text(field, 3000, &mut wrong));
            }
            Some("context") => {
                known(block, &["type", "elements"], &mut wrong);
                let elements = block["elements"].as_array().cloned().unwrap_or_default();
                if elements.is_empty() || elements.len() > 10 {
                    wrong.push(format!("a context of {} elements", elements.len()));
                }
                elements.iter().for_each(|element| text(element, 3000, &mut wrong));
            }
            other => wrong.push(format!("a block {other:?}")),
        }
    }
    wrong
}

fn known(value: &Value, known: &[&str], wrong: &mut Vec<String>) {
    match value.as_object() {
        Some(object) => {
            let unknown = object.keys().filter(|key| !known.contains(&key.as_str()));
            wrong.extend(unknown.map(|key| format!("unknown field {key}")));
        }
        None => wrong.push(format!("no object: {value}")),
    }
}

/// A text object.
fn text(object: &Value, most: usize, wrong: &mut Vec<String>) {
    let content = object["text"].as_str().unwrap_or_default();
    let length = content.encode_utf16().count();
    if length == 0 || length > most {
        wrong.push(format!("a text of {length}, of at most {most}"));
    }
    match object["type"].as_str() {
        Some("plain_text") => {
            // Emoji words would become pictures.
            if object["emoji"] != false || object.get("verbatim").is_some() {
                wrong.push("plain text with emoji, or verbatim".to_owned());
            }
        }
        Some("mrkdwn") => {
            if object["verbatim"] != true || object.get("emoji").is_some() {
                wrong.push("markup whose names are completed".to_owned());
            }
        }
        other => wrong.push(format!("a text of type {other:?}")),
    }
    markup(&object["text"], most, wrong);
}

/// What acts in a text: the only control sequence is a link to a page, and every `&` is one of three entities.
fn markup(content: &Value, most: usize, wrong: &mut Vec<String>) {
    let Some(content) = content.as_str().filter(|content| !content.is_empty() && content.len() <= most * 4) else {
        wrong.push(format!("no text: {content}"));
        return;
    };
    let link = Regex::new(r"^<https?://[^<>|\s]+\|the run>$").unwrap();
    let rest = if link.is_match(content) { String::new() } else { content.to_owned() };
    if rest.contains(['<', '>']) {
        wrong.push(format!("a control sequence: {content}"));
    }
    if Regex::new("&(amp|lt|gt);").unwrap().replace_all(content, "").contains('&') {
        wrong.push(format!("an ampersand that is no entity: {content}"));
    }
    if Regex::new(r"(?i)(^|[^\w])@(here|channel|everyone|group)").unwrap().is_match(content) {
        wrong.push(format!("a mention: {content}"));
    }
}

/// What PagerDuty would refuse.
pub fn pagerduty(event: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let allowed = ["payload", "routing_key", "event_action", "dedup_key", "client", "client_url", "links", "images"];
    let Some(fields) = event.as_object() else { return vec!["no object".to_owned()] };
    wrong
        .extend(fields.keys().filter(|key| !allowed.contains(&key.as_str())).map(|key| format!("unknown field {key}")));
    if event["routing_key"].as_str().is_none_or(|key| key.len() != 32) {
        wrong.push("Length of 'routing_key' is incorrect (should be 32 characters)".to_owned());
    }
    if event["dedup_key"].as_str().is_none_or(|key| key.is_empty() || key.len() > 255) {
        wrong.push("no dedup_key of at most 255".to_owned());
    }
    if event.to_string().len() > 512 * 1024 {
        wrong.push("more than 512 KB".to_owned());
    }
    let page = |url: &Value| url.as_str().is_some_and(|url| url.starts_with("https://") || url.starts_with("http://"));
    if fields.contains_key("client_url") && !page(&event["client_url"]) {
        wrong.push(format!("client_url {}", event["client_url"]));
    }
    for link in event["links"].as_array().into_iter().flatten() {
        let known = link.as_object().is_some_and(|link| link.keys().all(|key| key == "href" || key == "text"));
        if !known || !page(&link["href"]) {
            wrong.push(format!("link {link}"));
        }
    }
    match event["event_action"].as_str() {
        Some("resolve") => return wrong,
        Some("trigger") => {}
        other => wrong.push(format!("event_action {other:?}")),
    }
    let payload = &event["payload"];
    let allowed = ["summary", "timestamp", "severity", "source", "component", "group", "class", "custom_details"];
    let Some(fields) = payload.as_object() else { return vec!["no payload".to_owned()] };
    wrong
        .extend(fields.keys().filter(|key| !allowed.contains(&key.as_str())).map(|key| format!("unknown field {key}")));
    if payload["summary"].as_str().is_none_or(|text| text.is_empty() || text.chars().count() > 1024) {
        wrong.push("no summary of at most 1024".to_owned());
    }
    if payload["severity"] != "critical" {
        wrong.push("only what is critical wakes somebody".to_owned());
    }
    if payload["source"].as_str().is_none_or(str::is_empty) {
        wrong.push("no source".to_owned());
    }
    let moment = Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$").unwrap();
    if payload["timestamp"].as_str().is_none_or(|text| !moment.is_match(text)) {
        wrong.push(format!("timestamp {}", payload["timestamp"]));
    }
    if !payload["custom_details"].is_object() {
        wrong.push("custom_details is no object".to_owned());
    }
    wrong
}

/// What our own documentation does not say of a web hook.
pub fn hook(message: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(fields) = message.as_object() else { return vec!["no object".to_owned()] };
    let mut names: Vec<&str> = fields.keys().map(String::as_str).collect();
    names.sort_unstable();
    let documented = [
        "at",
        "canary_percent",
        "event",
        "id",
        "mirror_percent",
        "namespace",
        "new",
        "old",
        "rollout",
        "run",
        "schema",
        "why",
        "workload",
    ];
    if names != documented {
        wrong.push(format!("fields {names:?}"));
    }
    if message["schema"] != 1 {
        wrong.push("another schema".to_owned());
    }
    let events = [
        "started",
        "step",
        "completed",
        "failed",
        "rolled-back",
        "approval-asked",
        "paused",
        "foreign-edit",
        "no-data",
    ];
    if !message["event"].as_str().is_some_and(|event| events.contains(&event)) {
        wrong.push(format!("event {}", message["event"]));
    }
    for side in ["old", "new"] {
        let known = ["image", "model", "revision"];
        if !message[side].as_object().is_some_and(|side| side.keys().all(|key| known.contains(&key.as_str()))) {
            wrong.push(format!("{side} {}", message[side]));
        }
    }
    if !message["run"].is_null() && !message["run"].as_str().is_some_and(|run| run.starts_with("http")) {
        wrong.push(format!("run {}", message["run"]));
    }
    wrong
}
