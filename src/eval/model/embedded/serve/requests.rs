//! One request by itself: generations, embeddings and whole texts, and log-likelihoods where they are not computed in batches.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::batches::{Prepared, prepare};
use super::protocol::{FromEngine, Kind, Reply};
use super::{Asked, in_words, say};
use crate::eval::model::Answered;
use crate::eval::model::embedded::{Engine, answer};
use crate::eval::request::Request;

/// How far a request is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No thread has come to it.
    Queued,
    /// It is being answered.
    Begun,
    /// The same, and nobody waits for it any more.
    GivenUp,
}

/// Requests that have no answer yet.
#[derive(Default)]
pub(super) struct Live(Mutex<BTreeMap<u64, Stage>>);

impl Live {
    fn all(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Stage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn queue(&self, id: u64) {
        self.all().insert(id, Stage::Queued);
    }

    /// Whether a thread that comes to a request has something to do.
    pub(super) fn begin(&self, id: u64) -> bool {
        let mut all = self.all();
        let stage = all.get_mut(&id);
        stage.is_some_and(|stage| std::mem::replace(stage, Stage::Begun) == Stage::Queued)
    }

    /// Gives a request up: at once where no thread has come to it, however long those before it take.
    pub(super) fn cancel(&self, id: u64) {
        let mut all = self.all();
        let queued = all.get_mut(&id).is_some_and(|stage| std::mem::replace(stage, Stage::GivenUp) == Stage::Queued);
        if queued {
            all.remove(&id);
            drop(all);
            say(&FromEngine::Failed { id, kind: Kind::Stopped, text: String::new() });
        }
    }

    pub(super) fn is_awaited(&self, id: u64) -> bool {
        self.all().get(&id).is_some_and(|stage| *stage != Stage::GivenUp)
    }

    /// Says the one last word about a request.
    pub(super) fn end(&self, id: u64, word: FromEngine) {
        let stage = self.all().remove(&id);
        match stage {
            Some(Stage::Queued | Stage::Begun) => say(&word),
            Some(Stage::GivenUp) => say(&FromEngine::Failed { id, kind: Kind::Stopped, text: String::new() }),
            None => {}
        }
    }
}

/// Answers a request, or hands it to the batches.
pub(super) fn work(engine: &Engine, live: &Live, asked: Asked, batches: Option<&Sender<Prepared>>) {
    let Asked { id, request, at } = asked;
    if !live.begin(id) {
        return;
    }
    let mut proceed = || if live.is_awaited(id) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
    if let (Request::RankChoices(rank), Some(batches)) = (&request, batches) {
        match prepare(engine, id, rank, at) {
            Ok(prepared) => {
                if batches.send(prepared).is_err() {
                    let text = "the engine's batches have ended".to_owned();
                    live.end(id, FromEngine::Failed { id, kind: Kind::Compute, text });
                }
            }
            Err(error) => fail(live, id, error),
        }
        return;
    }
    let began = Instant::now();
    match answer(engine, &request, &mut proceed) {
        Ok(Answered { answer, usage, latency_ms, ttft_ms, attempts: _ }) => {
            let latency_ms = latency_ms.unwrap_or(began.elapsed().as_secs_f64() * 1e3);
            live.end(id, FromEngine::Answered { id, reply: Reply::new(answer, usage, latency_ms, ttft_ms) });
        }
        Err(error) => fail(live, id, error),
    }
}

pub(super) fn fail(live: &Live, id: u64, error: crate::eval::model::embedded::EngineError) {
    let (kind, text) = in_words(error);
    live.end(id, FromEngine::Failed { id, kind, text });
}
