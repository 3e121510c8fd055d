//! Bringing a version to the users step by step, or bringing it back, whatever happens to the process that does it.
//!
//! Data flow: `rollout.yaml` -> [`plan::Plan`]; the cluster keeps a [`state::State`]; a look gives measurements, health and
//! wishes -> [`facts::Facts`] -> [`strategy::next`] -> the next [`Stage`] and its [`Target`] -> the state is written, then the
//! cluster is made to look like the target, then the state says that it does.
//!
//! Kept out: arguments, hosts and reports (`commands`); how a request reaches the cluster (`cluster`).

pub mod alert;
pub mod analysis;
pub mod begin;
pub mod clock;
pub mod drive;
mod ends;
pub mod facts;
pub mod health;
pub mod plan;
pub mod probe;
pub mod reach;
pub mod rights;
pub mod runbook;
mod share;
mod stage;
pub mod state;
pub mod store;
pub mod strategy;
mod target;
pub mod traffic;
mod trouble;
pub mod undo;
pub mod watch;
pub mod workload;

pub use ends::where_the_traffic_is;
pub use share::{Percent, Split};
pub use stage::{Ending, Stage};
pub use target::{Canary, Ready, Stable, Target};
pub use trouble::Trouble;
