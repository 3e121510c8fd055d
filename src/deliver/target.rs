//! What the cluster should look like at a stage. `reach` makes it so, in an order in which no request meets a version that is
//! not ready, and no version that receives traffic is taken away.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Percent, Split};

/// What the stable workload runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stable {
    /// The version that was there when the rollout began.
    Old,
    /// The new version.
    New,
    /// Nothing: it is retired (blue-green, once the new one is kept).
    Retired,
}

/// Whether the canary's workload is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Canary {
    /// It is not.
    Absent,
    /// It stays as it is: whoever flees from it takes nothing away first.
    AsItIs,
    /// It is, with replicas for this share of the traffic (at least one).
    For(Percent),
}

/// Whether the stage is reached before everything is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ready {
    /// It is not: pods are waited for.
    Awaited,
    /// It is: only the traffic counts, as when it returns to stable.
    Skipped,
}

/// What the cluster should look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The stable workload.
    pub stable: Stable,
    /// The canary's workload.
    pub canary: Canary,
    /// The traffic.
    pub split: Split,
    /// Whether pods are waited for.
    pub ready: Ready,
}
