//! What happens in a rollout, for whoever prints, tells people or keeps records of it; and how a run ends.

use super::super::analysis::Judgement;
use super::super::state::State;
use super::super::{Ending, Split, Stage, Trouble};
use crate::gate::Verdict;

/// What a run does when a person has to approve the next step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WhenAsked {
    /// It goes on looking, and goes on once somebody has approved.
    #[default]
    Wait,
    /// It ends; the rollout stays where it is, and a later run goes on.
    Leave,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The run has taken the rollout up, at its beginning or where another run left it.
    Began(Box<State>),
    /// The next stage is announced; the cluster does not look like it yet.
    Moved {
        /// The stage that is left.
        from: Stage,
        /// The stage that begins.
        to: Stage,
        /// The traffic before.
        split: Split,
        /// What was seen of the stage that is left; none where a person or the host wanted it.
        seen: Option<Verdict>,
        /// One sentence.
        why: String,
    },
    /// The cluster looks as the stage says.
    Reached {
        /// The stage.
        stage: Stage,
        /// The traffic now.
        split: Split,
    },
    /// Nothing can be done but wait: for what.
    Waiting {
        /// The stage.
        stage: Stage,
        /// One sentence.
        why: String,
    },
    /// Measurements were judged.
    Look {
        /// The stage.
        stage: Stage,
        /// What they say.
        judgement: Box<Judgement>,
    },
    /// Pods that were ready are not any more.
    Flapped {
        /// The stage.
        stage: Stage,
        /// How often now.
        times: u32,
        /// One sentence.
        why: String,
    },
    /// A person has to approve.
    Asked {
        /// The stage that has passed.
        stage: Stage,
    },
    /// A person has paused the rollout.
    Paused {
        /// The stage.
        stage: Stage,
    },
    /// Somebody else changed what is ours.
    Foreign {
        /// What.
        why: String,
    },
    /// A call failed, and is tried again.
    Again {
        /// What failed.
        why: String,
    },
    /// The run has ended.
    Ended {
        /// How.
        end: End,
        /// Where the traffic is.
        traffic: String,
    },
}

/// How a run ends. The rollout itself is over only with [`End::Done`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// The rollout is over.
    Done(Ending),
    /// A person has to approve, and the run does not wait for it.
    Asked,
    /// The process was told to end. The traffic is at stable where it could be brought there.
    Cancelled,
    /// Somebody else changed what is ours: nothing was touched since.
    Foreign,
    /// The lock was lost: nothing was touched since.
    LockLost,
    /// Waiting does not help: what is in the way.
    Stuck(String),
    /// A call failed for good; the state is kept, and a later run goes on.
    Failed(String),
}

/// A run that has ended.
#[derive(Debug)]
pub struct Run {
    /// The last state that was read or written; none where none could be read.
    pub state: Option<State>,
    /// How.
    pub end: End,
    /// Where the traffic is: the last line.
    pub traffic: String,
    /// What stood in the way, for the exit code.
    pub trouble: Option<Trouble>,
}
