//! Before the first change: everything that can be known to be wrong is found, and the first state is written.
//! Kept out: rights (`rights`), the lock (taken before), and everything that changes the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::analysis::Evidence;
use super::facts::Wish;
use super::health::{Health, health};
use super::plan::{Plan, StrategyName, WorkloadKind};
use super::reach::resource;
use super::state::{Happening, LAST_ROLLBACK, Moment, Owner, Reached, State, Version};
use super::store::{Kept, SCHEMA, Store, Written};
use super::traffic::{self, Router, steps_of, version_of};
use super::workload::{
    CANARY_NOTE, Layout, Names, ROLLOUT_LABEL, STABLE_NOTE, digest, layout, misfit, names_at_begin, new_version,
    owner_of, replicas, scaled_by, version,
};
use super::{Ending, Percent, Split, Stage, Trouble, alert};
use crate::cluster::{Cluster, DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, SERVICE};
use crate::trust::{Digest, Untrusted};

/// Where a state keeps the name of the autoscaler that owns stable's replicas.
pub const AUTOSCALER_NOTE: &str = "autoscaler";

/// How a run takes a rollout up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// It is new.
    Fresh,
    /// The same plan was under way: it goes on where it was.
    Resumed,
}

/// What a run begins with.
pub struct Begin<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// What is to be brought out; its namespace is filled in.
    pub plan: &'a Plan,
    /// Who we are.
    pub owner: Owner,
    /// The moment, by the API server's clock.
    pub now: Moment,
    /// What raises the flag of `strategy: feature-flag`: it needs secrets, so it is built where these are known.
    pub flag: Option<Arc<dyn Router>>,
}

/// A rollout that may be driven.
pub struct Begun {
    /// Its state, as it is in the cluster.
    pub kept: Kept,
    /// What splits its traffic.
    pub router: Box<dyn Router>,
    /// How it was taken up.
    pub taken: Taken,
    /// What a person should know, and what stops nothing.
    pub remarks: Vec<String>,
}

/// Checks what is there and writes the first state; or takes up a rollout of the same plan that is under way. The lock is held.
pub async fn begin(begin: &Begin<'_>) -> Result<Begun, Trouble> {
    let plan = begin.plan;
    let store = Store::new(begin.cluster, plan.workload.namespace(), &plan.workload.name);
    let before = store.read().await?;
    let earlier = before.as_ref().map(|kept| kept.state.clone());
    if let Some(kept) = before.filter(|kept| !kept.state.stage.is_done()) {
        return if kept.state.plan == *plan {
            take_over(begin.cluster, &store, kept, &begin.owner, begin.flag.clone()).await
        } else {
            Err(under_way(&kept.state))
        };
    }
    let fresh = look(begin).await?;
    if let Some(earlier) = earlier.as_ref().filter(|earlier| layout(&earlier.plan) == Layout::Colours) {
        // Its mark stays on the Service while its colour may still be brought back; from here on it may not.
        router_of(begin.cluster, &earlier.plan, &Names::in_state(earlier), None).await?.clear().await?;
    }
    let router = router_of(begin.cluster, plan, &fresh.names, begin.flag.clone()).await?;
    let split = router.split().await?;
    if split != Split::STABLE {
        return Err(misfit(format!(
            "{} gives {} % to something that is not stable (and mirrors {} %), and no rollout is under way: set it back first",
            router.name(),
            split.canary.get(),
            split.mirror.get()
        )));
    }
    let mut state = first(begin, &fresh);
    if let Some(earlier) = &earlier {
        carry(earlier, &mut state);
    }
    match store.begin(&state, fresh.owner_reference.as_ref()).await? {
        Written::Done(kept) => Ok(Begun { kept: *kept, router, taken: Taken::Fresh, remarks: fresh.remarks }),
        Written::Raced => Err(Trouble::Held("another promoter began a rollout at the same moment".into())),
    }
}

/// Takes up the rollout whose state this is: the state gets a new owner, and nothing else.
pub async fn take_over(
    cluster: &Cluster,
    store: &Store<'_>,
    kept: Kept,
    owner: &Owner,
    flag: Option<Arc<dyn Router>>,
) -> Result<Begun, Trouble> {
    let router = router_of(cluster, &kept.state.plan, &Names::in_state(&kept.state), flag).await?;
    let state = State { owner: owner.clone(), ..kept.state.clone() };
    match store.write(&kept, &state).await? {
        Written::Done(kept) => Ok(Begun { kept: *kept, router, taken: Taken::Resumed, remarks: Vec::new() }),
        Written::Raced => Err(Trouble::Held("the rollout's state was written at the same moment: try again".into())),
    }
}

