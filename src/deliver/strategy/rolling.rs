//! Rolling: the workload takes the new version by its own rolling update, and is judged once it is through.

use super::super::facts::Facts;
use super::super::plan::Plan;
use super::super::target::{Canary, Ready, Stable};
use super::super::{Ending, Split, Stage, Target};
use super::ladder::{Asks, Place, Rung, asks, climb, end};

pub(super) fn next(plan: &Plan, stage: Stage, facts: Facts) -> (Stage, Asks) {
    let approval = plan.rolling.approval;
    let rung = match stage {
        Stage::Prepare => {
            let first = asks(approval, Place::First) == Asks::Person;
            Rung { up: Stage::Step(0), asks: if first { Asks::Person } else { asks(approval, Place::Last) } }
        }
        Stage::Step(_) => Rung { up: Stage::Clean, asks: Asks::Nobody },
        Stage::Promote | Stage::Keep | Stage::Clean | Stage::Return | Stage::Undo | Stage::Done(_) => {
            return end(stage);
        }
    };
    climb(stage, rung, facts, plan.patience.after)
}

pub(super) fn target(stage: Stage) -> Target {
    let at = |stable, ready| Target { stable, canary: Canary::Absent, split: Split::STABLE, ready };
    match stage {
        Stage::Step(_) | Stage::Promote | Stage::Keep | Stage::Clean | Stage::Done(Ending::Promoted) => {
            at(Stable::New, Ready::Awaited)
        }
        Stage::Return => at(Stable::Old, Ready::Skipped),
        Stage::Prepare | Stage::Undo | Stage::Done(Ending::RolledBack) => at(Stable::Old, Ready::Awaited),
    }
}
