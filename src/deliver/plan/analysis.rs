//! What is measured at each step, and what it must show before the traffic goes up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AfterLimit;

/// Names of metrics that are known, each read in its project's own source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Istio's sidecar metrics: requests, errors and latency of both sides.
    Istio,
    /// ingress-nginx's controller.
    IngressNginx,
    /// vLLM's server: latency, time to first token, queue, cache. It has no error rate: take that from mesh or gateway.
    Vllm,
    /// Hugging Face's text-generation-inference.
    Tgi,
    /// SGLang's server.
    Sglang,
    /// NVIDIA's GPU exporter: memory and utilisation.
    Dcgm,
}

/// Where Prometheus answers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrometheusSpec {
    /// Up to but without `/api/v1`.
    pub url: String,
    /// The variable that holds a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_env: Option<String>,
    /// How often targets are scraped, in seconds: what is older than two of these is no data.
    #[serde(default = "scrape")]
    pub scrape_seconds: f64,
    /// The longest wait for an answer, in seconds.
    #[serde(default = "answer")]
    pub timeout_seconds: f64,
}

fn scrape() -> f64 {
    15.0
}

fn answer() -> f64 {
    10.0
}

/// What a query without a series means for the part of requests that went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AbsentBad {
    /// No data: a misspelt query must not look like a service without errors.
    #[default]
    NoData,
    /// None went wrong, as long as the query of all requests has data: many servers have no series of errors before the first one.
    Zero,
}

/// A share of requests: errors, unsafe answers, requests above a limit of latency.
///
/// Queries are PromQL with the placeholders `{window}` (`90s`), `{side}` (`stable` or `canary`), `{workload}`, `{service}`,
/// `{namespace}` and `{pods}` (a regular expression of the side's pods), and give one number for one side.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CountRule {
    /// Its name in reports.
    pub name: String,
    /// A preset that has queries for `name` (`error_rate`, ...); then `bad` and `all` are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// How many went wrong in the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bad: Option<String>,
    /// How many there were in the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<String>,
    /// What no series of `bad` means.
    #[serde(default)]
    pub absent_bad: AbsentBad,
    /// The largest share on the canary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The largest rise against stable, in absolute terms (0.01 is one point).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_increase: Option<f64>,
    /// Requests of the canary that a step needs at least.
    #[serde(default = "min_samples")]
    pub min_samples: u64,
}

/// A quantile of a latency, from a histogram's buckets.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuantileRule {
    /// Its name in reports.
    pub name: String,
    /// A preset that has a histogram for `name` (`latency`, `ttft`, `inter_token_latency`); then `histogram` is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// A selector of the histogram's buckets for one side, such as `my_seconds_bucket{pod=~"{pods}"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histogram: Option<String>,
    /// Above 0 and below 1.
    #[serde(default = "p99")]
    pub quantile: f64,
    /// The largest value on the canary, in the histogram's own unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The largest rise against stable as a part of stable's own (0.2 is 20 %).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_increase: Option<f64>,
    /// How many more requests than the quantile says may lie above the limit before it counts as broken or kept: a pass must show less.
    /// Default: as many again (one point for p99).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<f64>,
    /// Requests of the canary that a step needs at least.
    #[serde(default = "min_samples")]
    pub min_samples: u64,
}

/// Which way a level is bad.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// Small is good: a queue, memory.
    #[default]
    AtMost,
    /// Large is good: throughput.
    AtLeast,
}

/// A level: throughput, queue length, GPU memory. It has no counts, so it must be good, or bad, at several looks in a row.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LevelRule {
    /// Its name in reports.
    pub name: String,
    /// A preset that has a query for `name` (`queue`, `gpu_memory`, `throughput`, `cache`); then `query` is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// PromQL that gives one number for one side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Which way is good.
    #[serde(default)]
    pub expect: Expectation,
    /// The bound on the canary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<f64>,
    /// The largest change for the worse against stable, as a part of stable's own (0.1 is 10 %); levels that grow with the
    /// traffic are first divided by each side's share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
    /// Whether the level grows with the traffic, as throughput does.
    #[serde(default)]
    pub per_share: bool,
    /// Looks in a row that decide.
    #[serde(default = "looks")]
    pub looks: u32,
}

fn min_samples() -> u64 {
    100
}

fn p99() -> f64 {
    0.99
}

fn looks() -> u32 {
    3
}

/// All rules of a rollout.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Analysis {
    /// Where Prometheus answers.
    pub prometheus: Option<PrometheusSpec>,
    /// Presets whose own rules are used: error rate below 1 % and at most one point above stable, p99 at most 20 % above, and so on.
    pub presets: Vec<Preset>,
    /// Shares of requests.
    pub rates: Vec<CountRule>,
    /// Quantiles of latencies.
    pub quantiles: Vec<QuantileRule>,
    /// Levels.
    pub levels: Vec<LevelRule>,
    /// The chance that a version as good as the rules ask for is brought back, over the whole rollout.
    pub false_rollback: f64,
    /// The chance that a version worse than a rule allows passes that rule at a step.
    pub false_promotion: f64,
    /// How often is looked, in seconds.
    pub interval_seconds: f64,
    /// Where there is no stable side to compare with, how far back its own past is taken as stable, in seconds. Without it: no data.
    pub baseline_window_seconds: Option<f64>,
}

impl Default for Analysis {
    fn default() -> Self {
        Self {
            prometheus: None,
            presets: Vec::new(),
            rates: Vec::new(),
            quantiles: Vec::new(),
            levels: Vec::new(),
            false_rollback: 0.01,
            false_promotion: 0.05,
            interval_seconds: 30.0,
            baseline_window_seconds: None,
        }
    }
}

/// When patience ends. All of it in seconds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Patience {
    /// The new version's pods must be ready by then.
    pub ready_seconds: f64,
    /// A step without data ends by then.
    pub no_data_seconds: f64,
    /// A step with data that decide neither way ends by then.
    pub step_seconds: f64,
    /// What happens at either of these two.
    pub after: AfterLimit,
    /// Times that pods may fall from ready to unready at a step before it fails.
    pub flaps: u32,
    /// The whole rollout ends by then: what is unfinished returns to stable, by whoever looks next.
    pub deadline_seconds: f64,
    /// How long a promoter that says nothing keeps its lock.
    pub lock_seconds: f64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            ready_seconds: 600.0,
            no_data_seconds: 600.0,
            step_seconds: 3600.0,
            after: AfterLimit::RollBack,
            flaps: 3,
            deadline_seconds: 6.0 * 3600.0,
            lock_seconds: 30.0,
        }
    }
}
