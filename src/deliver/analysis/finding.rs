//! What one rule says at a look.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::probe::NoData;
use super::words;
use crate::gate::Verdict;

/// What one rule says at a look.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The rule's name.
    pub rule: String,
    /// What it says.
    pub verdict: Verdict,
    /// The canary's value: a share, a quantile's bound, a level; none without data.
    pub canary: Option<f64>,
    /// Stable's.
    pub stable: Option<f64>,
    /// An interval of the canary's value, where there is one.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
    /// The bound that the rule sets.
    pub bound: Option<f64>,
    /// Requests of the canary.
    pub n: u64,
    /// One sentence of our own, with numbers.
    pub why: String,
    /// Why there is no data, where there is none.
    pub no_data: Option<NoData>,
}

impl Finding {
    /// Nothing is known, for a reason of our own.
    pub(super) fn undecided(rule: &str, why: &str) -> Self {
        Self {
            rule: rule.to_owned(),
            verdict: Verdict::Inconclusive,
            canary: None,
            stable: None,
            low: None,
            high: None,
            bound: None,
            n: 0,
            why: why.to_owned(),
            no_data: None,
        }
    }

    /// The canary has no data.
    pub(super) fn no_data(rule: &str, no_data: NoData) -> Self {
        let why = format!("no data of the canary: {}", words::no_data(&no_data));
        Self { no_data: Some(no_data), ..Self::undecided(rule, &why) }
    }

    /// The reading is of another kind than the rule.
    pub(super) fn mismatched(rule: &str) -> Self {
        let why = "the reading is not of the kind that the rule asks for";
        Self { no_data: Some(NoData::Ambiguous(0)), ..Self::undecided(rule, why) }
    }

    /// The rule and its sentence.
    pub(super) fn sentence(&self) -> String {
        format!("{}: {}", self.rule, self.why)
    }
}
