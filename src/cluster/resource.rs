//! The kinds of objects that are read or written.

use super::{Place, Resource};

macro_rules! resources {
    ($($(#[$doc:meta])* $name:ident = $group:literal, $version:literal, $kind:literal, $plural:literal;)*) => {
        $($(#[$doc])* pub const $name: Resource =
            Resource { group: $group, version: $version, kind: $kind, plural: $plural };)*
    };
}

resources! {
    /// Core.
    SERVICE = "", "v1", "Service", "services";
    /// Core.
    POD = "", "v1", "Pod", "pods";
    /// Core; of no namespace.
    NODE = "", "v1", "Node", "nodes";
    /// Core.
    CONFIG_MAP = "", "v1", "ConfigMap", "configmaps";
    /// Core.
    EVENT = "", "v1", "Event", "events";
    /// Apps.
    DEPLOYMENT = "apps", "v1", "Deployment", "deployments";
    /// Apps.
    REPLICA_SET = "apps", "v1", "ReplicaSet", "replicasets";
    /// Autoscaling.
    HORIZONTAL_POD_AUTOSCALER = "autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers";
    /// Coordination.
    LEASE = "coordination.k8s.io", "v1", "Lease", "leases";
    /// Authorization: a question, never stored.
    ACCESS_REVIEW = "authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews";
    /// Networking.
    INGRESS = "networking.k8s.io", "v1", "Ingress", "ingresses";
    /// Istio.
    VIRTUAL_SERVICE = "networking.istio.io", "v1", "VirtualService", "virtualservices";
    /// Gateway API.
    HTTP_ROUTE = "gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes";
    /// Argo Rollouts.
    ROLLOUT = "argoproj.io", "v1alpha1", "Rollout", "rollouts";
    /// KServe.
    INFERENCE_SERVICE = "serving.kserve.io", "v1beta1", "InferenceService", "inferenceservices";
}

impl Resource {
    /// An object of this kind.
    pub fn at(self, namespace: &str, name: &str) -> Place {
        Place { resource: self, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The path of all objects of this kind in a namespace.
    pub fn path(self, namespace: &str) -> String {
        let root = if self.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", self.group) };
        format!("{root}/{}/namespaces/{namespace}/{}", self.version, self.plural)
    }
}

impl Place {
    /// The path of the object.
    pub fn path(&self) -> String {
        format!("{}/{}", self.resource.path(&self.namespace), self.name)
    }

    /// `Deployment prod/llm`, for messages.
    pub fn words(&self) -> String {
        format!("{} {}/{}", self.resource.kind, self.namespace, self.name)
    }
}
