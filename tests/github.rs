//! Publishing on GitHub: whole runs of the real binary, and the publisher with a clock that is moved by hand, against a
//! stateful stand-in behind a judge that holds requests and replies to GitHub's own OpenAPI description.
#![expect(clippy::unwrap_used, clippy::expect_used, unreachable_pub, reason = "tests")]

#[path = "github/faults.rs"]
mod faults;
#[path = "github/flows.rs"]
mod flows;
#[path = "github/hostile.rs"]
mod hostile;
#[path = "github/publisher.rs"]
mod publisher;
#[path = "github/safety.rs"]
mod safety;
#[path = "github/schedules.rs"]
mod schedules;
#[path = "github/server.rs"]
mod server;
mod support;
