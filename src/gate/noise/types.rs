//! The numbers of noise, as `calibration.json` holds them. Shares and rates are from 0 to 1.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::trust::Untrusted;

/// One case in several runs of one model.
#[derive(Clone, PartialEq, Debug)]
pub struct CaseRuns {
    /// The suite's name.
    pub suite: String,
    /// The case's id.
    pub case: Untrusted,
    /// The group of cases that are no independent evidence; a case alone has a number of its own.
    pub cluster: u64,
    /// For each run and repeat whether it passed; none for an error, an unscored or an absent sample.
    pub results: Vec<Vec<Option<bool>>>,
}

/// A share with its interval.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// 0 to 1.
    pub value: f64,
    /// Lower end of the two-sided 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// What it is a share of: pairs of samples, or cases.
    pub n: u64,
}

/// One run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunNoise {
    /// The run's number, from 1.
    pub run: u32,
    /// Its seed.
    pub seed: u64,
    /// Samples.
    pub samples: u64,
    /// Those that passed.
    pub passed: u64,
    /// Those in error.
    pub errors: u64,
    /// Those that no scorer could judge.
    pub unscored: u64,
    /// Passed among those that could be judged; absent where none could.
    pub pass_rate: Option<f64>,
}

/// Two runs, sample by sample.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PairNoise {
    /// The first run's number, from 1.
    pub first: u32,
    /// The second run's number.
    pub second: u32,
    /// Samples that only the second run passed.
    pub newly_passing: u64,
    /// Samples that only the first run passed.
    pub newly_failing: u64,
    /// Samples that could not be judged in one of them.
    pub missing: u64,
    /// The share of samples whose result differs; absent where nothing could be compared.
    pub discordant: Option<Share>,
}

/// A case whose results differ.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlakyCase {
    /// The suite's name.
    pub suite: String,
    /// The case's id.
    pub case: Untrusted,
    /// How many of its samples passed.
    pub passed: u64,
    /// Of how many that could be judged.
    pub judged: u64,
}

/// Where the variance of a case's result comes from: its own randomness, or which case it is.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decomposition {
    /// Mean variance of the results of one case.
    pub within: f64,
    /// Variance of the cases' true rates.
    pub between: f64,
    /// Cases behind it: those that could be judged in every run.
    pub cases: u64,
}

/// What would fit the noise.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Suggestion {
    /// The smallest margin for the pass rate that so many cases show 4 times of 5, rounded up to half a point.
    pub margin: f64,
    /// Repeats of each case, where they would help more than further cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<u64>,
}

/// The noise of several runs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoiseReport {
    /// Every pair of runs.
    pub pairs: Vec<PairNoise>,
    /// Over all runs: the chance that two samples of one case differ.
    pub discordant: Share,
    /// The same as a plan takes it: where fewer than 20 cases differ, no less than so few do not exclude.
    pub planning_share: f64,
    /// The standard error of the difference of two runs' pass rates, 0 to 1: what changes although nothing has changed.
    pub noise_floor: f64,
    /// Independent groups of cases.
    pub groups: u64,
    /// Where the variance comes from; absent where too few cases could be judged in every run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variance: Option<Decomposition>,
    /// Up to 50 cases whose results differ, the most undecided first.
    pub flaky: Vec<FlakyCase>,
    /// All of them.
    pub flaky_count: u64,
    /// What would fit.
    pub suggestion: Suggestion,
}
