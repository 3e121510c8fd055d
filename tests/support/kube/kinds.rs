//! The kinds that the server knows, for routes and discovery.

/// One kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    pub short: &'static str,
    /// `status`, `scale`.
    pub subresources: &'static [&'static str],
    /// Defined by a CustomResourceDefinition.
    pub custom: bool,
}

const fn kind(group: &'static str, version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind { group, version, kind, plural, short: "", subresources: &[], custom: false }
}

const fn custom(group: &'static str, version: &'static str, name: &'static str, plural: &'static str) -> Kind {
    Kind { custom: true, ..kind(group, version, name, plural) }
}

const STATUS: &[&str] = &["status"];
const BOTH: &[&str] = &["status", "scale"];

/// All kinds.
pub const KINDS: &[Kind] = &[
    Kind { short: "ns", subresources: STATUS, ..kind("", "v1", "Namespace", "namespaces") },
    Kind { short: "svc", subresources: STATUS, ..kind("", "v1", "Service", "services") },
    Kind { short: "po", subresources: STATUS, ..kind("", "v1", "Pod", "pods") },
    Kind { short: "cm", ..kind("", "v1", "ConfigMap", "configmaps") },
    Kind { short: "ev", ..kind("", "v1", "Event", "events") },
    kind("", "v1", "Secret", "secrets"),
    Kind { short: "deploy", subresources: BOTH, ..kind("apps", "v1", "Deployment", "deployments") },
    Kind { short: "rs", subresources: BOTH, ..kind("apps", "v1", "ReplicaSet", "replicasets") },
    Kind {
        short: "hpa",
        subresources: STATUS,
        ..kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
    },
    kind("coordination.k8s.io", "v1", "Lease", "leases"),
    Kind { short: "ing", subresources: STATUS, ..kind("networking.k8s.io", "v1", "Ingress", "ingresses") },
    // The CRD of Istio has the status subresource.
    Kind {
        short: "vs",
        subresources: STATUS,
        ..custom("networking.istio.io", "v1", "VirtualService", "virtualservices")
    },
    Kind {
        short: "dr",
        subresources: STATUS,
        ..custom("networking.istio.io", "v1", "DestinationRule", "destinationrules")
    },
    Kind { subresources: STATUS, ..custom("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes") },
    Kind { short: "ro", subresources: BOTH, ..custom("argoproj.io", "v1alpha1", "Rollout", "rollouts") },
    Kind {
        short: "isvc",
        subresources: STATUS,
        ..custom("serving.kserve.io", "v1beta1", "InferenceService", "inferenceservices")
    },
];

impl Kind {
    /// `apps/v1`, `v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `deployments.apps`, `services`.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// Whether its objects live in a namespace.
    pub fn namespaced(&self) -> bool {
        self.plural != "namespaces"
    }
}

/// The kind with this plural in a group.
pub fn by_plural(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
}

/// The kind of this name.
pub fn by_kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.kind == name)
}
