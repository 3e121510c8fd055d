//! Defaults that the server fills in, fields that it knows, and values that it refuses: for Deployments and Services by
//! a small list, for custom resources by the published schemas where they are beside the project.

use serde_json::{Value, json};

use super::kinds::Kind;
use super::reply::{Reply, invalid};

/// Fills in what the server fills in.
pub fn defaults(kind: &Kind, object: &mut Value, number: u64) {
    if !kind.custom {
        tidy(object);
    }
    match kind.kind {
        "Deployment" => {
            let Some(spec) = object["spec"].as_object_mut() else { return };
            spec.entry("replicas").or_insert(json!(1));
            spec.entry("strategy").or_insert(json!({"type": "RollingUpdate"}));
            spec.entry("revisionHistoryLimit").or_insert(json!(10));
            spec.entry("progressDeadlineSeconds").or_insert(json!(600));
            if spec["strategy"]["type"] == "RollingUpdate" && spec["strategy"].get("rollingUpdate").is_none() {
                spec["strategy"]["rollingUpdate"] = json!({"maxUnavailable": "25%", "maxSurge": "25%"});
            }
            if let Some(pod) = spec.get_mut("template").and_then(|template| template.get_mut("spec")) {
                pod_defaults(pod);
            }
        }
        "Service" => {
            let Some(spec) = object["spec"].as_object_mut() else { return };
            let address = format!("10.96.{}.{}", number / 250 % 250, number % 250 + 1);
            spec.entry("clusterIP").or_insert(json!(address));
            let address = spec["clusterIP"].clone();
            spec.entry("clusterIPs").or_insert(json!([address]));
            spec.entry("type").or_insert(json!("ClusterIP"));
            spec.entry("sessionAffinity").or_insert(json!("None"));
            spec.entry("ipFamilies").or_insert(json!(["IPv4"]));
            spec.entry("ipFamilyPolicy").or_insert(json!("SingleStack"));
            spec.entry("internalTrafficPolicy").or_insert(json!("Cluster"));
            for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                let Some(port) = port.as_object_mut() else { continue };
                let number = port.get("port").cloned().unwrap_or_default();
                port.entry("protocol").or_insert(json!("TCP"));
                port.entry("targetPort").or_insert(number);
            }
        }
        "HTTPRoute" => {
            for rule in object["spec"]["rules"].as_array_mut().into_iter().flatten() {
                let Some(rule) = rule.as_object_mut() else { continue };
                rule.entry("matches").or_insert(json!([{"path": {"type": "PathPrefix", "value": "/"}}]));
                for backend in rule.get_mut("backendRefs").and_then(Value::as_array_mut).into_iter().flatten() {
                    let Some(backend) = backend.as_object_mut() else { continue };
                    backend.entry("group").or_insert(json!(""));
                    backend.entry("kind").or_insert(json!("Service"));
                    backend.entry("weight").or_insert(json!(1));
                }
            }
        }
        _ => {}
    }
}

fn pod_defaults(pod: &mut Value) {
    let Some(pod) = pod.as_object_mut() else { return };
    for container in pod.get_mut("containers").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(container) = container.as_object_mut() else { continue };
        container.entry("resources").or_insert(json!({}));
        container.entry("terminationMessagePath").or_insert(json!("/dev/termination-log"));
        container.entry("terminationMessagePolicy").or_insert(json!("File"));
        let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
        let latest = image.ends_with(":latest") || !image.rsplit('/').next().unwrap_or_default().contains([':', '@']);
        container.entry("imagePullPolicy").or_insert(json!(if latest { "Always" } else { "IfNotPresent" }));
        for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(port) = port.as_object_mut() {
                port.entry("protocol").or_insert(json!("TCP"));
            }
        }
    }
    pod.entry("restartPolicy").or_insert(json!("Always"));
    pod.entry("terminationGracePeriodSeconds").or_insert(json!(30));
    pod.entry("dnsPolicy").or_insert(json!("ClusterFirst"));
    pod.entry("securityContext").or_insert(json!({}));
    pod.entry("schedulerName").or_insert(json!("default-scheduler"));
}

const DEPLOYMENT: &[&str] = &[
    "replicas",
    "selector",
    "template",
    "strategy",
    "minReadySeconds",
    "revisionHistoryLimit",
    "paused",
    "progressDeadlineSeconds",
];
const POD: &[&str] = &[
    "containers",
    "initContainers",
    "volumes",
    "restartPolicy",
    "terminationGracePeriodSeconds",
    "dnsPolicy",
    "dnsConfig",
    "nodeSelector",
    "serviceAccountName",
    "serviceAccount",
    "automountServiceAccountToken",
    "nodeName",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "securityContext",
    "imagePullSecrets",
    "hostname",
    "subdomain",
    "affinity",
    "schedulerName",
    "tolerations",
    "hostAliases",
    "priorityClassName",
    "priority",
    "readinessGates",
    "runtimeClassName",
    "enableServiceLinks",
    "preemptionPolicy",
    "topologySpreadConstraints",
    "shareProcessNamespace",
    "activeDeadlineSeconds",
    "overhead",
    "os",
    "resourceClaims",
    "schedulingGates",
];
const CONTAINER: &[&str] = &[
    "name",
    "image",
    "command",
    "args",
    "workingDir",
    "ports",
    "envFrom",
    "env",
    "resources",
    "volumeMounts",
    "volumeDevices",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "imagePullPolicy",
    "securityContext",
    "stdin",
    "stdinOnce",
    "tty",
    "resizePolicy",
    "restartPolicy",
];
const SERVICE: &[&str] = &[
    "ports",
    "selector",
    "clusterIP",
    "clusterIPs",
    "type",
    "externalIPs",
    "sessionAffinity",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "externalName",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "publishNotReadyAddresses",
    "sessionAffinityConfig",
    "ipFamilies",
    "ipFamilyPolicy",
    "allocateLoadBalancerNodePorts",
    "loadBalancerClass",
    "internalTrafficPolicy",
    "trafficDistribution",
];

