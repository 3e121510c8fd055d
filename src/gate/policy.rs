//! The gate's part of `llmci.yaml`: thresholds, the error budget, and what an undecided verdict does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Threshold;

/// What an inconclusive verdict does to the exit code; the verdict itself stays.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnInconclusive {
    /// Exit 3.
    #[default]
    Block,
    /// Exit 1, like a failed gate.
    Fail,
    /// Exit 0: the user has chosen to go on without proof.
    Pass,
}

/// What the gate does before it asks anything, when a required threshold could not pass with the cases that there are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Preflight {
    /// Asks nothing, and ends inconclusive. With `on_inconclusive: pass` it only warns: a stop would let a model through
    /// that nobody evaluated.
    #[default]
    Stop,
    /// Says so, and runs.
    Warn,
}

/// What one shard of a run does to the exit code. Its verdict is always inconclusive: `llmci merge` judges.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnPartial {
    /// Exit 3, so that a shard that is never merged cannot look green.
    #[default]
    Block,
    /// Exit 0 when the shard measured everything it was asked to.
    Pass,
}

/// What a pull request that loosens its own suite does to a pass.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnSuiteChange {
    /// Cases that are gone, or whose expected answer changes, make a pass inconclusive: a reviewer has to look.
    #[default]
    Review,
    /// They are listed, and the verdict stays.
    Note,
}

/// `gate:` of the policy.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GatePolicy {
    /// The model to evaluate, a key of `models`; `--model` comes first. `suite` asks the models that the suites name themselves.
    pub model: Option<String>,
    /// The model that judges where a suite of promptfoo says only that a model judges, a key of `models`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
    /// The suites to run, as paths of `suites`; all of them when absent. `--suite` comes first.
    pub suites: Option<Vec<String>>,
    /// The rules. Without any, nothing can pass.
    pub thresholds: Vec<Threshold>,
    /// The share of samples (0 to 1) that may end in an error before the verdict itself is Error.
    pub error_budget: f64,
    /// What an inconclusive verdict does to the exit code.
    pub on_inconclusive: OnInconclusive,
    /// What one shard of a run does to the exit code.
    pub on_partial: OnPartial,
    /// What happens before anything is asked, when a required threshold could never pass with these cases.
    pub preflight: Preflight,
    /// What a pull request that loosens its own suite does to a pass.
    pub on_suite_change: OnSuiteChange,
}

impl GatePolicy {
    /// Halves the error of every rule for each verdict that was given on the same things before.
    pub fn halve_errors(&mut self, earlier: u32) {
        for threshold in &mut self.thresholds {
            threshold.confidence = (0..earlier.min(50)).fold(threshold.confidence, |sure, _| 0.5 + sure / 2.0);
        }
    }
}
