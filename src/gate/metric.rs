//! An aggregate of scores: value, interval, n, unscored.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Threshold, Verdict};

/// Which way is better. Never guessed: it comes with the metric or from the policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// More is better: pass rate, accuracy.
    Higher,
    /// Less is better: latency, cost, error rate.
    Lower,
}

/// A metric's name: 1 to 100 of `A-Z a-z 0-9 _ . : -`, so that it needs no escape in any sink.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct MetricName(String);

/// Why a text is no metric name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a metric name has 1 to 100 letters, digits, '_', '.', ':' or '-'")]
pub struct MetricNameError;

impl MetricName {
    /// Checks the letters and the length.
    pub fn new(name: &str) -> Result<Self, MetricNameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
        if (1..=100).contains(&name.len()) && name.chars().all(allowed) {
            Ok(Self(name.to_owned()))
        } else {
            Err(MetricNameError)
        }
    }

    /// The name nearest to a text of another tool: letters that a name may not have become `_`. None for an empty text.
    pub fn of_text(text: &str) -> Option<Self> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
        let name: String = text.chars().take(100).map(|c| if allowed(c) { c } else { '_' }).collect();
        Self::new(&name).ok()
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for MetricName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for MetricName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// One row of a report: what was measured, how surely, and what the policy says of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Unique within a report once its `scope` is added.
    pub name: MetricName,
    /// The part of the samples that was measured, such as `level=smoke`; absent for all of them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scope: Option<String>,
    /// The point estimate; absent when nothing could be measured.
    pub value: Option<f64>,
    /// Lower end of the two-sided interval at `confidence`, in the metric's unit.
    pub low: Option<f64>,
    /// Upper end of the two-sided interval at `confidence`, in the metric's unit.
    pub high: Option<f64>,
    /// Two-sided confidence of `low..high`, such as 0.95.
    pub confidence: f64,
    /// How the interval was made, such as `wilson`, `t-clustered`, `order-statistics`, `exact`.
    pub method: String,
    /// The look that decided, where the run was looked at while it was under way; `low..high` is then stage-wise: wider
    /// than the interval of a whole run, and it holds for all looks at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<super::Stage>,
    /// Independent units behind the value (cases, or clusters where a suite names them).
    pub n: u64,
    /// Samples that should have counted and could not be judged.
    pub unscored: u64,
    /// Which way is better.
    pub direction: Direction,
    /// The rule of the policy, where there is one.
    pub threshold: Option<Threshold>,
    /// The verdict of that rule; absent for a metric without a threshold.
    pub verdict: Option<Verdict>,
    /// The rule in words: metric, bound, interval, n, and what would decide it.
    pub reason: Option<String>,
}
