//! What brings a release back after it has reached everybody. The default rules are the guide's four.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AbsentBad, Preset};

/// What a rule of `watch` looks at.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum WatchMetric {
    /// A share of requests: `bad` of `all`.
    Rate {
        /// How many went wrong in the window; with `preset`, nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bad: Option<String>,
        /// How many there were in the window; with `preset`, nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        all: Option<String>,
        /// What no series of `bad` means.
        #[serde(default)]
        absent_bad: AbsentBad,
    },
    /// A quantile of a latency.
    Quantile {
        /// A selector of the histogram's buckets; with `preset`, nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        histogram: Option<String>,
        /// Above 0 and below 1.
        quantile: f64,
    },
    /// A mean of scores of 0 to 1, small is bad: `sum` of the scores of `all`.
    Mean {
        /// The sum of the scores in the window.
        sum: String,
        /// How many there were in the window.
        all: String,
    },
}

/// One rule.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchRule {
    /// Its name in reports.
    pub name: String,
    /// What is looked at.
    pub metric: WatchMetric,
    /// A preset that has its queries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// A rate or quantile above it, or a mean below it, brings the release back.
    pub threshold: f64,
    /// How far back is looked, in seconds.
    #[serde(default = "window")]
    pub window_seconds: f64,
    /// Samples in the window that the rule needs at least.
    #[serde(default = "samples")]
    pub min_samples: u64,
}

fn window() -> f64 {
    300.0
}

fn samples() -> u64 {
    100
}

/// What no data means while a release is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnNoData {
    /// Somebody is told; the release stays.
    #[default]
    Alert,
    /// The release is brought back.
    RollBack,
}

/// How a release is watched.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Watch {
    /// The rules.
    pub rules: Vec<WatchRule>,
    /// How often is looked, in seconds.
    pub interval_seconds: f64,
    /// After a rollback, how long no other one follows, in seconds.
    pub cooldown_seconds: f64,
    /// How long is watched, in seconds.
    pub for_seconds: f64,
    /// The chance that one look at one rule calls a release bad that is as good as the threshold.
    pub false_alarm: f64,
    /// What no data means, once it has lasted `no_data_seconds` of the patience.
    pub on_no_data: OnNoData,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            interval_seconds: 30.0,
            cooldown_seconds: 600.0,
            for_seconds: 3600.0,
            false_alarm: 0.001,
            on_no_data: OnNoData::Alert,
        }
    }
}
