//! From what the cluster looks like to what it should look like: first as a list of moves (pure, `plan`), then done (`hands`).
//!
//! Raise: the workload first, then ready, then traffic. Lower: traffic first, then the workload. What receives traffic is never
//! taken away. The list is made anew from what is seen, so any half-way point leads on.
//! Kept out: when a stage is left (`strategy`), and the state that announces it (`drive`).

mod hands;
mod seen;
#[cfg(test)]
mod tests;

use super::plan::Retire;
use super::target::{Canary, Ready, Stable};
use super::workload::{Layout, replicas_for};
use super::{Percent, Split, Target};

pub use hands::{Hands, Pass, order, resource};
pub use seen::{Looked, Runs, Seen, Side};

/// What is wanted, and what decides how it is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Order {
    /// How the two versions stand beside each other.
    pub layout: Layout,
    /// What the cluster should look like.
    pub target: Target,
    /// Stable's replicas when the rollout began.
    pub at_begin: u32,
    /// What becomes of a colour that is retired.
    pub retire: Retire,
}

/// One move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Do {
    /// The new version's Service and Deployment are made, or get this many replicas.
    Canary(u32),
    /// Waits until every pod of the new version is ready.
    AwaitCanary,
    /// The stable workload gets the old or the new version: one patch.
    Version(Version),
    /// A retired colour gets its replicas back.
    Revive(u32),
    /// Waits until the stable workload is through.
    AwaitStable,
    /// Waits until the stable workload has one available pod: enough to flee to.
    AwaitOne,
    /// The traffic.
    Shift(Split),
    /// Waits until what was on its way has been answered, before anything that had traffic goes.
    Drain,
    /// The router takes away what it had added.
    Clear,
    /// The new version's Service and Deployment go.
    Remove,
    /// The old colour goes, or gets no replicas.
    Retire(Retire),
}

/// A version that the stable workload is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// The one that was there when the rollout began.
    Old,
    /// The new one.
    New,
}

/// The moves from what is seen to what is wanted, in order. Empty where it looks so already.
pub fn plan(order: Order, seen: Seen) -> Vec<Do> {
    if order.layout == Layout::Driven {
        return driven(order, seen);
    }
    let target = order.target;
    let mut moves = Vec::new();
    let mut seen = seen;
    if let (Canary::For(_), Split::STABLE, Some(side)) = (target.canary, seen.split, seen.canary) {
        let retired = order.layout == Layout::Colours && side.replicas == 0;
        if retired || side.runs != Runs::New {
            // A colour that an earlier rollout had left there: nobody is sent to it.
            moves.push(Do::Remove);
            seen.canary = None;
        }
    }
    let falls = falls(order.layout, target.split, seen);
    let shifts = shifts(order.layout, target.split, seen.split);
    let wanted = match target.canary {
        Canary::For(share) => {
            Some(replicas_for(order.layout, share, order.at_begin, seen.stable.map_or(0, |side| side.replicas)))
        }
        Canary::Absent | Canary::AsItIs => None,
    };
    let grows = wanted.is_some_and(|wanted| seen.canary.is_none_or(|side| side.replicas < wanted));
    // Raised while the traffic falls, a canary would only be in the way.
    if let (Some(wanted), true, false) = (wanted, grows, falls) {
        moves.push(Do::Canary(wanted));
    }
    let unready = grows || seen.canary.is_some_and(|side| !side.ready);
    if wanted.is_some() && unready && !falls && target.ready == Ready::Awaited {
        moves.push(Do::AwaitCanary);
    }
    if falls {
        moves.extend(restored(order, seen));
        match (order.layout, target.stable) {
            (Layout::Flag, _) => {}
            // Everybody is to have the new version there: it must be through before it has anybody.
            (_, Stable::New) => moves.push(Do::AwaitStable),
            (_, Stable::Old | Stable::Retired) => moves.push(Do::AwaitOne),
        }
        // What is to be mirrored besides is a rise, for the next round.
        moves.push(Do::Shift(Split { mirror: target.split.mirror.min(seen.split.mirror), ..target.split }));
    } else {
        if shifts {
            moves.push(Do::Shift(target.split));
        }
        let changed = restored(order, seen);
        let unready = !changed.is_empty() || seen.stable.is_none_or(|side| !side.ready);
        moves.extend(changed);
        if target.stable == Stable::New && unready && target.ready == Ready::Awaited {
            moves.push(Do::AwaitStable);
        }
    }
    match target.canary {
        Canary::Absent => {
            if seen.canary.is_some() {
                moves.extend([Do::Drain, Do::Clear, Do::Remove]);
            }
            // After what goes has gone: it may hold the GPU that stable waits for.
            let changes = moves.iter().any(|one| matches!(one, Do::Version(_) | Do::Revive(_)));
            let unready = changes || seen.stable.is_none_or(|side| !side.ready);
            let awaited = target.ready == Ready::Awaited && target.stable == Stable::Old;
            if awaited && unready && order.layout != Layout::Flag {
                moves.push(Do::AwaitStable);
            }
        }
        Canary::For(_) => {
            let shrinks = wanted.zip(seen.canary).is_some_and(|(wanted, side)| side.replicas > wanted);
            if let (Some(wanted), true) = (wanted, shrinks && target.split.canary < Percent::ALL) {
                moves.push(Do::Canary(wanted));
            }
        }
        Canary::AsItIs => {}
    }
    if target.stable == Stable::Retired
        && seen.stable.is_some_and(|side| side.replicas > 0 || order.retire == Retire::Delete)
    {
        moves.extend([Do::Drain, Do::Retire(order.retire)]);
    }
    moves
}

