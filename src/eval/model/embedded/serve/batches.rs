//! Log-likelihoods in batches: what has come in while the last batch was computed is sorted into the next one.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::protocol::{FromEngine, Reply};
use super::requests::{Live, fail};
use crate::eval::model::embedded::batch::Task;
use crate::eval::model::embedded::{BatchLimits, Batcher, Done, Engine, EngineError, Likelihood, in_short, text_of};
use crate::eval::request::{Answer, RankChoices};

/// How long an idle engine waits for a further request before it computes those that are there.
const QUIET: Duration = Duration::from_millis(2);
/// How long it does so at most.
const PATIENCE: Duration = Duration::from_millis(50);

/// A request in tokens.
pub(super) struct Prepared {
    id: u64,
    at: Instant,
    tasks: Vec<Task>,
}

/// Splits a request into tokens; any thread can.
pub(super) fn prepare(engine: &Engine, id: u64, rank: &RankChoices, at: Instant) -> Result<Prepared, EngineError> {
    let mut tasks = vec![Task::new(engine, &text_of(engine, &rank.prompt)?, &rank.continuations)?];
    if !rank.alone.is_empty() {
        tasks.push(Task::new(engine, "", &rank.alone)?);
    }
    Ok(Prepared { id, at, tasks })
}

/// The parts of an answer.
struct Parts {
    at: Instant,
    answers: Vec<Option<Vec<Likelihood>>>,
}

/// Works until nobody can ask any more.
pub(super) fn work(engine: &Engine, limits: BatchLimits, live: &Live, asked: &Receiver<Prepared>) {
    let mut batcher = Batcher::new(engine, limits);
    let mut open: BTreeMap<u64, Parts> = BTreeMap::new();
    let mut owners: BTreeMap<u64, (u64, usize)> = BTreeMap::new();
    let mut next_task = 0;
    let mut take = |batcher: &mut Batcher<'_>,
                    open: &mut BTreeMap<u64, Parts>,
                    owners: &mut BTreeMap<u64, (u64, usize)>,
                    prepared: Prepared| {
        let Prepared { id, at, tasks } = prepared;
        open.insert(id, Parts { at, answers: vec![None; tasks.len()] });
        for (part, task) in tasks.into_iter().enumerate() {
            owners.insert(next_task, (id, part));
            batcher.add(next_task, task);
            next_task += 1;
        }
    };
    loop {
        if batcher.is_empty() {
            let Ok(first) = asked.recv() else { return };
            take(&mut batcher, &mut open, &mut owners, first);
            let until = Instant::now() + PATIENCE;
            while Instant::now() < until {
                match asked.recv_timeout(QUIET) {
                    Ok(further) => take(&mut batcher, &mut open, &mut owners, further),
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        }
        while let Ok(further) = asked.try_recv() {
            take(&mut batcher, &mut open, &mut owners, further);
        }
        let given_up: Vec<u64> = open.keys().copied().filter(|id| !live.is_awaited(*id)).collect();
        for id in given_up {
            open.remove(&id);
            owners.retain(|task, (owner, _)| {
                if *owner == id {
                    batcher.forget(*task);
                }
                *owner != id
            });
            fail(live, id, EngineError::Stopped);
        }
        let done = catch_unwind(AssertUnwindSafe(|| batcher.step()));
        let Ok(done) = done else {
            // What a batch was in the middle of is not known: nobody of those who wait gets an answer.
            for id in std::mem::take(&mut open).into_keys() {
                fail(live, id, EngineError::Compute("the engine panicked in a batch".to_owned()));
            }
            owners.clear();
            batcher = Batcher::new(engine, limits);
            continue;
        };
        for Done { id: task, likelihoods } in done {
            let Some((id, part)) = owners.remove(&task) else { continue };
            match likelihoods {
                Ok(likelihoods) => answered(live, &mut open, id, part, likelihoods),
                Err(error) => {
                    if open.remove(&id).is_some() {
                        fail(live, id, error);
                    }
                }
            }
        }
    }
}

fn answered(live: &Live, open: &mut BTreeMap<u64, Parts>, id: u64, part: usize, likelihoods: Vec<Likelihood>) {
    let Some(parts) = open.get_mut(&id) else { return };
    if let Some(place) = parts.answers.get_mut(part) {
        *place = Some(likelihoods);
    }
    if parts.answers.iter().any(Option::is_none) {
        return;
    }
    let Some(Parts { at, answers }) = open.remove(&id) else { return };
    let all = answers.iter().flatten().flatten().map(in_short).collect();
    let latency_ms = at.elapsed().as_secs_f64() * 1e3;
    live.end(id, FromEngine::Answered { id, reply: Reply::new(Answer::LogLikelihoods(all), None, latency_ms, None) });
}
