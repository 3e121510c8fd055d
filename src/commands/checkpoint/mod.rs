//! A run that was interrupted on one machine goes on on another: its journal is kept in a store under a key that names all that
//! the samples depend on, and is removed when the run has come to its end.
//! Kept out: the form of what is kept (`form`), how it is believed (`take`), who may have put it there (`prior`), and why a run stops (`interruption`).

mod form;
mod take;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::preemption::PreemptionArgs;
use super::{CommandError, Context, prior};
use crate::eval::journal::{self, Header};
use crate::eval::policy::LoadedPolicy;
use crate::eval::run::{Collected, Ended, Plan, Resume, Run, RunError};
use crate::store::{Cells, Expect, Removed, StoreError, Written, open_cells};
use crate::trust::{Digest, Hasher, Untrusted};

/// How often a run under way is kept: what a machine that dies without a word can lose.
const EVERY: Duration = Duration::from_secs(300);
/// The longest that keeping an interrupted run may take: Google Cloud ends a machine 30 seconds after its notice, and Kubernetes a
/// pod 30 seconds after SIGTERM where nothing else is said.
const AT_THE_END: Duration = Duration::from_secs(20);

/// Where one run is kept.
pub(crate) struct Checkpoint {
    cells: Box<dyn Cells>,
    key: Digest,
    /// Tells our own writes from another run's.
    owner: String,
    address: String,
    state: Mutex<State>,
}

/// What is known of what is there.
struct State {
    /// None where the store does not answer: then nothing is written.
    expect: Option<Expect>,
    /// Bytes of the journal that are there.
    sent: u64,
}

/// What became of an attempt to keep a run.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Kept {
    There,
    /// There is no finished sample yet.
    Nothing,
    /// Why not, for the user.
    Not(String),
}

impl Checkpoint {
    /// Opens the store that the inputs or the policy name, where one of them does.
    pub(crate) async fn open(
        args: &PreemptionArgs,
        loaded: &LoadedPolicy,
        (program, plan): (&'static str, &Plan),
        context: &Context,
    ) -> Result<Option<Self>, CommandError> {
        let (address, folder) = match (&args.checkpoint, &loaded.policy.run.checkpoint) {
            (Some(given), _) => (given, Path::new("")),
            (None, Some(policy)) => (policy, loaded.folder.as_path()),
            (None, None) => return Ok(None),
        };
        prior::check("checkpoint", address, folder, context)?;
        let cells = open_cells(address, folder).await.map_err(|error| CommandError::environment(&error))?;
        let commit = context.host.info().commit;
        let mut hasher = Hasher::new();
        hasher.part(b"llmci-checkpoint-1").part(env!("CARGO_PKG_VERSION").as_bytes()).part(program.as_bytes());
        // An endpoint's name does not hold its weights: another commit may have deployed others.
        hasher.part(commit.as_ref().map_or("", |commit| commit.raw()).as_bytes());
        hasher.part(plan.key().hex().as_bytes());
        let owner = crate::host::nonce().map_err(|why| CommandError::Environment(Untrusted::new(why)))?;
        let state = Mutex::new(State { expect: None, sent: 0 });
        Ok(Some(Self { cells, key: hasher.finish(), owner, address: address.clone(), state }))
    }

    /// Draws a run that goes on with what is kept of it, and is kept itself: now and then, and when it stops before its end.
    async fn draw(
        &self,
        run: Run,
        (folder, resume): (&Path, Resume),
        context: &Context,
    ) -> Result<(Ended, Stop), RunError> {
        let slots = run.plan.slots().len();
        let resume = self.fetch(folder, &Header::new(run.plan.key(), slots), resume).await;
        let over = CancellationToken::new();
        let mut keeping = std::pin::pin!(self.now_and_then(folder, &over));
        let ended = tokio::select! {
            ended = run.draw(folder, resume) => ended?,
            () = &mut keeping => return Err(RunError::Worker("its checkpoint ended".to_owned())),
        };
        // What is being written comes to its end: cut off, it could arrive after what is done about it.
        over.cancel();
        if ended.is_whole() && context.interrupted_by().is_none() {
            if tokio::time::timeout(AT_THE_END, keeping).await.is_err() {
                tracing::warn!("the checkpoint is still being written, and is left");
            }
            return Ok((ended, Stop::Whole));
        }
        let kept = tokio::time::timeout(AT_THE_END, async {
            keeping.await;
            self.keep(folder).await
        });
        let kept = kept.await;
        let kept = kept.unwrap_or_else(|_| Kept::Not(format!("it took more than {} s", AT_THE_END.as_secs())));
        let stop = match kept {
            Kept::There => Stop::Kept(self.address.clone()),
            Kept::Nothing => Stop::Journal,
            Kept::Not(why) => {
                tracing::warn!("the checkpoint could not be written: {why}");
                Stop::Journal
            }
        };
        Ok((ended, stop))
    }

    /// Keeps a run that is whole, since others follow that belong to it.
    pub(crate) async fn keep_whole(&self, folder: &Path) {
        if let Kept::Not(why) = self.keep(folder).await {
            tracing::warn!("the checkpoint could not be written: {why}");
        }
    }

    /// Removes what is kept of a run that has come to its end. What cannot be removed is said: the next run of the same thing would go on
    /// there, and ask nothing.
    pub(crate) async fn done(&self) {
        let state = self.state.lock().await;
        match self.removed(state.expect.as_ref()).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(
                "the checkpoint ({}) is another run's of the same thing, and was left: the next run goes on there",
                self.address
            ),
            Err(error) => tracing::warn!("the checkpoint could not be removed: {}", words(&error)),
        }
    }

