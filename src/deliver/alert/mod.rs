//! Notices about a rollout: what is said, to whom, and how it looks in each channel. A notice that cannot be sent is reported;
//! it never changes the rollout.
//! Kept out: when a notice is due (`drive`, `watch`), deployments of GitHub and GitLab (`host`).

mod pagerduty;
mod route;
mod send;
mod slack;
mod webhook;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Split;
use super::state::{Moment, State, Version};
use crate::document;
use crate::report::Sink;
use crate::trust::Untrusted;

pub use pagerduty::events;
pub use route::{Action, Channel, action};
pub use send::Channels;
pub use slack::message;
pub use webhook::{EVENT_HEADER, ID_HEADER, Message, SIGNATURE_HEADER, body, signature};

/// What a person is wanted for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// The next step waits for `approve`.
    Approval,
    /// The rollout stays where it is until it is resumed or aborted.
    Paused,
    /// Somebody else changed what the rollout had set, and nothing was overwritten.
    ForeignEdit,
}

/// What has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A rollout has begun.
    Started,
    /// A step was reached.
    Step,
    /// Everybody has the new version.
    Completed,
    /// The rollout could not be brought to an end: where the traffic is, `why` says as far as it is known.
    Failed,
    /// The traffic is back at the old version.
    RolledBack,
    /// A person is wanted.
    Attention(Wanted),
    /// There have been no measurements for too long.
    NoData,
}

impl Kind {
    /// Every kind, for tables and tests over all of them.
    pub const ALL: [Kind; 9] = [
        Kind::Started,
        Kind::Step,
        Kind::Completed,
        Kind::Failed,
        Kind::RolledBack,
        Kind::Attention(Wanted::Approval),
        Kind::Attention(Wanted::Paused),
        Kind::Attention(Wanted::ForeignEdit),
        Kind::NoData,
    ];

    /// In words, as the title of a message.
    pub fn words(self) -> &'static str {
        match self {
            Kind::Started => "rollout started",
            Kind::Step => "next step reached",
            Kind::Completed => "rollout completed",
            Kind::Failed => "rollout failed",
            Kind::RolledBack => "rolled back",
            Kind::Attention(Wanted::Approval) => "approval is asked for",
            Kind::Attention(Wanted::Paused) => "rollout paused",
            Kind::Attention(Wanted::ForeignEdit) => "changed by somebody else: rollout stopped",
            Kind::NoData => "no measurements",
        }
    }

    /// One word, as it stands in web hooks.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Started => "started",
            Kind::Step => "step",
            Kind::Completed => "completed",
            Kind::Failed => "failed",
            Kind::RolledBack => "rolled-back",
            Kind::Attention(Wanted::Approval) => "approval-asked",
            Kind::Attention(Wanted::Paused) => "paused",
            Kind::Attention(Wanted::ForeignEdit) => "foreign-edit",
            Kind::NoData => "no-data",
        }
    }
}

/// One notice. Names and reasons may come from a cluster or a pull request: every channel escapes them.
#[derive(Clone, PartialEq, Debug)]
pub struct Notice {
    /// What has happened.
    pub kind: Kind,
    /// The rollout's own name.
    pub rollout: String,
    /// An earlier rollout of this workload that ended badly and whose page is still open; a completed one ends it.
    pub recovers: Option<String>,
    /// The workload.
    pub workload: String,
    /// Its namespace.
    pub namespace: String,
    /// The version before.
    pub old: Version,
    /// The version that is brought out.
    pub new: Version,
    /// Where the traffic is.
    pub split: Split,
    /// Why, in plain words.
    pub why: Untrusted,
    /// A page that shows the run.
    pub run: Option<String>,
    /// When.
    pub at: Moment,
}

impl Notice {
    /// The notice of what a rollout's state says.
    pub fn of(state: &State, kind: Kind, at: Moment) -> Self {
        Self {
            kind,
            rollout: state.id.clone(),
            recovers: state.notes.get(RECOVERS).cloned(),
            workload: state.plan.workload.name.clone(),
            namespace: state.plan.workload.namespace().to_owned(),
            old: state.old.clone(),
            new: state.new.clone(),
            split: state.split,
            why: Untrusted::new(state.why.as_str()),
            run: state.owner.url.clone(),
            at,
        }
    }

    /// RFC 3339 in UTC; none for a moment that no calendar has.
    pub(crate) fn time(&self) -> Option<String> {
        self.at.rfc3339()
    }
}

/// The note of a state under which [`Notice::recovers`] is kept.
pub const RECOVERS: &str = "recovers";

/// Where the traffic is, in one line.
fn traffic(split: Split) -> String {
    let mirrored = match split.mirror.get() {
        0 => String::new(),
        percent => format!(", {percent} % of the requests mirrored"),
    };
    format!("{} % on the new version{mirrored}", split.canary.get())
}

/// An address of the web, and nothing else that a client could follow; none where it holds a secret.
fn web_address(text: &str, sink: &Sink) -> Option<String> {
    let url = reqwest::Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "https" | "http") && url.username().is_empty() && url.password().is_none();
    // The parser has encoded every character that could end a link; what is longer than this no client takes.
    let text = url.to_string();
    (plain && sink.whole(&text) == text && text.len() <= 2000 && !text.contains(['<', '>', '|', '"', '\'', '`', ' ']))
        .then_some(text)
}

/// The published schema of a web hook's body: file name and text.
pub fn schema() -> (&'static str, String) {
    ("notice.schema.json", document::schema_text::<Message>("llmci notice (web hook of canary-promote)"))
}
