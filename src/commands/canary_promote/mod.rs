//! `canary-promote`: a version reaches its users step by step, or comes back.
//! Kept out: how a rollout goes (`deliver`), what is said of it (`report`).

mod args;
mod load;

pub use args::{CanaryPromoteArgs, OnApproval, Order};

use crate::deliver::plan::Purpose;

use super::{CommandError, Context, Outcome};

/// Runs the program.
pub async fn run(args: CanaryPromoteArgs, _context: &Context) -> Result<Outcome, CommandError> {
    let order = args.order()?;
    args.check(order)?;
    let loaded = load::load(&args, purpose(order))?;
    let _ = (loaded.plan, loaded.digest);
    Err(CommandError::Bug("not wired yet".to_owned()))
}

fn purpose(order: Order) -> Purpose {
    match order {
        Order::Start => Purpose::Begin,
        Order::Resume
        | Order::Status
        | Order::Approve
        | Order::Pause
        | Order::Abort
        | Order::Rollback
        | Order::Watch
        | Order::Runbook => Purpose::Refer,
    }
}

/// The step after the job.
pub async fn after(_args: CanaryPromoteArgs, _context: &Context) -> Result<Outcome, CommandError> {
    Err(CommandError::Bug("not wired yet".to_owned()))
}