/// Takes fields out that the kind does not have, and gives their paths.
pub fn drop_unknown(kind: &Kind, object: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    let spec = &mut object["spec"];
    match kind.kind {
        "Deployment" => {
            if spec.is_object() && spec["template"]["spec"].is_object() {
                let pod = &mut spec["template"]["spec"];
                for (number, container) in pod["containers"].as_array_mut().into_iter().flatten().enumerate() {
                    sift(container, CONTAINER, &format!("spec.template.spec.containers[{number}]"), &mut unknown);
                }
                sift(pod, POD, "spec.template.spec", &mut unknown);
            }
            sift(spec, DEPLOYMENT, "spec", &mut unknown);
        }
        "Service" => sift(spec, SERVICE, "spec", &mut unknown),
        _ => {}
    }
    if object["spec"].is_null()
        && let Some(map) = object.as_object_mut()
    {
        map.shift_remove("spec");
    }
    unknown
}

fn sift(value: &mut Value, known: &[&str], path: &str, unknown: &mut Vec<String>) {
    if let Some(map) = value.as_object_mut() {
        map.retain(|name, _| {
            let kept = known.contains(&name.as_str());
            if !kept {
                unknown.push(format!("{path}.{name}"));
            }
            kept
        });
    }
}

/// Takes empty lists and maps away that a built-in kind does not write.
pub fn tidy(value: &mut Value) {
    const OMITTED: &[&str] = &[
        "env",
        "envFrom",
        "ports",
        "volumes",
        "volumeMounts",
        "args",
        "command",
        "nodeSelector",
        "tolerations",
        "labels",
        "annotations",
        "data",
        "selector",
        "initContainers",
        "imagePullSecrets",
        "ownerReferences",
        "finalizers",
    ];
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(tidy);
            map.retain(|name, value| {
                let empty = value.as_array().is_some_and(Vec::is_empty)
                    || value.as_object().is_some_and(serde_json::Map::is_empty);
                !(empty && OMITTED.contains(&name.as_str()))
            });
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Refuses what the server refuses.
pub fn check(kind: &Kind, old: Option<&Value>, new: &Value) -> Result<(), Reply> {
    let name = new["metadata"]["name"].as_str().unwrap_or_default();
    let spec = &new["spec"];
    match kind.kind {
        "Deployment" => {
            if let Some(count) = spec["replicas"].as_i64().filter(|count| *count < 0) {
                let message = format!("Invalid value: {count}: must be greater than or equal to 0");
                return Err(invalid(kind, name, "spec.replicas", &message));
            }
            let labels = &spec["template"]["metadata"]["labels"];
            let wanted = spec["selector"]["matchLabels"].as_object().cloned().unwrap_or_default();
            if wanted.is_empty() {
                return Err(invalid(kind, name, "spec.selector", "Required value"));
            }
            if wanted.iter().any(|(name, value)| labels.get(name) != Some(value)) {
                let message = format!("Invalid value: {labels}: `selector` does not match template `labels`");
                return Err(invalid(kind, name, "spec.template.metadata.labels", &message));
            }
            if let Some(old) = old
                && old["spec"]["selector"] != spec["selector"]
            {
                let message = format!("Invalid value: {}: field is immutable", spec["selector"]);
                return Err(invalid(kind, name, "spec.selector", &message));
            }
            if spec["template"]["spec"]["containers"].as_array().is_none_or(Vec::is_empty) {
                return Err(invalid(kind, name, "spec.template.spec.containers", "Required value"));
            }
        }
        "Service" => {
            if let Some(old) = old
                && !spec["clusterIP"].is_null()
                && old["spec"]["clusterIP"] != spec["clusterIP"]
            {
                let message = format!("Invalid value: [{}]: may not change once set", spec["clusterIP"]);
                return Err(invalid(kind, name, "spec.clusterIPs[0]", &message));
            }
        }
        "Lease" if spec["leaseDurationSeconds"].as_i64().is_some_and(|seconds| seconds <= 0) => {
            let message = format!("Invalid value: {}: must be greater than 0", spec["leaseDurationSeconds"]);
            return Err(invalid(kind, name, "spec.leaseDurationSeconds", &message));
        }
        _ => {}
    }
    Ok(())
}

/// What is wrong with a Lease's times: they have exactly six decimals.
pub fn times(kind: &Kind, object: &Value) -> Option<String> {
    if kind.kind != "Lease" {
        return None;
    }
    ["acquireTime", "renewTime"].iter().filter_map(|field| object["spec"][*field].as_str()).find_map(|text| {
        let rest = text.get(19..).and_then(|rest| rest.strip_prefix('.'));
        let good = rest.is_some_and(|rest| rest.find(|letter: char| !letter.is_ascii_digit()) == Some(6));
        let layout = "2006-01-02T15:04:05.000000Z07:00";
        (!good).then(|| {
            format!(
                "parsing time \"{text}\" as \"{layout}\": cannot parse \"{}\" as \".000000\"",
                text.get(19..).unwrap_or_default()
            )
        })
    })
}
