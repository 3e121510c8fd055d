//! Without anything that splits requests: the ratio of ready pods behind one Service, and its selector at 100 %.
//! Kept out: when pods are waited for (`reach`).

use serde_json::{Value, json};

use super::super::{Percent, Split, Trouble};
use super::Router;
use super::build::RouterNames;
use super::istio::cautious;
use super::object::{list, misfit, read, text, unchanged};
use super::ours::{Swapped, swap};
use super::selector::Selector;
use crate::cluster::{Cluster, DEPLOYMENT, Edit, HORIZONTAL_POD_AUTOSCALER, POD, Place, SERVICE};

/// How many canary pods come nearest to this share beside so many of stable's, and the share that this really is. At least
/// one for any share, and as many as stable's for all of it (then the selector leaves stable's out).
pub fn replicas_for(stable: u32, share: Percent) -> (u32, f64) {
    let real = |canary: u32| f64::from(canary) / (f64::from(canary) + f64::from(stable));
    if share == Percent::ZERO {
        return (0, 0.0);
    }
    if share == Percent::ALL {
        return (stable.max(1), 1.0);
    }
    let exact = f64::from(stable) * share.share() / share.rest().share();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut to the range of u32")]
    let whole = |value: f64| value.clamp(1.0, f64::from(u32::MAX)) as u32;
    let (low, high) = (whole(exact.floor()), whole(exact.ceil()));
    let off = |canary: u32| (real(canary) - share.share()).abs();
    let canary = if off(high) < off(low) { high } else { low };
    (canary, real(canary))
}

/// How many pods stable has, and who says so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StableReplicas {
    /// `spec.replicas`: where an autoscaler owns it, its current value.
    pub replicas: u32,
    /// The HorizontalPodAutoscaler that owns it.
    pub autoscaler: Option<String>,
}

/// What stable has now. The number is only read: an autoscaler that owns it is followed, never fought.
pub fn stable_replicas(workload: &Value, autoscalers: &[Value]) -> StableReplicas {
    let replicas = workload.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
    StableReplicas {
        replicas: u32::try_from(replicas).unwrap_or(u32::MAX),
        autoscaler: autoscaler_of(workload, autoscalers),
    }
}

/// The autoscaler whose `scaleTargetRef` is this workload.
fn autoscaler_of(workload: &Value, autoscalers: &[Value]) -> Option<String> {
    let (kind, name) = (text(workload, "/kind").unwrap_or("Deployment"), text(workload, "/metadata/name")?);
    let group = |version: Option<&str>| {
        version.and_then(|version| version.split_once('/')).map(|(group, _)| group.to_owned()).unwrap_or_default()
    };
    let aims = |autoscaler: &&Value| {
        let target = "/spec/scaleTargetRef";
        let ours = group(text(workload, "/apiVersion").or(Some("apps/v1")));
        let theirs = text(autoscaler, &format!("{target}/apiVersion"));
        text(autoscaler, &format!("{target}/kind")) == Some(kind)
            && text(autoscaler, &format!("{target}/name")) == Some(name)
            && theirs.is_none_or(|version| group(Some(version)) == ours)
    };
    let found = autoscalers.iter().find(aims)?;
    Some(text(found, "/metadata/name").unwrap_or_default().to_owned())
}

/// Ready pods of both sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Sides {
    stable: u32,
    canary: u32,
}

impl Sides {
    /// Pods that the Service leads to: ready, and not on their way out.
    fn of(pods: &[Value], rollout: &str) -> Self {
        let mut sides = Self::default();
        for pod in pods.iter().filter(|pod| is_ready(pod)) {
            let label = |key: &str| pod.pointer("/metadata/labels").and_then(|labels| labels.get(key)?.as_str());
            let ours = label("llmci.dev/rollout") == Some(rollout);
            match label("llmci.dev/track") {
                Some("canary") if ours => sides.canary += 1,
                Some(_) | None => sides.stable += 1,
            }
        }
        sides
    }

    fn share(self) -> Percent {
        if self.canary == 0 {
            return Percent::ZERO;
        }
        cautious(f64::from(self.canary) / (f64::from(self.canary) + f64::from(self.stable)))
    }
}

fn is_ready(pod: &Value) -> bool {
    let ready =
        |condition: &Value| text(condition, "/type") == Some("Ready") && text(condition, "/status") == Some("True");
    pod.pointer("/metadata/deletionTimestamp").is_none() && list(pod, "/status/conditions").iter().any(ready)
}