    /// Removes what this run has written or gone on with; whether nothing is there now.
    async fn removed(&self, expect: Option<&Expect>) -> Result<bool, StoreError> {
        if let Some(Expect::Version(version)) = expect
            && self.cells.remove(&self.key, version).await? == Removed::Gone
        {
            return Ok(true);
        }
        // A write of ours whose answer was lost has left another version there than is known.
        match self.cells.read(&self.key).await? {
            None => Ok(true),
            Some((value, version)) if form::owner(&value).as_deref() == Some(&self.owner) => {
                Ok(self.cells.remove(&self.key, &version).await? == Removed::Gone)
            }
            Some(_) => Ok(false),
        }
    }

    /// Keeps the run at each turn, until it is over.
    async fn now_and_then(&self, folder: &Path, over: &CancellationToken) {
        let mut turns = tokio::time::interval(EVERY);
        turns.tick().await;
        while over.run_until_cancelled(turns.tick()).await.is_some() {
            if let Kept::Not(why) = self.keep(folder).await {
                tracing::warn!("the checkpoint could not be written: {why}");
            }
        }
    }

    /// Puts the journal that is kept into the folder, where it holds more than what is there. What cannot be believed is ignored.
    async fn fetch(&self, folder: &Path, header: &Header, resume: Resume) -> Resume {
        let mut state = self.state.lock().await;
        let (value, version) = match self.cells.read(&self.key).await {
            Ok(Some(found)) => found,
            Ok(None) => {
                state.expect = Some(Expect::Absent);
                return resume;
            }
            Err(error) => {
                tracing::warn!("the checkpoint cannot be read, and is not written: {}", words(&error));
                return resume;
            }
        };
        // What cannot be used is written over: it is of no use to anybody.
        state.expect = Some(Expect::Version(version));
        let local = match resume {
            Resume::Continue => journal::recover(folder, header, |_, _| {}).map_or(0, |found| take::samples(&found)),
            Resume::Fresh => 0,
        };
        match take::take(&value, &self.key, folder, header, local) {
            Ok(Some((there, bytes))) => {
                tracing::info!("going on with the checkpoint: {there} samples are there");
                state.sent = bytes;
                Resume::Continue
            }
            Ok(None) => resume,
            Err(why) => {
                tracing::warn!("the checkpoint is ignored: {why}");
                resume
            }
        }
    }

