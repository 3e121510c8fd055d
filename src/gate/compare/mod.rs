//! A candidate against a baseline: paired where it can be, never by point estimates unless the user asks for the old rule.
//! Kept out: how two runs are brought together (`eval::pairing`), thresholds on one run (`gate::assess`).

mod conclude;
mod data;
mod decide;
mod family;
mod graded;
mod judge;
mod rule;
mod together;
mod tolerance;
mod unpaired;
mod words;

pub use conclude::{Coverage, conclude_comparison};
pub use data::{Attempts, Comparable, PairUnit, Scale, Summary};
pub use decide::{Decision, Levels};
pub use family::{holm_over, settle};
pub use judge::{Asked, Compared, Discordance, Judged, Staged, compare, look};
pub use rule::{FailWhen, RegressionMode, RegressionPolicy, RegressionRule};
pub use together::{Together, compare_together};
pub use unpaired::compare_summaries;
pub use words::{change, magnitude};

#[cfg(test)]
mod tests;
