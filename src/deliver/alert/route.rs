//! Which notice goes to which channel: one table.
//!
//! Everything is said in Slack and to web hooks. PagerDuty wakes people, so it gets what is critical only: a rollout that
//! failed, and one that was rolled back. A rollback ends the harm to users, and not the need for a person: why the release was
//! bad is not known yet, and nothing that the program could look at shows that somebody found out. So a page ends (`resolve`)
//! only when the same rollout, or a later one of the same workload, has been completed.

use super::Kind;

/// A channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel {
    /// Slack, either way.
    Slack,
    /// PagerDuty's events.
    PagerDuty,
    /// A web hook.
    WebHook,
}

/// What a channel is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// A message.
    Say,
    /// A page begins, or goes on.
    Trigger,
    /// A page ends.
    Resolve,
}

/// The table.
pub fn action(channel: Channel, kind: Kind) -> Action {
    match channel {
        Channel::Slack | Channel::WebHook => Action::Say,
        Channel::PagerDuty => match kind {
            Kind::Failed | Kind::RolledBack => Action::Trigger,
            Kind::Completed => Action::Resolve,
            Kind::Started | Kind::Step | Kind::Attention(_) | Kind::NoData => Action::Nothing,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_and_rollbacks_wake_somebody_and_only_a_completed_rollout_ends_it() {
        for kind in Kind::ALL {
            let page = action(Channel::PagerDuty, kind);
            assert_eq!(page == Action::Trigger, matches!(kind, Kind::Failed | Kind::RolledBack), "{kind:?}");
            assert_eq!(page == Action::Resolve, kind == Kind::Completed, "{kind:?}");
            assert_eq!(action(Channel::Slack, kind), Action::Say);
            assert_eq!(action(Channel::WebHook, kind), Action::Say);
        }
    }
}
