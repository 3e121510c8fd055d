//! Log-likelihoods of many requests at once: rows of like length behind a context that is computed once and kept.
//! This file holds the queue; kept out: who asks (`serve`).

mod pass;
mod plan;
mod prefix;
mod row;

use std::collections::{BTreeMap, VecDeque};

use super::engine::Engine;
use super::error::EngineError;
use super::loglikelihood::Likelihood;
use pass::Scored;
use plan::{Choice, Limits, Past};
use prefix::{Prefix, Prefixes};
use row::{Row, common};

/// Tokens of a context that are computed in one step, at most.
const STEP: usize = 1024;
/// Beginnings of earlier rows that are remembered.
const REMEMBERED: usize = 16;

/// How much is computed at once and kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchLimits {
    /// Tokens of a batch, padding counted.
    pub tokens: usize,
    /// Scores of attention of a batch, each of four bytes.
    pub scores: usize,
    /// Bytes of the contexts that are kept.
    pub cache_bytes: usize,
}

impl BatchLimits {
    /// For a GPU: batches that fill it. What is too much for its memory is halved until it fits.
    pub const GPU: Self = Self { tokens: 16_384, scores: 1 << 28, cache_bytes: 4 << 30 };
    /// For processors: batches that stay small.
    pub const CPU: Self = Self { tokens: 2048, scores: 1 << 24, cache_bytes: 512 << 20 };
}

/// What was computed so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct BatchCounts {
    /// Batches.
    pub batches: u64,
    /// Rows in them.
    pub rows: u64,
    /// Tokens that were computed for rows, padding counted.
    pub tokens: u64,
    /// Tokens of contexts that were computed.
    pub context_tokens: u64,
    /// Tokens of contexts that rows had for nothing.
    pub spared_tokens: u64,
}

/// A request in tokens: continuations of one context.
pub struct Task {
    continuations: usize,
    rows: Vec<Row>,
}

impl Task {
    /// What the model cannot answer is refused at once.
    pub fn new(engine: &Engine, context: &str, continuations: &[String]) -> Result<Self, EngineError> {
        let pairs = engine.pairs(context, continuations)?;
        for pair in &pairs {
            engine.check_tokens(&pair.tokens)?;
        }
        let rows = Row::of(&pairs);
        for row in &rows {
            engine.check_positions(row.positions())?;
        }
        Ok(Self { continuations: pairs.len(), rows })
    }
}

struct Job {
    answers: Vec<Option<Likelihood>>,
    left: usize,
}

/// The past of a batcher.
struct Memory {
    prefixes: Prefixes,
    recent: VecDeque<Vec<u32>>,
}

impl Past for Memory {
    fn kept(&self, tokens: &[u32]) -> usize {
        self.prefixes.covers(tokens)
    }

    fn seen(&self, tokens: &[u32]) -> usize {
        self.recent.iter().map(|earlier| common(earlier, tokens)).max().unwrap_or(0)
    }
}

/// A request that is done.
pub struct Done {
    /// Its number.
    pub id: u64,
    /// Its answer.
    pub likelihoods: Result<Vec<Likelihood>, EngineError>,
}

/// A queue of requests for log-likelihoods, and the contexts that were computed for them.
pub struct Batcher<'a> {
    engine: &'a Engine,
    limits: Limits,
    memory: Memory,
    jobs: BTreeMap<u64, Job>,
    waiting: VecDeque<(u64, Row)>,
    counts: BatchCounts,
}

impl<'a> Batcher<'a> {
    /// An empty queue.
    pub fn new(engine: &'a Engine, limits: BatchLimits) -> Self {
        let BatchLimits { tokens, scores, cache_bytes } = limits;
        let memory = Memory { prefixes: Prefixes::new(cache_bytes), recent: VecDeque::new() };
        let limits = Limits { tokens, scores, heads: engine.heads() };
        let counts = BatchCounts::default();
        Self { engine, limits, memory, jobs: BTreeMap::new(), waiting: VecDeque::new(), counts }
    }

    /// Adds a request.
    pub fn add(&mut self, id: u64, task: Task) {
        self.jobs.insert(id, Job { answers: vec![None; task.continuations], left: task.rows.len() });
        self.waiting.extend(task.rows.into_iter().map(|row| (id, row)));
    }

