//! Whether a workload's pods are ready, on their way, or broken in a way that waiting does not mend. Pure: a function of the
//! Deployment, its pods and their events.
//! Kept out: what the users' requests show (`analysis`), and how long a stage may wait (`drive`).

use serde_json::Value;

use super::state::Moment;
use super::workload::{number, replicas, text};
use crate::gate::Verdict;
use crate::trust::clean;

/// A pod that the scheduler cannot place may be placed once another one has ended, so this is not said at once.
const UNPLACED_SECONDS: f64 = 60.0;
/// As long as a message of the cluster may be in a report.
const LONGEST: usize = 300;

/// How a workload is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Health {
    /// Every replica runs the template and is available.
    Ready,
    /// Not yet: how many of how many, and what is in the way.
    Starting {
        /// Available replicas of the newest template.
        ready: u32,
        /// Replicas that are asked for.
        wanted: u32,
    },
    /// It will not get ready by itself.
    Broken(Broken),
}

/// What is broken, with one sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// The kind.
    pub fault: Fault,
    /// One sentence; text of the cluster in it is cleaned and cut.
    pub why: String,
}

/// The named ways in which a workload is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The image cannot be pulled.
    Image,
    /// The image's name is no name: it never will be.
    ImageName,
    /// A container ends again and again.
    CrashLoop,
    /// A container cannot be made: a missing ConfigMap or Secret, a wrong command.
    Container,
    /// No node has room (or a GPU) for a pod.
    Unschedulable,
    /// The Deployment's own deadline for progress has passed.
    ProgressDeadline,
    /// The quota, or an admission controller, refuses the pods.
    Refused,
    /// The workload is not there.
    Missing,
}

/// How a Deployment is. Events tell whether an autoscaler is about to add a node for a pod that has no place.
pub fn health(deployment: Option<&Value>, pods: &[Value], events: &[Value]) -> Health {
    let broken = |fault, why: String| Health::Broken(Broken { fault, why: cut(&why) });
    let Some(deployment) = deployment else {
        return broken(Fault::Missing, "the workload is not there".to_owned());
    };
    let wanted = replicas(deployment);
    let of = |name: &str| number(deployment, &format!("/status/{name}")).unwrap_or(0);
    let (updated, available) = (of("updatedReplicas"), of("availableReplicas"));
    let seen = deployment.pointer("/status/observedGeneration").and_then(Value::as_u64);
    let generation = deployment.pointer("/metadata/generation").and_then(Value::as_u64);
    let observed = seen.unwrap_or(0) >= generation.unwrap_or(0);
    if observed && updated >= wanted && available >= wanted && of("replicas") <= updated {
        return Health::Ready;
    }
    let alive = pods.iter().filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none());
    if let Some(found) = alive.filter_map(|pod| fault_of(pod, events)).min_by_key(|found| rank(found.fault)) {
        return Health::Broken(found);
    }
    if observed {
        let failing = conditions(deployment).find(|one| {
            let failed = text(one, "/type") == Some("ReplicaFailure") && text(one, "/status") == Some("True");
            let late = text(one, "/reason") == Some("ProgressDeadlineExceeded");
            failed || late
        });
        if let Some(condition) = failing {
            let message = text(condition, "/message").unwrap_or_default();
            return match text(condition, "/type") {
                Some("ReplicaFailure") => broken(Fault::Refused, format!("its pods are refused: {message}")),
                _ => broken(Fault::ProgressDeadline, format!("it made no progress before its own deadline: {message}")),
            };
        }
    }
    Health::Starting { ready: available.min(updated), wanted }
}

