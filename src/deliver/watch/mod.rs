//! What brings a release back after its rollout: rules over windows of the last minutes, decided by bounds and not by point
//! estimates. Pure.
//! Kept out: where readings come from (`probe`), and the way back (`undo`).

mod decide;
mod defaults;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::probe::NoData;
use super::state::Moment;

pub use decide::{decide, next};
pub use defaults::default_rules;

/// What one rule says at a look.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WatchFinding {
    /// The rule's name.
    pub rule: String,
    /// Whether it asks for a rollback.
    pub says: Says,
    /// The share, or the mean, that was measured; none without data.
    pub value: Option<f64>,
    /// The bound that decides: the lower one of a share, the upper one of a mean.
    pub bound: Option<f64>,
    /// What is compared with it: the rule's threshold, or for a quantile the share that may lie above it.
    pub limit: f64,
    /// Samples in the window.
    pub n: u64,
    /// One sentence of our own.
    pub why: String,
    /// Why there is no data, where there is none.
    pub no_data: Option<NoData>,
}

/// What a rule asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Says {
    /// The threshold is broken beyond chance.
    RollBack,
    /// It is not shown to be broken.
    Stay,
    /// There are fewer samples than the rule needs.
    TooFew,
    /// There is no data.
    Nothing,
}

/// What is remembered between looks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Memory {
    /// When the last rollback was.
    pub last_rollback: Option<Moment>,
    /// Since when each rule has had no data; those that have some are not in it.
    pub no_data_since: BTreeMap<String, Moment>,
}

/// What is to be done after a look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    /// Look again.
    Look,
    /// A rule asks for a rollback, and the last one is too recent: its name, and the seconds that are left.
    CoolingDown(String, u64),
    /// This rule has had no data for too long: somebody is told.
    Blind(String),
    /// The release comes back, for this reason.
    RollBack(String),
}
