//! `gpu-check`: looks at the machine's GPUs before a job spends hours on them.

mod args;
mod lease;
pub mod plan;
mod run;
mod view;

pub use args::{DriverArgs, GpuCheckArgs, HealthArg, LeaseArgs, NeedArgs};
pub use run::run;