/// How an object is whose own controller says so: `status.phase` of a Rollout (argoproj.io/v1alpha1), the condition `Ready` of
/// an InferenceService (serving.kserve.io/v1beta1).
pub fn driven_health(object: &Value) -> Health {
    let starting = Health::Starting { ready: 0, wanted: replicas(object).max(1) };
    match text(object, "/status/phase") {
        Some("Healthy" | "Paused") => return Health::Ready,
        Some("Degraded") => {
            let message = text(object, "/status/message").unwrap_or_default();
            let why = cut(&format!("its controller calls it degraded: {message}"));
            return Health::Broken(Broken { fault: Fault::ProgressDeadline, why });
        }
        Some(_) => return starting,
        None => {}
    }
    if text(object, "/status/modelStatus/transitionStatus") == Some("BlockedByFailedLoad") {
        let message = text(object, "/status/modelStatus/lastFailureInfo/message").unwrap_or_default();
        return Health::Broken(Broken {
            fault: Fault::Container,
            why: cut(&format!("the new version does not load: {message}")),
        });
    }
    let ready =
        conditions(object).any(|one| text(one, "/type") == Some("Ready") && text(one, "/status") == Some("True"));
    if ready { Health::Ready } else { starting }
}

/// What is wrong with a pod.
fn fault_of(pod: &Value, events: &[Value]) -> Option<Broken> {
    let name = text(pod, "/metadata/name").unwrap_or("a pod");
    let broken = |fault, why: String| Some(Broken { fault, why: cut(&why) });
    let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let containers = lists.iter().filter_map(|list| pod.pointer(list)).filter_map(Value::as_array).flatten();
    for status in containers {
        let container = text(status, "/name").unwrap_or("a container");
        let reason = text(status, "/state/waiting/reason").unwrap_or_default();
        let message = text(status, "/state/waiting/message").unwrap_or_default();
        let at = format!("container `{container}` of pod `{name}`");
        match reason {
            "InvalidImageName" => {
                return broken(Fault::ImageName, format!("{at}: its image has no valid name: {message}"));
            }
            "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "RegistryUnavailable" => {
                return broken(Fault::Image, format!("{at}: its image cannot be pulled ({reason}): {message}"));
            }
            "CrashLoopBackOff" => return broken(Fault::CrashLoop, crash(status, &at)),
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
                return broken(Fault::Container, format!("{at} cannot be made ({reason}): {message}"));
            }
            _ => {}
        }
        // Between two restarts the same loop shows a container that runs, or has just ended.
        let restarts = number(status, "/restartCount").unwrap_or(0);
        let ready = status.get("ready").and_then(Value::as_bool).unwrap_or(false);
        if restarts >= 3 && !ready {
            return broken(Fault::CrashLoop, crash(status, &at));
        }
    }
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let unplaced = conditions
        .iter()
        .find(|one| text(one, "/type") == Some("PodScheduled") && text(one, "/reason") == Some("Unschedulable"))?;
    // The reasons by which cluster-autoscaler and Karpenter say that a node is on its way.
    let awaited = events.iter().any(|event| {
        text(event, "/involvedObject/name") == Some(name)
            && matches!(text(event, "/reason"), Some("TriggeredScaleUp" | "Nominated"))
    });
    if awaited {
        return None;
    }
    let message = text(unplaced, "/message").unwrap_or_default();
    broken(Fault::Unschedulable, format!("no node takes pod `{name}`: {message}"))
}

fn crash(status: &Value, at: &str) -> String {
    let restarts = number(status, "/restartCount").unwrap_or(0);
    let ended = ["/lastState/terminated", "/state/terminated"].iter().find_map(|place| status.pointer(place));
    let last = ended.map(|ended| {
        let code = ended.get("exitCode").and_then(Value::as_i64).unwrap_or_default();
        format!("; last: {} with exit code {code}", text(ended, "/reason").unwrap_or("ended"))
    });
    format!("{at} ends again and again: {restarts} restarts{}", last.unwrap_or_default())
}

fn conditions(deployment: &Value) -> impl Iterator<Item = &Value> {
    deployment.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten()
}

/// The order in which faults are told when there are several.
fn rank(fault: Fault) -> u8 {
    match fault {
        Fault::Missing => 0,
        Fault::ImageName => 1,
        Fault::Image => 2,
        Fault::Container => 3,
        Fault::CrashLoop => 4,
        Fault::Refused => 5,
        Fault::Unschedulable => 6,
        Fault::ProgressDeadline => 7,
    }
}

