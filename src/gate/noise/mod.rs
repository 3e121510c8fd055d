//! How much the results of one model differ from run to run: the noise that every comparison has to see through.
//! Kept out: where the runs come from (`commands::calibrate`), what a margin means (`gate::compare`).

mod measure;
mod types;

#[cfg(test)]
mod tests;

pub use measure::{flips, half_points_up, noise, planning_share};
pub use types::{CaseRuns, Decomposition, FlakyCase, NoiseReport, PairNoise, RunNoise, Share, Suggestion};
