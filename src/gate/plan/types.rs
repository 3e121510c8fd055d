//! What `llmci plan` says, for machines. Shares and chances are numbers from 0 to 1.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::planned::Planned;
use crate::gate::compare::{RegressionMode, Scale};
use crate::gate::{DecideBy, Direction, MetricName};
use crate::trust::Untrusted;

/// The version of `llmci plan --json`; it changes only with the changelog.
pub const PLAN_VERSION: u32 = 1;

/// Everything that a plan says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanReport {
    /// [`PLAN_VERSION`] at the time of writing.
    pub plan_version: u32,
    /// Whether every required rule can pass with these cases.
    pub possible: bool,
    /// The suites, in order, after the filters.
    pub suites: Vec<PlannedSuite>,
    /// `--level` and `--tags` as they were given.
    pub filters: Vec<String>,
    /// The thresholds of the gate, in the order of the policy.
    pub thresholds: Vec<PlannedThreshold>,
    /// The rules of the comparison, in the order of the policy; the standard one where it names none.
    pub rules: Vec<PlannedRule>,
}

/// One suite.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedSuite {
    /// `name:` of the suite.
    pub name: String,
    /// The file, as the policy or the command line names it.
    pub path: Untrusted,
    /// What is left of it after the filters.
    pub planned: Planned,
}

/// One threshold, and what it can show.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedThreshold {
    /// The metric.
    pub metric: MetricName,
    /// The part of the samples; absent for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The bound, in the metric's unit.
    pub bound: f64,
    /// `higher` for a smallest value, `lower` for a largest one.
    pub direction: Direction,
    /// One-sided confidence of the decision.
    pub confidence: f64,
    /// By interval or by point estimate.
    pub decide_by: DecideBy,
    /// Whether the gate depends on it.
    pub required: bool,
    /// What is in its scope.
    pub planned: Planned,
    /// Independent units that the rule counts, at most: a named score or a latency may be there for fewer.
    pub units: u64,
    /// Whether any result could pass.
    pub possible: bool,
    /// Units of which a perfect result passes; absent where no number would do.
    pub needed: Option<u64>,
    /// Units that may fail in a pass, where results are independent and yes or no (or taken as such).
    pub failures_allowed: Option<u64>,
    /// The true rate from which on the verdict is a pass 4 times of 5, likewise.
    pub passes_at: Option<f64>,
    /// The true rate up to which the verdict is a fail 4 times of 5, likewise.
    pub fails_at: Option<f64>,
    /// What a test with 20 looks does at some true rates, likewise.
    pub early: Vec<ExpectedAt>,
}

/// What a threshold with early stopping does at one true rate.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedAt {
    /// The true rate, in the metric's unit.
    pub rate: f64,
    /// The chance of a pass.
    pub pass: f64,
    /// The chance of a failure.
    pub fail: f64,
    /// The chance of neither.
    pub inconclusive: f64,
    /// The mean share of the samples that are drawn.
    pub share: f64,
    /// The mean number of units that are drawn.
    pub units: f64,
}

/// Where the discordant share comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NoiseFrom {
    /// `--calibration`.
    Calibration,
    /// The repeats of `--baseline`.
    Baseline,
    /// Nothing was measured: a usual value.
    Assumed,
}

/// One rule of the comparison, and what it can show.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedRule {
    /// The metric.
    pub metric: MetricName,
    /// The part of the samples; absent for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// `paired`, or the legacy `tolerance`, of which nothing can be planned.
    pub mode: RegressionMode,
    /// Whether the sides are compared by their difference or by their ratio.
    pub scale: Scale,
    /// The margin, in the unit of the difference.
    pub margin: f64,
    /// One-sided confidence of both decisions.
    pub confidence: f64,
    /// Whether the gate depends on it.
    pub required: bool,
    /// What is in its scope.
    pub planned: Planned,
    /// Independent pairs, at most.
    pub pairs: u64,
    /// Whether a candidate that changes no answer would pass (on the ratio scale: whether anything could).
    pub possible: bool,
    /// Pairs of which such a candidate passes.
    pub needed_unchanged: Option<u64>,
    /// The share of samples whose result differs between two runs of one model.
    pub discordant: f64,
    /// Where that share comes from.
    pub discordant_from: NoiseFrom,
    /// The variance of one pair's difference where the calibration has measured it by this very rule (of logarithms on the
    /// ratio scale); it then comes before the discordant share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variance: Option<f64>,
    /// The smallest drop that so many pairs show 4 times of 5; absent on the ratio scale where no calibration has measured it.
    pub smallest_visible: Option<f64>,
    /// Pairs of which an unchanged model passes 4 times of 5 with this margin.
    pub pairs_needed: Option<u64>,
    /// The chance that an unchanged model passes when all pairs are drawn.
    pub passes_unchanged: Option<f64>,
    /// What 20 looks do without a drop, with one of the margin, and with one of twice the margin.
    pub early: Vec<ExpectedDrop>,
}

/// What a comparison with early stopping does at one true drop.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedDrop {
    /// The true drop, in the unit of the margin.
    pub drop: f64,
    /// The chance of a pass.
    pub pass: f64,
    /// The chance of a failure.
    pub fail: f64,
    /// The chance of neither.
    pub inconclusive: f64,
    /// The mean share of the samples that are drawn.
    pub share: f64,
}
