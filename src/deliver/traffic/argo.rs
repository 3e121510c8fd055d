//! Argo Rollouts: its controller moves the traffic by the Rollout's own steps; it is told when it may take the next one, and
//! when to go back.
//! Kept out: the image (`version`).

use serde_json::{Value, json};

use super::super::plan::{Change, Plan, Workload};
use super::super::{Percent, Split, Trouble};
use super::Router;
use super::build::RouterNames;
use super::istio::cautious;
use super::object::{foreign, list, misfit, read, text};
use super::version::{is_new, place_of};
use crate::cluster::{Cluster, ClusterError, Place};

/// The reason of a pause that a step asked for (`PauseReasonCanaryPauseStep`, pkg/apis/rollouts/v1alpha1/types.go of
/// argoproj/argo-rollouts 9f8d111d8). Other reasons are a person's business.
const STEP_PAUSE: &str = "CanaryPauseStep";
/// Where the steps are.
const STEPS: &str = "/spec/strategy/canary/steps";
/// How often a lost race is run again.
const TRIES: usize = 5;

/// The weights that a Rollout's own steps go through, growing, with 100 at the end: what a plan that drives it has as steps.
/// Each must be followed by a pause without an end (`pause: {}`), or the controller would go on without being told.
pub fn steps_of(rollout: &Value) -> Result<Vec<Percent>, Trouble> {
    let name = text(rollout, "/metadata/name").unwrap_or_default();
    let bad = |words: String| Err(misfit(format!("Rollout {name}: {words}")));
    if rollout.pointer("/spec/strategy/canary").is_none() {
        return bad("its strategy is not `canary`".to_owned());
    }
    let mut weights: Vec<Percent> = Vec::new();
    // What the controller gives without being told any more: the last weight that no pause has followed yet.
    let mut unheld = None;
    for (index, step) in list(rollout, STEPS).iter().enumerate() {
        if let Some(weight) = step.get("setWeight") {
            let found = weight.as_u64().and_then(|weight| u8::try_from(weight).ok()).and_then(Percent::new);
            let Some(found) = found else { return bad(format!("step {index} sets a weight of {weight}")) };
            if let Some(before) = unheld.filter(|before| *before != found) {
                return bad(no_pause(before));
            }
            if weights.last().is_some_and(|last| *last >= found) {
                return bad(format!("step {index} sets {} %, which is no step up", found.get()));
            }
            if found != Percent::ZERO {
                weights.push(found);
                unheld = Some(found);
            }
        }
        if step.get("pause").is_some_and(|pause| pause.get("duration").is_none_or(Value::is_null)) {
            unheld = None;
        }
    }
    match unheld {
        Some(last) if last != Percent::ALL => return bad(no_pause(last)),
        Some(_) | None => {}
    }
    if weights.is_empty() {
        return bad("its steps set no weight: the controller would give it everything at once".to_owned());
    }
    if weights.last() != Some(&Percent::ALL) {
        weights.push(Percent::ALL);
    }
    Ok(weights)
}

fn no_pause(weight: Percent) -> String {
    let words = "would go on by itself: put a `pause: {}` without a duration after it";
    format!("after `setWeight: {}` it {words}", weight.get())
}

/// What is to be done with the status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Move {
    Nothing,
    /// The pause of the step is left.
    GoOn,
    /// Everything back to stable.
    Abort,
    /// The old version comes back to a Rollout that was promoted: without its steps, since nothing has to be judged.
    ComeBack,
}

impl Move {
    /// The merge patch of the status, as the project's own `promote`, `promote --full` and `abort` send it; the resourceVersion
    /// within makes it a compare-and-swap.
    fn patch(self, rollout: &Value) -> Option<Value> {
        let status = match self {
            Move::Nothing => return None,
            Move::GoOn => json!({"pauseConditions": null}),
            Move::Abort => json!({"abort": true}),
            Move::ComeBack => json!({"promoteFull": true}),
        };
        let version = rollout.pointer("/metadata/resourceVersion").cloned().unwrap_or_default();
        Some(json!({"metadata": {"resourceVersion": version}, "status": status}))
    }
}

/// What a Rollout says, without the cluster.
struct Reader {
    place: Place,
    workload: Workload,
    change: Change,
}

impl Reader {
    fn new(plan: &Plan, names: &RouterNames) -> Self {
        Self {
            place: place_of(&plan.workload, &names.namespace),
            workload: plan.workload.clone(),
            change: plan.change.clone(),
        }
    }

    /// Whether the status is about the object as it is now: the controller writes the generation as text.
    fn is_current(rollout: &Value) -> bool {
        let generation = rollout.pointer("/metadata/generation").map(Value::to_string);
        generation.as_deref() == text(rollout, "/status/observedGeneration")
    }

