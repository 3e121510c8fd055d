//! The steps of each strategy. Defaults are the guide's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::Percent;

/// How a new version reaches the users.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyName {
    /// A growing share of the traffic.
    #[default]
    Canary,
    /// All of it at once, with the old version kept beside.
    BlueGreen,
    /// Mirrored requests, whose answers are compared and nobody sees.
    Shadow,
    /// The workload's own rolling update.
    Rolling,
    /// A growing percentage of a feature flag.
    FeatureFlag,
}

/// Whether a person says that a step may be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Approval {
    /// A pass is enough.
    #[default]
    None,
    /// Before traffic is given to the new version for the first time.
    First,
    /// Before the new version becomes the stable one.
    Last,
    /// Before each step up.
    Each,
}

/// What happens when a step is still undecided at its limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AfterLimit {
    /// The traffic returns to stable.
    #[default]
    RollBack,
    /// The rollout pauses where it is, until a person resumes or aborts it, or its deadline comes.
    Pause,
}

/// The steps of a canary.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CanarySteps {
    /// Shares of the traffic, growing; the last is 100.
    pub steps: Vec<Percent>,
    /// The least time at each step, in seconds.
    pub hold_seconds: f64,
    /// When a person is asked.
    pub approval: Approval,
}

impl Default for CanarySteps {
    fn default() -> Self {
        let steps = [10, 25, 50, 100].into_iter().filter_map(Percent::new).collect();
        Self { steps, hold_seconds: 60.0, approval: Approval::None }
    }
}

/// What becomes of the old version after blue-green.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Retire {
    /// Its Deployment is deleted.
    #[default]
    Delete,
    /// Its Deployment stays, with no replicas.
    ScaleToZero,
}

/// The steps of blue-green.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BlueGreenSteps {
    /// How long green must be healthy before the switch, in seconds.
    pub switch_delay_seconds: f64,
    /// How long the old version is kept beside, and may come back, after the switch, in seconds.
    pub rollback_window_seconds: f64,
    /// What becomes of the old version then.
    pub retire: Retire,
    /// When a person is asked.
    pub approval: Approval,
}

impl Default for BlueGreenSteps {
    fn default() -> Self {
        Self {
            switch_delay_seconds: 60.0,
            rollback_window_seconds: 600.0,
            retire: Retire::Delete,
            approval: Approval::None,
        }
    }
}

/// How two answers are compared.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Similarity {
    /// The same text after white space is folded: 1, else 0.
    #[default]
    Exact,
    /// The cosine of their embeddings, by an endpoint of OpenAI's protocol.
    Embedding {
        /// Up to and with `/v1`.
        base_url: String,
        /// The embedding model.
        model: String,
        /// The variable that holds the key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        api_key_env: Option<String>,
    },
    /// A model that says whether the two mean the same: 0 to 1.
    Judge {
        /// Up to and with `/v1`.
        base_url: String,
        /// The judging model.
        model: String,
        /// The variable that holds the key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        api_key_env: Option<String>,
    },
}

/// Where requests come from whose answers are compared. Mirrored answers are thrown away by every mesh, so a sample of real
/// requests is asked again of both sides.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// JSON lines of OpenAI requests (`{"messages": [...]}` or `{"prompt": ...}`), relative to the rollout file: such as a log
    /// of the gateway.
    pub requests: String,
    /// Stable's endpoint, up to and with `/v1`.
    pub stable_url: String,
    /// The canary's endpoint.
    pub canary_url: String,
    /// The model's name in both requests, where the lines do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The variable that holds the key of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// How answers are compared.
    #[serde(default)]
    pub similarity: Similarity,
}

/// The steps of a shadow.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ShadowSteps {
    /// The share of stable's requests that is mirrored, and of the given requests that is compared.
    pub sample: Percent,
    /// The least mean similarity of the answers, 0 to 1.
    pub min_similarity: f64,
    /// Answers to be compared at least.
    pub min_samples: u64,
    /// The least time, in seconds.
    pub hold_seconds: f64,
    /// When the comparison ends undecided, in seconds.
    pub limit_seconds: f64,
    /// Where requests come from. Without it only what is measured of the mirrored traffic counts.
    pub answers: Option<Answers>,
    /// When a person is asked.
    pub approval: Approval,
}

impl Default for ShadowSteps {
    fn default() -> Self {
        Self {
            sample: Percent::new(10).unwrap_or_default(),
            min_similarity: 0.95,
            min_samples: 100,
            hold_seconds: 60.0,
            limit_seconds: 86_400.0,
            answers: None,
            approval: Approval::None,
        }
    }
}

/// The steps of a rolling update.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RollingSteps {
    /// When the update must be through, in seconds.
    pub timeout_seconds: f64,
    /// How long the result is judged at least, in seconds.
    pub hold_seconds: f64,
    /// When a person is asked.
    pub approval: Approval,
}

impl Default for RollingSteps {
    fn default() -> Self {
        Self { timeout_seconds: 600.0, hold_seconds: 60.0, approval: Approval::None }
    }
}

/// The steps of a feature flag.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FlagSteps {
    /// Percentages of the users, growing; the last is 100.
    pub steps: Vec<Percent>,
    /// The least time at each step, in seconds.
    pub hold_seconds: f64,
    /// When a person is asked.
    pub approval: Approval,
}

impl Default for FlagSteps {
    fn default() -> Self {
        let CanarySteps { steps, hold_seconds, approval } = CanarySteps::default();
        Self { steps, hold_seconds, approval }
    }
}
