//! GitLab: its runner's variables and report files, and its API. Kept out: which note is ours and what is done with it
//! (`host::sticky`).

mod api;
mod deployment;
mod note;
mod publisher;
mod reports;
mod runner;
mod status;

pub use publisher::Publisher;
pub use reports::GITLAB_REPORTS;

pub(super) use deployment::{Deployment, Place as DeploymentPlace, Status as DeploymentStatus, TOKEN_ADVICE};
pub(super) use runner::{Paths, on_default_branch};
