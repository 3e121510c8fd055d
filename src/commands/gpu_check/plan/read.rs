//! From the API's JSON to nodes and pods. Sources of labels: NVIDIA's device plugin and GPU feature discovery, EKS, GKE, AKS, Karpenter.

use std::collections::BTreeMap;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::kinds::memory_of_gke;
use super::seen::{Expression, Node, Pod, Taint, Toleration};

/// The resource of whole GPUs.
pub(super) const GPU: &str = "nvidia.com/gpu";
/// What a job's author expects it to take, in hours.
pub(super) const EXPECTED: &str = "llmci.dev/expected-hours";
/// Labels that name the GPU, the most exact first.
const PRODUCTS: [&str; 3] =
    ["nvidia.com/gpu.product", "cloud.google.com/gke-accelerator", "karpenter.k8s.aws/instance-gpu-name"];
/// Labels of machines that the cloud may take back.
const SPOT: [(&str, &str); 7] = [
    ("karpenter.sh/capacity-type", "spot"),
    ("eks.amazonaws.com/capacityType", "SPOT"),
    ("cloud.google.com/gke-spot", "true"),
    ("cloud.google.com/gke-preemptible", "true"),
    ("kubernetes.azure.com/scalesetpriority", "spot"),
    ("node.kubernetes.io/lifecycle", "spot"),
    ("kops.k8s.io/instance-lifecycle", "spot"),
];
/// Labels that name the machine.
const INSTANCES: [&str; 2] = ["node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"];

/// A node.
pub(super) fn node(object: &Value) -> Node {
    let labels = texts(object.pointer("/metadata/labels"));
    let label = |name: &str| labels.get(name).cloned();
    let allocatable = object.pointer("/status/allocatable");
    let gpus = allocatable.and_then(|all| all.get(GPU)).and_then(count).unwrap_or(0);
    let product = PRODUCTS.iter().find_map(|name| Some(((*name).to_owned(), label(name)?)));
    let mebibytes = ["nvidia.com/gpu.memory", "karpenter.k8s.aws/instance-gpu-memory"];
    let memory = mebibytes.iter().find_map(|name| label(name)?.parse::<u64>().ok()?.checked_mul(1024 * 1024));
    let named = || product.as_ref().and_then(|(_, name)| memory_of_gke(name));
    let of_name = |text: &str| product.as_ref().is_some_and(|(_, name)| name.contains(text));
    let replicas = label("nvidia.com/gpu.replicas").and_then(|text| text.parse::<u32>().ok()).unwrap_or(1);
    let instances = allocatable.and_then(Value::as_object).is_some_and(|all| {
        all.iter().any(|(name, value)| name.starts_with("nvidia.com/mig-") && count(value).is_some_and(|n| n > 0))
    });
    let parts = if of_name("-MIG-") || (instances && gpus == 0) {
        Some("its GPUs are split (MIG)")
    } else if of_name("-SHARED") || replicas > 1 {
        Some("its GPUs are shared by several pods (time-slicing or MPS)")
    } else {
        None
    };
    let spot = SPOT.iter().find(|(name, value)| labels.get(*name).is_some_and(|found| found == value));
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let is_ready = |one: &Value| text(one, "type") == "Ready" && text(one, "status") == "True";
    Node {
        name: name_of(object),
        taints: list(object.pointer("/spec/taints")).map(taint).collect(),
        gpus,
        parts,
        memory_bytes: memory.or_else(named),
        product,
        instance: INSTANCES.iter().find_map(|name| label(name)),
        spot: spot.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        ready: conditions.is_some_and(|all| all.iter().any(is_ready)),
        cordoned: object.pointer("/spec/unschedulable").and_then(Value::as_bool).unwrap_or(false),
        labels,
    }
}