/// The moves that give the stable workload the version, and the replicas, that it should have.
fn restored(order: Order, seen: Seen) -> Vec<Do> {
    let Some(side) = seen.stable else { return Vec::new() };
    let mut moves = Vec::new();
    match (order.target.stable, side.runs) {
        (Stable::Old | Stable::New, _) if order.layout == Layout::Flag => {}
        (Stable::Old, Runs::New | Runs::Other) => moves.push(Do::Version(Version::Old)),
        (Stable::New, Runs::Old | Runs::Other) => moves.push(Do::Version(Version::New)),
        (Stable::Old, Runs::Old) | (Stable::New, Runs::New) | (Stable::Retired, _) => {}
    }
    if order.target.stable != Stable::Retired && side.replicas == 0 && order.layout != Layout::Flag {
        moves.push(Do::Revive(order.at_begin.max(1)));
    }
    moves
}

/// Whether the new version is to have less than it has. Behind one Service a pod that is not ready now may be the next moment.
fn falls(layout: Layout, wanted: Split, seen: Seen) -> bool {
    let now = seen.split.canary;
    match layout {
        Layout::Shared if wanted.canary == Percent::ZERO => {
            now > Percent::ZERO || seen.canary.is_some_and(|side| side.replicas > 0)
        }
        Layout::Shared => now == Percent::ALL && wanted.canary < Percent::ALL,
        Layout::InPlace => false,
        Layout::Beside | Layout::Colours | Layout::Flag | Layout::Driven => wanted.canary < now,
    }
}

/// Whether the router has anything to do. Behind one Service the numbers of pods are the split, so only none, some and all are
/// told apart.
fn shifts(layout: Layout, wanted: Split, seen: Split) -> bool {
    let kind = |share: Percent| (share == Percent::ZERO, share == Percent::ALL);
    match layout {
        Layout::Shared => kind(wanted.canary) != kind(seen.canary),
        Layout::InPlace => false,
        Layout::Beside | Layout::Colours | Layout::Flag | Layout::Driven => wanted != seen,
    }
}

/// The moves where another controller has both versions: its object gets the version, the controller is told how far it may go.
fn driven(order: Order, seen: Seen) -> Vec<Do> {
    let target = order.target;
    let runs = seen.stable.map(|side| side.runs);
    let mut moves = Vec::new();
    match (target.stable, target.canary) {
        // Traffic first; where its controller has made the new version its stable one, the version leads back, and the shift hastens it.
        (Stable::Old, Canary::Absent | Canary::AsItIs) => {
            if target.split != seen.split {
                moves.push(Do::Shift(target.split));
            }
            if runs != Some(Runs::Old) {
                moves.push(Do::Version(Version::Old));
            }
        }
        (Stable::Old, Canary::For(_)) => {
            if runs != Some(Runs::New) {
                moves.push(Do::Version(Version::New));
            }
            if target.split != seen.split {
                moves.push(Do::Shift(target.split));
            }
        }
        // All of it: the controller makes the new version its stable one by itself.
        (Stable::New | Stable::Retired, _) => {
            if seen.split.canary != Percent::ALL && seen.split != Split::STABLE {
                moves.push(Do::Shift(Split::to_canary(Percent::ALL)));
            }
            if seen.stable.is_some_and(|side| !side.ready) && target.ready == Ready::Awaited {
                moves.push(Do::AwaitStable);
            }
        }
    }
    moves
}
