//! The moves, done: each reads what it changes, changes it under what it read, and may be done again from any half-way point.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::super::clock::Clock;
use super::super::health::Health;
use super::super::plan::{Retire, WorkloadKind};
use super::super::state::State;
use super::super::traffic::{Router, restore, set_version};
use super::super::workload::{
    Layout, Names, ROLLOUT_LABEL, TRACK_LABEL, canary_deployment, canary_service, edits, layout, misfit, replicas, text,
};
use super::super::{Canary, Target, Trouble, health};
use super::{Do, Looked, Order, Version, plan};
use crate::cluster::{
    Cluster, ClusterError, DEPLOYMENT, EVENT, Edit, INFERENCE_SERVICE, POD, Place, ROLLOUT, Resource, SERVICE,
};
use crate::trust::Untrusted;

/// Proxies take a new route a moment after the API server has it: so long nothing that had traffic is taken away.
const DRAIN_SECONDS: f64 = 5.0;
/// How often a change is decided again when somebody else wrote at the same time: a Deployment's status changes often while its
/// pods come and go.
const TRIES: u32 = 12;
/// Rounds of planning in one pass: a second one sees what the first one's changes brought.
const ROUNDS: u32 = 3;

/// What does the moves.
#[derive(Clone, Copy)]
pub struct Hands<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// What splits the traffic.
    pub router: &'a dyn Router,
    /// The clock.
    pub clock: &'a Clock,
    /// Ends waits: the process is to end.
    pub cancel: &'a CancellationToken,
    /// Ends everything: somebody else may hold the workload.
    pub lock_lost: &'a CancellationToken,
}

/// How far a pass came.
#[derive(Debug)]
pub enum Pass {
    /// The cluster looks like the target.
    Reached(Box<Looked>),
    /// Pods are waited for, and why the traffic is where it is: look again soon.
    Waiting(Box<Looked>, Do),
}

