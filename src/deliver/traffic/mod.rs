//! What splits the traffic between stable and canary. Each router reads the split back from where it really is.
//! Kept out: how an object is reached (`cluster`), and in which order workload and traffic change (`drive`).

mod argo;
mod build;
mod gateway;
mod istio;
mod kserve;
mod nginx;
mod object;
mod ours;
#[cfg(test)]
mod published;
mod replicas;
mod selector;
#[cfg(test)]
mod testing;
mod version;

pub use argo::steps_of;
pub use build::{RouterNames, router};
pub use ours::SPLIT_ANNOTATION;
pub use replicas::{StableReplicas, replicas_for, stable_replicas};
pub use version::{restore, set_version, version_of};

pub mod flag;

use super::{Split, Trouble};

/// Something that splits traffic.
#[async_trait::async_trait]
pub trait Router: Send + Sync {
    /// Such as `VirtualService prod/llm`.
    fn name(&self) -> String;

    /// The split as it is now. [`Trouble::Foreign`] where what we had left there was changed by somebody else.
    async fn split(&self) -> Result<Split, Trouble>;

    /// Sets the split, and sees that it is set. Optimistic: a conflict is read again and decided again, a foreign edit is
    /// [`Trouble::Foreign`], and only our own entries are touched. Where a controller or pods have to follow (Rollout,
    /// InferenceService, ratio of replicas) it is written when this returns, and [`Router::split`] says when it is so.
    async fn shift(&self, split: Split) -> Result<(), Trouble>;

    /// Takes away what the router itself added (a canary Ingress, our annotations); the split is `STABLE` then. A Service's
    /// selector stays where it is: after blue-green that is the new version.
    async fn clear(&self) -> Result<(), Trouble>;

    /// What [`Router::split`] will say once this split is reached: the ratio of replicas knows only a few shares.
    async fn offers(&self, split: Split) -> Result<Split, Trouble> {
        Ok(split)
    }
}
