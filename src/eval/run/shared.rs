//! What rows of one test share: an assertion that compares the answers of several cases is asked once for all of them, and
//! each of the cases is asked once, whoever needs its answer first. It lives as long as the run; answers that a continued
//! journal holds are learned from there.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::attempt::{Asked, Bench, Origin, seed};
use crate::eval::case::{Case, Grading};
use crate::eval::model::{Answered, ModelError};
use crate::eval::request::Answer;
use crate::eval::scorer::Subject;
use crate::trust::Untrusted;

/// One case, once asked: its suite, its position there, the repeat.
type Member = (Arc<str>, u32, u32);
type Got = Result<(Answered, Origin), ModelError>;
/// A comparison: what it has found, or why it could not be made.
type Compared = Result<Value, Untrusted>;
type Cells<K, V> = Mutex<BTreeMap<K, Arc<OnceCell<V>>>>;

/// The answers and the comparisons of a run.
#[derive(Default)]
pub struct Memory {
    answers: Cells<Member, Got>,
    comparisons: Cells<(Arc<str>, String), Compared>,
}

fn cell<K: Ord, V>(cells: &Cells<K, V>, key: K) -> Arc<OnceCell<V>> {
    // Entries are only added: a holder that panicked has left the map whole.
    let mut cells = cells.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(cells.entry(key).or_default())
}

impl Memory {
    /// Takes an answer over that a journal holds.
    pub(super) fn learn(&self, suite: &Arc<str>, case: u32, repeat: u32, answer: &Answer) {
        let answered = Answered { answer: answer.clone(), usage: None, latency_ms: None, ttft_ms: None, attempts: 0 };
        // A cell that is filled already holds the same.
        let _ = cell(&self.answers, (Arc::clone(suite), case, repeat)).set(Ok((answered, Origin::Cache)));
    }

    /// The answer to a case that others are compared with: asked for by the first that needs it.
    pub(super) async fn answer(&self, case: &Case, repeat: u32, ask: impl Future<Output = Got>) -> Got {
        match position(case) {
            None => ask.await,
            Some(position) => {
                let cell = cell(&self.answers, (Arc::clone(&case.suite), position, repeat));
                cell.get_or_init(|| ask).await.clone()
            }
        }
    }
}

/// The position of a case that is compared with others; none for a case that stands alone.
fn position(case: &Case) -> Option<u32> {
    match &case.grading {
        Grading::Promptfoo(test) => test.compared.as_ref().map(|compared| compared.row),
        Grading::Own | Grading::Task(_) | Grading::Recorded(_) => None,
    }
}

/// What an assertion may ask of the other cases of its suite, at the same repeat.
#[derive(Clone, Copy)]
pub struct Others<'a> {
    pub(super) bench: &'a Bench,
    pub(super) case: &'a Case,
    pub(super) repeat: u32,
    pub(super) cancel: &'a CancellationToken,
}

/// Another case of the suite, with its answer.
pub struct OtherRow {
    /// The case.
    pub case: Case,
    answered: Result<(Answered, Origin), ModelError>,
    cost_usd: Option<f64>,
}

impl OtherRow {
    /// As it is judged; none where the model gave no answer.
    pub fn subject<'a>(&'a self, others: Others<'a>) -> Option<Subject<'a>> {
        let (answered, origin) = self.answered.as_ref().ok()?;
        let cached = *origin == Origin::Cache;
        Some(Subject {
            case: &self.case,
            answer: &answered.answer,
            turns: &[],
            latency_ms: answered.latency_ms.filter(|_| !cached),
            cost_usd: self.cost_usd,
            usage: answered.usage,
            cached,
            judges: &others.bench.judges,
            others: Some(others),
            cancel: others.cancel,
        })
    }
}

impl Others<'_> {
    /// The case at a position of the same suite, and its answer.
    pub async fn row(&self, position: u32) -> Result<OtherRow, Untrusted> {
        let suite = self.bench.suites.iter().find(|suite| suite.name() == &self.case.suite);
        let suite = suite.ok_or("the suite is not part of this run")?;
        let mut case = suite.case(position as usize).map_err(|problem| problem.message)?;
        seed(&mut case.request, self.bench.seed, self.repeat);
        let asked = Asked { case: &case, request: &case.request, repeat: self.repeat, cancel: self.cancel };
        // Boxed: the answer of one case may be needed while another's is judged.
        let answered = Box::pin(self.bench.exchange(asked)).await;
        let cost_usd = answered.as_ref().ok().and_then(|(answered, origin)| self.bench.cost(&case, answered, *origin));
        Ok(OtherRow { case, answered, cost_usd })
    }

    /// What a comparison finds: made by the first that asks, under a key that is unique in the suite and the repeat.
    pub async fn once(&self, key: &str, compare: impl Future<Output = Compared>) -> Compared {
        let key = format!("{} {key}", self.repeat);
        let cell = cell(&self.bench.memory.comparisons, (Arc::clone(&self.case.suite), key));
        cell.get_or_init(|| compare).await.clone()
    }
}
