//! Metrics that are known, each read in its own project's source, and the rules that a preset brings along.
//! Kept out: how a selector becomes a query (`queries`).

mod table;

use super::super::plan::{AbsentBad, Analysis, CountRule, Expectation, LevelRule, Plan, Preset, QuantileRule};

pub(super) use table::{How, Known};

/// The word of a preset, as the plan writes it.
pub(super) fn word(preset: Preset) -> &'static str {
    match preset {
        Preset::Istio => "istio",
        Preset::IngressNginx => "ingress-nginx",
        Preset::Vllm => "vllm",
        Preset::Tgi => "tgi",
        Preset::Sglang => "sglang",
        Preset::Dcgm => "dcgm",
    }
}

/// The metric of a rule: its name, with or without the preset's in front (`vllm_latency` beside `istio_latency`).
pub(super) fn find(preset: Preset, rule: &str) -> Option<Known> {
    let own = rule.strip_prefix(word(preset)).and_then(|rest| rest.strip_prefix(['_', '-']));
    let key = own.unwrap_or(rule);
    table::of(preset).iter().find(|(name, _)| *name == key).map(|(_, known)| *known)
}

/// The names that a preset knows.
pub(super) fn names(preset: Preset) -> Vec<&'static str> {
    table::of(preset).iter().map(|(name, _)| *name).collect()
}

/// The plan with the rules of its presets written out. What the plan says itself of the same metric stays as it is.
pub fn expand(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    for preset in std::mem::take(&mut plan.analysis.presets) {
        let Analysis { rates, quantiles, levels, .. } = default_rules(preset);
        let key = |rule: &str| rule.trim_start_matches(word(preset)).trim_start_matches('_').to_owned();
        let analysis = &plan.analysis;
        let own: Vec<(Option<Preset>, String)> = (analysis.rates.iter().map(|rule| (rule.preset, &rule.name)))
            .chain(analysis.quantiles.iter().map(|rule| (rule.preset, &rule.name)))
            .chain(analysis.levels.iter().map(|rule| (rule.preset, &rule.name)))
            .map(|(preset, name)| (preset, name.clone()))
            .collect();
        let free = |name: &str| {
            !own.iter().any(|(of, other)| other == name || (*of == Some(preset) && key(other) == key(name)))
        };
        plan.analysis.rates.extend(rates.into_iter().filter(|rule| free(&rule.name)));
        plan.analysis.quantiles.extend(quantiles.into_iter().filter(|rule| free(&rule.name)));
        plan.analysis.levels.extend(levels.into_iter().filter(|rule| free(&rule.name)));
    }
    plan
}

/// The rules of a preset: error rate at most 1 % and one point above stable, p99 and time to first token at most 20 % above
/// stable, throughput at most 10 % below, a bounded queue, GPU memory at most 10 % above.
pub fn default_rules(preset: Preset) -> Analysis {
    let name = |key: &str| format!("{}_{key}", word(preset));
    let rate = |key: &str| CountRule {
        name: name(key),
        preset: Some(preset),
        bad: None,
        all: None,
        absent_bad: AbsentBad::Zero,
        max: Some(0.01),
        max_increase: Some(0.01),
        min_samples: 100,
    };
    let quantile = |key: &str| QuantileRule {
        name: name(key),
        preset: Some(preset),
        histogram: None,
        quantile: 0.99,
        max: None,
        max_increase: Some(0.2),
        slack: None,
        min_samples: 100,
    };
    let level = |key: &str| LevelRule {
        name: name(key),
        preset: Some(preset),
        query: None,
        expect: Expectation::AtMost,
        bound: None,
        tolerance: None,
        per_share: false,
        looks: 3,
    };
    let throughput =
        || LevelRule { expect: Expectation::AtLeast, tolerance: Some(0.1), per_share: true, ..level("throughput") };
    let queue = || LevelRule { bound: Some(10.0), ..level("queue") };
    let memory = || LevelRule { tolerance: Some(0.1), ..level("gpu_memory") };
    let (rates, quantiles, levels) = match preset {
        Preset::Istio | Preset::IngressNginx => (vec![rate("error_rate")], vec![quantile("latency")], Vec::new()),
        Preset::Vllm | Preset::Sglang => {
            (Vec::new(), vec![quantile("latency"), quantile("ttft")], vec![throughput(), queue()])
        }
        Preset::Tgi => (vec![rate("error_rate")], vec![quantile("latency")], vec![throughput(), queue()]),
        Preset::Dcgm => (Vec::new(), Vec::new(), vec![memory()]),
    };
    Analysis { rates, quantiles, levels, ..Analysis::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Preset; 6] =
        [Preset::Istio, Preset::IngressNginx, Preset::Vllm, Preset::Tgi, Preset::Sglang, Preset::Dcgm];

    #[test]
    fn every_rule_of_a_preset_has_its_metric() {
        for preset in ALL {
            let Analysis { rates, quantiles, levels, .. } = default_rules(preset);
            assert!(rates.len() + quantiles.len() + levels.len() > 0, "{preset:?}");
            assert!(rates.iter().all(|rule| matches!(find(preset, &rule.name), Some(Known::Rate { .. }))));
            assert!(quantiles.iter().all(|rule| matches!(find(preset, &rule.name), Some(Known::Histogram(_)))));
            assert!(levels.iter().all(|rule| matches!(find(preset, &rule.name), Some(Known::Level { .. }))));
        }
    }

    #[test]
    fn a_rule_that_the_plan_has_itself_is_not_doubled() {
        let own = |analysis: serde_json::Value| {
            let plan = serde_json::json!({"version": 1, "workload": {"name": "a"}, "analysis": analysis});
            let plan: Plan = serde_json::from_value(plan).unwrap();
            expand(&plan).analysis.rates.iter().map(|rule| (rule.name.clone(), rule.max)).collect::<Vec<_>>()
        };
        let of = |name: &str, max: f64| vec![(name.to_owned(), Some(max))];
        assert_eq!(own(serde_json::json!({"presets": ["istio"]})), of("istio_error_rate", 0.01));
        let mine =
            serde_json::json!({"presets": ["istio"], "rates": [{"name": "error_rate", "preset": "istio", "max": 0.5}]});
        assert_eq!(own(mine), of("error_rate", 0.5));
        let other =
            serde_json::json!({"presets": ["istio"], "rates": [{"name": "error_rate", "preset": "tgi", "max": 0.5}]});
        assert_eq!(own(other).len(), 2);
    }

    #[test]
    fn vllm_and_sglang_have_no_error_rate() {
        for preset in [Preset::Vllm, Preset::Sglang, Preset::Dcgm] {
            assert!(find(preset, "error_rate").is_none());
        }
    }
}
