//! The one place where finished samples meet: they go to the journal, and their numbers stay in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Ended;
use super::row::{Names, Row};
use crate::eval::early::Watch;
use crate::eval::journal::{Entry, Journal, JournalError};
use crate::eval::sample::{Sample, Status};
use crate::gate::Next;

/// Samples that one write may carry.
const BATCH: usize = 256;
/// Samples of each kind that a report may show.
const SHOWN: usize = 50;

/// A sample on its way to the disk.
#[derive(Debug)]
pub(super) struct Finished {
    /// Its line.
    pub entry: Entry,
    /// The sample itself.
    pub sample: Sample,
}

/// Counters that the progress display reads.
#[derive(Default, Debug)]
pub(super) struct Counter {
    /// Finished samples.
    pub finished: AtomicU64,
    /// Those of them that ended in an error.
    pub errors: AtomicU64,
}

/// What a run has drawn.
pub struct Collected {
    rows: Vec<Option<Row>>,
    names: Names,
    finished: usize,
    resumed: u64,
    left_over: u64,
    notable: Vec<u32>,
    journal: Option<Journal>,
}

impl Collected {
    /// Nothing yet, of `slots` samples.
    pub(super) fn new(slots: usize) -> Self {
        let rows = std::iter::repeat_with(|| None).take(slots).collect();
        Self {
            rows,
            names: Names::default(),
            finished: 0,
            resumed: 0,
            left_over: 0,
            notable: Vec::new(),
            journal: None,
        }
    }

    /// Takes a sample over that was drawn elsewhere (`llmci merge`). False when the slot is taken or unknown.
    pub fn add(&mut self, slot: u32, sample: &Sample) -> bool {
        let Some(place) = self.rows.get_mut(slot as usize) else { return false };
        if place.is_some() {
            return false;
        }
        *place = Some(Row::of(slot, sample, &mut self.names));
        self.finished += 1;
        if sample.status != Status::Passed {
            self.note(slot);
        }
        true
    }

    /// An empty collection for samples that are drawn elsewhere.
    pub fn empty(slots: usize) -> Self {
        Self::new(slots)
    }

    pub(super) fn resumed(&mut self, slot: u32, sample: &Sample) {
        if self.add(slot, sample) {
            self.resumed += 1;
        }
    }

    /// Keeps the numbers of the first samples, by the plan's order, that a reader will want to see.
    fn note(&mut self, slot: u32) {
        let at = self.notable.partition_point(|noted| *noted < slot);
        if at < SHOWN {
            self.notable.insert(at, slot);
            self.notable.truncate(SHOWN);
        }
    }

    /// Leaves only a part of the samples: those that were judged. The journal keeps the rest.
    pub(super) fn cut(&mut self, part: &[bool]) {
        let inside = |slot: usize| part.get(slot).copied().unwrap_or(false);
        for (_, row) in self.rows.iter_mut().enumerate().filter(|(slot, _)| !inside(*slot)) {
            if row.take().is_some() {
                self.finished -= 1;
                self.left_over += 1;
            }
        }
        // More may have failed than are noted, so the notes are made anew.
        let bad = self.rows.iter().flatten().filter(|row| row.status != Status::Passed);
        self.notable = bad.map(|row| row.slot).take(SHOWN).collect();
    }

    /// Samples that were drawn and not judged: they were under way when the run stopped.
    pub fn left_over(&self) -> u64 {
        self.left_over
    }

    /// Whether a sample is there.
    pub fn has(&self, slot: u32) -> bool {
        self.rows.get(slot as usize).is_some_and(Option::is_some)
    }

    /// How many samples are there.
    pub fn finished(&self) -> usize {
        self.finished
    }

    /// How many of them an earlier run had drawn.
    pub fn from_earlier_run(&self) -> u64 {
        self.resumed
    }

    /// The numbers of each sample, by slot.
    pub fn rows(&self) -> &[Option<Row>] {
        &self.rows
    }

    /// The names of scores.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The first samples that did not pass, by slot.
    pub fn notable(&self) -> &[u32] {
        &self.notable
    }

    /// Keeps the journal that samples drawn elsewhere were copied to.
    pub fn keep(&mut self, journal: Journal) {
        self.journal = Some(journal);
    }

    /// The journal, for `samples.jsonl`; absent for a collection that was not drawn here.
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }
}

/// All that the writer holds.
pub(super) struct Desk {
    pub(super) journal: Journal,
    pub(super) collected: Collected,
    pub(super) watch: Option<Watch>,
    pub(super) counter: Arc<Counter>,
}

/// Starts the writer: a task and not a thread, since waking a thread for every sample costs more than the write, which ends
/// in the system's memory; the forced write once a second moves aside for others. It ends when every sender is gone, or at
/// the first write that fails; then it cancels the run, as it does when a look says that no more samples are needed.
pub(super) fn spawn(
    desk: Desk,
    mut receiver: mpsc::Receiver<Finished>,
    cancel: CancellationToken,
) -> JoinHandle<Result<Ended, JournalError>> {
    let Desk { mut journal, mut collected, mut watch, counter } = desk;
    tokio::spawn(async move {
        let mut batch = Vec::with_capacity(BATCH);
        let mut entries = Vec::with_capacity(BATCH);
        while receiver.recv_many(&mut batch, BATCH).await > 0 {
            entries.clear();
            for finished in batch.drain(..) {
                let errors = u64::from(finished.sample.status == Status::Error);
                counter.errors.fetch_add(errors, Ordering::Relaxed);
                counter.finished.fetch_add(1, Ordering::Relaxed);
                collected.add(finished.entry.slot, &finished.sample);
                entries.push(finished.entry);
            }
            let written = if journal.is_due() {
                tokio::task::block_in_place(|| journal.append(&entries).and_then(|()| journal.sync()))
            } else {
                journal.append(&entries)
            };
            if let Err(error) = written {
                cancel.cancel();
                return Err(error);
            }
            if let Some(watch) = &mut watch {
                let next = tokio::task::block_in_place(|| watch.advance(collected.rows(), collected.names()));
                if next == Next::Stop {
                    cancel.cancel();
                }
            }
        }
        tokio::task::block_in_place(|| journal.sync())?;
        collected.journal = Some(journal);
        Ok(Ended { collected, watch })
    })
}
