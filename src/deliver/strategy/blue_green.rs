//! Blue-green: green is made and stays healthy without users, then has all of them at once; the old version is kept for the
//! rollback window, then retired. Here green is the canary's workload.

use super::super::facts::Facts;
use super::super::plan::Plan;
use super::super::target::{Canary, Ready, Stable};
use super::super::{Ending, Percent, Split, Stage, Target};
use super::ladder::{Asks, Place, Rung, asks, climb, end};

pub(super) fn next(plan: &Plan, stage: Stage, facts: Facts) -> (Stage, Asks) {
    let approval = plan.blue_green.approval;
    let rung = match stage {
        Stage::Prepare => Rung { up: Stage::Step(0), asks: Asks::Nobody },
        // The switch is both the first step up and the last.
        Stage::Step(_) => {
            let first = asks(approval, Place::First) == Asks::Person;
            Rung { up: Stage::Promote, asks: if first { Asks::Person } else { asks(approval, Place::Last) } }
        }
        Stage::Promote => Rung { up: Stage::Keep, asks: Asks::Nobody },
        Stage::Keep => Rung { up: Stage::Clean, asks: Asks::Nobody },
        Stage::Clean | Stage::Return | Stage::Undo | Stage::Done(_) => return end(stage),
    };
    climb(stage, rung, facts, plan.patience.after)
}

pub(super) fn target(_: &Plan, stage: Stage) -> Target {
    let at = |stable, canary, share| Target { stable, canary, split: Split::to_canary(share), ready: Ready::Awaited };
    let green = Canary::For(Percent::ALL);
    match stage {
        Stage::Prepare | Stage::Step(_) => at(Stable::Old, green, Percent::ZERO),
        Stage::Promote | Stage::Keep => at(Stable::Old, green, Percent::ALL),
        Stage::Clean | Stage::Done(Ending::Promoted) => at(Stable::Retired, green, Percent::ALL),
        Stage::Return => {
            Target { stable: Stable::Old, canary: Canary::AsItIs, split: Split::STABLE, ready: Ready::Skipped }
        }
        Stage::Undo | Stage::Done(Ending::RolledBack) => at(Stable::Old, Canary::Absent, Percent::ZERO),
    }
}
