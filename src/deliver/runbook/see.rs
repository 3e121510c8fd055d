//! Reads what a runbook needs. What may not be read is left out: a page with gaps is better than none at night.

use serde_json::Value;

use super::{Revision, Seen};
use crate::cluster::{
    CONFIG_MAP, Cluster, DEPLOYMENT, HTTP_ROUTE, INFERENCE_SERVICE, Place, REPLICA_SET, ROLLOUT, SERVICE,
    VIRTUAL_SERVICE,
};
use crate::deliver::Trouble;
use crate::deliver::plan::{FlagService, Plan, WorkloadKind};

/// What the cluster says of a plan's deployment.
pub async fn see(cluster: &Cluster, plan: &Plan) -> Result<Seen, Trouble> {
    let namespace = plan.workload.namespace();
    let name = &plan.workload.name;
    let (kind, number) = match plan.workload.kind {
        WorkloadKind::Deployment => (DEPLOYMENT, "deployment.kubernetes.io/revision"),
        WorkloadKind::Rollout => (ROLLOUT, "rollout.argoproj.io/revision"),
        WorkloadKind::InferenceService => (INFERENCE_SERVICE, ""),
    };
    let workload = cluster.find(&kind.at(namespace, name)).await?;
    let owner = workload.as_ref().and_then(|one| one.pointer("/metadata/uid")).and_then(Value::as_str);
    let revisions = match (owner, plan.workload.kind) {
        (Some(owner), WorkloadKind::Deployment | WorkloadKind::Rollout) => {
            let sets = cluster.list(REPLICA_SET, namespace, None).await.unwrap_or_default();
            sets.iter().filter(|set| is_owned(set, owner)).filter_map(|set| revision(set, number, plan)).collect()
        }
        (None, _) | (Some(_), WorkloadKind::InferenceService) => Vec::new(),
    };
    let service = readable(cluster, &SERVICE.at(namespace, plan.workload.service())).await;
    let traffic = &plan.traffic;
    let istio = traffic.istio.as_ref().map(|istio| VIRTUAL_SERVICE.at(namespace, &istio.virtual_service));
    let gateway = traffic.gateway.as_ref().map(|gateway| HTTP_ROUTE.at(namespace, &gateway.http_route));
    let flag = traffic.flag.as_ref().and_then(|flag| match &flag.service {
        FlagService::Flagd { config_map, .. } => Some(CONFIG_MAP.at(namespace, config_map)),
        FlagService::Unleash { .. } | FlagService::Rest { .. } => None,
    });
    let router = match istio.or(gateway).or(flag) {
        Some(place) => readable(cluster, &place).await,
        None => None,
    };
    Ok(Seen { workload, revisions, service, router })
}

async fn readable(cluster: &Cluster, place: &Place) -> Option<Value> {
    cluster.find(place).await.ok().flatten()
}

fn is_owned(set: &Value, owner: &str) -> bool {
    let owners = set.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.into_iter().flatten().any(|one| one.get("uid").and_then(Value::as_str) == Some(owner))
}

fn revision(set: &Value, annotation: &str, plan: &Plan) -> Option<Revision> {
    let number = set.pointer("/metadata/annotations")?.get(annotation)?.as_str()?.parse().ok()?;
    let containers = set.pointer("/spec/template/spec/containers")?.as_array()?;
    let wanted = plan.workload.container.as_deref();
    let named = |one: &&Value| wanted.is_none() || one.get("name").and_then(Value::as_str) == wanted;
    let container = containers.iter().find(named)?;
    let variable = plan.change.model.as_ref().map_or("MODEL_VERSION", |model| &model.env);
    let is_model = |one: &&Value| one.get("name").and_then(Value::as_str) == Some(variable);
    let model = container.get("env").and_then(Value::as_array).and_then(|env| env.iter().find(is_model));
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    Some(Revision {
        number,
        image: text(container.get("image")),
        model: text(model.and_then(|model| model.get("value"))),
        made: text(set.pointer("/metadata/creationTimestamp")),
        replicas: set.pointer("/status/replicas").and_then(Value::as_u64).unwrap_or(0),
    })
}
