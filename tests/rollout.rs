//! Whole rollouts against an API server on the loopback whose pods come up at once, or not at all: to their end, back again, and
//! killed after every single call.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "rollout/bed.rs"]
mod bed;
#[path = "rollout/ends.rs"]
mod ends;
#[path = "rollout/judged.rs"]
mod judged;
#[path = "rollout/kills.rs"]
mod kills;
#[path = "support/kube/mod.rs"]
mod kube;
#[path = "rollout/server.rs"]
mod server;
#[path = "rollout/troubles.rs"]
mod troubles;
