//! What may be believed: untrusted text, secrets and digests as types, and the redactor that stands before every sink.
//! Kept out: how a sink escapes text (`report::escape`), and where secrets come from (`cli`, `host`).

mod digest;
mod secret;
mod untrusted;

pub use digest::{Digest, Hasher};
pub use secret::Secret;
pub use untrusted::Untrusted;
