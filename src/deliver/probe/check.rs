//! What can be wrong with the queries of a plan, with their places in the file. Everything at once.
//! Kept out: names, bounds and times, which need no PromQL (`plan::check`).

use super::presets;
use super::promql::{self, Fault, Values};
use super::queries::{Naming, Scope, Wanted, Whose};
use crate::deliver::plan::{Plan, Preset, StrategyName, WatchMetric};
use crate::document::{Document, Problems};

/// A window that is as good as any other for a check.
const WINDOW: u64 = 60;

/// Finds every problem of the plan's queries.
pub fn check_queries(plan: &Plan, document: &Document) -> Problems {
    let mut problems = Problems::none();
    let naming = Naming::of(plan);
    let scope = Scope { naming: &naming, whose: Whose::Canary, window: WINDOW };
    let mut at = |pointer: &str, fault: &Fault| {
        let problem = document.problem(pointer, fault.message.clone());
        problems.push(if fault.help.is_empty() { problem } else { problem.help(fault.help) });
    };
    // One field at a time, so that the place is the query's own.
    let mut query = |pointer: String, text: &Option<String>, sided: Sided| {
        let Some(text) = text else { return };
        if let Err(fault) = one_query(text, sided, scope) {
            at(&pointer, &fault);
        }
    };
    let sided = match plan.strategy {
        StrategyName::Canary | StrategyName::BlueGreen | StrategyName::Shadow => Sided::Must,
        // Flags have no pods of their own; their queries may tell users apart by a label.
        StrategyName::Rolling | StrategyName::FeatureFlag => Sided::May,
    };
    let analysis = &plan.analysis;
    for (index, rule) in analysis.rates.iter().enumerate() {
        query(format!("/analysis/rates/{index}/bad"), &rule.bad, sided);
        query(format!("/analysis/rates/{index}/all"), &rule.all, sided);
    }
    for (index, rule) in analysis.quantiles.iter().enumerate() {
        query(format!("/analysis/quantiles/{index}/histogram"), &rule.histogram, sided);
    }
    for (index, rule) in analysis.levels.iter().enumerate() {
        query(format!("/analysis/levels/{index}/query"), &rule.query, sided);
    }
    for (index, rule) in plan.watch.rules.iter().enumerate() {
        let place = |field: &str| format!("/watch/rules/{index}/metric/{field}");
        match &rule.metric {
            WatchMetric::Rate { bad, all, absent_bad: _ } => {
                query(place("rate/bad"), bad, Sided::May);
                query(place("rate/all"), all, Sided::May);
            }
            WatchMetric::Quantile { histogram, quantile: _ } => {
                query(place("quantile/histogram"), histogram, Sided::May)
            }
            WatchMetric::Mean { sum, all } => {
                query(place("mean/sum"), &Some(sum.clone()), Sided::May);
                query(place("mean/all"), &Some(all.clone()), Sided::May);
            }
        }
    }
    // Then each rule as a whole: only where its queries alone are right, so that nothing is said twice.
    if problems.is_empty() {
        problems.extend(check_rules(plan, document, scope));
    }
    problems
}

/// Whether a query has to tell the sides apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sided {
    Must,
    May,
}

fn one_query(text: &str, sided: Sided, scope: Scope<'_>) -> Result<(), Fault> {
    let names = &scope.naming.canary;
    let values = Values {
        window: WINDOW,
        side: "canary",
        workload: &names.workload,
        service: &scope.naming.service,
        namespace: &scope.naming.namespace,
        pods: &names.pods,
    };
    let (filled, has) = promql::fill(text, &values)?;
    promql::selectors(&filled)?;
    if sided == Sided::Must && !has.side {
        return Err(Fault {
            message: "the query gives the same number for stable and canary".to_owned(),
            help: "tell the sides apart by {side}, {workload} or {pods}, such as pod=~\"{pods}\"",
        });
    }
    Ok(())
}

/// A rule's place, name and preset, and what it asks.
type Checked<'a> = (String, &'a str, Option<Preset>, Result<Wanted, Fault>);

