//! Shadow: a part of the requests is mirrored to the new version, whose answers nobody sees; they are measured and compared.
//! A pass makes the new version the stable one.

use super::super::facts::Facts;
use super::super::plan::Plan;
use super::super::target::{Canary, Ready, Stable};
use super::super::{Ending, Percent, Split, Stage, Target};
use super::ladder::{Asks, Place, Rung, asks, climb, end};

pub(super) fn next(plan: &Plan, stage: Stage, facts: Facts) -> (Stage, Asks) {
    let approval = plan.shadow.approval;
    let rung = match stage {
        Stage::Prepare => Rung { up: Stage::Step(0), asks: Asks::Nobody },
        Stage::Step(_) => {
            let first = asks(approval, Place::First) == Asks::Person;
            Rung { up: Stage::Promote, asks: if first { Asks::Person } else { asks(approval, Place::Last) } }
        }
        Stage::Promote => Rung { up: Stage::Clean, asks: Asks::Nobody },
        Stage::Keep | Stage::Clean | Stage::Return | Stage::Undo | Stage::Done(_) => return end(stage),
    };
    climb(stage, rung, facts, plan.patience.after)
}

pub(super) fn target(plan: &Plan, stage: Stage) -> Target {
    let at = |stable, canary, split| Target { stable, canary, split, ready: Ready::Awaited };
    let sample = plan.shadow.sample;
    match stage {
        Stage::Prepare => at(Stable::Old, Canary::For(sample), Split::STABLE),
        Stage::Step(_) => at(Stable::Old, Canary::For(sample), Split { canary: Percent::ZERO, mirror: sample }),
        Stage::Promote | Stage::Keep => at(Stable::New, Canary::AsItIs, Split::STABLE),
        Stage::Clean | Stage::Done(Ending::Promoted) => at(Stable::New, Canary::Absent, Split::STABLE),
        Stage::Return => {
            Target { stable: Stable::Old, canary: Canary::AsItIs, split: Split::STABLE, ready: Ready::Skipped }
        }
        Stage::Undo | Stage::Done(Ending::RolledBack) => at(Stable::Old, Canary::Absent, Split::STABLE),
    }
}
