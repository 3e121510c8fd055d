//! Which router a plan asks for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::plan::{Plan, StrategyName, WorkloadKind};
use super::super::{Split, Trouble};
use super::Router;
use super::argo::Argo;
use super::gateway::Gateway;
use super::istio::Istio;
use super::kserve::KServe;
use super::nginx::Nginx;
use super::object::misfit;
use super::ours::Swapped;
use super::replicas::Replicas;
use super::selector::Selector;
use crate::cluster::Cluster;

/// What things are called in the cluster; whoever makes them knows.
#[derive(Clone, Default)]
pub struct RouterNames {
    /// Of everything.
    pub namespace: String,
    /// The users' Service.
    pub stable_service: String,
    /// Our own Service, for routers that split between two.
    pub canary_service: String,
    /// The workload that is there.
    pub stable_workload: String,
    /// The workload that we make: `NAME-canary`, or the other colour.
    pub canary_workload: String,
    /// Labels that the users' Service selects when the canary has everything: for a ratio of replicas
    /// `llmci.dev/track: canary` besides its own; for blue-green its first label with the value of the other colour.
    pub canary_labels: BTreeMap<String, String>,
    /// What raises the flag of `strategy: feature-flag`: it needs secrets, so it is built where these are known.
    pub flag: Option<Arc<dyn Router>>,
}

/// The router that the plan asks for. What cannot be split so is said by its first call.
pub fn router(plan: &Plan, cluster: &Cluster, names: &RouterNames) -> Box<dyn Router> {
    match plan.workload.kind {
        WorkloadKind::Deployment => {}
        WorkloadKind::Rollout => return Box::new(Argo::new(cluster, plan, names)),
        WorkloadKind::InferenceService => {
            return Box::new(Swapped { cluster: cluster.clone(), entry: KServe::new(plan, names) });
        }
    }
    match plan.strategy {
        StrategyName::BlueGreen => {
            return Box::new(Swapped { cluster: cluster.clone(), entry: Selector::new(names) });
        }
        StrategyName::Rolling => return Box::new(Still),
        StrategyName::FeatureFlag => {
            return match &names.flag {
                Some(flag) => Box::new(Shared(flag.clone())),
                None => Box::new(Missing("`strategy: feature-flag` needs `traffic.flag`")),
            };
        }
        StrategyName::Canary | StrategyName::Shadow => {}
    }
    let traffic = &plan.traffic;
    if let Some(spec) = &traffic.istio {
        return Box::new(Swapped { cluster: cluster.clone(), entry: Istio::new(spec, names) });
    }
    if let Some(spec) = &traffic.gateway {
        return Box::new(Swapped { cluster: cluster.clone(), entry: Gateway::new(spec, names) });
    }
    if let Some(spec) = &traffic.nginx {
        return Box::new(Nginx::new(cluster, spec, names));
    }
    Box::new(Replicas::new(cluster, names))
}

/// A rolling update: the Service leads to whatever pods there are, and nothing is split.
struct Still;

#[async_trait::async_trait]
impl Router for Still {
    fn name(&self) -> String {
        "the workload's own rolling update".to_owned()
    }

    async fn split(&self) -> Result<Split, Trouble> {
        Ok(Split::STABLE)
    }

    async fn shift(&self, split: Split) -> Result<(), Trouble> {
        if split == Split::STABLE { Ok(()) } else { Err(misfit("a rolling update is not split")) }
    }

    async fn clear(&self) -> Result<(), Trouble> {
        Ok(())
    }
}

/// A router that was built elsewhere.
struct Shared(Arc<dyn Router>);

#[async_trait::async_trait]
impl Router for Shared {
    fn name(&self) -> String {
        self.0.name()
    }

    async fn split(&self) -> Result<Split, Trouble> {
        self.0.split().await
    }

    async fn shift(&self, split: Split) -> Result<(), Trouble> {
        self.0.shift(split).await
    }

