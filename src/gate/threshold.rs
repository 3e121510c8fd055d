//! One rule of the policy: a metric and the bound that it must respect.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Direction, MetricName};

/// How a bound is compared with what was measured.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DecideBy {
    /// By the one-sided confidence bound: pass when the whole interval clears, fail when none of it does, else inconclusive.
    #[default]
    Interval,
    /// By the point estimate, without any guarantee about errors: for suites where every case must hold.
    Point,
}

fn default_confidence() -> f64 {
    0.95
}

fn default_required() -> bool {
    true
}

/// One rule: exactly one of `min` and `max` is set.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// `pass_rate`, `accuracy`, `mean_score`, `error_rate`, `latency_p95_ms`, `ttft_p50_ms`, `cost_usd`, or the name of a score.
    pub metric: MetricName,
    /// The smallest value that is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The largest value that is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Which way is better; needed for named scores, refused where it contradicts a metric of our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// One-sided confidence of the decision, above 0.5 and below 1.
    #[serde(default = "default_confidence")]
    pub confidence: f64,
    /// By interval (default) or by point estimate.
    #[serde(default)]
    pub decide_by: DecideBy,
    /// Only samples of this level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// Only samples that carry one of these tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Only samples of the suite with this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    /// Whether the gate depends on it; a threshold that is not required is only reported.
    #[serde(default = "default_required")]
    pub required: bool,
    /// Whether it neither weighs on other rules nor is weighed among them: a rule that a pull request adds.
    #[serde(skip)]
    pub alone: bool,
}

impl Threshold {
    /// Whether its failure may be an accident that is weighed among those of all required rules.
    pub fn is_in_family(&self) -> bool {
        self.required && !self.alone && self.decide_by == DecideBy::Interval
    }
}
