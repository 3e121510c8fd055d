//! The only place where an HTTP client is built, and the rules of asking again. Every wait has an end.
//! Kept out: what is asked (`eval::model`, `host`).

mod client;
mod limit;
mod metadata;
mod reach;
mod retry;

pub(crate) use client::chain_of;
pub use client::{Body, ClientOptions, NetError, Proxies, client, install_tls_provider, read_body};
pub use limit::Limiter;
pub use metadata::{Metadata, NoMetadata, Told};
pub use reach::{Reach, Refused};
pub use retry::{Answered, Decision, RetryPolicy, decide};
