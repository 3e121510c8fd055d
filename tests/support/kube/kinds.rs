//! The kinds that the server knows: where they live, what they default to, which fields they have.

use serde_json::{Value, json};

/// A kind of object.
#[derive(Debug)]
pub struct Kind {
    pub group: &'static str,
    pub versions: &'static [&'static str],
    pub kind: &'static str,
    pub plural: &'static str,
    pub subresources: &'static [&'static str],
    /// The fields of `spec`, where the kind is built in; none = not checked.
    pub fields: &'static [&'static str],
    /// Whether `metadata.generation` is kept.
    pub generation: bool,
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
const SERVICE: &[&str] = &[
    "allocateLoadBalancerNodePorts",
    "clusterIP",
    "clusterIPs",
    "externalIPs",
    "externalName",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "internalTrafficPolicy",
    "ipFamilies",
    "ipFamilyPolicy",
    "loadBalancerClass",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "ports",
    "publishNotReadyAddresses",
    "selector",
    "sessionAffinity",
    "sessionAffinityConfig",
    "trafficDistribution",
    "type",
];
const LEASE: &[&str] = &[
    "acquireTime",
    "holderIdentity",
    "leaseDurationSeconds",
    "leaseTransitions",
    "preferredHolder",
    "renewTime",
    "strategy",
];
const INGRESS: &[&str] = &["defaultBackend", "ingressClassName", "rules", "tls"];
const HPA: &[&str] = &["behavior", "maxReplicas", "metrics", "minReplicas", "scaleTargetRef"];

macro_rules! kinds {
    ($($group:literal $versions:expr, $kind:literal $plural:literal, $subs:expr, $fields:expr, $generation:literal;)*) => {
        /// All of them.
        pub const KINDS: &[Kind] = &[$(Kind {
            group: $group, versions: &$versions, kind: $kind, plural: $plural, subresources: &$subs, fields: $fields,
            generation: $generation,
        }),*];
    };
}

kinds! {
    "" ["v1"], "Service" "services", ["status"], SERVICE, false;
    "" ["v1"], "Pod" "pods", ["status"], &[], true;
    "" ["v1"], "Node" "nodes", ["status"], &[], false;
    "" ["v1"], "ConfigMap" "configmaps", [], &[], false;
    "" ["v1"], "Event" "events", [], &[], false;
    "apps" ["v1"], "Deployment" "deployments", ["status", "scale"], DEPLOYMENT, true;
    "apps" ["v1"], "ReplicaSet" "replicasets", ["status", "scale"], &["replicas", "selector", "template", "minReadySeconds"], true;
    "autoscaling" ["v2"], "HorizontalPodAutoscaler" "horizontalpodautoscalers", ["status"], HPA, false;
    "coordination.k8s.io" ["v1"], "Lease" "leases", [], LEASE, false;
    "networking.k8s.io" ["v1"], "Ingress" "ingresses", ["status"], INGRESS, true;
    "networking.istio.io" ["v1", "v1beta1", "v1alpha3"], "VirtualService" "virtualservices", ["status"], &[], true;
    "networking.istio.io" ["v1", "v1beta1", "v1alpha3"], "DestinationRule" "destinationrules", ["status"], &[], true;
    "gateway.networking.k8s.io" ["v1", "v1beta1"], "HTTPRoute" "httproutes", ["status"], &[], true;
    "argoproj.io" ["v1alpha1"], "Rollout" "rollouts", ["status", "scale"], &[], true;
    "serving.kserve.io" ["v1beta1"], "InferenceService" "inferenceservices", ["status"], &[], true;
}

/// Where fields of the object itself may stand, by kind: those that every object has, and these.
const TOP: &[(&str, &[&str])] = &[
    ("ConfigMap", &["data", "binaryData", "immutable"]),
    ("Lease", &["spec"]),
    ("Deployment", &["spec", "status"]),
    ("Service", &["spec", "status"]),
    ("Ingress", &["spec", "status"]),
];