/// What makes a workload have so many replicas; nothing where it does.
fn scaling(workload: &Value, replicas: u32) -> Result<Vec<Edit>, Trouble> {
    if workload.pointer("/spec/replicas").and_then(Value::as_u64) == Some(u64::from(replicas)) {
        return Ok(Vec::new());
    }
    Ok(vec![unchanged(workload)?, Edit::Add("/spec/replicas".to_owned(), json!(replicas))])
}

/// The labels of a Service's selector as a query.
fn query(service: &Value) -> String {
    let selector = service.pointer("/spec/selector").and_then(Value::as_object);
    let labels = selector.into_iter().flatten().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    labels.collect::<Vec<_>>().join(",")
}

/// The router.
pub(super) struct Replicas {
    cluster: Cluster,
    selector: Swapped<Selector>,
    namespace: String,
    service: Place,
    stable: Place,
    canary: Place,
}

impl Replicas {
    pub(super) fn new(cluster: &Cluster, names: &RouterNames) -> Self {
        let namespace = names.namespace.as_str();
        Self {
            cluster: cluster.clone(),
            selector: Swapped { cluster: cluster.clone(), entry: Selector::new(names) },
            namespace: namespace.to_owned(),
            service: SERVICE.at(namespace, &names.stable_service),
            stable: DEPLOYMENT.at(namespace, &names.stable_workload),
            canary: DEPLOYMENT.at(namespace, &names.canary_workload),
        }
    }

    async fn sides(&self) -> Result<Sides, Trouble> {
        let service = read(&self.cluster, &self.service).await?;
        let labels = query(&service);
        let pods = self.cluster.list(POD, &self.namespace, Some(&labels)).await?;
        Ok(Sides::of(&pods, &self.stable.name))
    }

    async fn wanted(&self, share: Percent) -> Result<(u32, f64), Trouble> {
        let autoscalers = self.cluster.list(HORIZONTAL_POD_AUTOSCALER, &self.namespace, None).await?;
        let canary = json!({"kind": "Deployment", "metadata": {"name": self.canary.name}});
        if let Some(name) = autoscaler_of(&canary, &autoscalers) {
            let words = "it scales the canary, whose number is the split: take it away for the rollout";
            return Err(misfit(format!("HorizontalPodAutoscaler {}/{name}: {words}", self.namespace)));
        }
        let stable = read(&self.cluster, &self.stable).await?;
        Ok(replicas_for(stable_replicas(&stable, &autoscalers).replicas, share))
    }
}

#[async_trait::async_trait]
impl Router for Replicas {
    fn name(&self) -> String {
        format!("the replicas of {} and {}", self.stable.words(), self.canary.name)
    }

    async fn split(&self) -> Result<Split, Trouble> {
        let switched = self.selector.split().await?;
        if switched != Split::STABLE {
            return Ok(switched);
        }
        Ok(Split::to_canary(self.sides().await?.share()))
    }

    async fn shift(&self, split: Split) -> Result<(), Trouble> {
        if split.mirror != Percent::ZERO {
            return Err(misfit("replicas mirror nothing: a shadow needs `traffic.istio` or `traffic.gateway`"));
        }
        if split.canary != Percent::ALL {
            self.selector.shift(Split::STABLE).await?;
        }
        let wanted = if split.canary == Percent::ZERO { 0 } else { self.wanted(split.canary).await?.0 };
        if wanted == 0 && self.cluster.find(&self.canary).await?.is_none() {
            return Ok(());
        }
        if split.canary != Percent::ALL {
            return swap(&self.cluster, &self.canary, |canary| scaling(canary, wanted)).await.map(drop);
        }
        // Whoever asked has waited for the pods, and asks again; what is not there is not given everything.
        let canary = read(&self.cluster, &self.canary).await?;
        let there = canary.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
        let ready = self.sides().await?.canary;
        if self.selector.split().await? == Split::STABLE && (ready == 0 || u64::from(ready) < there.min(wanted.into()))
        {
            return Ok(());
        }
        self.selector.shift(split).await
    }

    async fn clear(&self) -> Result<(), Trouble> {
        self.selector.clear().await
    }

