//! The step after the job: where the step before it was killed with a rollout open, the traffic returns.

use super::args::{CanaryPromoteArgs, Order};
use super::owner::{LEFT, Remembered, job, remembered};
use super::run::{back, release};
use super::session::{Session, Taken};
use crate::commands::{CommandError, Context, Exit, Outcome};
use crate::deliver::plan::Purpose;
use crate::deliver::state::State;
use crate::deliver::undo::To;

/// Looks whether this job's rollout is open, and brings it back. What was left on purpose, and what is another job's, is left alone.
pub async fn after(args: CanaryPromoteArgs, context: &Context) -> Result<Outcome, CommandError> {
    let said = |text: &str| Ok(Outcome { exit: Exit::Pass, report: None, rollout: None, text: format!("{text}\n") });
    let remembered = remembered(context);
    let job = job(context);
    let open = |state: &State| {
        let ours = match (&remembered, &job) {
            (Remembered::Open(id, holder), _) => state.id == *id && state.owner.run == *holder,
            (Remembered::Unknown, Some(job)) => state.owner.run.starts_with(job),
            (Remembered::Closed, _) | (Remembered::Unknown, None) => false,
        };
        ours && !state.stage.is_done() && state.notes.get(LEFT) != Some(&state.owner.run)
    };
    match (&remembered, &job) {
        (Remembered::Closed, _) => return said("the rollout was closed: nothing to do"),
        (Remembered::Unknown, None) => return said("no job of a host: nothing to do"),
        (Remembered::Open(..), _) | (Remembered::Unknown, Some(_)) => {}
    }
    let session = Session::open(&args, Order::Resume, Purpose::Refer, context).await?;
    if !session.state().await?.is_some_and(|kept| open(&kept.state)) {
        return said("no rollout of this job is open: nothing to do");
    }
    // The step that held the lock is over, so its lock runs out.
    let lock = match session.lock().await? {
        Taken::Ours(lock) => lock,
        Taken::Held(_) => return said("somebody else drives the rollout: nothing to do"),
    };
    // The lock was waited for: another job may have taken the rollout up and finished it.
    if session.state().await?.is_some_and(|kept| open(&kept.state)) {
        return back(&session, &To::Previous, lock).await;
    }
    release(lock).await;
    said("the rollout was taken up by somebody else: nothing to do")
}
