//! The way back: a rollout that is over, or that nobody drives any more, is brought to its old version, or to a given revision:
//! traffic first, then the workload, then the model's version.
//! Kept out: the way back of a rollout under way, which is a stage of its own (`strategy`), driven by `drive`.

use serde_json::Value;

use super::begin::{Begun, Taken};
use super::drive::announced;
use super::plan::{Plan, WorkloadKind};
use super::reach::resource;
use super::state::{Moment, Owner, State, Version};
use super::store::{Kept, Store, Written};
use super::traffic::Router;
use super::workload::{Layout, Names, layout, misfit, text, version};
use super::{Ending, Stage, Trouble, begin};
use crate::cluster::{Cluster, ClusterError, DEPLOYMENT, REPLICA_SET};

/// Where a ReplicaSet says which revision of its Deployment it was (`deployment.kubernetes.io/revision`).
const REVISION: &str = "/metadata/annotations/deployment.kubernetes.io~1revision";

/// Which version is brought back.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum To {
    /// The one that was there before the rollout.
    #[default]
    Previous,
    /// A revision of the Deployment, as `kubectl rollout history` counts them.
    Revision(String),
}

/// What is to be done with a state that was found, by whoever looks next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// Its run is gone, and there is time left: go on.
    Continue,
    /// Its deadline has passed: the traffic returns.
    RollBack,
    /// Nothing is to be done, and why.
    LeaveAlone(String),
}

/// Whether somebody drives the rollout, as its lock says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lock {
    /// Nobody, or the lock has run out.
    Free,
    /// This run.
    HeldBy(String),
}

/// What whoever looks next does with a rollout: for the `post` step of a job, and for a schedule.
pub fn resume_or_rollback(state: &State, lock: &Lock, us: &str, now: Moment) -> Found {
    if state.stage.is_done() {
        return Found::LeaveAlone("the rollout is over".to_owned());
    }
    match lock {
        Lock::HeldBy(holder) if holder != us => Found::LeaveAlone(format!("run {holder} drives the rollout")),
        Lock::HeldBy(_) | Lock::Free if now >= state.deadline => match state.stage {
            // There is no way back from an end: it is finished.
            Stage::Clean | Stage::Return | Stage::Undo | Stage::Done(_) => Found::Continue,
            Stage::Prepare | Stage::Step(_) | Stage::Promote | Stage::Keep => Found::RollBack,
        },
        Lock::HeldBy(_) | Lock::Free => Found::Continue,
    }
}

/// Announces that a rollout goes back, for `drive` to do. The lock is held. A rollout that is under way returns by its own stage;
/// one that has succeeded gets its state opened again, with the old version (or the revision's) to go back to.
pub async fn roll_back(
    cluster: &Cluster,
    plan: &Plan,
    to: &To,
    owner: &Owner,
    now: Moment,
    flag: Option<std::sync::Arc<dyn Router>>,
) -> Result<Begun, Trouble> {
    let store = Store::new(cluster, plan.workload.namespace(), &plan.workload.name);
    let Some(kept) = store.read().await? else {
        return Err(misfit(format!(
            "no rollout of `{}` is known: use `kubectl -n {} rollout undo deployment/{}`",
            plan.workload.name,
            plan.workload.namespace(),
            plan.workload.name
        )));
    };
    let state = back(cluster, &kept, to, owner, now).await?;
    let router = begin::router_of(cluster, &state.plan, &Names::in_state(&state), flag).await?;
    match store.write(&kept, &state).await? {
        Written::Done(kept) => Ok(Begun { kept: *kept, router, taken: Taken::Resumed, remarks: Vec::new() }),
        Written::Raced => {
            Err(ClusterError::Conflict("the rollout's state was written at the same moment".into()).into())
        }
    }
}

/// The state whose next stage is the return.
async fn back(cluster: &Cluster, kept: &Kept, to: &To, owner: &Owner, now: Moment) -> Result<State, Trouble> {
    let mut state = State { owner: owner.clone(), ..kept.state.clone() };
    let names = Names::in_state(&state);
    if let To::Revision(wanted) = to {
        if state.plan.workload.kind != WorkloadKind::Deployment || layout(&state.plan) == Layout::Colours {
            return Err(misfit("only a Deployment that keeps its name has revisions to go back to".to_owned()));
        }
        state.old = revision(cluster, &state, &names, wanted).await?;
    }
    match state.stage {
        Stage::Return | Stage::Undo if *to == To::Previous => return Ok(state),
        Stage::Done(Ending::RolledBack) if *to == To::Previous => {
            return Err(misfit(format!(
                "`{}` is at its old version already: the rollout was rolled back",
                names.rollout
            )));
        }
        _ => {}
    }
    let kind = resource(state.plan.workload.kind);
    let stable = cluster.find(&kind.at(&names.namespace, &names.stable)).await?;
    if stable.is_none() {
        return Err(misfit(format!(
            "`{}`, which had the old version, was deleted after its rollback window: begin a rollout of {} instead",
            names.stable,
            state.old.image.as_deref().unwrap_or("the old version")
        )));
    }
    // The workload may have been edited since the rollout ended; what is brought back is its version, and nothing else.
    state.marks.clear();
    if state.stage.is_done() {
        state.deadline = now.after(state.plan.patience.deadline_seconds);
    }
    Ok(announced(&state, Stage::Return, "a person has asked for the version before", now))
}

