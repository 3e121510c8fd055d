//! What a rollout makes: the new version's Deployment and Service, and how many replicas it needs for its share.

use serde_json::{Map, Value, json};

use super::super::plan::Plan;
use super::super::state::Version;
use super::super::{Percent, Trouble};
use super::version::with_version;
use super::{Layout, Names, ROLLOUT_LABEL, TRACK_LABEL, misfit, text};
use crate::cluster::{DEPLOYMENT, SERVICE};

/// The owner of everything that a rollout makes: with the Service (or the workload) it goes too.
pub fn owner_of(object: &Value, api_version: &str, kind: &str) -> Option<Value> {
    let (name, uid) = (text(object, "/metadata/name")?, text(object, "/metadata/uid")?);
    Some(json!({"apiVersion": api_version, "kind": kind, "name": name, "uid": uid}))
}

/// The new version's Deployment: stable's pod template with the new version, under labels of its own.
///
/// Behind a router or beside another colour the Service must not select its pods: one label of the Service's selector, the
/// first key in order, gets another value on them.
pub fn canary_deployment(
    stable: &Value,
    service: &Value,
    plan: &Plan,
    names: &Names,
    to: &Version,
    replicas: u32,
) -> Result<Value, Trouble> {
    let template = stable.pointer("/spec/template").cloned().unwrap_or_default();
    let mut template = with_version(&template, plan, to)?;
    let mut labels = template.pointer("/metadata/labels").and_then(Value::as_object).cloned().unwrap_or_default();
    match super::layout(plan) {
        Layout::Beside | Layout::Colours => {
            let (key, value) = told_apart(service, names)?;
            labels.insert(key, json!(value));
        }
        Layout::Shared | Layout::InPlace | Layout::Flag | Layout::Driven => {}
    }
    labels.insert(ROLLOUT_LABEL.to_owned(), json!(names.rollout));
    labels.insert(TRACK_LABEL.to_owned(), json!(names.track));
    let mut metadata = Map::new();
    metadata.insert("labels".to_owned(), Value::Object(labels));
    if let Some(annotations) = template.pointer("/metadata/annotations").filter(|there| there.is_object()) {
        metadata.insert("annotations".to_owned(), annotations.clone());
    }
    if let Some(template) = template.as_object_mut() {
        template.insert("metadata".to_owned(), Value::Object(metadata));
    }
    let mut spec = Map::new();
    for kept in ["strategy", "minReadySeconds", "progressDeadlineSeconds", "revisionHistoryLimit"] {
        if let Some(value) = stable.pointer(&format!("/spec/{kept}")) {
            spec.insert(kept.to_owned(), value.clone());
        }
    }
    spec.insert("replicas".to_owned(), json!(replicas));
    spec.insert("selector".to_owned(), json!({"matchLabels": own_labels(names)}));
    spec.insert("template".to_owned(), template);
    Ok(json!({
        "apiVersion": DEPLOYMENT.api_version(),
        "kind": DEPLOYMENT.kind,
        "metadata": metadata_of(&names.canary, names, service),
        "spec": spec,
    }))
}

/// The Service that leads to the new version only: stable's ports, without what the cluster itself gave them.
pub fn canary_service(service: &Value, names: &Names) -> Result<Value, Trouble> {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array).cloned().unwrap_or_default();
    if ports.is_empty() {
        return Err(misfit(format!("the Service `{}` has no ports", names.service)));
    }
    let ports: Vec<Value> = ports
        .into_iter()
        .map(|mut port| {
            if let Some(port) = port.as_object_mut() {
                port.remove("nodePort");
            }
            port
        })
        .collect();
    Ok(json!({
        "apiVersion": SERVICE.api_version(),
        "kind": SERVICE.kind,
        "metadata": metadata_of(&names.canary_service, names, service),
        "spec": {"ports": ports, "selector": own_labels(names)},
    }))
}

/// Replicas of the new version for a share of the traffic; never fewer than one.
///
/// Beside a router it is sized for its part of what stable had when the rollout began, or has now if that is more: an
/// autoscaler shrinks stable while the new version takes its traffic, which must not shrink the new version too. Behind one
/// Service the numbers are the split, so there stable's number of now counts.
pub fn replicas_for(layout: Layout, share: Percent, at_begin: u32, now: u32) -> u32 {
    let whole = at_begin.max(now);
    let part = |of: u32| {
        let hundredths = u64::from(of) * u64::from(share.get());
        u32::try_from(hundredths.div_ceil(100)).unwrap_or(u32::MAX).max(1)
    };
    match layout {
        Layout::Shared if share < Percent::ALL => super::super::traffic::replicas_for(now, share).0.max(1),
        Layout::Shared | Layout::Beside | Layout::Colours | Layout::InPlace | Layout::Flag | Layout::Driven => {
            part(whole)
        }
    }
}

