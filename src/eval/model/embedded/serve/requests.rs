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

/// Requests that have no answer yet, and whether anybody still waits for it.
#[derive(Default)]
pub(super) struct Live(Mutex<BTreeMap<u64, bool>>);

impl Live {
    fn all(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, id: u64) {
        self.all().insert(id, true);
    }

    pub(super) fn cancel(&self, id: u64) {
        if let Some(awaited) = self.all().get_mut(&id) {
            *awaited = false;
        }
    }

    pub(super) fn is_awaited(&self, id: u64) -> bool {
        self.all().get(&id).copied().unwrap_or(false)
    }

    /// Says the one last word about a request.
    pub(super) fn end(&self, id: u64, word: FromEngine) {
        let awaited = self.all().remove(&id);
        match awaited {
            Some(true) => say(&word),
            Some(false) => say(&FromEngine::Failed { id, kind: Kind::Stopped, text: String::new() }),
            None => {}
        }
    }
}

/// Answers a request, or hands it to the batches.
pub(super) fn work(engine: &Engine, live: &Live, asked: Asked, batches: Option<&Sender<Prepared>>) {
    let Asked { id, request, at } = asked;
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
