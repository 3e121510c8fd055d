//! `rollout.yaml`: what is brought to the users, by which steps, judged by what. The plan travels with the state, so that a
//! rollout is finished by the rules that it began with.
//! Kept out: what the cluster says (`state`), how a file is found (`commands`).

mod alerts;
mod analysis;
mod check;
mod strategy;
mod traffic;
mod watch;
mod workload;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use alerts::{Alerts, PagerDuty, Slack, WebHook};
pub use analysis::{
    AbsentBad, Analysis, CountRule, Expectation, LevelRule, Patience, Preset, PrometheusSpec, QuantileRule,
};
pub use check::check;
pub use strategy::{
    AfterLimit, Answers, Approval, BlueGreenSteps, CanarySteps, FlagSteps, Retire, RollingSteps, ShadowSteps,
    Similarity, StrategyName,
};
pub use traffic::{FlagService, FlagSpec, GatewaySpec, IstioSpec, NginxSpec, Traffic};
pub use watch::{OnNoData, Watch, WatchMetric, WatchRule};
pub use workload::{Change, ModelVersion, Workload, WorkloadKind};

use crate::document::{self, Document, Problems};

/// A rollout file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The version of this format: 1.
    pub version: u32,
    /// What is deployed.
    pub workload: Workload,
    /// The new version.
    #[serde(default)]
    pub change: Change,
    /// How it reaches the users.
    #[serde(default)]
    pub strategy: StrategyName,
    /// The steps of `strategy: canary`.
    #[serde(default)]
    pub canary: CanarySteps,
    /// The steps of `strategy: blue-green`.
    #[serde(default)]
    pub blue_green: BlueGreenSteps,
    /// The steps of `strategy: shadow`.
    #[serde(default)]
    pub shadow: ShadowSteps,
    /// The steps of `strategy: rolling`.
    #[serde(default)]
    pub rolling: RollingSteps,
    /// The steps of `strategy: feature-flag`.
    #[serde(default)]
    pub feature_flag: FlagSteps,
    /// What splits the traffic. Without it: the number of replicas.
    #[serde(default)]
    pub traffic: Traffic,
    /// What is measured, and what it must show.
    #[serde(default)]
    pub analysis: Analysis,
    /// What brings a release back, during a rollout and after it.
    #[serde(default)]
    pub watch: Watch,
    /// Who is told.
    #[serde(default)]
    pub alerts: Alerts,
    /// When patience ends.
    #[serde(default)]
    pub patience: Patience,
}

/// The published schema: file name and text.
pub fn schema() -> (&'static str, String) {
    ("rollout.schema.json", document::schema_text::<Plan>("llmci rollout (rollout.yaml)"))
}

/// What a plan is read for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// A rollout begins: something has to change.
    Begin,
    /// Only the names count: the rollout that is under way has its own plan.
    Refer,
}

/// The plan that a document holds, checked; or everything that is wrong with it.
pub fn read(document: &Document, purpose: Purpose) -> Result<Plan, Problems> {
    let plan: Plan = document::decode(document)?;
    let problems = check(&plan, document, purpose);
    if problems.is_empty() { Ok(plan) } else { Err(problems) }
}
