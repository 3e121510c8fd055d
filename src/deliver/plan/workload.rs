//! What is deployed, and what changes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What runs the model.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub enum WorkloadKind {
    /// `apps/v1` Deployment.
    #[default]
    Deployment,
    /// `argoproj.io/v1alpha1` Rollout: its controller moves the traffic, and is told when it may go on.
    Rollout,
    /// `serving.kserve.io/v1beta1` InferenceService: its controller splits the traffic by `canaryTrafficPercent`.
    InferenceService,
}

/// The workload in the cluster.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Its kind.
    #[serde(default)]
    pub kind: WorkloadKind,
    /// Its name.
    pub name: String,
    /// Its namespace; where nothing is said, the one of the kubeconfig's context, else `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The Service that the users' requests come through. Default: the workload's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The container whose image or model changes. Default: the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The context of the kubeconfig. Default: its current one; in a pod, the pod's own account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

impl Workload {
    /// The name of its Service.
    pub fn service(&self) -> &str {
        self.service.as_deref().unwrap_or(&self.name)
    }

    /// Its namespace, once it is known: `commands` fills it in before anything is asked.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }
}

/// What changes: at least one of both, but for `feature-flag`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The new image of the container, best by its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The new version of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelVersion>,
}

/// A model's version, as the container is told of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelVersion {
    /// The variable of the container that carries it; for an InferenceService, nothing: it is the predictor's `storageUri`.
    #[serde(default = "model_variable")]
    pub env: String,
    /// The version.
    pub value: String,
}

fn model_variable() -> String {
    "MODEL_VERSION".to_owned()
}