/// What splits the traffic of a rollout with these names.
pub async fn router_of(
    cluster: &Cluster,
    plan: &Plan,
    names: &Names,
    flag: Option<Arc<dyn Router>>,
) -> Result<Box<dyn Router>, Trouble> {
    let service = match layout(plan) {
        Layout::Colours => cluster.find(&SERVICE.at(&names.namespace, &names.service)).await?,
        Layout::Beside | Layout::Shared | Layout::InPlace | Layout::Flag | Layout::Driven => None,
    };
    Ok(traffic::router(plan, cluster, &names.for_router(plan, service.as_ref(), flag)?))
}

/// What was found.
struct Fresh {
    names: Names,
    old: Version,
    new: Version,
    replicas: u32,
    mark: Option<String>,
    autoscaler: Option<String>,
    owner_reference: Option<Value>,
    remarks: Vec<String>,
}

async fn look(begin: &Begin<'_>) -> Result<Fresh, Trouble> {
    let (cluster, plan) = (begin.cluster, begin.plan);
    let namespace = plan.workload.namespace();
    let kind = resource(plan.workload.kind);
    let service = cluster.find(&SERVICE.at(namespace, plan.workload.service())).await?;
    let names = match (&service, layout(plan)) {
        (Some(service), Layout::Colours) => {
            names_at_begin(plan, service, &cluster.list(DEPLOYMENT, namespace, None).await?)?
        }
        (Some(_), _) => Names::of(plan),
        // Its controller makes the Services by itself.
        (None, Layout::Driven) => Names::of(plan),
        (None, _) => {
            return Err(misfit(format!(
                "the Service `{namespace}/{}` is not there: set `workload.service` to the one that users come through",
                plan.workload.service()
            )));
        }
    };
    let place = kind.at(namespace, &names.stable);
    let Some(workload) = cluster.find(&place).await? else {
        return Err(misfit(format!("{} is not there: see `workload.name` and `workload.namespace`", place.words())));
    };
    let (old, new) = versions(plan, &workload)?;
    if plan.workload.kind == WorkloadKind::Rollout {
        its_own_steps(plan, &workload)?;
    }
    let mut mark = None;
    if plan.workload.kind == WorkloadKind::Deployment {
        healthy(&names, &workload)?;
        mark = Some(digest(&workload, plan)?);
    }
    for (kind, name) in [(DEPLOYMENT, &names.canary), (SERVICE, &names.canary_service)] {
        let made = match layout(plan) {
            Layout::Beside => true,
            Layout::Shared | Layout::Colours => kind == DEPLOYMENT,
            Layout::InPlace | Layout::Flag | Layout::Driven => false,
        };
        if !made {
            continue;
        }
        if let Some(there) = cluster.find(&kind.at(namespace, name)).await?
            && !is_retired(plan, &there)
        {
            return Err(misfit(format!(
                "the {} `{name}` is there already, and no rollout is under way: see what it is, and remove it with \
                 `kubectl -n {namespace} delete {} {name}`",
                kind.kind, kind.plural
            )));
        }
    }
    let autoscalers = cluster.list(HORIZONTAL_POD_AUTOSCALER, namespace, None).await?;
    let autoscaler = scaled_by(&autoscalers, kind.kind, &names.stable).map(str::to_owned);
    let mut remarks = Vec::new();
    if let (Some(autoscaler), Layout::Colours) = (&autoscaler, layout(plan)) {
        remarks.push(format!(
            "the autoscaler `{autoscaler}` scales `{}`; after the switch `{}` has the users and no autoscaler",
            names.stable, names.canary
        ));
    }
    let owner_reference = match &service {
        Some(service) => owner_of(service, &SERVICE.api_version(), SERVICE.kind),
        None => owner_of(&workload, &kind.api_version(), kind.kind),
    };
    let replicas = replicas(&workload);
    Ok(Fresh { names, old, new, replicas, mark, autoscaler, owner_reference, remarks })
}

/// Whether it is a colour that an earlier rollout left without replicas: it is replaced.
fn is_retired(plan: &Plan, there: &Value) -> bool {
    let ours = there.pointer("/metadata/labels").and_then(|labels| labels.get(ROLLOUT_LABEL));
    let ours = ours.and_then(Value::as_str) == Some(plan.workload.name.as_str());
    ours && layout(plan) == Layout::Colours && replicas(there) == 0
}

/// A Rollout takes its own steps: the plan's must be the same ones.
fn its_own_steps(plan: &Plan, rollout: &Value) -> Result<(), Trouble> {
    let own = steps_of(rollout)?;
    if own == plan.canary.steps {
        return Ok(());
    }
    let words = |steps: &[Percent]| steps.iter().map(|step| step.get().to_string()).collect::<Vec<_>>().join(", ");
    Err(misfit(format!(
        "the Rollout `{}` has the steps {} and the plan has {}: set `canary.steps` to the Rollout's own",
        plan.workload.name,
        words(&own),
        words(&plan.canary.steps)
    )))
}

