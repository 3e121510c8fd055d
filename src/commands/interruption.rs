//! Why a run stops before its end. The first reason is kept: it is what the user is told.
//! Kept out: what is kept of the run (`checkpoint`), and where notices come from (`preemption`).

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// A reason to stop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Interruption {
    /// SIGINT or SIGTERM.
    Signal,
    /// The cloud takes the machine back; with its words, which are ours and no reply's.
    Notice(String),
    /// A more urgent job waits for the GPU.
    MoreUrgent,
}

impl Interruption {
    /// Behind "interrupted by".
    pub fn words(&self) -> String {
        match self {
            Interruption::Signal => "a signal".to_owned(),
            Interruption::Notice(text) => text.clone(),
            Interruption::MoreUrgent => "a more urgent job that waits for the GPU".to_owned(),
        }
    }
}

/// Stops a command, and remembers why. Its copies are one.
#[derive(Clone, Default)]
pub struct Interrupter {
    cancel: CancellationToken,
    reason: Arc<OnceLock<Interruption>>,
}

impl Interrupter {
    /// Cancelled as soon as there is a reason.
    pub fn token(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Stops the command. Only the first reason is kept.
    pub fn interrupt(&self, reason: Interruption) {
        // A second reason changes nothing: the command stops already.
        let _ = self.reason.set(reason);
        self.cancel.cancel();
    }

    /// The first reason, once there is one.
    pub fn reason(&self) -> Option<&Interruption> {
        self.reason.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_is_kept_and_every_copy_knows_it() {
        let interrupter = Interrupter::default();
        let (copy, child) = (interrupter.clone(), interrupter.token().child_token());
        assert!(copy.reason().is_none() && !child.is_cancelled());
        copy.interrupt(Interruption::MoreUrgent);
        interrupter.interrupt(Interruption::Signal);
        assert_eq!(interrupter.reason(), Some(&Interruption::MoreUrgent));
        assert!(child.is_cancelled());
    }
}
