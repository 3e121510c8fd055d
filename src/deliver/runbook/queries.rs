//! The PromQL of a plan's own rules, for a person who asks Prometheus by hand: the same text, with the placeholders filled in.

use super::shell::{quoted, variable};
use crate::deliver::plan::{Plan, Preset};
use crate::deliver::probe::Naming;

/// Lines for a shell; and what a preset asks, which is named and not spelt out.
pub(super) fn queries(plan: &Plan) -> (Vec<String>, Vec<String>) {
    let Some(prometheus) = &plan.analysis.prometheus else { return (Vec::new(), Vec::new()) };
    let analysis = &plan.analysis;
    let (mut lines, mut presets) = (Vec::new(), Vec::new());
    let url = format!("{}/api/v1/query", prometheus.url.trim_end_matches('/'));
    let token =
        prometheus.token_env.as_ref().map(|name| format!("--header \"Authorization: Bearer {}\" ", variable(name)));
    let token = token.unwrap_or_default();
    let mut ask = |name: &str, query: &str| {
        let query = filled(plan, query);
        let name: String = crate::trust::clean(name).replace('\n', " ");
        lines.push(format!("# {name}"));
        lines.push(format!(
            "curl --get {token}--data-urlencode {} {}",
            quoted(&format!("query={query}")),
            quoted(&url)
        ));
    };
    for rule in &analysis.rates {
        rule.bad.iter().for_each(|query| ask(&format!("{}: how many went wrong", rule.name), query));
        rule.all.iter().for_each(|query| ask(&format!("{}: how many there were", rule.name), query));
        presets.extend(rule.preset.map(|preset| format!("{} ({})", rule.name, word(preset))));
    }
    for rule in &analysis.quantiles {
        if let Some(histogram) = &rule.histogram {
            let query = format!("histogram_quantile({}, sum by (le) (rate({histogram}[5m])))", rule.quantile);
            ask(&format!("{}: quantile {}", rule.name, rule.quantile), &query);
        }
        presets.extend(rule.preset.map(|preset| format!("{} ({})", rule.name, word(preset))));
    }
    for rule in &analysis.levels {
        rule.query.iter().for_each(|query| ask(&rule.name, query));
        presets.extend(rule.preset.map(|preset| format!("{} ({})", rule.name, word(preset))));
    }
    presets.extend(analysis.presets.iter().map(|preset| format!("the rules of {}", word(*preset))));
    (lines, presets)
}

/// The query about the new version, on one line: a line of its own could be a command of the log that shows this page.
fn filled(plan: &Plan, query: &str) -> String {
    let Naming { namespace, service, canary, .. } = Naming::of(plan);
    query
        .replace(['\n', '\r'], " ")
        .replace("{window}", "5m")
        .replace("{side}", "canary")
        .replace("{workload}", &canary.workload)
        .replace("{service}", &service)
        .replace("{namespace}", &namespace)
        .replace("{pods}", &canary.pods)
}

fn word(preset: Preset) -> &'static str {
    match preset {
        Preset::Istio => "Istio",
        Preset::IngressNginx => "ingress-nginx",
        Preset::Vllm => "vLLM",
        Preset::Tgi => "TGI",
        Preset::Sglang => "SGLang",
        Preset::Dcgm => "DCGM",
    }
}
