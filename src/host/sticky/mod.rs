//! The comment that stays one comment: its marker, its sections, and what to do about it. Pure, and the same for GitHub and
//! GitLab. Kept out: how comments are read and written (`host::github`, `host::gitlab`).

mod decide;
mod marker;
mod plan;
mod sections;

pub use decide::{Decision, Existing, Old, Standing, Wanted, decide, newest};
pub use marker::{Marker, RunNumber, is_word};
pub use plan::{Plan, Show, plan, spare};
pub use sections::{Section, with_section};

/// The action that the marker of a shared comment names.
pub const SHARED: &str = "shared";