/// Text with what the cluster said in it, fit to be shown.
pub(super) fn cut(text: &str) -> String {
    let cleaned = clean(text);
    let flat: String = cleaned.chars().map(|letter| if letter == '\n' { ' ' } else { letter }).collect();
    match flat.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", flat.get(..end).unwrap_or(&flat)),
        None => flat,
    }
}

/// What has been seen at the looks before: some faults pass by themselves, and count only when they last.
#[derive(Clone, Debug, Default)]
pub struct Suspicion(Option<(Fault, Moment)>);

impl Suspicion {
    /// The verdict of a look: ready passes, broken fails, all else is inconclusive.
    ///
    /// A pull, a crash or a container that could not be made must be seen at two looks in a row, a pod without a place for a
    /// minute: the first failure of each may pass. What cannot pass by itself fails at once.
    pub fn weigh(&mut self, health: &Health, now: Moment) -> Verdict {
        let broken = match health {
            Health::Ready => {
                self.0 = None;
                return Verdict::Pass;
            }
            Health::Starting { .. } => {
                self.0 = None;
                return Verdict::Inconclusive;
            }
            Health::Broken(broken) => broken,
        };
        let since = self.0.filter(|(fault, _)| *fault == broken.fault).map(|(_, since)| since);
        self.0 = Some((broken.fault, since.unwrap_or(now)));
        let certain = match broken.fault {
            Fault::Missing | Fault::ImageName | Fault::ProgressDeadline => true,
            Fault::Image | Fault::CrashLoop | Fault::Container | Fault::Refused => since.is_some(),
            Fault::Unschedulable => since.is_some_and(|since| now.since(since) >= UNPLACED_SECONDS),
        };
        if certain { Verdict::Fail } else { Verdict::Inconclusive }
    }
}

impl Health {
    /// One sentence about a workload.
    pub fn words(&self, workload: &str) -> String {
        match self {
            Health::Ready => format!("`{workload}` is ready"),
            Health::Starting { ready, wanted } => format!("`{workload}` has {ready} of {wanted} pods ready"),
            Health::Broken(broken) => format!("`{workload}`: {}", broken.why),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(wanted: u32, updated: u32, available: u32, all: u32) -> Value {
        json!({"metadata": {"generation": 2}, "spec": {"replicas": wanted}, "status": {"observedGeneration": 2,
            "replicas": all, "updatedReplicas": updated, "availableReplicas": available}})
    }

    fn waiting(reason: &str) -> Value {
        json!({"metadata": {"name": "p"}, "status": {"containerStatuses": [{"name": "s", "restartCount": 4,
            "ready": false, "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
            "state": {"waiting": {"reason": reason, "message": "said\u{202e}"}}}]}})
    }

    fn unplaced() -> Value {
        json!({"metadata": {"name": "p"}, "status": {"conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/3 nodes: 3 Insufficient nvidia.com/gpu"}]}})
    }

    fn fault(pod: Value) -> Option<Fault> {
        match health(Some(&deployment(1, 1, 0, 1)), &[pod], &[]) {
            Health::Broken(broken) => Some(broken.fault),
            Health::Ready | Health::Starting { .. } => None,
        }
    }

    #[test]
    fn ready_is_every_replica_of_the_newest_template_and_no_old_one() {
        assert_eq!(health(Some(&deployment(2, 2, 2, 2)), &[], &[]), Health::Ready);
        for (updated, available, all) in [(1, 2, 2), (2, 1, 2), (2, 2, 3)] {
            let seen = health(Some(&deployment(2, updated, available, all)), &[], &[]);
            assert!(matches!(seen, Health::Starting { wanted: 2, .. }), "{updated} {available} {all}");
        }
        let mut stale = deployment(2, 2, 2, 2);
        stale["metadata"]["generation"] = json!(3);
        assert_ne!(health(Some(&stale), &[], &[]), Health::Ready, "the status is about an older generation");
        assert_ne!(health(Some(&json!({"metadata": {"generation": 1}, "spec": {}})), &[], &[]), Health::Ready);
    }

