//! The report of a rollout: one value, and its surfaces as plain functions of it.
//! Kept out: how a rollout goes (`deliver`).

mod layout;
mod types;

pub use layout::{rollout_json, rollout_markdown, rollout_outputs, rollout_terminal};
pub use types::{ROLLOUT_OUTPUTS, RolloutFinding, RolloutReport, RolloutStep, rollout_schema};
