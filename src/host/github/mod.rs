//! GitHub: its runner, and its API. Kept out: which comment is ours and what is done with it (`host::sticky`).

mod api;
mod check;
mod comment;
mod deployment;
mod pace;
mod post;
mod publisher;
mod reply;
mod rights;
mod runner;
mod status;
mod text;

pub use api::{Access, Api};
pub use check::{Check, Output, Ticket};
pub use comment::{Comments, Shown};
pub use deployment::{Audience, DeploymentState, NewDeployment, deploy, set_deployment_status};
pub use pace::Clock;
pub use post::close_dangling;
pub use publisher::{Publisher, Run};
pub use reply::Trouble;
pub use rights::Origin;
pub use status::{State, Status};

pub(super) use publisher::standing;
pub(super) use runner::{Paths, mask, print_guarded, token};
pub(super) use text::{done, failure};
