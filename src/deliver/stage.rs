//! Where a rollout is. One list for all strategies, so that status, report and runbook speak of all of them alike.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a rollout is. Which stages there are, and what each means for traffic and workloads, is the strategy's business.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The new version is made ready and gets no traffic.
    Prepare,
    /// Step of this number, from 0, is judged.
    Step(u8),
    /// The new version becomes the stable one.
    Promote,
    /// All traffic is at the new version, and the old one is kept beside.
    Keep,
    /// The rollout has succeeded; what is not needed any more is removed.
    Clean,
    /// The traffic returns to stable.
    Return,
    /// The traffic is at stable; what the rollout made is removed.
    Undo,
    /// Nothing is left to do.
    Done(Ending),
}

/// How a rollout ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Everybody has the new version.
    Promoted,
    /// Everybody has the old version.
    RolledBack,
}

impl Stage {
    /// Whether anything is left to do.
    pub fn is_done(self) -> bool {
        matches!(self, Stage::Done(_))
    }
}
