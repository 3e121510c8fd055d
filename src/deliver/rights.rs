//! What the account must be allowed to do for a plan, so that a right that is missing is found before the first change.

use super::plan::{Plan, WorkloadKind};
use super::reach::resource;
use super::workload::{Layout, layout};
use crate::cluster::{
    CONFIG_MAP, DEPLOYMENT, EVENT, HORIZONTAL_POD_AUTOSCALER, HTTP_ROUTE, INGRESS, LEASE, POD, REPLICA_SET, Resource,
    Right, SERVICE, VIRTUAL_SERVICE,
};

/// Verbs on one kind.
struct Verbs {
    resource: Resource,
    part: Option<&'static str>,
    verbs: &'static [&'static str],
}

const READ: &[&str] = &["get", "list"];
const CHANGE: &[&str] = &["get", "patch"];
const MAKE: &[&str] = &["get", "list", "create", "patch", "delete"];

/// Everything that a rollout of this plan does.
pub fn rights(plan: &Plan) -> Vec<Right> {
    let one = |verbs: Verbs| {
        let Verbs { resource, part, verbs } = verbs;
        verbs.iter().map(move |verb| Right { subresource: part, ..Right::new(verb, resource) })
    };
    wanted(plan).into_iter().flat_map(one).collect()
}

fn wanted(plan: &Plan) -> Vec<Verbs> {
    let right = |resource, verbs| Verbs { resource, part: None, verbs };
    let mut rights = vec![
        right(CONFIG_MAP, &["get", "create", "update"][..]),
        right(LEASE, &["get", "create", "update"][..]),
        right(EVENT, &["list", "create"][..]),
        right(POD, READ),
        right(REPLICA_SET, READ),
        right(HORIZONTAL_POD_AUTOSCALER, READ),
    ];
    match layout(plan) {
        Layout::Beside => rights.extend([right(DEPLOYMENT, MAKE), right(SERVICE, &["get", "create", "delete"][..])]),
        Layout::Shared | Layout::Colours => rights.extend([right(DEPLOYMENT, MAKE), right(SERVICE, CHANGE)]),
        Layout::InPlace => rights.extend([right(DEPLOYMENT, CHANGE), right(SERVICE, &["get"][..])]),
        Layout::Flag => rights.extend([right(DEPLOYMENT, &["get"][..]), right(SERVICE, &["get"][..])]),
        Layout::Driven => {
            let kind = resource(plan.workload.kind);
            rights.extend([right(kind, CHANGE), right(SERVICE, &["get"][..])]);
            if plan.workload.kind == WorkloadKind::Rollout {
                rights.push(Verbs { resource: kind, part: Some("status"), verbs: &["patch"] });
            }
        }
    }
    if plan.traffic.istio.is_some() {
        rights.push(right(VIRTUAL_SERVICE, CHANGE));
    }
    if plan.traffic.gateway.is_some() {
        rights.push(right(HTTP_ROUTE, CHANGE));
    }
    if plan.traffic.nginx.is_some() {
        rights.push(right(INGRESS, MAKE));
    }
    rights
}
