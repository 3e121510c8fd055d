//! The Kubernetes API: the only place where its client is built. Objects are JSON, as they come, so that nothing which a newer
//! cluster adds is lost on the way back.
//! Kept out: what the objects mean (`deliver`).

use serde_json::Value;

use crate::trust::Untrusted;

/// The manager under which our fields stand in `metadata.managedFields`.
pub const FIELD_MANAGER: &str = "llmci";

/// A kind of object: where the API serves it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Resource {
    /// Empty for the core group.
    pub group: &'static str,
    /// Such as `v1`.
    pub version: &'static str,
    /// Such as `Deployment`.
    pub kind: &'static str,
    /// Such as `deployments`.
    pub plural: &'static str,
}

/// An object's place: its kind, namespace and name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// Its kind.
    pub resource: Resource,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Why the API did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No API server answered, or the connection broke.
    #[error("the API server does not answer")]
    Unreachable(Untrusted),
    /// 401: no token, or one that has expired.
    #[error("the API server does not know who asks")]
    Unauthorized(Untrusted),
    /// 403: with the rule that a Role lacks.
    #[error("the account may not do that")]
    Forbidden(Untrusted),
    /// 404.
    #[error("there is no such object")]
    NotFound(Untrusted),
    /// 409 of a stale update, or a failed `test` of a patch (422): read again, decide again.
    #[error("somebody else wrote at the same time")]
    Conflict(Untrusted),
    /// 409 of a server-side apply: another manager owns the field.
    #[error("another manager owns the field")]
    Owned(Untrusted),
    /// 409: it is there already.
    #[error("it is there already")]
    Exists(Untrusted),
    /// 400, 422: the object is refused.
    #[error("the API server refuses the object")]
    Invalid(Untrusted),
    /// Anything else: its status and text.
    #[error("the API server answers {0}")]
    Other(u16, Untrusted),
    /// The kubeconfig, or the pod's account, cannot be read.
    #[error("there is no way to the cluster")]
    Config(Untrusted),
}

/// One change of a JSON patch. The first `test` of every patch is the object's resourceVersion.
#[derive(Clone, PartialEq, Debug)]
pub enum Edit {
    /// What must be there.
    Test(String, Value),
    /// Puts a value, whether or not one is there.
    Add(String, Value),
    /// Replaces a value that is there.
    Replace(String, Value),
    /// Takes a value away.
    Remove(String),
}

mod client;
mod connection;
mod diff;
mod error;
mod events;
mod lease;
mod nodes;
mod patch;
mod rehearsal;
mod resource;
mod rights;
#[cfg(test)]
mod tests;
mod transport;
mod write;

pub use client::Cluster;
pub use connection::Connection;
pub use diff::{Line, diff};
pub use error::NOT_SERVED;
pub use events::{EventType, Note};
pub use lease::{Claim, Contender, Guard, Held, Turn};
pub use patch::{Unpatched, contains, merged, patched, pointer};
pub use rehearsal::Call;
pub use resource::{
    ACCESS_REVIEW, CONFIG_MAP, DEPLOYMENT, EVENT, HORIZONTAL_POD_AUTOSCALER, HTTP_ROUTE, INFERENCE_SERVICE, INGRESS,
    LEASE, NODE, POD, REPLICA_SET, ROLLOUT, SERVICE, VIRTUAL_SERVICE,
};
pub use rights::{Right, role_lines};