    async fn offers(&self, split: Split) -> Result<Split, Trouble> {
        let (_, real) = self.wanted(split.canary).await?;
        Ok(Split::to_canary(cautious(real)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_nearest_share_is_taken_and_told() {
        let table = [
            (9, 10, 1, 0.1),
            (3, 10, 1, 0.25),
            (3, 25, 1, 0.25),
            (3, 50, 3, 0.5),
            (4, 33, 2, 1.0 / 3.0),
            (10, 1, 1, 1.0 / 11.0),
            (1, 90, 9, 0.9),
            (5, 100, 5, 1.0),
            (0, 10, 1, 1.0),
            (0, 100, 1, 1.0),
            (7, 0, 0, 0.0),
        ];
        for (stable, share, canary, real) in table {
            let (found, share) = replicas_for(stable, Percent::new(share).unwrap());
            assert_eq!(found, canary);
            assert!((share - real).abs() < 1e-12);
        }
    }

    proptest! {
        #[test]
        fn no_other_number_of_pods_comes_nearer(stable in 1_u32..500, share in 1_u8..100) {
            let share = Percent::new(share).unwrap();
            let (canary, real) = replicas_for(stable, share);
            let off = |count: u32| (f64::from(count) / f64::from(count + stable) - share.share()).abs();
            prop_assert!(canary >= 1 && (real - share.share()).abs() - off(canary) < 1e-12);
            prop_assert!(off(canary) <= off(canary + 1) + 1e-12);
            prop_assert!(canary == 1 || off(canary) <= off(canary - 1) + 1e-12);
        }

        #[test]
        fn nothing_overflows(stable: u32, share in 0_u8..=100) {
            let (_, real) = replicas_for(stable, Percent::new(share).unwrap());
            prop_assert!((0.0..=1.0).contains(&real));
        }
    }

    fn pod(labels: Value, ready: &str) -> Value {
        json!({"metadata": {"labels": labels}, "status": {"conditions": [{"type": "Ready", "status": ready}]}})
    }

    #[test]
    fn only_ready_pods_that_stay_have_traffic() {
        let ours = json!({"llmci.dev/rollout": "llm", "llmci.dev/track": "canary"});
        let mut leaving = pod(ours.clone(), "True");
        leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let other = json!({"llmci.dev/rollout": "other", "llmci.dev/track": "canary"});
        let pods = [
            pod(json!({}), "True"),
            pod(json!({}), "False"),
            pod(ours.clone(), "True"),
            pod(ours.clone(), "False"),
            leaving,
            json!({}),
            pod(other, "True"),
        ];
        assert_eq!(Sides::of(&pods, "llm"), Sides { stable: 2, canary: 1 });
        assert_eq!(Sides { stable: 999, canary: 1 }.share().get(), 1);
        assert_eq!(Sides { stable: 1, canary: 999 }.share().get(), 99);
        assert_eq!(Sides { stable: 0, canary: 1 }.share().get(), 100);
        assert_eq!(Sides::default().share().get(), 0);
    }

    #[test]
    fn an_autoscaler_is_followed_and_only_its_own_workload() {
        let workload = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "llm"}, "spec": {"replicas": 7}});
        let aims = |version: &str, kind: &str, name: &str| json!({"metadata": {"name": "hpa"}, "spec": {"scaleTargetRef": {"apiVersion": version, "kind": kind, "name": name}}});
        let table = [
            (vec![aims("apps/v1", "Deployment", "llm")], Some("hpa")),
            (vec![aims("apps/v1", "Deployment", "llm2"), aims("apps/v1", "StatefulSet", "llm")], None),
            (vec![aims("argoproj.io/v1alpha1", "Deployment", "llm")], None),
            (vec![], None),
        ];
        for (autoscalers, name) in table {
            let found = stable_replicas(&workload, &autoscalers);
            assert_eq!((found.replicas, found.autoscaler.as_deref()), (7, name));
        }
        assert_eq!(stable_replicas(&json!({"spec": {}}), &[]).replicas, 1);
    }

    #[test]
    fn only_the_number_is_edited_and_only_where_it_differs() {
        let workload = json!({"metadata": {"resourceVersion": "7"}, "spec": {"replicas": 2}});
        assert!(scaling(&workload, 2).unwrap().is_empty());
        let edits = scaling(&workload, 3).unwrap();
        assert_eq!(
            edits,
            [Edit::Test("/metadata/resourceVersion".into(), json!("7")), Edit::Add("/spec/replicas".into(), json!(3))]
        );
    }
}
