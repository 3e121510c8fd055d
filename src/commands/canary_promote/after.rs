//! The step after the job: where the step before it was killed with a rollout open, the traffic returns.

use super::args::{CanaryPromoteArgs, Order};
use super::owner::{job, remembered};
use super::run::back;
use super::session::Session;
use crate::commands::{CommandError, Context, Exit, Outcome};
use crate::deliver::plan::Purpose;
use crate::deliver::undo::To;

/// Looks whether this job's rollout is open, and brings it back. What nobody left open is left alone.
pub async fn after(args: CanaryPromoteArgs, context: &Context) -> Result<Outcome, CommandError> {
    let said = |text: &str| Ok(Outcome { exit: Exit::Pass, report: None, rollout: None, text: format!("{text}\n") });
    let remembered = remembered(context);
    let Some(job) = remembered.as_ref().map(|(_, holder)| holder.clone()).or_else(|| job(context)) else {
        return said("no job of a host: nothing to do");
    };
    let session = Session::open(&args, Order::Resume, Purpose::Refer, context).await?;
    let Some(kept) = session.state().await? else { return said("no rollout is known: nothing to do") };
    let state = kept.state;
    let ours = match &remembered {
        Some((id, holder)) => state.id == *id && state.owner.run == *holder,
        None => state.owner.run.starts_with(&job),
    };
    if state.stage.is_done() || !ours {
        return said("no rollout of this job is open: nothing to do");
    }
    // The step that held the lock is over: it runs out.
    let lock = session.lock().await?;
    back(&session, &To::Previous, lock).await
}
