//! What splits the traffic between stable and canary. Each router reads the split back from where it really is.

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
    /// [`Trouble::Foreign`], and only our own entries are touched.
    async fn shift(&self, split: Split) -> Result<(), Trouble>;

    /// Takes away what the router itself added (a canary Ingress, our annotations); the split is `STABLE` then.
    async fn clear(&self) -> Result<(), Trouble>;
}
