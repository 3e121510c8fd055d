//! A web hook of one's own: a notice as JSON with a version, and its signature. Pure.

use hmac::{Hmac, KeyInit, Mac};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::Sha256;

use super::Notice;
use crate::report::Sink;
use crate::trust::{Hasher, Secret, Untrusted, escape_json};

/// The header of the signature: `t=<seconds since 1970>,v1=<64 hexadecimal digits>`.
pub const SIGNATURE_HEADER: &str = "X-Llmci-Signature";
/// The header of the event's word.
pub const EVENT_HEADER: &str = "X-Llmci-Event";
/// The header of the notice's id: a notice that is sent twice has one id.
pub const ID_HEADER: &str = "X-Llmci-Id";
/// The most of one text.
const TEXT: usize = 4000;

/// A version of the workload.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct MessageVersion {
    /// The container's image.
    pub image: Option<String>,
    /// The model's version.
    pub model: Option<String>,
    /// The workload's revision.
    pub revision: Option<String>,
}

/// The body of a web hook. Fields are added within a schema version; none is taken away or changes its meaning.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct Message {
    /// The version of this format: 1.
    pub schema: u32,
    /// The notice's id: the same when it is sent again.
    pub id: String,
    /// `started`, `step`, `completed`, `failed`, `rolled-back`, `approval-asked`, `paused`, `foreign-edit` or `no-data`.
    pub event: String,
    /// When, in RFC 3339.
    pub at: Option<String>,
    /// The rollout's own name.
    pub rollout: String,
    /// The workload.
    pub workload: String,
    /// Its namespace.
    pub namespace: String,
    /// The version before.
    pub old: MessageVersion,
    /// The version that is brought out.
    pub new: MessageVersion,
    /// The share of users that has the new version, in percent.
    pub canary_percent: u8,
    /// The share of stable's requests that is mirrored to the new version, in percent.
    pub mirror_percent: u8,
    /// Why, in plain words, which may quote names and messages from the cluster: escape them.
    pub why: String,
    /// A page that shows the run.
    pub run: Option<String>,
}

/// The body: JSON without a character that hides or acts.
pub fn body(notice: &Notice, sink: &Sink) -> String {
    let message = message(notice, sink);
    // Strings, numbers and nulls: writing them cannot fail.
    escape_json(&serde_json::to_string(&message).unwrap_or_default()).into_owned()
}

fn message(notice: &Notice, sink: &Sink) -> Message {
    let Notice { kind, rollout, recovers: _, workload, namespace, old, new, split, why, run, at: _ } = notice;
    let text = |text: &str| sink.text(&Untrusted::new(text), TEXT);
    let version = |version: &super::Version| MessageVersion {
        image: version.image.as_deref().map(text),
        model: version.model.as_deref().map(text),
        revision: version.revision.as_deref().map(text),
    };
    Message {
        schema: 1,
        id: id(notice),
        event: kind.word().to_owned(),
        at: notice.time(),
        rollout: text(rollout),
        workload: text(workload),
        namespace: text(namespace),
        old: version(old),
        new: version(new),
        canary_percent: split.canary.get(),
        mirror_percent: split.mirror.get(),
        why: text(why.raw()),
        run: run.as_deref().and_then(super::web_address),
    }
}

/// The notice's id: by its rollout, kind, traffic and moment.
pub(super) fn id(notice: &Notice) -> String {
    let mut hasher = Hasher::new();
    hasher.part(notice.rollout.as_bytes()).part(notice.kind.word().as_bytes());
    hasher.part(&[notice.split.canary.get(), notice.split.mirror.get()]).part(&notice.at.0.to_le_bytes());
    hasher.finish().hex().chars().take(32).collect()
}

/// The signature's header: HMAC with SHA-256 over `<t>.<body>`, so that an old message cannot be sent again as a new one.
pub fn signature(body: &str, seconds: u64, key: &Secret) -> String {
    let hex = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).map(|mut mac| {
        mac.update(format!("{seconds}.{body}").as_bytes());
        let bytes = mac.finalize().into_bytes();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    });
    // Keys of every length are taken: HMAC hashes long ones.
    format!("t={seconds},v1={}", hex.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_that_openssl_makes() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac Jefe
        let signed = signature("{}", 1_700_000_000, &Secret::new("Jefe"));
        assert_eq!(signed, "t=1700000000,v1=d3793e2b4103edfbd98cc19591832f5fad701d413db9fcae0ae7dab8184ed207");
    }
}
