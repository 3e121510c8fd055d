//! A state for tests of pure rules.

use super::super::begin::first_state;
use super::super::plan::Plan;
use super::super::state::{Moment, Owner, State, Version};

/// The first state of a plan, of a rollout that began an hour after 1970.
pub(in crate::deliver) fn state(plan: &Plan) -> State {
    let old = Version { image: Some("r:1".to_owned()), ..Version::default() };
    let owner = Owner { run: "run".to_owned(), url: None };
    first_state(plan, &owner, Moment(3_600_000), old, 4)
}