    /// Takes a request out.
    pub fn forget(&mut self, id: u64) {
        self.jobs.remove(&id);
        self.waiting.retain(|(owner, _)| *owner != id);
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What was computed so far.
    pub fn counts(&self) -> BatchCounts {
        self.counts
    }

    /// Computes one batch, and gives the requests that are done with it.
    pub fn step(&mut self) -> Vec<Done> {
        let (members, context) = {
            let rows: Vec<&Row> = self.waiting.iter().map(|(_, row)| row).collect();
            let Choice { members, context } = plan::choose(&rows, &self.memory, self.limits);
            (members, context)
        };
        let mut chosen = Vec::with_capacity(members.len());
        for (number, waiting) in std::mem::take(&mut self.waiting).into_iter().enumerate() {
            if members.contains(&number) { chosen.push(waiting) } else { self.waiting.push_back(waiting) }
        }
        let rows: Vec<&Row> = chosen.iter().map(|(_, row)| row).collect();
        match self.compute(&rows, context) {
            Ok(scored) => self.deliver(&chosen, &scored),
            Err(EngineError::Memory(_)) if self.can_spare(chosen.len()) => {
                // They wait again, before all others, for a smaller batch.
                for waiting in chosen.into_iter().rev() {
                    self.waiting.push_front(waiting);
                }
                Vec::new()
            }
            Err(error) => {
                let mut owners: Vec<u64> = chosen.iter().map(|(owner, _)| *owner).collect();
                owners.dedup();
                let text = error.to_string();
                let failed = owners.into_iter().map(|id| {
                    self.forget(id);
                    let error = match &error {
                        EngineError::Memory(what) => EngineError::Memory(what.clone()),
                        _ => EngineError::Compute(text.clone()),
                    };
                    Done { id, likelihoods: Err(error) }
                });
                failed.collect()
            }
        }
    }

    /// Gives up kept contexts, or half of a batch; false where nothing is left to give up.
    fn can_spare(&mut self, rows: usize) -> bool {
        let kept = self.memory.prefixes.has_any();
        self.memory.prefixes.clear();
        if rows > 1 {
            self.limits.tokens = (self.limits.tokens / 2).max(1);
            self.limits.scores = (self.limits.scores / 2).max(1);
        }
        kept || rows > 1
    }

    fn compute(&mut self, rows: &[&Row], context: usize) -> Result<Vec<Scored>, EngineError> {
        let Some(first) = rows.first() else { return Ok(Vec::new()) };
        let prefix = self.prefix(first.trunk.get(..context).unwrap_or_default())?;
        let scored = self.engine.network().score(rows, prefix.as_ref())?;
        if self.memory.recent.len() == REMEMBERED {
            self.memory.recent.pop_front();
        }
        self.memory.recent.push_back(first.cacheable().to_vec());
        let longest = rows.iter().map(|row| row.tokens() - context).max().unwrap_or(0);
        self.counts.batches += 1;
        self.counts.rows += rows.len() as u64;
        self.counts.tokens += (longest * rows.len()) as u64;
        self.counts.spared_tokens += (context * rows.len()) as u64;
        Ok(scored)
    }

    fn prefix(&mut self, tokens: &[u32]) -> Result<Option<Prefix>, EngineError> {
        if tokens.is_empty() {
            return Ok(None);
        }
        let mut found = self.memory.prefixes.find(tokens)?;
        let known = found.as_ref().map_or(0, |prefix| prefix.tokens.len());
        if known == tokens.len() {
            return Ok(found);
        }
        let mut end = known;
        while end < tokens.len() {
            end = (end + STEP).min(tokens.len());
            found = Some(self.engine.network().extend(found, tokens.get(..end).unwrap_or_default())?);
        }
        self.counts.context_tokens += (tokens.len() - known) as u64;
        if let Some(prefix) = &found {
            self.memory.prefixes.keep(prefix.clone());
        }
        Ok(found)
    }

    fn deliver(&mut self, chosen: &[(u64, Row)], scored: &[Scored]) -> Vec<Done> {
        let mut scored = scored.iter();
        let mut done = Vec::new();
        for (owner, row) in chosen {
            let Some(job) = self.jobs.get_mut(owner) else { continue };
            for (number, wanted) in &row.wanted {
                let parts: Vec<Scored> = scored.by_ref().take(wanted.len()).copied().collect();
                let token_log_probs: Vec<f64> = parts.iter().map(|(log_prob, _)| *log_prob).collect();
                let likelihood = Likelihood {
                    sum: token_log_probs.iter().sum(),
                    is_greedy: parts.iter().all(|(_, is_best)| *is_best),
                    token_log_probs,
                };
                if let Some(place) = job.answers.get_mut(*number) {
                    *place = Some(likelihood);
                }
            }
            job.left -= 1;
            if job.left == 0 {
                done.push(*owner);
            }
        }
        done.into_iter().map(|id| self.finish(id)).collect()
    }

    fn finish(&mut self, id: u64) -> Done {
        let answers = self.jobs.remove(&id).map(|job| job.answers).unwrap_or_default();
        let whole: Option<Vec<Likelihood>> = answers.into_iter().collect();
        let likelihoods = match whole {
            Some(whole) if whole.iter().all(|likelihood| likelihood.sum.is_finite()) => Ok(whole),
            Some(_) => Err(EngineError::Compute("a log-likelihood is not a finite number".to_owned())),
            None => Err(EngineError::Compute("a continuation was not computed".to_owned())),
        };
        Done { id, likelihoods }
    }
}

#[cfg(test)]
mod tests;
