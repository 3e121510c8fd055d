//! What a look at the rollout found, in the few words that a strategy decides by.
//! Kept out: how a verdict is made of measurements (`analysis`), and instants (`drive` compares them).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gate::Verdict;

/// Whether the least time of a stage has passed, without a fall from readiness.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hold {
    /// Not yet.
    Running,
    /// It has.
    Over,
}

/// Whether the stage may stay undecided any longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// It may.
    Left,
    /// It may not.
    Reached,
    /// The whole rollout may not: its deadline has come.
    Deadline,
}

/// What a person, or the host that cancels the job, wants of a rollout.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// That it goes on by itself.
    #[default]
    Proceed,
    /// That it stays where it is.
    Pause,
    /// That the next step which waits for a person is taken.
    Approve,
    /// That the traffic returns to stable.
    Abort,
}

/// One look. The verdict is about the stage that the rollout is in: for `Prepare`, whether the new version's pods are ready;
/// for a step, what its health and its measurements show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    /// What health and measurements show; no data is `Inconclusive`.
    pub verdict: Verdict,
    /// The least time.
    pub hold: Hold,
    /// The limit of the stage, or of the whole rollout.
    pub limit: Limit,
    /// What is wanted.
    pub wish: Wish,
}

impl Facts {
    /// Every look that there can be, for tests over all of them.
    pub fn all() -> impl Iterator<Item = Facts> {
        let verdicts = [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive, Verdict::Error];
        let wishes = [Wish::Proceed, Wish::Pause, Wish::Approve, Wish::Abort];
        verdicts.into_iter().flat_map(move |verdict| {
            [Hold::Running, Hold::Over].into_iter().flat_map(move |hold| {
                [Limit::Left, Limit::Reached, Limit::Deadline]
                    .into_iter()
                    .flat_map(move |limit| wishes.into_iter().map(move |wish| Facts { verdict, hold, limit, wish }))
            })
        })
    }
}