fn check_rules(plan: &Plan, document: &Document, scope: Scope<'_>) -> Problems {
    let mut problems = Problems::none();
    let (analysis, watch) = (&plan.analysis, &plan.watch);
    let mut rules: Vec<Checked<'_>> = Vec::new();
    for (index, rule) in analysis.rates.iter().enumerate() {
        rules.push((format!("/analysis/rates/{index}"), &rule.name, rule.preset, scope.of_rate(rule)));
    }
    for (index, rule) in analysis.quantiles.iter().enumerate() {
        rules.push((format!("/analysis/quantiles/{index}"), &rule.name, rule.preset, scope.of_quantile(rule)));
    }
    for (index, rule) in analysis.levels.iter().enumerate() {
        rules.push((format!("/analysis/levels/{index}"), &rule.name, rule.preset, scope.of_level(rule)));
    }
    for (index, rule) in watch.rules.iter().enumerate() {
        rules.push((format!("/watch/rules/{index}"), &rule.name, rule.preset, scope.of_watch(rule)));
    }
    // Its label `canary` is set by its own split alone.
    let apart = plan.traffic.nginx.is_some() || scope.naming.stable.is_none();
    let nginx =
        (analysis.presets.iter().enumerate().map(|(index, preset)| (format!("/analysis/presets/{index}"), *preset)))
            .chain(rules.iter().filter_map(|(pointer, _, preset, _)| Some((format!("{pointer}/preset"), (*preset)?))));
    for (place, _) in nginx.filter(|(_, preset)| *preset == Preset::IngressNginx && !apart) {
        let text = "ingress-nginx tells stable and canary apart only where it splits the traffic";
        problems.push(
            document.problem(&place, text).help("set `traffic.nginx`, or take a preset of the mesh or the server"),
        );
    }
    for (pointer, _, preset, wanted) in rules {
        let Err(Fault { message, help }) = wanted else { continue };
        let place = if preset.is_some() { format!("{pointer}/preset") } else { pointer };
        let problem = document.problem(&place, message);
        problems.push(if help.is_empty() { problem } else { problem.help(help) });
    }
    for (index, preset) in analysis.presets.iter().enumerate() {
        if analysis.presets.iter().take(index).any(|other| other == preset) {
            let place = format!("/analysis/presets/{index}");
            problems.push(document.problem(&place, format!("the preset {} is there twice", presets::word(*preset))));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(analysis: &str) -> Vec<String> {
        let text = format!("version: 1\nworkload: {{name: chat}}\n{analysis}");
        let document = crate::document::parse_yaml("rollout.yaml", &text).unwrap();
        let plan: Plan = crate::document::decode(&document).unwrap_or_else(|problems| panic!("{problems:?}"));
        let found = check_queries(&plan, &document).sorted();
        found.iter().map(|problem| problem.render(&|text| text.raw().to_owned())).collect()
    }

    const PROMETHEUS: &str = "analysis:\n  prometheus: {url: 'http://p:9090'}\n";

    #[test]
    fn good_queries_and_presets_pass() {
        let good = format!(
            "{PROMETHEUS}  presets: [istio, vllm, dcgm]\n  rates:\n    - {{name: unsafe, bad: 'a_total{{pod=~\"{{pods}}\"}}', all: 'sum(increase(b_total{{track=\"{{side}}\"}}[{{window}}]))'}}\n  levels:\n    - {{name: queue, preset: sglang, bound: 3}}\nwatch:\n  rules:\n    - {{name: quality, metric: {{mean: {{sum: 's_total', all: 'n_total'}}}}, threshold: 0.8}}\n"
        );
        assert_eq!(problems(&good), Vec::<String>::new());
    }

    #[test]
    fn each_fault_is_found_at_its_place() {
        for (yaml, needle, part) in [
            (
                "  rates:\n    - {name: a, bad: 'x{s=\"{sied}\"}', all: 'y{s=\"{side}\"}'}",
                "'x{",
                "{sied} is no placeholder",
            ),
            ("  rates:\n    - {name: a, bad: 'x{s=\"{side}\"}', all: 'y'}", "'y'", "same number for stable and canary"),
            ("  rates:\n    - {name: a, bad: 'vector(0)', all: 'y{s=\"{side}\"}'}", "'vec", "reads no series"),
            ("  rates:\n    - {name: error_rate, preset: vllm}", "vllm", "the preset vllm has nothing"),
            ("  rates:\n    - {name: latency, preset: istio}", "istio", "another kind"),
            ("  rates:\n    - {name: a}", "{name", "either `preset`"),
            (
                "  rates:\n    - {name: a, bad: 'rate(x{s=\"{side}\"}[5m])', all: 'y{s=\"{side}\"}'}",
                "{name",
                "another time",
            ),
            ("  quantiles:\n    - {name: ttft, preset: tgi}", "tgi", "TGI does not measure"),
            (
                "  quantiles:\n    - {name: l, histogram: 'rate(x_bucket{s=\"{side}\"}[5m])'}",
                "{name",
                "selector of its buckets",
            ),
            ("  levels:\n    - {name: l, query: 'x{s=\"{side}\"'}", "'x", "`}` is missing"),
            ("  levels:\n    - {name: l, query: '{s=\"{side}\"}'}", "'{s", "does not name its metric"),
            (
                "watch:\n  rules:\n    - {name: q, threshold: 1, metric: {mean: {sum: 'a{b=\"{c}\"}', all: 'n'}}}",
                "'a{",
                "{c} is no placeholder",
            ),
        ] {
            let found = problems(&format!("{PROMETHEUS}{yaml}\n"));
            assert_eq!(found.len(), 1, "{yaml}: {found:?}");
            let at = yaml.find(needle).unwrap();
            let (line, column) =
                (yaml[..at].matches('\n').count() + 5, at - yaml[..at].rfind('\n').map_or(0, |end| end + 1) + 1);
            let place = format!("rollout.yaml:{line}:{column}: ");
            assert!(found[0].starts_with(&place) && found[0].contains(part), "{yaml}: {place} {found:?}");
        }
        let nginx = problems(&format!("{PROMETHEUS}  presets: [ingress-nginx]\n"));
        assert!(nginx.len() == 1 && nginx[0].contains("only where it splits"), "{nginx:?}");
        let split = format!("{PROMETHEUS}  presets: [ingress-nginx]\ntraffic: {{nginx: {{ingress: chat}}}}\n");
        assert_eq!(problems(&split), Vec::<String>::new());
        let vllm = problems(&format!("{PROMETHEUS}  rates:\n    - {{name: error_rate, preset: vllm}}\n"));
        assert!(vllm[0].contains("`preset: istio` or `preset: ingress-nginx`"), "{vllm:?}");
    }
}