    fn same_pods(rollout: &Value) -> bool {
        text(rollout, "/status/currentPodHash") == text(rollout, "/status/stableRS")
    }

    /// The weight that the current step asks for.
    fn asked(rollout: &Value) -> Percent {
        let steps = list(rollout, STEPS);
        let index = rollout.pointer("/status/currentStepIndex").and_then(Value::as_u64).unwrap_or(0);
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        if rollout.pointer("/status/abort") == Some(&Value::Bool(true)) {
            return Percent::ZERO;
        }
        if index >= steps.len() {
            return Percent::ALL;
        }
        let weight = steps.iter().take(index + 1).rev().find_map(|step| step.get("setWeight")?.as_f64());
        cautious(weight.unwrap_or(0.0) / 100.0)
    }

    /// The canary's share as it is.
    fn share(&self, rollout: &Value) -> Result<Percent, Trouble> {
        let new = is_new(rollout, &self.workload, &self.change)?;
        let weight = match rollout.pointer("/status/canary/weights/canary/weight").and_then(Value::as_f64) {
            Some(weight) => cautious(weight / 100.0),
            None => Self::asked(rollout),
        };
        // A status that is not about the object as it is now is about the version that it asked for before.
        let stale = text(rollout, "/status/observedGeneration").is_some() && !Self::is_current(rollout);
        Ok(match (new, Self::same_pods(rollout)) {
            (true, true) => {
                if Self::is_current(rollout) {
                    Percent::ALL
                } else {
                    Percent::ZERO
                }
            }
            (true, false) => weight,
            (false, true) => {
                if stale {
                    Percent::ALL
                } else {
                    Percent::ZERO
                }
            }
            (false, false) => {
                if stale {
                    weight
                } else {
                    weight.rest()
                }
            }
        })
    }

    /// What brings the Rollout to this split.
    fn decide(&self, rollout: &Value, split: Split) -> Result<Move, Trouble> {
        let place = self.place.words();
        if split.mirror != Percent::ZERO {
            return Err(misfit(format!("{place}: a Rollout is not told to mirror")));
        }
        let now = self.share(rollout)?;
        if now == split.canary {
            return Ok(Move::Nothing);
        }
        let new = is_new(rollout, &self.workload, &self.change)?;
        let aborted = rollout.pointer("/status/abort") == Some(&Value::Bool(true));
        if split.canary == Percent::ZERO {
            return Ok(match (new, Self::same_pods(rollout), Self::is_current(rollout)) {
                // Once it is promoted only the old version leads back, and that is not the router's to set.
                (true, true, _) | (false, true, _) | (false, false, false) => Move::Nothing,
                (true, false, _) => {
                    if aborted {
                        Move::Nothing
                    } else {
                        Move::Abort
                    }
                }
                (false, false, true) => {
                    let told = rollout.pointer("/status/promoteFull") == Some(&Value::Bool(true));
                    if told { Move::Nothing } else { Move::ComeBack }
                }
            });
        }
        if !new {
            return Err(misfit(format!("{place}: it does not have the new version")));
        }
        if aborted {
            return Err(misfit(format!("{place}: it is aborted")));
        }
        let weights = steps_of(rollout)?;
        if !weights.contains(&split.canary) {
            let words: Vec<String> = weights.iter().map(|weight| weight.get().to_string()).collect();
            let there = words.join(", ");
            return Err(misfit(format!("{place}: its steps have no {} %; there is: {there}", split.canary.get())));
        }
        if !Self::is_current(rollout) {
            // Its controller has not seen the new version yet; nothing is told by what it said of the old one.
            return Ok(Move::Nothing);
        }
        let asked = Self::asked(rollout);
        if asked == split.canary && split.canary != Percent::ALL {
            // The controller is on its way.
            return Ok(Move::Nothing);
        }
        match weights.iter().find(|weight| **weight > asked) {
            Some(next) if *next == split.canary => {}
            Some(_) | None if asked == Percent::ALL && split.canary == Percent::ALL => {}
            Some(_) | None => {
                let words = format!("it is at {} % and takes its steps one by one", asked.get());
                return Err(misfit(format!("{place}: {words}: {} % is not the next", split.canary.get())));
            }
        }
        if rollout.pointer("/spec/paused") == Some(&Value::Bool(true)) {
            return Err(foreign(format!("{place}: somebody has paused it (`spec.paused`)")));
        }
        let pauses = list(rollout, "/status/pauseConditions");
        if let Some(other) = pauses.iter().filter_map(|pause| text(pause, "/reason")).find(|why| *why != STEP_PAUSE) {
            return Err(foreign(format!("{place}: it is paused for another reason: {other}")));
        }
        Ok(if pauses.is_empty() { Move::Nothing } else { Move::GoOn })
    }
}

