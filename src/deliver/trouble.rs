//! Why a rollout could not go on. Each has a name of its own in docs, since each asks a person for something else.

use crate::cluster::ClusterError;
use crate::trust::{Untrusted, clean};

/// What stands in the way.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The cluster did not do what it was asked.
    #[error("{0}")]
    Cluster(#[from] ClusterError),
    /// What the plan names is not there, or is not what it should be: exit 2.
    #[error("the plan does not fit the cluster")]
    Plan(Untrusted),
    /// Somebody else changed what is ours: nothing is overwritten.
    #[error("somebody else changed what the rollout had set")]
    Foreign(Untrusted),
    /// Another promoter holds the workload.
    #[error("another promoter holds the workload")]
    Held(Untrusted),
    /// A service beside the cluster (flags, answers) did not do what it was asked.
    #[error("a service beside the cluster failed")]
    Beside(Untrusted),
    /// The process is to end.
    #[error("cancelled")]
    Cancelled,
}

/// A refusal: the plan does not fit what is there. Names from the cluster are cleaned.
pub(super) fn misfit(words: impl Into<String>) -> Trouble {
    Trouble::Plan(Untrusted::new(clean(&words.into()).into_owned()))
}
