//! What is known of a rollout, as it is kept in the cluster. It is written before the change that it announces, and again
//! when that change has been seen.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::analysis::Evidence;
use super::facts::Wish;
use super::plan::Plan;
use super::{Ending, Percent, Split, Stage};

/// Milliseconds since 1970 by the API server's clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Moment(pub i64);

impl Moment {
    /// Seconds from `earlier` to this; never negative.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century are far below 2^53")]
    pub fn since(self, earlier: Moment) -> f64 {
        (self.0.saturating_sub(earlier.0).max(0)) as f64 / 1000.0
    }

    /// RFC 3339 in UTC; none for a moment that no calendar has.
    pub fn rfc3339(self) -> Option<String> {
        let nanoseconds = i128::from(self.0).checked_mul(1_000_000)?;
        let time = time::OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()?;
        time.format(&time::format_description::well_known::Rfc3339).ok()
    }

    /// This many seconds later.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a plan's seconds are far below 2^53 milliseconds")]
    pub fn after(self, seconds: f64) -> Self {
        Self(self.0.saturating_add((seconds * 1000.0).round() as i64))
    }
}

/// Whether the cluster looks as the stage says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reached {
    /// It is said that it will; how far it got is not known.
    Announced,
    /// It was seen.
    Confirmed,
}

/// A version of the workload.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// The container's image.
    pub image: Option<String>,
    /// The model's version.
    pub model: Option<String>,
    /// The workload's revision, where the cluster counts them.
    pub revision: Option<String>,
}

impl Version {
    /// The image, the model and the revision in one line, as far as they are known.
    pub fn words(&self) -> String {
        let revision = self.revision.as_ref().map(|revision| format!("revision {revision}"));
        let model = self.model.as_ref().map(|model| format!("model {model}"));
        let parts: Vec<String> = self.image.iter().cloned().chain(model).chain(revision).collect();
        if parts.is_empty() { "not known".to_owned() } else { parts.join(", ") }
    }
}

/// Who brings the release out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Owner {
    /// The host's own id of the run, or the machine and process.
    pub run: String,
    /// A page that shows the run.
    pub url: Option<String>,
}

/// One line of a rollout's history.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Happening {
    /// When.
    pub at: Moment,
    /// The stage that began.
    pub stage: Stage,
    /// The traffic then.
    pub split: Split,
    /// Why: plain words of our own, with names from the cluster cleaned.
    pub why: String,
    /// What was seen of the stage that was left; none where a person or the host wanted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<crate::gate::Verdict>,
}

/// The note under which [`State::last_rollback`] is kept, from one rollout of a workload to the next.
pub const LAST_ROLLBACK: &str = "last-rollback";

/// Everything that is kept of a rollout.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct State {
    /// The version of this format: 1.
    pub schema: u32,
    /// The rollout's own name.
    pub id: String,
    /// What it does.
    pub plan: Plan,
    /// Who began it.
    pub owner: Owner,
    /// Where it is.
    pub stage: Stage,
    /// Whether the cluster looks like it.
    pub reached: Reached,
    /// What a person wants.
    pub wish: Wish,
    /// The version before.
    pub old: Version,
    /// The version that is brought out.
    pub new: Version,
    /// Replicas of the stable workload when the rollout began.
    pub replicas: u32,
    /// The traffic as it was last seen or set.
    pub split: Split,
    /// When the rollout began.
    pub began: Moment,
    /// When the stage was reached: its hold begins there, again after each fall from readiness.
    pub since: Moment,
    /// When the stage was announced: its limits count from there.
    pub announced: Moment,
    /// When the whole rollout must be over.
    pub deadline: Moment,
    /// Since when the stage has had no data; none while it has.
    pub no_data_since: Option<Moment>,
    /// How often pods have fallen from readiness at this stage.
    pub flaps: u32,
    /// What the measurements have shown so far.
    pub evidence: Evidence,
    /// Why the last move was made.
    pub why: String,
    /// The last moves, oldest first.
    pub history: Vec<Happening>,
    /// Digests of what we left in the cluster, by object, so that a foreign edit is seen.
    pub marks: BTreeMap<String, String>,
    /// Ids that other systems gave us, such as GitHub's deployment.
    pub notes: BTreeMap<String, String>,
}

impl State {
    /// The share of users that has the new version when the cluster looks as the state says.
    pub fn exposure(&self) -> Percent {
        super::strategy::exposure(&self.plan, self.stage)
    }

    /// When the traffic of this workload last returned to an old version.
    pub fn last_rollback(&self) -> Option<Moment> {
        self.notes.get(LAST_ROLLBACK).and_then(|text| text.parse().ok()).map(Moment)
    }

    /// How it ended.
    pub fn ending(&self) -> Option<Ending> {
        match self.stage {
            Stage::Done(ending) => Some(ending),
            Stage::Prepare
            | Stage::Step(_)
            | Stage::Promote
            | Stage::Keep
            | Stage::Clean
            | Stage::Return
            | Stage::Undo => None,
        }
    }
}