/// The version of a revision, from the ReplicaSets that the Deployment keeps.
async fn revision(cluster: &Cluster, state: &State, names: &Names, wanted: &str) -> Result<Version, Trouble> {
    let place = DEPLOYMENT.at(&names.namespace, &names.stable);
    let deployment = cluster.get(&place).await?;
    let sets = cluster.list(REPLICA_SET, &names.namespace, None).await?;
    pick(&deployment, &sets, &state.plan, wanted)
}

/// The version of a revision; a refusal names the revisions that are there.
fn pick(deployment: &Value, sets: &[Value], plan: &Plan, wanted: &str) -> Result<Version, Trouble> {
    let uid = text(deployment, "/metadata/uid");
    let owned = |set: &&Value| {
        let owners = set.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        owners.into_iter().flatten().any(|owner| text(owner, "/uid") == uid && uid.is_some())
    };
    let mine: Vec<&Value> = sets.iter().filter(owned).collect();
    if let Some(set) = mine.iter().find(|set| text(set, REVISION) == Some(wanted)) {
        return version(set, plan);
    }
    let mut there: Vec<u64> = mine.iter().filter_map(|set| text(set, REVISION)?.parse().ok()).collect();
    there.sort_unstable();
    let there: Vec<String> = there.iter().map(u64::to_string).collect();
    Err(misfit(format!(
        "`{}` has no revision {wanted}; it has: {}",
        text(deployment, "/metadata/name").unwrap_or_default(),
        if there.is_empty() { "none".to_owned() } else { there.join(", ") }
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan() -> Plan {
        serde_json::from_value(json!({"version": 1, "workload": {"name": "llm"}, "change": {"image": "r:3"}})).unwrap()
    }

    fn set(uid: &str, revision: &str, image: &str) -> Value {
        json!({"metadata": {"annotations": {"deployment.kubernetes.io/revision": revision},
                "ownerReferences": [{"uid": uid}]},
            "spec": {"template": {"spec": {"containers": [{"name": "s", "image": image}]}}}})
    }

    #[test]
    fn a_revision_is_that_of_this_deployment_and_a_missing_one_is_told_with_those_that_are_there() {
        let deployment = json!({"metadata": {"name": "llm", "uid": "a"}});
        let sets = [set("a", "10", "r:2"), set("a", "9", "r:1"), set("b", "8", "other:1")];
        assert_eq!(pick(&deployment, &sets, &plan(), "9").unwrap().image.as_deref(), Some("r:1"));
        let Err(Trouble::Plan(said)) = pick(&deployment, &sets, &plan(), "8") else { panic!("8 is another's") };
        assert!(said.raw().contains("no revision 8; it has: 9, 10"), "{}", said.raw());
    }

    #[test]
    fn whoever_looks_next_goes_on_before_the_deadline_returns_after_it_and_leaves_a_driver_alone() {
        let state = crate::deliver::drive::testing::state(&plan());
        let (early, late) = (state.began.after(1.0), state.deadline);
        let held = Lock::HeldBy("other".into());
        for stage in [Stage::Prepare, Stage::Step(2), Stage::Promote, Stage::Keep] {
            let state = State { stage, ..state.clone() };
            assert_eq!(resume_or_rollback(&state, &Lock::Free, "us", early), Found::Continue);
            assert_eq!(resume_or_rollback(&state, &Lock::Free, "us", late), Found::RollBack);
            assert_eq!(resume_or_rollback(&state, &Lock::HeldBy("us".into()), "us", late), Found::RollBack);
            assert!(matches!(resume_or_rollback(&state, &held, "us", late), Found::LeaveAlone(_)));
        }
        for stage in [Stage::Clean, Stage::Return, Stage::Undo] {
            let state = State { stage, ..state.clone() };
            assert_eq!(resume_or_rollback(&state, &Lock::Free, "us", late), Found::Continue, "an end is finished");
        }
        let done = State { stage: Stage::Done(Ending::Promoted), ..state };
        assert!(matches!(resume_or_rollback(&done, &Lock::Free, "us", late), Found::LeaveAlone(_)));
    }
}