/// The first label, in order of the keys, by which a Service finds its pods.
fn first_selector(service: &Value, names: &Names) -> Result<(String, String), Trouble> {
    let selector = service.pointer("/spec/selector").and_then(Value::as_object);
    let pairs = selector.into_iter().flatten().filter(|(key, _)| *key != TRACK_LABEL && *key != ROLLOUT_LABEL);
    let first = pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).min();
    first.ok_or_else(|| {
        misfit(format!("the Service `{}` selects no pods by labels: a rollout needs `spec.selector`", names.service))
    })
}

/// The label, and its value on the new version's pods, by which the Service does not select them.
pub(super) fn told_apart(service: &Value, names: &Names) -> Result<(String, String), Trouble> {
    let (key, value) = first_selector(service, names)?;
    Ok((key, format!("{}-{}", base(&value), names.track)))
}

/// A colour's value without the colour.
fn base(value: &str) -> &str {
    ["-canary", "-green", "-blue"].iter().find_map(|end| value.strip_suffix(end)).unwrap_or(value)
}

fn own_labels(names: &Names) -> Value {
    json!({ROLLOUT_LABEL: names.rollout, TRACK_LABEL: names.track})
}

fn metadata_of(name: &str, names: &Names, service: &Value) -> Value {
    let owners: Vec<Value> = owner_of(service, &SERVICE.api_version(), SERVICE.kind).into_iter().collect();
    let mut metadata = json!({"name": name, "namespace": names.namespace, "labels": own_labels(names)});
    if let (Some(metadata), false) = (metadata.as_object_mut(), owners.is_empty()) {
        metadata.insert("ownerReferences".to_owned(), Value::Array(owners));
    }
    metadata
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan(more: Value) -> Plan {
        let mut plan =
            json!({"version": 1, "workload": {"name": "llm", "namespace": "prod"}, "change": {"image": "r:2"}});
        plan.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(plan).unwrap()
    }

    fn stable() -> Value {
        json!({
            "metadata": {"name": "llm", "uid": "d", "annotations": {"deployment.kubernetes.io/revision": "3"}},
            "spec": {"replicas": 4, "paused": false, "minReadySeconds": 2, "selector": {"matchLabels": {"app": "llm"}},
                "template": {"metadata": {"creationTimestamp": null, "labels": {"app": "llm", "tier": "a"}},
                    "spec": {"containers": [{"name": "s", "image": "r:1"}]}}},
            "status": {"replicas": 4},
        })
    }

    fn service() -> Value {
        json!({"metadata": {"name": "llm", "uid": "u"}, "spec": {"clusterIP": "10.0.0.1", "type": "NodePort",
            "selector": {"tier": "a", "app": "llm"}, "ports": [{"name": "http", "port": 80, "nodePort": 30001}]}})
    }

    #[test]
    fn behind_a_router_the_service_selects_no_canary_pod_and_behind_one_service_it_selects_them() {
        let routed = plan(json!({"traffic": {"istio": {"virtual_service": "v"}}}));
        let to = Version { image: Some("r:2".into()), ..Version::default() };
        let made = canary_deployment(&stable(), &service(), &routed, &Names::of(&routed), &to, 2).unwrap();
        assert_eq!(
            made.pointer("/spec/template/metadata/labels").unwrap(),
            &json!({"app": "llm-canary", "tier": "a", ROLLOUT_LABEL: "llm", TRACK_LABEL: "canary"})
        );
        assert_eq!(
            made["metadata"],
            json!({"name": "llm-canary", "namespace": "prod", "labels": {ROLLOUT_LABEL: "llm", TRACK_LABEL: "canary"},
                "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": "llm", "uid": "u"}]})
        );
        assert_eq!(made["spec"]["replicas"], 2);
        assert_eq!(made["spec"]["minReadySeconds"], 2);
        assert_eq!(made["spec"]["template"]["spec"]["containers"][0]["image"], "r:2");
        assert!(made.get("status").is_none() && made["spec"].get("paused").is_none());
        let shared = plan(json!({}));
        let made = canary_deployment(&stable(), &service(), &shared, &Names::of(&shared), &to, 1).unwrap();
        assert_eq!(made.pointer("/spec/template/metadata/labels/app").unwrap(), "llm");
    }

    #[test]
    fn a_service_is_copied_without_what_the_cluster_gave_it() {
        let plan = plan(json!({}));
        let made = canary_service(&service(), &Names::of(&plan)).unwrap();
        let selector = json!({ROLLOUT_LABEL: "llm", TRACK_LABEL: "canary"});
        assert_eq!(made["spec"], json!({"ports": [{"name": "http", "port": 80}], "selector": selector}));
    }

    proptest! {
        #[test]
        fn replicas_grow_with_the_share_and_are_never_none(at in 0_u32..200, now in 0_u32..200, share in 0_u8..100) {
            for layout in [Layout::Beside, Layout::Shared, Layout::Colours] {
                let of = |share| replicas_for(layout, Percent::new(share).unwrap(), at, now);
                prop_assert!(of(share) >= 1 && of(share + 1) >= 1);
                if share + 1 < 100 || layout != Layout::Shared {
                    prop_assert!(of(share + 1) >= of(share));
                }
                prop_assert_eq!(of(100), at.max(now).max(1));
            }
        }
    }
}
