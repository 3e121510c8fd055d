//! Canary: a growing share of the traffic, then the new version becomes the stable one and the canary goes.

use super::super::facts::Facts;
use super::super::plan::{Plan, WorkloadKind};
use super::super::target::{Canary, Ready, Stable};
use super::super::{Percent, Split, Stage, Target};
use super::ladder::{Asks, Place, Rung, after, asks, climb, end, share};

pub(super) fn next(plan: &Plan, stage: Stage, facts: Facts) -> (Stage, Asks) {
    let (steps, approval) = (&plan.canary.steps, plan.canary.approval);
    let rung = match stage {
        Stage::Prepare => Rung { up: Stage::Step(0), asks: asks(approval, Place::First) },
        Stage::Step(step) => match after(steps, step) {
            Some(up) => Rung { up, asks: asks(approval, Place::Between) },
            None => Rung { up: Stage::Promote, asks: asks(approval, Place::Last) },
        },
        Stage::Promote => Rung { up: Stage::Clean, asks: Asks::Nobody },
        Stage::Keep | Stage::Clean | Stage::Return | Stage::Undo | Stage::Done(_) => return end(stage),
    };
    climb(stage, rung, facts, plan.patience.after)
}

pub(super) fn target(plan: &Plan, stage: Stage) -> Target {
    let at = |stable, canary, share| Target { stable, canary, split: Split::to_canary(share), ready: Ready::Awaited };
    match stage {
        // Where a pod that is ready has users at once, the first step makes the canary.
        Stage::Prepare if has_users_at_once(plan) => at(Stable::Old, Canary::Absent, Percent::ZERO),
        Stage::Prepare => at(Stable::Old, Canary::For(share(&plan.canary.steps, 0)), Percent::ZERO),
        Stage::Step(step) => {
            let share = share(&plan.canary.steps, step);
            at(Stable::Old, Canary::For(share), share)
        }
        Stage::Promote | Stage::Keep => at(Stable::New, Canary::For(Percent::ALL), Percent::ALL),
        Stage::Clean | Stage::Done(super::Ending::Promoted) => at(Stable::New, Canary::Absent, Percent::ZERO),
        Stage::Return => {
            Target { stable: Stable::Old, canary: Canary::AsItIs, split: Split::STABLE, ready: Ready::Skipped }
        }
        Stage::Undo | Stage::Done(super::Ending::RolledBack) => at(Stable::Old, Canary::Absent, Percent::ZERO),
    }
}

/// Whether the new version cannot be made ready without users: both stand behind one Service, so that the number of replicas is
/// the split, or an Argo Rollout takes its first step as soon as it has the version.
fn has_users_at_once(plan: &Plan) -> bool {
    let traffic = &plan.traffic;
    match plan.workload.kind {
        WorkloadKind::Deployment => traffic.istio.is_none() && traffic.gateway.is_none() && traffic.nginx.is_none(),
        WorkloadKind::Rollout => true,
        WorkloadKind::InferenceService => false,
    }
}
