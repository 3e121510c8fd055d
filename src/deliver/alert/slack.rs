//! Slack: a message in blocks, for incoming web hooks and `chat.postMessage` alike. Pure.
//!
//! Whatever comes from outside stands in `plain_text`, where nothing is markup; only our own labels and the link are `mrkdwn`,
//! with `verbatim`, so that no name becomes a mention. The text of notifications has no such mode: it is escaped.
//! Sources, read in autumn 2026: docs.slack.dev, `reference/block-kit/blocks/header-block`, `.../section-block`,
//! `.../composition-objects/text-object`, `messaging/formatting-message-text` (escapes, `verbatim`), `reference/block-kit/blocks`
//! (50 blocks a message).

use serde_json::{Value, json};

use super::{Notice, traffic, web_address};
use crate::report::Sink;
use crate::trust::Untrusted;

/// The longest text of a header block.
const HEADER: usize = 150;
/// The longest text of one field of a section.
const FIELD: usize = 2000;
/// The longest text of a section.
const SECTION: usize = 3000;
/// The longest text of a notification that is shown whole. Source: as above; longer ones are cut by clients.
const NOTIFICATION: usize = 3000;

/// The message; `channel` for `chat.postMessage`.
pub fn message(notice: &Notice, channel: Option<&str>, sink: &Sink) -> Value {
    let title = format!("{}: {}", notice.workload, notice.kind.words());
    let versions = format!("{} -> {}", notice.old.words(), notice.new.words());
    let place = format!("{}/{}", notice.namespace, notice.workload);
    let summary = format!("{title}. {}. {}", traffic(notice.split), notice.why.raw());
    let fields: Vec<Value> = [
        ("Workload", place),
        ("Version", versions),
        ("Traffic", traffic(notice.split)),
        ("Rollout", notice.rollout.clone()),
    ]
    .into_iter()
    .flat_map(|(label, value)| [markup(&format!("*{label}*")), plain(sink, value, FIELD)])
    .collect();
    let mut blocks = vec![
        json!({"type": "header", "text": plain(sink, title, HEADER)}),
        json!({"type": "section", "fields": fields}),
    ];
    if !notice.why.raw().trim().is_empty() {
        blocks.push(json!({"type": "section", "text": plain(sink, notice.why.raw().to_owned(), SECTION)}));
    }
    let mut context = Vec::new();
    if let Some(url) = notice.run.as_deref().and_then(|url| web_address(url, sink)) {
        context.push(markup(&format!("<{}|the run>", url.replace('&', "&amp;"))));
    }
    if let Some(time) = notice.time() {
        context.push(markup(&time));
    }
    if !context.is_empty() {
        blocks.push(json!({"type": "context", "elements": context}));
    }
    let text = fit(&sink.text(&Untrusted::new(summary), NOTIFICATION), NOTIFICATION);
    let mut message = json!({"text": text, "blocks": blocks, "unfurl_links": false, "unfurl_media": false});
    if let (Some(channel), Some(message)) = (channel, message.as_object_mut()) {
        message.insert("channel".to_owned(), json!(channel));
    }
    message
}

/// A text object of our own words.
fn markup(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

/// A text object of anybody's words. Slack refuses empty ones.
fn plain(sink: &Sink, text: String, most: usize) -> Value {
    let text = sink.text(&Untrusted::new(text), most);
    let text = if text.trim().is_empty() { "not known".to_owned() } else { fit(&text, most) };
    json!({"type": "plain_text", "text": text, "emoji": false})
}

/// Escaped text of at most so many UTF-16 units, and no half entity.
fn fit(text: &str, most: usize) -> String {
    let units = |text: &str| text.encode_utf16().count();
    let whole = escape(text);
    if units(&whole) <= most {
        return whole;
    }
    let (mut cut, mut used) = (String::new(), 3);
    let mut before = None;
    for letter in text.chars() {
        let escaped = escape_letter(letter, before);
        used += units(&escaped);
        if used > most {
            break;
        }
        cut.push_str(&escaped);
        before = Some(letter);
    }
    cut.push_str("...");
    cut
}

/// Text that mentions nobody and links nothing. Slack's three control characters become entities; an `@` or `#` that begins a
/// word, which some clients complete to a mention, becomes its wide twin. `name@sha256:...` stays as it is.
fn escape(text: &str) -> String {
    let mut before = None;
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        escaped.push_str(&escape_letter(letter, before));
        before = Some(letter);
    }
    escaped
}

fn escape_letter(letter: char, before: Option<char>) -> String {
    let begins_a_word = !before.is_some_and(char::is_alphanumeric);
    match letter {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '@' if begins_a_word => "\u{ff20}".to_owned(),
        '#' if begins_a_word => "\u{ff03}".to_owned(),
        other => other.to_string(),
    }
}
