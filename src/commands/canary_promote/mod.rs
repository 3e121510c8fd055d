//! `canary-promote`: a version reaches its users step by step, or comes back.
//! Kept out: how a rollout goes (`deliver`), what is said of it (`report`).

mod after;
mod args;
mod dry_run;
mod load;
mod owner;
mod record;
mod rights;
mod run;
mod runbook;
mod session;
pub mod shadow;
mod sources;
mod status;
mod telling;
mod trust;
mod watch;

pub use after::after;
pub use args::{CanaryPromoteArgs, OnApproval, Order};

use super::{CommandError, Context, Outcome};
use crate::deliver::plan::Purpose;
use session::Session;

/// Runs the program.
pub async fn run(args: CanaryPromoteArgs, context: &Context) -> Result<Outcome, CommandError> {
    let order = args.order()?;
    args.check(order)?;
    let session = Session::open(&args, order, purpose(order), context).await?;
    match order {
        Order::Start if args.dry_run => dry_run::start(&session).await,
        Order::Start => run::start(&session).await,
        Order::Resume => run::resume(&session).await,
        Order::Status => status::status(&session, "").await,
        Order::Approve => run::approve(&session).await,
        Order::Pause => status::pause(&session).await,
        Order::Abort => run::abort(&session).await,
        Order::Rollback => run::rollback(&session).await,
        Order::Watch => watch::watch(&session).await,
        Order::Runbook => runbook::runbook(&session).await,
    }
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