    async fn clear(&self) -> Result<(), Trouble> {
        self.0.clear().await
    }

    async fn offers(&self, split: Split) -> Result<Split, Trouble> {
        self.0.offers(split).await
    }
}

/// Nothing that could split: every call says why.
struct Missing(&'static str);

#[async_trait::async_trait]
impl Router for Missing {
    fn name(&self) -> String {
        "no router".to_owned()
    }

    async fn split(&self) -> Result<Split, Trouble> {
        Err(misfit(self.0))
    }

    async fn shift(&self, _: Split) -> Result<(), Trouble> {
        Err(misfit(self.0))
    }

    async fn clear(&self) -> Result<(), Trouble> {
        Err(misfit(self.0))
    }
}

#[cfg(test)]
impl RouterNames {
    /// `llm` in `prod`, as the tests of routers have it.
    pub(super) fn for_test() -> Self {
        Self {
            namespace: "prod".to_owned(),
            stable_service: "llm".to_owned(),
            canary_service: "llm-canary".to_owned(),
            stable_workload: "llm".to_owned(),
            canary_workload: "llm-canary".to_owned(),
            canary_labels: BTreeMap::from([("llmci.dev/track".to_owned(), "canary".to_owned())]),
            flag: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Connection;
    use crate::document::{decode, parse_yaml};

    async fn nowhere() -> Cluster {
        let kubeconfig = "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
            clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n\
            contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\n";
        Cluster::connect(&Connection { kubeconfig: Some(kubeconfig.to_owned()), ..Connection::default() })
            .await
            .unwrap()
    }

    fn plan(rest: &str) -> Plan {
        let document = parse_yaml("rollout.yaml", &format!("version: 1\n{rest}\n")).ok().unwrap();
        decode(&document).ok().unwrap()
    }

    #[tokio::test]
    async fn each_plan_gets_its_router() {
        let cluster = nowhere().await;
        let table = [
            ("workload: {name: llm}", "the replicas of Deployment prod/llm and llm-canary"),
            ("workload: {name: llm}\ntraffic: {istio: {virtual_service: vs}}", "VirtualService prod/vs"),
            ("workload: {name: llm}\ntraffic: {gateway: {http_route: web}}", "HTTPRoute prod/web"),
            ("workload: {name: llm}\nstrategy: shadow\ntraffic: {gateway: {http_route: web}}", "HTTPRoute prod/web"),
            ("workload: {name: llm}\ntraffic: {nginx: {ingress: web}}", "Ingress prod/web-canary"),
            ("workload: {name: llm}\nstrategy: blue-green", "Service prod/llm"),
            ("workload: {name: llm}\nstrategy: rolling", "the workload's own rolling update"),
            ("workload: {name: llm}\nstrategy: feature-flag", "no router"),
            ("workload: {name: llm, kind: Rollout}", "Rollout prod/llm"),
            ("workload: {name: llm, kind: InferenceService}", "InferenceService prod/llm"),
        ];
        for (text, name) in table {
            assert_eq!(router(&plan(text), &cluster, &RouterNames::for_test()).name(), name);
        }
        let flag = RouterNames { flag: Some(Arc::new(Still)), ..RouterNames::for_test() };
        let found = router(&plan("workload: {name: llm}\nstrategy: feature-flag"), &cluster, &flag);
        assert_eq!(found.split().await.unwrap(), Split::STABLE);
    }

    #[tokio::test]
    async fn what_cannot_split_says_so_and_a_rolling_update_is_never_split() {
        let half = Split::to_canary(super::super::super::Percent::ALL);
        for missing in
            [Missing("x").split().await.map(drop), Missing("x").shift(half).await, Missing("x").clear().await]
        {
            assert!(matches!(missing, Err(Trouble::Plan(_))));
        }
        assert!(matches!(Still.shift(half).await, Err(Trouble::Plan(_))));
        Still.shift(Split::STABLE).await.unwrap();
    }
}
