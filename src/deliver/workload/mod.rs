//! The objects that a rollout makes or changes, as pure functions of those that are there: versions, edits, the canary's
//! Deployment and Service, and which Deployment is live.
//! Kept out: calls to the cluster (`reach`), and what splits the traffic (`traffic`).

mod build;
mod colour;
mod version;

use serde_json::Value;

use super::plan::{Plan, StrategyName, WorkloadKind};
use super::state::State;

use super::Trouble;
pub(super) use super::trouble::misfit;
pub use build::{canary_deployment, canary_service, owner_of, replicas_for};
pub use colour::{names_at_begin, scaled_by};
pub use version::{container, digest, edits, new_version, version};

/// The label that names the rollout on everything that it makes.
pub const ROLLOUT_LABEL: &str = "llmci.dev/rollout";
/// The label that tells the two sides' pods apart.
pub const TRACK_LABEL: &str = "llmci.dev/track";

/// How the two versions stand beside each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// The canary has a Deployment and a Service of its own; a router splits.
    Beside,
    /// The canary has a Deployment of its own behind stable's Service: the numbers of replicas split.
    Shared,
    /// Two colours; the Service's selector switches.
    Colours,
    /// One Deployment that takes the new version by its own rolling update.
    InPlace,
    /// Nothing is deployed: a flag decides.
    Flag,
    /// Another controller has both versions (Argo Rollouts, KServe).
    Driven,
}

/// The layout of a plan.
pub fn layout(plan: &Plan) -> Layout {
    if plan.workload.kind != WorkloadKind::Deployment {
        return Layout::Driven;
    }
    let traffic = &plan.traffic;
    let routed = traffic.istio.is_some() || traffic.gateway.is_some() || traffic.nginx.is_some();
    match plan.strategy {
        StrategyName::Canary if !routed => Layout::Shared,
        StrategyName::Canary | StrategyName::Shadow => Layout::Beside,
        StrategyName::BlueGreen => Layout::Colours,
        StrategyName::Rolling => Layout::InPlace,
        StrategyName::FeatureFlag => Layout::Flag,
    }
}

/// What the objects of a rollout are called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Names {
    /// Their namespace.
    pub namespace: String,
    /// The rollout: the workload's name in the plan, and the value of [`ROLLOUT_LABEL`].
    pub rollout: String,
    /// The Deployment (or other workload) that had the users when the rollout began.
    pub stable: String,
    /// The Deployment that the rollout makes.
    pub canary: String,
    /// The value of [`TRACK_LABEL`] on the new version's pods, and the end of its names.
    pub track: String,
    /// The Service that users come through.
    pub service: String,
    /// The Service that leads to the new version only.
    pub canary_service: String,
}

/// Where a state keeps the name of the Deployment that had the users.
pub const STABLE_NOTE: &str = "stable-workload";
/// Where a state keeps the name of the Deployment that the rollout makes.
pub const CANARY_NOTE: &str = "canary-workload";

impl Names {
    /// The names of every strategy but blue-green, whose live colour has to be looked up.
    pub fn of(plan: &Plan) -> Self {
        let name = plan.workload.name.clone();
        let canary = format!("{name}-canary");
        Self {
            namespace: plan.workload.namespace().to_owned(),
            rollout: name.clone(),
            stable: name,
            canary_service: canary.clone(),
            canary,
            track: "canary".to_owned(),
            service: plan.workload.service().to_owned(),
        }
    }

    /// The names as a rollout that has begun wrote them down.
    pub fn in_state(state: &State) -> Self {
        let mut names = Self::of(&state.plan);
        if let Some(stable) = state.notes.get(STABLE_NOTE) {
            names.stable = stable.clone();
        }
        if let Some(canary) = state.notes.get(CANARY_NOTE) {
            names.canary = canary.clone();
            names.canary_service = canary.clone();
            if let Some(track) = canary.strip_prefix(&format!("{}-", names.rollout)) {
                names.track = track.to_owned();
            }
        }
        names
    }

    /// The same for a router. `service` is the users' Service: blue-green takes one of its labels.
    pub fn for_router(
        &self,
        plan: &Plan,
        service: Option<&Value>,
        flag: Option<std::sync::Arc<dyn super::traffic::Router>>,
    ) -> Result<super::traffic::RouterNames, Trouble> {
        let track = std::collections::BTreeMap::from([(TRACK_LABEL.to_owned(), self.track.clone())]);
        let canary_labels = match (layout(plan), service) {
            (Layout::Colours, Some(service)) => [build::told_apart(service, self)?].into_iter().collect(),
            (Layout::Colours, None) => return Err(misfit(format!("the Service `{}` is not there", self.service))),
            (Layout::Beside | Layout::Shared | Layout::InPlace | Layout::Flag | Layout::Driven, _) => track,
        };
        Ok(super::traffic::RouterNames {
            namespace: self.namespace.clone(),
            stable_service: self.service.clone(),
            canary_service: self.canary_service.clone(),
            stable_workload: self.stable.clone(),
            canary_workload: self.canary.clone(),
            canary_labels,
            flag,
        })
    }

    /// Where a state keeps the digest of the stable workload's template.
    pub fn mark(&self) -> String {
        format!("Deployment/{}", self.stable)
    }

    /// The labels by which the new version's pods are found, as the API takes them.
    pub fn selector(&self) -> String {
        format!("{ROLLOUT_LABEL}={},{TRACK_LABEL}={}", self.rollout, self.track)
    }
}

/// A text at a place of an object.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str)
}

/// A whole number at a place of an object; what is missing or too large is none.
pub(super) fn number(object: &Value, pointer: &str) -> Option<u32> {
    object.pointer(pointer).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok())
}

/// Replicas that a workload asks for. Kubernetes' own default is one.
pub fn replicas(object: &Value) -> u32 {
    number(object, "/spec/replicas").unwrap_or(1)
}
