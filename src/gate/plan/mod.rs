//! What a gate can show with the cases that it has, before anything is asked: whether a rule can pass at all, how many cases
//! would do, and what to expect of early stopping. Pure arithmetic, by the rules of the gate itself.
//! Kept out: how cases are counted (`eval::planned`), what is done about it (`commands`).

mod planned;
mod preflight;
mod regression;
mod threshold;
mod types;
mod words;

#[cfg(test)]
mod tests;

pub use planned::Planned;
pub use preflight::preflight;
pub use regression::{Noise, RegressionCan, measured_variance, plan_regression, regression_can_pass};
pub use threshold::{CanPass, plan_threshold, threshold_can_pass};
pub use types::{
    ExpectedAt, ExpectedDrop, NoiseFrom, PLAN_VERSION, PlanReport, PlannedRule, PlannedSuite, PlannedThreshold,
};
pub(in crate::gate) use words::count;
pub use words::{never, plan_lines};

use super::sequential::{LOOKS, SPENDING};

/// The chance that "four times of five" means.
const POWER: f64 = 0.8;
/// Numbers of units that are searched at most.
const MOST: u64 = 100_000_000;

/// The smallest number of units at which something holds that, once it holds, holds for all larger ones.
fn smallest(holds: impl Fn(u64) -> bool) -> Option<u64> {
    let mut high = 1;
    while !holds(high) {
        high *= 2;
        if high > MOST {
            return None;
        }
    }
    let mut low = high / 2;
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { high = middle } else { low = middle }
    }
    Some(high)
}
