//! What can be wrong with a plan, as far as the plan alone can tell. Everything at once, each at its line.

mod addresses;
mod names;
mod rules;
mod seconds;
#[cfg(test)]
mod tests;

use super::{Plan, Purpose, StrategyName, WorkloadKind};
use crate::deliver::Percent;
use crate::document::{Document, Problems};

/// Collects problems at their places.
struct Found<'a> {
    document: &'a Document,
    problems: Problems,
}

impl Found<'_> {
    fn at(&mut self, pointer: &str, message: impl Into<String>, help: &str) {
        let problem = self.document.problem(pointer, message);
        self.problems.push(if help.is_empty() { problem } else { problem.help(help) });
    }
}

/// Finds every problem.
pub fn check(plan: &Plan, document: &Document, purpose: Purpose) -> Problems {
    let mut found = Found { document, problems: Problems::none() };
    if plan.version != 1 {
        found.at("/version", format!("version {} is not known", plan.version), "this program reads version 1");
    }
    addresses::check(plan, &mut found);
    names::check(plan, &mut found);
    seconds::check(plan, &mut found);
    rules::check(plan, &mut found);
    steps(plan, &mut found);
    strategy(plan, &mut found);
    let changes = plan.strategy == StrategyName::FeatureFlag || purpose == Purpose::Refer;
    if !changes && plan.change.image.is_none() && plan.change.model.is_none() {
        found.at("/change", "nothing changes: there is neither an image nor a model", "set `change.image`");
    }
    found.problems
}

fn steps(plan: &Plan, found: &mut Found<'_>) {
    for (field, steps) in [("canary", &plan.canary.steps), ("feature_flag", &plan.feature_flag.steps)] {
        let growing = steps.windows(2).all(|pair| pair.first() < pair.last());
        let ends = steps.last() == Some(&Percent::ALL) && steps.first() != Some(&Percent::ZERO);
        if !growing || !ends {
            let pointer = format!("/{field}/steps");
            found.at(&pointer, "steps grow, begin above 0 and end with 100", "such as [10, 25, 50, 100]");
        }
    }
    if plan.shadow.sample == Percent::ZERO {
        found.at("/shadow/sample", "without a sample nothing would be mirrored", "");
    }
    if !(plan.shadow.min_similarity > 0.0 && plan.shadow.min_similarity <= 1.0) {
        found.at("/shadow/min_similarity", "a similarity is above 0 and at most 1", "");
    }
    if plan.shadow.min_samples == 0 {
        found.at("/shadow/min_samples", "without answers nothing could be shown", "");
    }
}

fn strategy(plan: &Plan, found: &mut Found<'_>) {
    let traffic = &plan.traffic;
    let routers = [traffic.istio.is_some(), traffic.gateway.is_some(), traffic.nginx.is_some(), traffic.flag.is_some()];
    if routers.iter().filter(|there| **there).count() > 1 {
        found.at("/traffic", "the traffic is split by one of them, not by several", "leave the others out");
    }
    let flag = plan.strategy == StrategyName::FeatureFlag;
    if flag && traffic.flag.is_none() {
        found.at("/strategy", "`strategy: feature-flag` needs `traffic.flag`", "");
    }
    if !flag && traffic.flag.is_some() {
        found.at("/traffic/flag", "a flag is raised by `strategy: feature-flag` only", "");
    }
    match plan.strategy {
        StrategyName::Shadow if traffic.istio.is_none() && traffic.gateway.is_none() => {
            let help = "set `traffic.istio` or `traffic.gateway`";
            found.at("/strategy", "a shadow needs something that mirrors requests", help);
        }
        StrategyName::BlueGreen if routers.contains(&true) => {
            found.at("/traffic", "blue-green switches the selector of the Service", "leave `traffic` out");
        }
        StrategyName::Rolling if routers.contains(&true) => {
            found.at("/traffic", "a rolling update moves the traffic by itself", "leave `traffic` out");
        }
        StrategyName::Canary
        | StrategyName::BlueGreen
        | StrategyName::Shadow
        | StrategyName::Rolling
        | StrategyName::FeatureFlag => {}
    }
    if plan.workload.kind != WorkloadKind::Deployment {
        if plan.strategy != StrategyName::Canary {
            let help = "its controller splits the traffic: use `strategy: canary`";
            found.at("/workload/kind", "this kind of workload is brought out by a canary only", help);
        }
        if routers.contains(&true) {
            let help = "its controller splits the traffic: leave `traffic` out";
            found.at("/traffic", "this kind of workload splits its traffic by itself", help);
        }
    }
}
