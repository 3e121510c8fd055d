//! What all strategies share: when a step up is taken, when the traffic returns, and when nothing changes.

use super::super::facts::{Facts, Hold, Limit, Wish};
use super::super::plan::{AfterLimit, Approval};
use super::super::{Ending, Percent, Stage};
use crate::gate::Verdict;

/// Whether a person has to say something before the rollout goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asks {
    /// Nobody.
    Nobody,
    /// A person.
    Person,
}

/// A step up that a pass may take.
#[derive(Clone, Copy)]
pub(super) struct Rung {
    /// Where it leads.
    pub(super) up: Stage,
    /// Whether a person is asked before.
    pub(super) asks: Asks,
}

/// Whether a person is asked before a step up.
pub(super) fn asks(approval: Approval, place: Place) -> Asks {
    let asked = match approval {
        Approval::None => false,
        Approval::First => place == Place::First,
        Approval::Last => place == Place::Last,
        Approval::Each => true,
    };
    if asked { Asks::Person } else { Asks::Nobody }
}

/// Which step up it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The first that gives anything to the new version.
    First,
    /// One between.
    Between,
    /// The one that makes it the stable version.
    Last,
}

/// What comes after a look at a stage from which traffic can go up and can return.
pub(super) fn climb(stage: Stage, rung: Rung, facts: Facts, after: AfterLimit) -> (Stage, Asks) {
    if facts.wish == Wish::Abort || facts.limit == Limit::Deadline {
        return (Stage::Return, Asks::Nobody);
    }
    match facts.verdict {
        Verdict::Fail => (Stage::Return, Asks::Nobody),
        Verdict::Pass => match (facts.hold, facts.wish, rung.asks) {
            (Hold::Running, ..) | (Hold::Over, Wish::Pause, _) => (stage, Asks::Nobody),
            (Hold::Over, Wish::Proceed, Asks::Person) => (stage, Asks::Person),
            (Hold::Over, Wish::Proceed, Asks::Nobody) | (Hold::Over, Wish::Approve | Wish::Abort, _) => {
                (rung.up, Asks::Nobody)
            }
        },
        Verdict::Inconclusive | Verdict::Error => match (facts.limit, after) {
            (Limit::Reached | Limit::Deadline, AfterLimit::RollBack) => (Stage::Return, Asks::Nobody),
            (Limit::Reached | Limit::Deadline, AfterLimit::Pause) | (Limit::Left, _) => (stage, Asks::Nobody),
        },
    }
}

/// The ends of every strategy: none of them looks at a verdict, since none gives users to an unjudged version.
pub(super) fn end(stage: Stage) -> (Stage, Asks) {
    let next = match stage {
        Stage::Clean => Stage::Done(Ending::Promoted),
        Stage::Return => Stage::Undo,
        Stage::Undo => Stage::Done(Ending::RolledBack),
        // A stage that the strategy does not have: nobody knows what was judged there.
        Stage::Prepare | Stage::Step(_) | Stage::Promote | Stage::Keep => Stage::Return,
        Stage::Done(ending) => Stage::Done(ending),
    };
    (next, Asks::Nobody)
}

/// The share of a step; nothing for a step that is not there.
pub(super) fn share(steps: &[Percent], step: u8) -> Percent {
    steps.get(usize::from(step)).copied().unwrap_or_default()
}

/// The step after this one, where there is one.
pub(super) fn after(steps: &[Percent], step: u8) -> Option<Stage> {
    let next = step.checked_add(1)?;
    (usize::from(next) < steps.len()).then_some(Stage::Step(next))
}
