//! GitLab: its runner's variables and report files, and its API. Kept out: which note is ours and what is done with it
//! (`host::sticky`).

mod api;
mod note;
mod publisher;
mod reports;
mod runner;
mod status;

pub use publisher::Publisher;
pub use reports::GITLAB_REPORTS;

pub(super) use runner::{Paths, on_default_branch};