    #[test]
    fn each_way_of_being_broken_has_its_name() {
        for (reason, wanted) in [
            ("ErrImagePull", Fault::Image),
            ("ImagePullBackOff", Fault::Image),
            ("InvalidImageName", Fault::ImageName),
            ("CrashLoopBackOff", Fault::CrashLoop),
            ("CreateContainerConfigError", Fault::Container),
        ] {
            assert_eq!(fault(waiting(reason)), Some(wanted), "{reason}");
        }
        assert_eq!(fault(unplaced()), Some(Fault::Unschedulable));
        assert!(matches!(health(None, &[], &[]), Health::Broken(Broken { fault: Fault::Missing, .. })));
        let mut late = deployment(1, 1, 0, 1);
        late["status"]["conditions"] = json!([{"type": "Progressing", "status": "False",
            "reason": "ProgressDeadlineExceeded", "message": "timed out"}]);
        let Health::Broken(broken) = health(Some(&late), &[], &[]) else { panic!() };
        assert_eq!(broken.fault, Fault::ProgressDeadline);
    }

    #[test]
    fn a_crash_tells_its_last_exit_and_no_letter_that_acts() {
        let Health::Broken(crash) = health(Some(&deployment(1, 1, 0, 1)), &[waiting("CrashLoopBackOff")], &[]) else {
            panic!()
        };
        assert!(crash.why.contains("4 restarts; last: OOMKilled with exit code 137"), "{}", crash.why);
        let Health::Broken(pull) = health(Some(&deployment(1, 1, 0, 1)), &[waiting("ErrImagePull")], &[]) else {
            panic!()
        };
        assert!(pull.why.contains("said[U+202E]"), "{}", pull.why);
    }

    #[test]
    fn a_pod_that_waits_for_a_new_node_or_is_being_deleted_is_not_broken() {
        let event = json!({"involvedObject": {"name": "p"}, "reason": "TriggeredScaleUp"});
        let seen = health(Some(&deployment(1, 1, 0, 1)), &[unplaced()], &[event]);
        assert!(matches!(seen, Health::Starting { .. }));
        let mut gone = waiting("CrashLoopBackOff");
        gone["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(fault(gone), None);
    }

    #[test]
    fn what_may_pass_fails_only_when_it_lasts() {
        let at = |seconds: f64| Moment(0).after(seconds);
        let broken = |fault| Health::Broken(Broken { fault, why: String::new() });
        let mut looks = Suspicion::default();
        assert_eq!(looks.weigh(&broken(Fault::Image), at(0.0)), Verdict::Inconclusive);
        assert_eq!(looks.weigh(&Health::Starting { ready: 0, wanted: 1 }, at(2.0)), Verdict::Inconclusive);
        assert_eq!(looks.weigh(&broken(Fault::Image), at(4.0)), Verdict::Inconclusive, "it had passed");
        assert_eq!(looks.weigh(&broken(Fault::CrashLoop), at(6.0)), Verdict::Inconclusive, "another fault");
        assert_eq!(looks.weigh(&broken(Fault::CrashLoop), at(8.0)), Verdict::Fail);
        let mut looks = Suspicion::default();
        for (seconds, verdict) in [(0.0, Verdict::Inconclusive), (59.0, Verdict::Inconclusive), (60.0, Verdict::Fail)] {
            assert_eq!(looks.weigh(&broken(Fault::Unschedulable), at(seconds)), verdict, "{seconds}");
        }
        for fault in [Fault::Missing, Fault::ImageName, Fault::ProgressDeadline] {
            assert_eq!(Suspicion::default().weigh(&broken(fault), at(0.0)), Verdict::Fail);
        }
        assert_eq!(looks.weigh(&Health::Ready, at(61.0)), Verdict::Pass);
    }
}