    /// Puts the journal into the store, where it is still as this run has left it.
    async fn keep(&self, folder: &Path) -> Kept {
        let mut state = self.state.lock().await;
        let place = journal::place(folder);
        let read = tokio::task::spawn_blocking(move || std::fs::read(place)).await;
        let mut journal = match read {
            Ok(Ok(journal)) => journal,
            Ok(Err(error)) => return Kept::Not(format!("the journal cannot be read: {error}")),
            Err(error) => return Kept::Not(error.to_string()),
        };
        // A line that is being written is not there yet.
        journal.truncate(journal.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        if journal.iter().filter(|byte| **byte == b'\n').count() < 2 {
            return Kept::Nothing;
        }
        let bytes = journal.len() as u64;
        if bytes == state.sent {
            return Kept::There;
        }
        let Some(expect) = state.expect.clone() else { return Kept::Not("the store did not answer".to_owned()) };
        if bytes > form::LARGEST {
            return Kept::Not(format!("the journal is larger than {} bytes", form::LARGEST));
        }
        let value = form::seal(&self.key, &self.owner, &journal);
        let written = match self.cells.write(&self.key, value.clone(), &expect).await {
            Ok(Written::Changed) => self.again(value).await,
            other => other,
        };
        match written {
            Ok(Written::Version(version)) => {
                *state = State { expect: Some(Expect::Version(version)), sent: bytes };
                Kept::There
            }
            Ok(Written::Changed) => Kept::Not("another run of the same thing has written there since".to_owned()),
            Err(error) => Kept::Not(words(&error)),
        }
    }

    /// A write of ours whose answer was lost has changed what is there: that one may be written over.
    async fn again(&self, value: Vec<u8>) -> Result<Written, StoreError> {
        let expect = match self.cells.read(&self.key).await? {
            Some((there, version)) if form::owner(&there).as_deref() == Some(&self.owner) => Expect::Version(version),
            Some(_) => return Ok(Written::Changed),
            // Somebody has finished the same run, and taken it away.
            None => return Ok(Written::Changed),
        };
        self.cells.write(&self.key, value, &expect).await
    }
}

/// How a run's drawing ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// All samples are there that the verdict needs.
    Whole,
    /// Something is missing; what is there is in the store of this address.
    Kept(String),
    /// Something is missing; what is there is in the journal alone.
    Journal,
}

/// Draws a run, kept where there is a checkpoint.
pub(crate) async fn draw(
    run: Run,
    (folder, resume): (&Path, Resume),
    checkpoint: Option<&Checkpoint>,
    context: &Context,
) -> Result<(Ended, Stop), RunError> {
    match checkpoint {
        Some(checkpoint) => checkpoint.draw(run, (folder, resume), context).await,
        None => Ok((run.draw(folder, resume).await?, Stop::Journal)),
    }
}

/// The error of a run that was interrupted: it says how to go on.
pub(crate) fn interrupted(collected: &Collected, plan: &Plan, stop: &Stop, context: &Context) -> CommandError {
    let by = context.interrupted_by().map(|reason| format!(" by {}", reason.words())).unwrap_or_default();
    let (there, all) = (collected.finished(), plan.slots().len());
    let on = match stop {
        Stop::Kept(address) => {
            format!("and in the checkpoint ({address}); the same command goes on there, on this machine or another")
        }
        Stop::Whole | Stop::Journal => "; run again with --resume to go on there".to_owned(),
    };
    let on = if on.starts_with(';') { on } else { format!(" {on}") };
    CommandError::Environment(Untrusted::new(format!(
        "interrupted{by}: {there} of {all} samples are in the journal{on}"
    )))
}

/// A store's error for the log, with the service's own words cleaned.
fn words(error: &StoreError) -> String {
    match error {
        StoreError::Bucket { bucket, what, detail } => {
            let detail: String =
                crate::trust::clean(detail.raw()).replace(['\n', '\t'], " ").chars().take(300).collect();
            format!("s3://{bucket}: {what}: {detail}")
        }
        other => other.to_string(),
    }
}
