//! One file or folder a program: the only place where suites, models, rules and hosts meet.
//! Kept out: how arguments are read and how the process ends (`cli`).

mod base;
pub mod calibrate;
pub mod canary_promote;
pub mod check;
mod checkpoint;
mod cluster;
pub mod doctor;
pub mod eval_gate;
mod git;
pub mod gpu_check;
mod interruption;
mod ledger;
pub mod merge;
mod obtain;
mod outcome;
pub mod plan;
pub mod post;
pub mod preemption;
mod prior;
pub mod regression_check;
pub mod safety_gate;
mod tracked;

pub use base::{PolicyFrom, TrustArgs};
pub use interruption::{Interrupter, Interruption};
pub use obtain::GpuArgs;
pub use outcome::{CommandError, Context, Environment, Exit, Outcome};