impl Hands<'_> {
    /// Looks at both workloads and the traffic.
    pub async fn look(&self, state: &State) -> Result<Looked, Trouble> {
        let names = Names::in_state(state);
        let (stable, canary, split) = match layout(&state.plan) {
            Layout::Driven => (self.router_workload(state, &names).await?, None, self.router.split().await?),
            Layout::InPlace | Layout::Flag => {
                (self.cluster.find(&deployment(&names, &names.stable)).await?, None, self.router.split().await?)
            }
            Layout::Beside | Layout::Shared | Layout::Colours => (
                self.cluster.find(&deployment(&names, &names.stable)).await?,
                self.cluster.find(&deployment(&names, &names.canary)).await?,
                self.router.split().await?,
            ),
        };
        if let Some(canary) = &canary {
            ours(canary, &names)?;
        }
        Looked::of(state, stable, canary, split)
    }

    /// Does what leads to the target, as far as it goes without waiting for pods.
    pub async fn pass(&self, state: &State, target: Target) -> Result<Pass, Trouble> {
        let mut looked = self.look(state).await?;
        for _ in 0..ROUNDS {
            let moves = plan(order(state, target), looked.seen);
            if moves.is_empty() {
                // A run that was killed before it made the Deployment has left its Service alone.
                if target.canary == Canary::Absent && layout(&state.plan) == Layout::Beside {
                    let names = Names::in_state(state);
                    self.delete(&SERVICE.at(&names.namespace, &names.canary_service), &names).await?;
                }
                return Ok(Pass::Reached(Box::new(looked)));
            }
            for one in moves {
                self.may_go_on()?;
                match one {
                    Do::AwaitCanary | Do::AwaitStable | Do::AwaitOne => {
                        looked = self.look(state).await?;
                        let side = if one == Do::AwaitCanary { looked.seen.canary } else { looked.seen.stable };
                        let there = side.is_some_and(|side| match one {
                            Do::AwaitOne => side.available > 0,
                            _ => side.ready,
                        });
                        if !there {
                            return Ok(Pass::Waiting(Box::new(looked), one));
                        }
                    }
                    _ => self.act(state, &looked, one).await?,
                }
                if one == Do::Remove {
                    looked.canary = None;
                }
            }
            looked = self.look(state).await?;
        }
        match plan(order(state, target), looked.seen).first() {
            None => Ok(Pass::Reached(Box::new(looked))),
            Some(next) => Ok(Pass::Waiting(Box::new(looked), *next)),
        }
    }

    /// How a side's pods are; pods and events are asked for only when it is not ready.
    pub async fn health(&self, state: &State, side: Option<&Value>) -> Result<Health, Trouble> {
        if let (Some(object), Layout::Driven) = (side, layout(&state.plan)) {
            return Ok(health::driven_health(object));
        }
        let quick = health::health(side, &[], &[]);
        let (Some(workload), Health::Starting { .. } | Health::Broken(_)) = (side, &quick) else { return Ok(quick) };
        let names = Names::in_state(state);
        let selector = workload.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
        let pairs: Vec<String> = selector
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
            .collect();
        if pairs.is_empty() {
            return Ok(quick);
        }
        let mut pods = self.cluster.list(POD, &names.namespace, Some(&pairs.join(","))).await?;
        // Behind one Service, stable's selector finds the new version's pods too.
        let own =
            workload.pointer("/spec/template/metadata/labels").and_then(|labels| text(labels, "/llmci.dev~1track"));
        pods.retain(|pod| text(pod, "/metadata/labels/llmci.dev~1track") == own);
        let events = self.cluster.list(EVENT, &names.namespace, None).await?;
        Ok(health::health(side, &pods, &events))
    }

    /// Nothing is changed by a process that is to end, or whose lock is gone.
    pub fn may_go_on(&self) -> Result<(), Trouble> {
        if self.lock_lost.is_cancelled() {
            return Err(Trouble::Held("the lock was lost".into()));
        }
        if self.cancel.is_cancelled() { Err(Trouble::Cancelled) } else { Ok(()) }
    }

    async fn act(&self, state: &State, looked: &Looked, one: Do) -> Result<(), Trouble> {
        let names = Names::in_state(state);
        match one {
            Do::Canary(wanted) => self.canary(state, &names, looked, wanted).await,
            Do::Version(version) => self.version(state, &names, version).await,
            Do::Revive(wanted) => self.scale(&deployment(&names, &names.stable), wanted).await,
            Do::Shift(split) => self.router.shift(split).await,
            Do::Drain => {
                if self.clock.wait(DRAIN_SECONDS, self.cancel).await {
                    Err(Trouble::Cancelled)
                } else {
                    Ok(())
                }
            }
            Do::Clear => self.router.clear().await,
            // The Deployment goes last: while it is there, the rest may be there too.
            Do::Remove => {
                if layout(&state.plan) == Layout::Beside {
                    self.delete(&SERVICE.at(&names.namespace, &names.canary_service), &names).await?;
                }
                self.delete(&deployment(&names, &names.canary), &names).await
            }
            Do::Retire(Retire::Delete) => {
                self.cluster.delete(&deployment(&names, &names.stable)).await.map_err(Trouble::from)
            }
            Do::Retire(Retire::ScaleToZero) => self.scale(&deployment(&names, &names.stable), 0).await,
            Do::AwaitCanary | Do::AwaitStable | Do::AwaitOne => Ok(()),
        }
    }

    async fn canary(&self, state: &State, names: &Names, looked: &Looked, wanted: u32) -> Result<(), Trouble> {
        let stable = looked.stable.as_ref().ok_or_else(|| missing(names))?;
        let service = self.cluster.get(&SERVICE.at(&names.namespace, &names.service)).await?;
        if layout(&state.plan) == Layout::Beside {
            let place = SERVICE.at(&names.namespace, &names.canary_service);
            match self.cluster.find(&place).await? {
                Some(there) => ours(&there, names)?,
                None => self.make(&place, &canary_service(&service, names)?).await?,
            }
        }
        let place = deployment(names, &names.canary);
        match &looked.canary {
            Some(_) => self.scale(&place, wanted).await,
            None => {
                let made = canary_deployment(stable, &service, &state.plan, names, &state.new, wanted)?;
                self.make(&place, &made).await
            }
        }
    }

    /// Makes an object; one that a call whose answer was lost has made is there.
    async fn make(&self, place: &Place, object: &Value) -> Result<(), Trouble> {
        match self.cluster.create(place, object).await {
            Ok(_) | Err(ClusterError::Exists(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives a workload its version: decided anew from what is there each time that somebody else wrote meanwhile.
    async fn version(&self, state: &State, names: &Names, version: Version) -> Result<(), Trouble> {
        if layout(&state.plan) == Layout::Driven {
            return self.driven_version(state, names, version).await;
        }
        let to = match version {
            Version::Old => &state.old,
            Version::New => &state.new,
        };
        let place = deployment(names, &names.stable);
        self.changed(&place, |object| edits(object, &state.plan, to)).await
    }

    async fn scale(&self, place: &Place, wanted: u32) -> Result<(), Trouble> {
        self.changed(place, |object| {
            if replicas(object) == wanted {
                return Ok(Vec::new());
            }
            let seen = object.pointer("/metadata/resourceVersion").cloned().unwrap_or_default();
            Ok(vec![
                Edit::Test("/metadata/resourceVersion".to_owned(), seen),
                Edit::Add("/spec/replicas".to_owned(), json!(wanted)),
            ])
        })
        .await
    }

    async fn changed(
        &self,
        place: &Place,
        decide: impl Fn(&Value) -> Result<Vec<Edit>, Trouble>,
    ) -> Result<(), Trouble> {
        for attempt in 0..TRIES {
            let object = self.cluster.get(place).await?;
            let edits = decide(&object)?;
            if edits.is_empty() {
                return Ok(());
            }
            match self.cluster.edit(place, &edits).await {
                Ok(_) => return Ok(()),
                Err(ClusterError::Conflict(_)) => {
                    tokio::time::sleep(Duration::from_millis(u64::from(attempt) * 10)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(ClusterError::Conflict(Untrusted::new(format!("{} was written {TRIES} times meanwhile", place.words())))
            .into())
    }

    /// Deletes what carries our label, and nothing else.
    async fn delete(&self, place: &Place, names: &Names) -> Result<(), Trouble> {
        match self.cluster.find(place).await? {
            None => Ok(()),
            Some(object) => {
                ours(&object, names)?;
                self.cluster.delete(place).await.map_err(Trouble::from)
            }
        }
    }

    async fn router_workload(&self, state: &State, names: &Names) -> Result<Option<Value>, Trouble> {
        Ok(self.cluster.find(&resource(state.plan.workload.kind).at(&names.namespace, &names.stable)).await?)
    }

    /// Another controller's object: what it had before is in the state.
    async fn driven_version(&self, state: &State, names: &Names, version: Version) -> Result<(), Trouble> {
        let names = names.for_router(&state.plan, None, None)?;
        match version {
            Version::New => set_version(self.cluster, &state.plan, &names).await.map(drop),
            Version::Old => restore(self.cluster, &state.plan, &names, &state.old).await,
        }
    }
}

/// The kind of object that a workload is.
pub fn resource(kind: WorkloadKind) -> Resource {
    match kind {
        WorkloadKind::Deployment => DEPLOYMENT,
        WorkloadKind::Rollout => ROLLOUT,
        WorkloadKind::InferenceService => INFERENCE_SERVICE,
    }
}

/// The order of a state's target.
pub fn order(state: &State, target: Target) -> Order {
    Order { layout: layout(&state.plan), target, at_begin: state.replicas, retire: state.plan.blue_green.retire }
}

fn deployment(names: &Names, name: &str) -> Place {
    DEPLOYMENT.at(&names.namespace, name)
}

/// Whether an object of the canary's name is one that this rollout made.
fn ours(object: &Value, names: &Names) -> Result<(), Trouble> {
    let labels = object.pointer("/metadata/labels");
    let label = |name: &str| labels.and_then(|all| all.get(name)).and_then(Value::as_str);
    if label(ROLLOUT_LABEL) == Some(names.rollout.as_str()) && label(TRACK_LABEL) == Some(names.track.as_str()) {
        return Ok(());
    }
    let (kind, name) = (text(object, "/kind").unwrap_or("object"), text(object, "/metadata/name").unwrap_or_default());
    Err(misfit(format!(
        "the {kind} `{name}` is in the way: it is named as this rollout's own would be, and has not its labels; rename or delete it"
    )))
}

fn missing(names: &Names) -> Trouble {
    misfit(format!("the Deployment `{}` is not there", names.stable))
}
