//! `safety-gate` from outside: the real binary against models that do what an attacker says, and models that do not.
#![expect(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "tests")]

mod support;

#[path = "safety_gate/baseline.rs"]
mod baseline;
#[path = "safety_gate/cast.rs"]
mod cast;
#[path = "safety_gate/dialogues.rs"]
mod dialogues;
#[path = "safety_gate/guards.rs"]
mod guards;
#[path = "safety_gate/inputs.rs"]
mod inputs;
#[path = "safety_gate/model.rs"]
mod model;
#[path = "safety_gate/pull_request.rs"]
mod pull_request;
#[path = "safety_gate/results.rs"]
mod results;
#[path = "safety_gate/shipped.rs"]
mod shipped;
#[path = "safety_gate/surfaces.rs"]
mod surfaces;
#[path = "safety_gate/verdict.rs"]
mod verdict;
