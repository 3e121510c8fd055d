//! The run: draws every sample of a plan with bounded concurrency, and journals each before the next.
//! Kept out: what the numbers mean (`eval::reduce`, `gate`).

mod attempt;
mod collect;
mod dialogue;
mod grade;
mod plan;
mod progress;
mod row;
mod shared;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::early::Watch;
use super::journal::{self, Entry, Header, Journal, JournalError, Recovered};
use super::sample::Sample;
use super::suite::{Form, Suite};
use crate::gate::Next;

pub use attempt::{Bench, Own, OwnByKey};
pub use collect::Collected;
pub use plan::{Plan, PlanError, Selection, Slot};
pub use progress::{Progress, ProgressStyle};
pub use row::{Names, Parts, Row, cluster_number};
pub use shared::{Memory, OtherRow, Others};

/// Samples that may wait for the disk; a worker with more to say waits.
const WAITING: usize = 1024;

/// Whether an earlier journal is continued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resume {
    /// `--resume`: its samples are taken over.
    Continue,
    /// A fresh start; an earlier journal moves aside.
    Fresh,
}

/// Why a run came to no end of its own.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The journal could not be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A case could not be read again: its file has changed under the run.
    #[error("a case could not be read again while the run was under way")]
    Suite(Box<crate::document::Problem>),
    /// A worker ended without a word.
    #[error("a worker of the run died: {0}")]
    Worker(String),
}

/// A run, ready to begin.
pub struct Run {
    /// The suites of the plan, in its order.
    pub suites: Arc<Vec<Suite>>,
    /// What will be asked.
    pub plan: Arc<Plan>,
    /// What every attempt shares.
    pub bench: Arc<Bench>,
    /// Requests in flight at most, at least 1.
    pub concurrency: usize,
    /// How progress is shown.
    pub progress: ProgressStyle,
    /// Looks at the run while it is under way, where it may stop early.
    pub watch: Option<Watch>,
}

/// What a run has left.
pub struct Ended {
    /// The samples.
    pub collected: Collected,
    /// What the looks have shown, where there were any.
    pub watch: Option<Watch>,
}

impl Ended {
    /// Whether all samples are there that the verdict needs.
    pub fn is_whole(&self) -> bool {
        let early = self.watch.as_ref().is_some_and(|watch| watch.stopped_at().is_some());
        early || self.collected.finished() == self.collected.rows().len()
    }
}

impl Run {
    /// Draws the samples that the journal in `folder` does not hold yet. Returns when all are there, when a look says that
    /// no more are needed, when the bench is cancelled, or when its deadline has passed; [`Collected`] says which samples
    /// are there.
    pub async fn draw(mut self, folder: &Path, resume: Resume) -> Result<Ended, RunError> {
        let header = Header::new(self.plan.key(), self.plan.slots().len());
        let mut collected = Collected::new(self.plan.slots().len());
        let recovered = match resume {
            Resume::Continue => journal::recover(folder, &header, |slot, sample| {
                self.remember(slot, &sample);
                collected.resumed(slot, &sample);
            })?,
            Resume::Fresh => Recovered::Nothing,
        };
        let journal = match recovered {
            Recovered::Continued { end, spans } => Journal::resume(folder, end, spans)?,
            Recovered::OtherRun => {
                tracing::warn!(
                    "the journal is of another run (other model, suite, filter or seed): starting afresh; \
                     the old one is kept as journal.previous.jsonl"
                );
                Journal::create(folder, &header)?
            }
            Recovered::Nothing => Journal::create(folder, &header)?,
        };
        let total = self.plan.slots().len();
        let mut watch = self.watch.take();
        // What an earlier run has left may be enough.
        let next = watch.as_mut().map_or(Next::GoOn, |watch| watch.advance(collected.rows(), collected.names()));
        let missing = |slot: &u32| next == Next::GoOn && !collected.has(*slot);
        let pending: Vec<u32> = match &watch {
            Some(watch) => watch.schedule().order().iter().copied().filter(missing).collect(),
            None => (0_u32..).take(total).filter(missing).collect(),
        };
        let progress = Progress::start(self.progress, total, collected.finished());

        let (sender, receiver) = mpsc::channel(WAITING);
        let desk = collect::Desk { journal, collected, watch, counter: progress.counter() };
        let writer = collect::spawn(desk, receiver, self.bench.cancel.clone());
        let outcome = self.work(Arc::new(pending), sender).await;
        let ended = writer.await.map_err(|error| RunError::Worker(error.to_string()))?;
        progress.finish();
        outcome?;
        let mut ended = ended?;
        let part = ended.watch.as_ref().and_then(|watch| Some(watch.schedule().part(watch.stopped_at()?)));
        if let Some(part) = part {
            ended.collected.cut(&part);
        }
        Ok(ended)
    }

