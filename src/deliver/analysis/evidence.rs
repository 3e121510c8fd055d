//! What the looks of a rollout have shown so far. It travels with the state.
//! Kept out: how a look's counts become evidence (`rate`, `quantile`, `level`).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::probe::{Buckets, Tally};

/// Logarithms are kept within this, so that they stay numbers in JSON; no verdict depends on what lies beyond.
const FAR: f64 = 700.0;

/// What earlier steps and looks have shown, by rule. It travels with the state: a step that is resumed does not begin anew.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// By the rule's name.
    pub rules: BTreeMap<String, RuleEvidence>,
}

/// What is known of one rule.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct RuleEvidence {
    /// Windows that were closed: steps that were left, or begun anew.
    pub windows: u32,
    /// The logarithm of the capital that bets on "the rule is broken" had when the last window was closed; 0 before that.
    pub broken_before: f64,
    /// The logarithm by which this window's counts multiply it.
    pub old_capital: f64,
    /// The logarithm by which this window's counts multiply the capital that begins with the window.
    pub new_capital: f64,
    /// Looks in a row at which a level was good (above 0) or bad (below 0).
    pub streak: i32,
    /// What stable showed when it last had traffic of its own.
    pub stable: Option<Seen>,
}

/// What stable showed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// Counts of a rate.
    Counts(Tally),
    /// A latency.
    Buckets(Buckets),
    /// A level, of the whole traffic where it grows with the traffic.
    Level(f64),
}

impl Evidence {
    /// Ends the window: once when a step is left, and whenever the counts begin anew within a step. A second call without a
    /// look between changes nothing but the shares of capital that later windows begin with.
    pub fn close_step(&mut self) {
        for rule in self.rules.values_mut() {
            rule.broken_before = rule.broken();
            rule.windows = rule.windows.saturating_add(1);
            rule.old_capital = 0.0;
            rule.new_capital = 0.0;
            rule.streak = 0;
        }
    }
}

impl RuleEvidence {
    /// The logarithm of the evidence that the rule is broken. Each window brings capital of its own, 1/2, 1/6, 1/12 and so on
    /// of 1 in all, so that good steps before do not hide a version that breaks under more traffic.
    /// Source: Ville's inequality for the sum of the capitals, whose expectations sum to at most 1.
    pub fn broken(&self) -> f64 {
        let window = f64::from(self.windows) + 1.0;
        let fresh = self.new_capital - (window * (window + 1.0)).ln();
        if self.windows == 0 {
            return bounded(fresh);
        }
        let old = self.broken_before + self.old_capital;
        let (low, high) = (old.min(fresh), old.max(fresh));
        bounded(high + (low - high).exp().ln_1p())
    }

    /// Takes this window's counts in place of those of the look before.
    pub(super) fn weigh(&mut self, weight: Weight) {
        self.old_capital = bounded(weight.old);
        self.new_capital = bounded(weight.new);
    }
}

/// The logarithms of a window's evidence.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Weight {
    /// For capital from before: nothing that has been counted in it may count again.
    pub(super) old: f64,
    /// For capital of this window.
    pub(super) new: f64,
}

fn bounded(log: f64) -> f64 {
    if log.is_nan() { -FAR } else { log.clamp(-FAR, FAR) }
}