/// A pod; none where it asks for no GPU.
pub(super) fn pod(object: &Value) -> Option<Pod> {
    let spec = object.get("spec")?;
    let gpus = requested(spec);
    if gpus == 0 {
        return None;
    }
    let status = object.get("status").unwrap_or(&Value::Null);
    let phase = text(status, "phase");
    let finished = matches!(phase, "Succeeded" | "Failed");
    let annotations = texts(object.pointer("/metadata/annotations"));
    let hours = annotations.get(EXPECTED).and_then(|text| text.parse::<f64>().ok()).filter(|hours| *hours > 0.0);
    let created = moment(object.pointer("/metadata/creationTimestamp")).unwrap_or(0);
    let started = moment(status.get("startTime"));
    let ends =
        list(status.get("containerStatuses")).filter_map(|one| moment(one.pointer("/state/terminated/finishedAt")));
    let selection = spec.pointer("/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution");
    let terms = list(selection.and_then(|selection| selection.get("nodeSelectorTerms")));
    Some(Pod {
        name: format!("{}/{}", namespace_of(object), name_of(object)),
        gpus,
        priority: spec.get("priority").and_then(Value::as_i64).unwrap_or(0),
        created,
        node: spec.get("nodeName").and_then(Value::as_str).filter(|name| !name.is_empty()).map(str::to_owned),
        stem: stem(object),
        started,
        ended: finished.then(|| ends.max().or(started).unwrap_or(created)),
        succeeded: phase == "Succeeded",
        expected: hours.map(seconds),
        deadline: spec.get("activeDeadlineSeconds").and_then(Value::as_i64),
        tolerations: list(spec.get("tolerations")).map(toleration).collect(),
        selector: texts(spec.get("nodeSelector")),
        terms: terms.map(|term| list(term.get("matchExpressions")).map(expression).collect()).collect(),
    })
}

/// Seconds of hours, a year at most.
pub(super) fn seconds(hours: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "clamped to a year")]
    let whole = (hours * 3600.0).clamp(0.0, 366.0 * 86_400.0) as i64;
    whole
}

/// What the scheduler holds a pod to ask for: the sum of its containers and sidecars, or more where one of its init containers
/// needs more. Source: Kubernetes, `component-helpers/resource`.
fn requested(spec: &Value) -> u32 {
    let of = |container: &Value| {
        let resources = container.get("resources");
        let asked = resources.and_then(|all| all.pointer("/requests/nvidia.com~1gpu"));
        // A limit without a request is the request.
        asked.or_else(|| resources.and_then(|all| all.pointer("/limits/nvidia.com~1gpu"))).and_then(count).unwrap_or(0)
    };
    let main: u32 = list(spec.get("containers")).map(of).fold(0, u32::saturating_add);
    let (mut beside, mut most) = (0_u32, 0_u32);
    for container in list(spec.get("initContainers")) {
        if text(container, "restartPolicy") == "Always" {
            beside = beside.saturating_add(of(container));
            most = most.max(beside);
        } else {
            most = most.max(beside.saturating_add(of(container)));
        }
    }
    main.saturating_add(beside).max(most)
}

/// The owner's name without what differs from run to run: a CronJob's moment, a random ending, a number.
fn stem(object: &Value) -> String {
    let owner = object.pointer("/metadata/ownerReferences/0/name").and_then(Value::as_str);
    let name = owner.map_or_else(|| name_of(object), str::to_owned);
    let changes = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_digit())
            || (part.len() == 5 && part.bytes().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte)))
    };
    let kept = match name.rsplit_once('-') {
        Some((kept, last)) if changes(last) => kept,
        Some(_) | None => &name,
    };
    format!("{}/{kept}", namespace_of(object))
}

fn taint(value: &Value) -> Taint {
    Taint {
        key: text(value, "key").to_owned(),
        value: text(value, "value").to_owned(),
        effect: text(value, "effect").to_owned(),
    }
}

fn toleration(value: &Value) -> Toleration {
    let some = |name: &str| Some(text(value, name)).filter(|text| !text.is_empty()).map(str::to_owned);
    Toleration {
        key: some("key"),
        value: some("value"),
        exists: text(value, "operator") == "Exists",
        effect: some("effect"),
    }
}

fn expression(value: &Value) -> Expression {
    let values = list(value.get("values")).filter_map(Value::as_str).map(str::to_owned);
    Expression {
        key: text(value, "key").to_owned(),
        operator: text(value, "operator").to_owned(),
        values: values.collect(),
    }
}

fn name_of(object: &Value) -> String {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn namespace_of(object: &Value) -> &str {
    object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn texts(value: Option<&Value>) -> BTreeMap<String, String> {
    let map = value.and_then(Value::as_object).into_iter().flatten();
    map.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// A whole number of devices: the API writes it as text or as a number.
fn count(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn moment(value: Option<&Value>) -> Option<i64> {
    OffsetDateTime::parse(value?.as_str()?, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
}
