//! What may be believed: untrusted text, secrets and digests as types, and the redactor that stands before every sink.
//! Kept out: how a sink escapes text (`report::Sink`), and where secrets come from (`cli`, `host`).

mod clean;
mod cut;
mod digest;
mod redact;
mod secret;
mod untrusted;

pub use clean::{clean, escape_json};
pub use cut::{beginning, without_broken_word};
pub use digest::{Digest, Hasher};
pub use redact::Redactor;
pub use secret::Secret;
pub use untrusted::Untrusted;