/// The router.
pub(super) struct Argo {
    cluster: Cluster,
    reader: Reader,
}

impl Argo {
    pub(super) fn new(cluster: &Cluster, plan: &Plan, names: &RouterNames) -> Self {
        Self { cluster: cluster.clone(), reader: Reader::new(plan, names) }
    }
}

#[async_trait::async_trait]
impl Router for Argo {
    fn name(&self) -> String {
        self.reader.place.words()
    }

    async fn split(&self) -> Result<Split, Trouble> {
        let rollout = read(&self.cluster, &self.reader.place).await?;
        Ok(Split::to_canary(self.reader.share(&rollout)?))
    }

    async fn shift(&self, split: Split) -> Result<(), Trouble> {
        let mut lost = String::new();
        for _ in 0..TRIES {
            let rollout = read(&self.cluster, &self.reader.place).await?;
            let Some(patch) = self.reader.decide(&rollout, split)?.patch(&rollout) else { return Ok(()) };
            match self.cluster.merge(&self.reader.place, Some("status"), &patch).await {
                Ok(_) => return Ok(()),
                Err(ClusterError::Conflict(text)) => lost = text.into_raw(),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Trouble::Cluster(ClusterError::Conflict(lost.into())))
    }

    async fn clear(&self) -> Result<(), Trouble> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::plan::WorkloadKind;
    use super::super::testing::{canary, mirrored, words};
    use super::*;

    fn reader() -> Reader {
        let workload = Workload { kind: WorkloadKind::Rollout, name: "llm".into(), ..Workload::default() };
        let change = Change { image: Some("a:2".into()), model: None };
        Reader { place: place_of(&workload, "prod"), workload, change }
    }

    fn rollout(image: &str, status: Value) -> Value {
        let steps = json!([{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}, {"analysis": {}}, {"pause": {}}]);
        json!({"metadata": {"name": "llm", "generation": 4, "resourceVersion": "7"},
            "spec": {"strategy": {"canary": {"steps": steps}},
                "template": {"spec": {"containers": [{"name": "main", "image": image}]}}},
            "status": status})
    }

    fn at(index: u64, weight: u64, pauses: Value) -> Value {
        rollout(
            "a:2",
            json!({"observedGeneration": "4", "currentPodHash": "new", "stableRS": "old", "currentStepIndex": index,
            "pauseConditions": pauses, "canary": {"weights": {"canary": {"weight": weight}, "stable": {"weight": 100 - weight}}}}),
        )
    }

    fn paused() -> Value {
        json!([{"reason": "CanaryPauseStep", "startTime": "2026-01-01T00:00:00Z"}])
    }

    #[test]
    fn the_steps_are_those_of_the_rollout_and_each_waits_to_be_told() {
        let with =
            |steps: Value| json!({"metadata": {"name": "llm"}, "spec": {"strategy": {"canary": {"steps": steps}}}});
        let fine = [
            (json!([{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}]), vec![10, 50, 100]),
            (
                json!([{"setWeight": 0}, {"pause": {}}, {"setWeight": 20}, {"pause": {"duration": "5m"}}, {"pause": {}}, {"setWeight": 100}]),
                vec![20, 100],
            ),
            (
                json!([{"setCanaryScale": {"replicas": 1}}, {"pause": {}}, {"setWeight": 5}, {"pause": {"duration": null}}]),
                vec![5, 100],
            ),
        ];
        for (steps, expected) in fine {
            let found: Vec<u8> = steps_of(&with(steps)).unwrap().into_iter().map(Percent::get).collect();
            assert_eq!(found, expected);
        }
        let bad = [
            (
                json!([{"setWeight": 10}, {"pause": {"duration": "1h"}}, {"setWeight": 50}, {"pause": {}}]),
                "after `setWeight: 10`",
            ),
            (json!([{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}]), "after `setWeight: 50`"),
            (json!([{"setWeight": 50}, {"pause": {}}, {"setWeight": 10}, {"pause": {}}]), "no step up"),
            (json!([{"setWeight": 101}, {"pause": {}}]), "a weight of 101"),
            (json!([{"pause": {}}]), "set no weight"),
            (json!([]), "set no weight"),
        ];
        for (steps, expected) in bad {
            let found = words(steps_of(&with(steps)));
            assert!(found.starts_with("plan: ") && found.contains(expected), "{found}");
        }
        assert!(words(steps_of(&json!({"spec": {"strategy": {"blueGreen": {}}}}))).contains("not `canary`"));
    }

    #[test]
    fn the_share_is_what_the_controller_says_and_never_more_by_a_stale_status() {
        let done = |image: &str, seen: &str| {
            rollout(
                image,
                json!({"observedGeneration": seen, "currentPodHash": "x", "stableRS": "x", "currentStepIndex": 5}),
            )
        };
        let returning = |weight: u64, seen: &str| {
            let mut object = at(1, weight, paused());
            object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("a:1");
            object["status"]["observedGeneration"] = json!(seen);
            object
        };
        let mut bare = at(2, 0, json!([]));
        bare["status"].as_object_mut().unwrap().shift_remove("canary");
        let mut aborted = bare.clone();
        aborted["status"]["abort"] = json!(true);
        let table = [
            (done("a:1", "4"), 0),
            (done("a:2", "3"), 0),
            (done("a:2", "4"), 100),
            (done("a:1", "3"), 100),
            (returning(0, "4"), 100),
            (returning(30, "4"), 70),
            (returning(30, "3"), 30),
            (at(1, 10, paused()), 10),
            (at(2, 10, json!([])), 10),
            (bare, 50),
            (aborted, 0),
            (rollout("a:2", Value::Null), 0),
        ];
        for (object, expected) in table {
            assert_eq!(reader().share(&object).unwrap().get(), expected, "{}", object["status"]);
        }
    }

    #[test]
    fn a_pause_is_left_only_for_the_very_next_weight() {
        let manual = json!([{"reason": "InconclusiveAnalysisRun"}]);
        let mut stopped = at(1, 10, paused());
        stopped["spec"]["paused"] = json!(true);
        let mut aborted = at(1, 10, paused());
        aborted["status"]["abort"] = json!(true);
        let mut unseen = at(1, 10, paused());
        unseen["metadata"]["generation"] = json!(5);
        let mut returning = at(1, 10, paused());
        returning["spec"]["template"]["spec"]["containers"][0]["image"] = json!("a:1");
        let mut told = returning.clone();
        told["status"]["promoteFull"] = json!(true);
        let table = [
            (returning, 0, Ok(Move::ComeBack)),
            (told, 0, Ok(Move::Nothing)),
            (at(1, 10, paused()), 10, Ok(Move::Nothing)),
            (at(1, 10, paused()), 50, Ok(Move::GoOn)),
            (at(2, 10, json!([])), 50, Ok(Move::Nothing)),
            (at(3, 50, json!([])), 100, Ok(Move::Nothing)),
            (at(4, 50, paused()), 100, Ok(Move::GoOn)),
            (at(0, 0, json!([])), 10, Ok(Move::Nothing)),
            (at(1, 10, paused()), 0, Ok(Move::Abort)),
            (at(0, 0, json!([])), 0, Ok(Move::Nothing)),
            (aborted.clone(), 0, Ok(Move::Nothing)),
            (at(1, 10, paused()), 100, Err("100 % is not the next")),
            (at(4, 50, paused()), 10, Err("10 % is not the next")),
            (at(1, 10, paused()), 25, Err("no 25 %; there is: 10, 50, 100")),
            (at(1, 10, manual), 50, Err("foreign: Rollout prod/llm: it is paused for another reason")),
            (stopped, 50, Err("foreign: Rollout prod/llm: somebody has paused it")),
            (aborted, 50, Err("it is aborted")),
            (unseen, 50, Ok(Move::Nothing)),
            (rollout("a:1", json!({})), 10, Err("does not have the new version")),
            (
                rollout("a:2", json!({"observedGeneration": "4", "currentPodHash": "x", "stableRS": "x"})),
                0,
                Ok(Move::Nothing),
            ),
        ];
        for (object, percent, expected) in table {
            let found = reader().decide(&object, canary(percent));
            match expected {
                Ok(expected) => assert_eq!(found.ok(), Some(expected), "{percent} {}", object["status"]),
                Err(expected) => {
                    let found = words(found);
                    assert!(found.contains(expected), "{percent}: {found}");
                }
            }
        }
        assert!(words(reader().decide(&at(1, 10, paused()), mirrored(10))).contains("mirror"));
    }

    #[test]
    fn a_patch_of_the_status_is_a_compare_and_swap() {
        let object = at(1, 10, paused());
        let patch = Move::GoOn.patch(&object);
        assert_eq!(patch, Some(json!({"metadata": {"resourceVersion": "7"}, "status": {"pauseConditions": null}})));
        assert_eq!(Move::Abort.patch(&object).unwrap()["status"], json!({"abort": true}));
        assert_eq!(Move::Nothing.patch(&object), None);
    }
}
