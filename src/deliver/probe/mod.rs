//! Measurements of live traffic. What is missing, stale or ambiguous is no data, with its reason; it never becomes a number.

mod check;
mod presets;
mod prometheus;
mod promql;
mod queries;
mod reply;
mod source;

pub use check::check_queries;
pub use presets::{default_rules, expand};
pub use prometheus::Prometheus;
pub use queries::{Naming, SideNames};
pub use source::{PrometheusSource, Sources};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The two sides of a rollout.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The version that was there before.
    Stable,
    /// The new version.
    Canary,
}

/// How many went wrong, of how many.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// Never more than `all`.
    pub bad: u64,
    /// All.
    pub all: u64,
}

/// Requests by their latency: how many took at most `le`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Buckets {
    /// Upper bounds, growing, without infinity, and the cumulative counts.
    pub upto: Vec<(f64, u64)>,
    /// All requests.
    pub all: u64,
}

/// A value for each side. Stable has none where there is no stable side.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Sides<T> {
    /// Of stable.
    pub stable: Result<T, NoData>,
    /// Of the canary.
    pub canary: Result<T, NoData>,
}

/// Why there is no number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoData {
    /// The source did not answer, or answered with an error or a warning.
    Unreachable(String),
    /// The query has no series.
    Absent,
    /// Several series where one was expected.
    Ambiguous(u64),
    /// No number, or an infinite one.
    NotANumber,
    /// The newest sample is older than two scrapes; its age in whole seconds.
    Stale(u64),
    /// Everything is there, and there were no requests.
    NoTraffic,
    /// There is no such side.
    NoSide,
}

/// What one rule's queries gave, for the window from the step's beginning to now.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// For a rate.
    Counts(Sides<Tally>),
    /// For a quantile.
    Buckets(Sides<Buckets>),
    /// For a level.
    Level(Sides<f64>),
    /// For compared answers of a shadow: the sum of similarities (0 to 1) and how many.
    Similarity {
        /// Of similarities.
        sum: f64,
        /// How many answers were compared.
        n: u64,
    },
}

/// One question: the rule that is asked about, and how far back.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Window {
    /// From now back, in whole seconds, at least one.
    pub seconds: u64,
}

/// A source of measurements: readings by the name of their rule.
#[async_trait::async_trait]
pub trait MetricSource: Send + Sync {
    /// Asks about every rule of the analysis, all at one time of the source's clock.
    async fn read(&self, window: Window) -> Vec<(String, Result<Reading, NoData>)>;
}
