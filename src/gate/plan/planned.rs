//! How much a run will have in the scope of one rule.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Cases, samples and independent groups of a scope.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// Cases.
    pub cases: u64,
    /// Samples: cases times their repeats.
    pub samples: u64,
    /// Independent groups: clusters, and cases without one.
    pub groups: u64,
    /// The fewest samples of one case; 0 without any case.
    pub fewest_repeats: u32,
    /// The most samples of one case.
    pub most_repeats: u32,
}

impl Planned {
    /// So many independent cases with one sample each.
    pub fn single(cases: u64) -> Self {
        Self { cases, samples: cases, groups: cases, fewest_repeats: 1, most_repeats: 1 }
    }

    /// Whether every case is alone in its group and has one sample: then yes-or-no results are judged exactly.
    pub fn is_single(&self) -> bool {
        self.groups == self.cases && self.samples == self.cases
    }
}
