//! What a look at the cluster found, in the few words that a plan of moves needs.

use serde_json::Value;

use super::super::plan::Plan;
use super::super::state::{State, Version};
use super::super::traffic::version_of;
use super::super::workload::{Layout, layout, number, replicas, version};
use super::super::{Split, Trouble};
use crate::deliver::health::{Health, driven_health, health};

/// What a workload runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Runs {
    /// The version from before.
    Old,
    /// The new one.
    New,
    /// Neither.
    Other,
}

/// One workload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Side {
    /// What it runs.
    pub runs: Runs,
    /// Replicas that it asks for; none once it is retired.
    pub replicas: u32,
    /// Available pods of any of its templates.
    pub available: u32,
    /// Whether all of it is through and available.
    pub ready: bool,
}

/// The cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// The workload that had the users when the rollout began.
    pub stable: Option<Side>,
    /// The workload that the rollout makes.
    pub canary: Option<Side>,
    /// The traffic.
    pub split: Split,
}

/// A look: what was seen, and the objects that it was read from.
#[derive(Clone, Debug)]
pub struct Looked {
    /// In few words.
    pub seen: Seen,
    /// The stable workload.
    pub stable: Option<Value>,
    /// The canary's workload.
    pub canary: Option<Value>,
}

impl Side {
    /// Of an object whose own controller has both versions.
    fn driven(object: &Value, plan: &Plan, new: &Version) -> Result<Self, Trouble> {
        let now = version_of(object, plan)?;
        let changed = |ours: &Option<String>, theirs: &Option<String>| ours.is_none() || ours == theirs;
        let is_new = changed(&plan.change.image, &now.image) && (plan.change.model.is_none() || now.model == new.model);
        Ok(Self {
            runs: if is_new { Runs::New } else { Runs::Old },
            replicas: replicas(object).max(1),
            available: 1,
            ready: driven_health(object) == Health::Ready,
        })
    }

    /// Of a Deployment.
    pub fn of(deployment: &Value, plan: &Plan, old: &Version, new: &Version) -> Result<Self, Trouble> {
        let now = version(deployment, plan)?;
        let same = |version: &Version| now.image == version.image && now.model == version.model;
        let asked = replicas(deployment);
        let runs = match (same(new), same(old)) {
            (true, _) => Runs::New,
            (false, true) => Runs::Old,
            (false, false) => Runs::Other,
        };
        Ok(Self {
            runs,
            replicas: asked,
            available: number(deployment, "/status/availableReplicas").unwrap_or(0),
            ready: asked > 0 && health(Some(deployment), &[], &[]) == Health::Ready,
        })
    }
}

impl Looked {
    /// Of the objects.
    pub fn of(state: &State, stable: Option<Value>, canary: Option<Value>, split: Split) -> Result<Self, Trouble> {
        let side = |object: &Option<Value>| {
            let side = |object: &Value| match layout(&state.plan) {
                Layout::Driven => Side::driven(object, &state.plan, &state.new),
                Layout::Beside | Layout::Shared | Layout::Colours | Layout::InPlace | Layout::Flag => {
                    Side::of(object, &state.plan, &state.old, &state.new)
                }
            };
            object.as_ref().map(side).transpose()
        };
        let seen = Seen { stable: side(&stable)?, canary: side(&canary)?, split };
        Ok(Self { seen, stable, canary })
    }
}
