//! Feature flag: both versions are deployed already, and a flag's percentage says who gets which.

use super::super::facts::Facts;
use super::super::plan::Plan;
use super::super::target::{Canary, Ready, Stable};
use super::super::{Ending, Percent, Split, Stage, Target};
use super::ladder::{Asks, Place, Rung, after, asks, climb, end, share};

pub(super) fn next(plan: &Plan, stage: Stage, facts: Facts) -> (Stage, Asks) {
    let (steps, approval) = (&plan.feature_flag.steps, plan.feature_flag.approval);
    let rung = match stage {
        Stage::Prepare => Rung { up: Stage::Step(0), asks: asks(approval, Place::First) },
        Stage::Step(step) => match after(steps, step) {
            Some(up) => Rung { up, asks: asks(approval, Place::Between) },
            None => Rung { up: Stage::Clean, asks: asks(approval, Place::Last) },
        },
        Stage::Promote | Stage::Keep | Stage::Clean | Stage::Return | Stage::Undo | Stage::Done(_) => {
            return end(stage);
        }
    };
    climb(stage, rung, facts, plan.patience.after)
}

pub(super) fn target(plan: &Plan, stage: Stage) -> Target {
    let at =
        |share, ready| Target { stable: Stable::Old, canary: Canary::AsItIs, split: Split::to_canary(share), ready };
    match stage {
        Stage::Step(step) => at(share(&plan.feature_flag.steps, step), Ready::Awaited),
        Stage::Promote | Stage::Keep | Stage::Clean | Stage::Done(Ending::Promoted) => at(Percent::ALL, Ready::Awaited),
        Stage::Return => at(Percent::ZERO, Ready::Skipped),
        Stage::Prepare | Stage::Undo | Stage::Done(Ending::RolledBack) => at(Percent::ZERO, Ready::Awaited),
    }
}