    /// An answer that the journal holds is not asked for again by an assertion that compares it with another's.
    fn remember(&self, slot: u32, sample: &Sample) {
        let slot = self.plan.slots().get(slot as usize);
        let found = slot.and_then(|slot| Some((slot, self.suites.get(usize::from(slot.suite))?)));
        if let (Some((slot, suite)), Some(answer)) = (found, &sample.answer)
            && suite.form() == Form::Promptfoo
        {
            self.bench.memory.learn(suite.name(), slot.case, slot.repeat, answer);
        }
    }

    async fn work(self, pending: Arc<Vec<u32>>, sender: mpsc::Sender<collect::Finished>) -> Result<(), RunError> {
        let next = Arc::new(AtomicUsize::new(0));
        let workers = self.concurrency.clamp(1, pending.len().max(1));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..workers {
            let worker = Worker {
                suites: Arc::clone(&self.suites),
                plan: Arc::clone(&self.plan),
                bench: Arc::clone(&self.bench),
                pending: Arc::clone(&pending),
                next: Arc::clone(&next),
                sender: sender.clone(),
            };
            tasks.spawn(worker.work());
        }
        drop(sender);
        let mut outcome = Ok(());
        while let Some(ended) = tasks.join_next().await {
            let ended = ended.unwrap_or_else(|error| Err(RunError::Worker(error.to_string())));
            if ended.is_err() {
                // One broken worker ends the run: the others stop at their next look.
                self.bench.cancel.cancel();
                outcome = outcome.and(ended);
            }
        }
        outcome
    }
}

struct Worker {
    suites: Arc<Vec<Suite>>,
    plan: Arc<Plan>,
    bench: Arc<Bench>,
    pending: Arc<Vec<u32>>,
    next: Arc<AtomicUsize>,
    sender: mpsc::Sender<collect::Finished>,
}

impl Worker {
    async fn work(self) -> Result<(), RunError> {
        let cancel = self.bench.cancel.child_token();
        while let Some(number) = self.take() {
            let Some(slot) = self.plan.slots().get(number as usize) else { break };
            let Some(suite) = self.suites.get(usize::from(slot.suite)) else { break };
            let case = suite.case(slot.case as usize).map_err(|problem| RunError::Suite(Box::new(problem)))?;
            let Some(sample) = self.bench.attempt(case, slot.repeat, &cancel).await else { break };
            let (line, start) = journal::encode(number, &sample)?;
            let finished = collect::Finished { entry: Entry { slot: number, line, start }, sample };
            if self.sender.send(finished).await.is_err() {
                // The writer has failed; it says why itself.
                break;
            }
        }
        Ok(())
    }

    fn take(&self) -> Option<u32> {
        let late = self.bench.deadline.is_some_and(|end| std::time::Instant::now() >= end);
        if late || self.bench.cancel.is_cancelled() {
            return None;
        }
        self.pending.get(self.next.fetch_add(1, Ordering::Relaxed)).copied()
    }
}
