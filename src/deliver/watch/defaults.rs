//! The guide's rules, for a preset that has their metrics.

use super::super::plan::{AbsentBad, Preset, WatchMetric, WatchRule};

/// Error rate above 5 % and p99 above 5 s, each over 5 minutes and 100 requests, as far as the preset measures them. Safety and
/// quality have no metric that every server has: they are rules of one's own.
pub fn default_rules(preset: Preset) -> Vec<WatchRule> {
    let rule = |name: &str, metric, threshold| WatchRule {
        name: name.to_owned(),
        metric,
        preset: Some(preset),
        threshold,
        window_seconds: 300.0,
        min_samples: 100,
    };
    let rate = || WatchMetric::Rate { bad: None, all: None, absent_bad: AbsentBad::Zero };
    let p99 = || WatchMetric::Quantile { histogram: None, quantile: 0.99 };
    match preset {
        // Istio counts milliseconds.
        Preset::Istio => vec![rule("istio_error_rate", rate(), 0.05), rule("istio_latency", p99(), 5000.0)],
        Preset::IngressNginx => {
            vec![rule("ingress-nginx_error_rate", rate(), 0.05), rule("ingress-nginx_latency", p99(), 5.0)]
        }
        Preset::Vllm => vec![rule("vllm_latency", p99(), 5.0)],
        Preset::Tgi => vec![rule("tgi_latency", p99(), 5.0)],
        Preset::Sglang => vec![rule("sglang_latency", p99(), 5.0)],
        Preset::Dcgm => Vec::new(),
    }
}
