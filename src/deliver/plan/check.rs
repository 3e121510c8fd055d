//! What can be wrong with a plan, as far as the plan alone can tell. Everything at once.

use super::{Plan, Purpose, StrategyName, WorkloadKind};
use crate::deliver::Percent;
use crate::document::{Document, Problems};

/// Finds every problem.
pub fn check(plan: &Plan, document: &Document, purpose: Purpose) -> Problems {
    let mut problems = Problems::none();
    let mut at = |pointer: &str, message: String, help: &str| {
        let problem = document.problem(pointer, message);
        problems.push(if help.is_empty() { problem } else { problem.help(help) });
    };
    if plan.version != 1 {
        at("/version", format!("version {} is not known", plan.version), "this program reads version 1");
    }
    let flag = plan.strategy == StrategyName::FeatureFlag;
    let changes = flag || purpose == Purpose::Refer;
    if !changes && plan.change.image.is_none() && plan.change.model.is_none() {
        at("/change", "nothing changes: there is neither an image nor a model".to_owned(), "set `change.image`");
    }
    for (field, steps) in [("canary", &plan.canary.steps), ("feature_flag", &plan.feature_flag.steps)] {
        let growing = steps.windows(2).all(|pair| pair.first() < pair.last());
        let ends = steps.last() == Some(&Percent::ALL) && steps.first() != Some(&Percent::ZERO);
        if !growing || !ends {
            let help = "such as [10, 25, 50, 100]";
            at(&format!("/{field}/steps"), "steps grow, begin above 0 and end with 100".to_owned(), help);
        }
    }
    let routers = [
        plan.traffic.istio.is_some(),
        plan.traffic.gateway.is_some(),
        plan.traffic.nginx.is_some(),
        plan.traffic.flag.is_some(),
    ];
    if routers.iter().filter(|there| **there).count() > 1 {
        at("/traffic", "the traffic is split by one of them, not by several".to_owned(), "leave the others out");
    }
    if flag && plan.traffic.flag.is_none() {
        at("/traffic", "`strategy: feature-flag` needs `traffic.flag`".to_owned(), "");
    }
    if !flag && plan.traffic.flag.is_some() {
        at("/traffic/flag", "a flag is raised by `strategy: feature-flag` only".to_owned(), "");
    }
    if plan.strategy == StrategyName::Shadow && plan.traffic.istio.is_none() && plan.traffic.gateway.is_none() {
        let help = "set `traffic.istio` or `traffic.gateway`";
        at("/strategy", "a shadow needs something that mirrors requests".to_owned(), help);
    }
    if plan.strategy == StrategyName::BlueGreen && routers.contains(&true) {
        let help = "leave `traffic` out";
        at("/traffic", "blue-green switches the selector of the Service".to_owned(), help);
    }
    if plan.strategy == StrategyName::Rolling && routers.contains(&true) {
        let help = "leave `traffic` out";
        at("/traffic", "a rolling update moves the traffic by itself".to_owned(), help);
    }
    if plan.workload.kind != WorkloadKind::Deployment && plan.strategy != StrategyName::Canary {
        let help = "its controller splits the traffic: use `strategy: canary`";
        at("/workload/kind", "this kind of workload is brought out by a canary only".to_owned(), help);
    }
    problems
}