/// The version that runs, and the one that comes. They differ, but for a flag.
fn versions(plan: &Plan, workload: &Value) -> Result<(Version, Version), Trouble> {
    if plan.strategy == StrategyName::FeatureFlag {
        let old = version(workload, plan).unwrap_or_default();
        return Ok((old.clone(), old));
    }
    let old = match plan.workload.kind {
        WorkloadKind::Deployment => version(workload, plan)?,
        WorkloadKind::Rollout | WorkloadKind::InferenceService => version_of(workload, plan)?,
    };
    let new = new_version(plan, &old);
    if old.image.is_none() && plan.workload.kind == WorkloadKind::Deployment {
        return Err(misfit(format!(
            "the container of `{}` has no image: there would be nothing to go back to",
            plan.workload.name
        )));
    }
    if (&old.image, &old.model) == (&new.image, &new.model) {
        let image = new.image.as_deref().unwrap_or_default();
        return Err(misfit(format!("`{}` runs this version already (`{image}`): nothing changes", plan.workload.name)));
    }
    Ok((old, new))
}

/// A rollout compares with stable, and returns to it: so it begins only where stable is well.
fn healthy(names: &Names, workload: &Value) -> Result<(), Trouble> {
    let name = &names.stable;
    if workload.pointer("/spec/paused").and_then(Value::as_bool) == Some(true) {
        return Err(misfit(format!("`{name}` is paused: `kubectl rollout resume` it first")));
    }
    if replicas(workload) == 0 {
        return Err(misfit(format!("`{name}` has no replicas: there is nobody to return to")));
    }
    match health(Some(workload), &[], &[]) {
        Health::Ready => Ok(()),
        other => Err(misfit(format!("stable is not healthy, and a rollout would return to it: {}", other.words(name)))),
    }
}

fn first(begin: &Begin<'_>, fresh: &Fresh) -> State {
    let mut state = first_state(begin.plan, &begin.owner, begin.now, fresh.old.clone(), fresh.replicas);
    state.new = fresh.new.clone();
    state.notes.insert(STABLE_NOTE.to_owned(), fresh.names.stable.clone());
    state.notes.insert(CANARY_NOTE.to_owned(), fresh.names.canary.clone());
    if let Some(autoscaler) = &fresh.autoscaler {
        state.notes.insert(AUTOSCALER_NOTE.to_owned(), autoscaler.clone());
    }
    if let Some(mark) = &fresh.mark {
        state.marks.insert(fresh.names.mark(), mark.clone());
    }
    state
}

/// A rollout that has just begun.
pub(super) fn first_state(plan: &Plan, owner: &Owner, now: Moment, old: Version, replicas: u32) -> State {
    let why = "the rollout begins".to_owned();
    let named = format!("{}/{}/{}/{}", plan.workload.namespace(), plan.workload.name, owner.run, now.0);
    State {
        schema: SCHEMA,
        id: Digest::of(named.as_bytes()).short().to_owned(),
        plan: plan.clone(),
        owner: owner.clone(),
        stage: Stage::Prepare,
        reached: Reached::Announced,
        wish: Wish::Proceed,
        new: new_version(plan, &old),
        old,
        replicas,
        split: Split::STABLE,
        began: now,
        since: now,
        announced: now,
        deadline: now.after(plan.patience.deadline_seconds),
        no_data_since: None,
        flaps: 0,
        evidence: Evidence::default(),
        why: why.clone(),
        history: vec![Happening { at: now, stage: Stage::Prepare, split: Split::STABLE, why, verdict: None }],
        marks: BTreeMap::new(),
        notes: BTreeMap::new(),
    }
}

/// What a rollout must know of the one before it: when that returned, and whose alert is still open.
fn carry(earlier: &State, state: &mut State) {
    if let Some(last) = earlier.notes.get(LAST_ROLLBACK) {
        state.notes.insert(LAST_ROLLBACK.to_owned(), last.clone());
    }
    let open = match earlier.ending() {
        Some(Ending::RolledBack) => Some(earlier.id.clone()),
        // What an earlier one left open is closed by a promotion.
        Some(Ending::Promoted) | None => None,
    };
    if let Some(open) = open {
        state.notes.insert(alert::RECOVERS.to_owned(), open);
    }
}

/// Another plan is under way: who has it, and what leads on.
fn under_way(state: &State) -> Trouble {
    let image = state.new.image.as_deref().or(state.new.model.as_deref()).unwrap_or("another version");
    let url = state.owner.url.as_deref().unwrap_or("its page is not known");
    let name = &state.plan.workload.name;
    Trouble::Held(Untrusted::new(format!(
        "a rollout of `{image}` is under way for `{name}` (run {}, {url}): go on with it with `canary-promote resume`, or \
         bring it back with `canary-promote rollback`",
        state.owner.run
    )))
}
