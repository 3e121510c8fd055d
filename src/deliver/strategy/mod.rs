//! The strategies: what comes next, and what the cluster should look like then. Pure: no clock, no cluster.

mod blue_green;
mod canary;
mod feature_flag;
mod ladder;
mod rolling;
mod shadow;
#[cfg(test)]
mod tests;

use super::facts::Facts;
use super::plan::{Plan, StrategyName};
use super::{Ending, Percent, Stage, Target};

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The cluster is made to look like this, and the state says so before.
    Reach(Target),
    /// Nothing changes: look again.
    Hold,
    /// Nothing changes: a person has to say `approve`.
    Ask,
    /// Nothing is left to do.
    Finish(Ending),
}

/// What comes after a look at a stage that was reached. Only a pass gives users to the new version.
pub fn next(plan: &Plan, stage: Stage, facts: Facts) -> (Stage, Action) {
    let (next, asks) = match plan.strategy {
        StrategyName::Canary => canary::next(plan, stage, facts),
        StrategyName::BlueGreen => blue_green::next(plan, stage, facts),
        StrategyName::Shadow => shadow::next(plan, stage, facts),
        StrategyName::Rolling => rolling::next(plan, stage, facts),
        StrategyName::FeatureFlag => feature_flag::next(plan, stage, facts),
    };
    let action = match (next, asks) {
        (Stage::Done(ending), _) => Action::Finish(ending),
        (_, ladder::Asks::Person) => Action::Ask,
        (same, ladder::Asks::Nobody) if same == stage => Action::Hold,
        (_, ladder::Asks::Nobody) => Action::Reach(target(plan, next)),
    };
    (next, action)
}

/// What the cluster should look like at a stage.
pub fn target(plan: &Plan, stage: Stage) -> Target {
    match plan.strategy {
        StrategyName::Canary => canary::target(plan, stage),
        StrategyName::BlueGreen => blue_green::target(plan, stage),
        StrategyName::Shadow => shadow::target(plan, stage),
        StrategyName::Rolling => rolling::target(stage),
        StrategyName::FeatureFlag => feature_flag::target(plan, stage),
    }
}

/// The share of users that has the new version at a stage.
pub fn exposure(plan: &Plan, stage: Stage) -> Percent {
    match stage {
        Stage::Prepare | Stage::Return | Stage::Undo | Stage::Done(Ending::RolledBack) => Percent::ZERO,
        Stage::Promote | Stage::Keep | Stage::Clean | Stage::Done(Ending::Promoted) => Percent::ALL,
        Stage::Step(step) => match plan.strategy {
            StrategyName::Canary => ladder::share(&plan.canary.steps, step),
            StrategyName::FeatureFlag => ladder::share(&plan.feature_flag.steps, step),
            StrategyName::BlueGreen | StrategyName::Shadow => Percent::ZERO,
            StrategyName::Rolling => Percent::ALL,
        },
    }
}

/// The least time at a stage, in seconds.
pub fn hold_seconds(plan: &Plan, stage: Stage) -> f64 {
    match stage {
        Stage::Step(_) => match plan.strategy {
            StrategyName::Canary => plan.canary.hold_seconds,
            StrategyName::BlueGreen => plan.blue_green.switch_delay_seconds,
            StrategyName::Shadow => plan.shadow.hold_seconds,
            StrategyName::Rolling => plan.rolling.hold_seconds,
            StrategyName::FeatureFlag => plan.feature_flag.hold_seconds,
        },
        Stage::Keep => plan.blue_green.rollback_window_seconds,
        Stage::Prepare | Stage::Promote | Stage::Clean | Stage::Return | Stage::Undo | Stage::Done(_) => 0.0,
    }
}

/// How long a stage may take, in seconds, while it has data.
pub fn limit_seconds(plan: &Plan, stage: Stage) -> f64 {
    let patience = &plan.patience;
    match stage {
        Stage::Prepare | Stage::Promote => patience.ready_seconds,
        Stage::Step(_) => match plan.strategy {
            StrategyName::Shadow => plan.shadow.limit_seconds,
            StrategyName::Rolling => {
                plan.rolling.timeout_seconds.max(plan.rolling.hold_seconds) + patience.step_seconds
            }
            StrategyName::Canary | StrategyName::BlueGreen | StrategyName::FeatureFlag => {
                hold_seconds(plan, stage) + patience.step_seconds
            }
        },
        Stage::Keep => plan.blue_green.rollback_window_seconds + patience.step_seconds,
        Stage::Clean | Stage::Return | Stage::Undo | Stage::Done(_) => patience.deadline_seconds,
    }
}

/// Every stage of a rollout that goes well, in order.
pub fn way(plan: &Plan) -> Vec<Stage> {
    let pass = Facts {
        verdict: crate::gate::Verdict::Pass,
        hold: super::facts::Hold::Over,
        limit: super::facts::Limit::Left,
        wish: super::facts::Wish::Approve,
    };
    let mut stages = vec![Stage::Prepare];
    while let Some(&last) = stages.last()
        && !last.is_done()
        && stages.len() < 256
    {
        stages.push(next(plan, last, pass).0);
    }
    stages
}