impl Kind {
    /// By its place in a path.
    pub fn of(group: &str, plural: &str) -> Option<&'static Kind> {
        KINDS.iter().find(|kind| kind.group == group && kind.plural == plural)
    }

    /// By the name in objects.
    pub fn named(kind: &str) -> &'static Kind {
        KINDS.iter().find(|known| known.kind == kind).unwrap_or_else(|| panic!("the stub knows no {kind}"))
    }

    /// Whether it is a custom resource.
    pub fn custom(&self) -> bool {
        matches!(self.group, "networking.istio.io" | "gateway.networking.k8s.io" | "argoproj.io" | "serving.kserve.io")
    }

    /// `deployments.apps`, as messages name it.
    pub fn words(&self) -> String {
        dotted(self.plural, self.group)
    }

    /// `Deployment.apps`.
    pub fn title(&self) -> String {
        dotted(self.kind, self.group)
    }

    /// `apps/v1`.
    pub fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    /// What a strict server would not know.
    pub fn unknown(&self, object: &Value) -> Vec<String> {
        let mut unknown = Vec::new();
        if let Some((_, top)) = TOP.iter().find(|(kind, _)| *kind == self.kind) {
            let known = |key: &str| ["apiVersion", "kind", "metadata"].contains(&key) || top.contains(&key);
            unknown.extend(keys(object).filter(|key| !known(key)).map(str::to_owned));
        }
        if !self.fields.is_empty() {
            let unlisted = keys(&object["spec"]).filter(|key| !self.fields.contains(key));
            unknown.extend(unlisted.map(|key| format!("spec.{key}")));
        }
        unknown
    }

    /// Fills in what the API server fills in, as far as somebody reads it.
    pub fn fill(&self, object: &mut Value) {
        if !self.custom() {
            tidy(object);
        }
        match self.kind {
            "Deployment" => {
                object["spec"]["replicas"] = or(&object["spec"]["replicas"], json!(1));
                let strategy = &mut object["spec"]["strategy"];
                strategy["type"] = or(&strategy["type"], json!("RollingUpdate"));
                if strategy["type"] == "RollingUpdate" {
                    let rolling = &mut strategy["rollingUpdate"];
                    for part in ["maxUnavailable", "maxSurge"] {
                        rolling[part] = or(&rolling[part], json!("25%"));
                    }
                }
                object["spec"]["revisionHistoryLimit"] = or(&object["spec"]["revisionHistoryLimit"], json!(10));
                object["spec"]["progressDeadlineSeconds"] = or(&object["spec"]["progressDeadlineSeconds"], json!(600));
                fill_pod(&mut object["spec"]["template"]["spec"]);
                object["status"] = or(&object["status"], json!({}));
            }
            "Pod" => fill_pod(&mut object["spec"]),
            "Service" => {
                for port in items(object, "/spec/ports") {
                    port["protocol"] = or(&port["protocol"], json!("TCP"));
                    port["targetPort"] = or(&port["targetPort"], port["port"].clone());
                }
                let spec = &mut object["spec"];
                for (field, value) in [
                    ("clusterIP", json!("10.96.0.10")),
                    ("clusterIPs", json!(["10.96.0.10"])),
                    ("type", json!("ClusterIP")),
                    ("sessionAffinity", json!("None")),
                    ("ipFamilies", json!(["IPv4"])),
                    ("ipFamilyPolicy", json!("SingleStack")),
                    ("internalTrafficPolicy", json!("Cluster")),
                ] {
                    spec[field] = or(&spec[field], value);
                }
                object["status"] = or(&object["status"], json!({"loadBalancer": {}}));
            }
            "HTTPRoute" => {
                for parent in items(object, "/spec/parentRefs") {
                    parent["group"] = or(&parent["group"], json!("gateway.networking.k8s.io"));
                    parent["kind"] = or(&parent["kind"], json!("Gateway"));
                }
                for rule in items(object, "/spec/rules") {
                    for backend in items(rule, "/backendRefs") {
                        backend["group"] = or(&backend["group"], json!(""));
                        backend["kind"] = or(&backend["kind"], json!("Service"));
                        backend["weight"] = or(&backend["weight"], json!(1));
                    }
                    rule["matches"] = or(&rule["matches"], json!([{"path": {"type": "PathPrefix", "value": "/"}}]));
                }
            }
            _ => {}
        }
    }
}

fn fill_pod(spec: &mut Value) {
    for container in items(spec, "/containers") {
        for (field, value) in [
            ("resources", json!({})),
            ("terminationMessagePath", json!("/dev/termination-log")),
            ("terminationMessagePolicy", json!("File")),
            ("imagePullPolicy", json!("IfNotPresent")),
        ] {
            container[field] = or(&container[field], value);
        }
    }
    for (field, value) in [
        ("restartPolicy", json!("Always")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("securityContext", json!({})),
        ("schedulerName", json!("default-scheduler")),
    ] {
        spec[field] = or(&spec[field], value);
    }
}

/// The items of a list that may not be there. (An index would put a null there.)
fn items<'a>(object: &'a mut Value, pointer: &str) -> impl Iterator<Item = &'a mut Value> {
    object.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten()
}

fn or(value: &Value, other: Value) -> Value {
    if value.is_null() { other } else { value.clone() }
}

fn keys(value: &Value) -> impl Iterator<Item = &str> {
    value.as_object().into_iter().flat_map(|map| map.keys()).map(String::as_str)
}

fn dotted(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

/// Takes empty lists and maps away that a built-in kind does not write.
fn tidy(value: &mut Value) {
    const OMITTED: &[&str] = &["args", "command", "env", "ports", "tolerations", "volumeMounts", "volumes"];
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(tidy);
            map.retain(|name, value| {
                !(value.as_array().is_some_and(Vec::is_empty) && OMITTED.contains(&name.as_str()))
            });
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}
