//! `gpu-check`: looks at the machine's GPUs before a job spends hours on them.

mod args;
pub mod plan;

pub use args::{LeaseArgs, NeedArgs};
