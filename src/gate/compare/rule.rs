//! `regression:` of the policy: which metrics may fall, and how far.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gate::{Direction, MetricName};
use crate::stats::Alpha;

/// How a rule compares.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RegressionMode {
    /// Non-inferiority by paired samples, with stated error rates.
    #[default]
    Paired,
    /// Legacy: point estimates and a relative tolerance. It fails unchanged models, and passes worse ones.
    Tolerance,
}

/// When a rule fails.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailWhen {
    /// When the candidate is shown to be worse at all, and is not shown to be within the margin.
    #[default]
    Worse,
    /// Only when the candidate is shown to be worse by more than the margin: fails less often, and stays undecided more.
    BelowMargin,
}

fn margin() -> f64 {
    0.02
}

fn confidence() -> f64 {
    0.95
}

fn required() -> bool {
    true
}

/// One rule: how far one metric may fall.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegressionRule {
    /// `pass_rate`, `mean_score`, `error_rate`, `latency_mean_ms`, `ttft_mean_ms`, `cost_per_sample_usd`, or the name of a score.
    pub metric: MetricName,
    /// Which way is better; needed for named scores, refused where it contradicts a metric of our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The largest drop that is accepted, above 0: in the metric's own unit for shares (0.02 is two points), as a ratio for
    /// latency and cost (0.1 is ten per cent).
    #[serde(default = "margin")]
    pub margin: f64,
    /// The largest drop since the anchored release, likewise; needed where `regression.anchor` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cumulative_margin: Option<f64>,
    /// One-sided confidence of both decisions, above 0.5 and below 1.
    #[serde(default = "confidence")]
    pub confidence: f64,
    /// When it fails.
    #[serde(default)]
    pub fail_when: FailWhen,
    /// `paired`, or the legacy `tolerance`.
    #[serde(default)]
    pub mode: RegressionMode,
    /// The relative tolerance of the legacy mode.
    #[serde(default = "margin")]
    pub tolerance: f64,
    /// Only samples of this level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// Only samples that carry one of these tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Only samples of the suite with this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    /// Whether the gate depends on it.
    #[serde(default = "required")]
    pub required: bool,
}

impl RegressionRule {
    /// Whether it is also held against the anchor.
    fn is_anchored(&self) -> bool {
        self.mode == RegressionMode::Tolerance || self.cumulative_margin.is_some()
    }

    /// The error rate of each decision: half of it for each verdict that was given on the same things before.
    pub fn alpha(&self, earlier: u32) -> Option<Alpha> {
        Alpha::new((0..earlier.min(60)).fold(1.0 - self.confidence, |alpha, _| alpha / 2.0))
    }

    /// The rule of a policy that names none: the pass rate may not fall by two points.
    pub fn standard(metric: MetricName) -> Self {
        Self {
            metric,
            direction: None,
            margin: margin(),
            cumulative_margin: None,
            confidence: confidence(),
            fail_when: FailWhen::Worse,
            mode: RegressionMode::Paired,
            tolerance: margin(),
            level: None,
            tags: Vec::new(),
            suite: None,
            required: true,
        }
    }
}

/// `regression:` of the policy.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RegressionPolicy {
    /// The baseline, where `--baseline` does not say it: a folder or file of a run, `dir:PATH`, or `git:REF:PATH`.
    pub baseline: Option<String>,
    /// The release that drops are added up against, likewise.
    pub anchor: Option<String>,
    /// The share (0 to 1) of all cases that must be in both runs, unchanged.
    pub coverage: f64,
    /// The rules; without any, the pass rate may not fall by two points.
    pub rules: Vec<RegressionRule>,
}

impl RegressionPolicy {
    /// The rules that hold against a side, each with its margin: against the anchor the cumulative one, where there is one.
    pub fn held_against(&self, role: &str) -> impl Iterator<Item = (&RegressionRule, f64)> {
        let anchor = role == "anchor";
        let held = self.rules.iter().filter(move |rule| !anchor || rule.is_anchored());
        held.map(move |rule| (rule, if anchor { rule.cumulative_margin.unwrap_or(rule.margin) } else { rule.margin }))
    }

    /// Required claims that are decided together.
    pub fn family(&self, anchor: bool) -> u32 {
        let claims = |rule: &RegressionRule| u32::from(rule.required) * (1 + u32::from(anchor && rule.is_anchored()));
        self.rules.iter().map(claims).sum::<u32>().max(1)
    }
}

impl Default for RegressionPolicy {
    fn default() -> Self {
        Self { baseline: None, anchor: None, coverage: 0.95, rules: Vec::new() }
    }
}
