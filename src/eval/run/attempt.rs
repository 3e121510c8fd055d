//! One attempt at one case: cache, model, scorers. Whatever goes wrong is a sample with an error, not the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::dialogue;
use super::grade::{Graded, failed, grade, unscored};
use super::shared::{Memory, Others};
use crate::eval::cache::{Cache, Kept};
use crate::eval::case::{Case, Grading};
use crate::eval::dialogue::Dialogue;
use crate::eval::model::{Answered, Attempt, Model, ModelError, Price};
use crate::eval::redteam::Completions;
use crate::eval::request::{Request, Usage};
use crate::eval::sample::{Sample, Status};
use crate::eval::scorer::Judges;
use crate::eval::suite::Suite;
use crate::store::StoreError;
use crate::trust::{Digest, Redactor};

/// A model of a suite's own.
pub struct Own {
    /// The model.
    pub model: Arc<dyn Model>,
    /// What its tokens cost.
    pub price: Option<Price>,
}

/// The models that suites name themselves, by suite and key.
pub type OwnByKey = BTreeMap<(Arc<str>, Arc<str>), Own>;

/// What every attempt of a run shares.
pub struct Bench {
    /// The model under test.
    pub model: Arc<dyn Model>,
    /// The models that suites name themselves, by suite and key.
    pub own: Arc<OwnByKey>,
    /// The suites of the run, for assertions that look at other cases.
    pub suites: Arc<Vec<Suite>>,
    /// What such assertions have asked for.
    pub memory: Memory,
    /// The models that may judge.
    pub judges: Judges,
    /// Where answers are kept, if anywhere.
    pub cache: Option<Cache>,
    /// Set at the cache's first failure.
    pub cache_broken: AtomicBool,
    /// The model's price.
    pub price: Option<Price>,
    /// Knows the secrets that no file may hold.
    pub redactor: Redactor,
    /// Whether texts that answer attacks are kept.
    pub completions: Completions,
    /// The run's seed.
    pub seed: u64,
    /// When the whole run ends.
    pub deadline: Option<Instant>,
    /// SIGTERM, or the end of the run.
    pub cancel: CancellationToken,
}

/// Where an answer comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    Model,
    Cache,
}

/// One request on its way.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The case that it belongs to.
    pub case: &'a Case,
    /// The request, with its seed.
    pub request: &'a Request,
    /// 0-based.
    pub repeat: u32,
    /// Ends it at once.
    pub cancel: &'a CancellationToken,
}

impl Bench {
    /// Draws one sample; none when the run was cancelled before the answer was there. `cancel` is the worker's own child of
    /// the run's token: a token that all share would make them wait for each other at every request.
    pub async fn attempt(&self, case: Case, repeat: u32, cancel: &CancellationToken) -> Option<Sample> {
        let mut sample = self.drawn(case, repeat, cancel).await?;
        sample.seal(self.completions);
        Some(sample)
    }

    async fn drawn(&self, mut case: Case, repeat: u32, cancel: &CancellationToken) -> Option<Sample> {
        if let Grading::Recorded(samples) = &mut case.grading {
            // It was asked and judged elsewhere.
            let place = repeat as usize;
            let found = (place < samples.len()).then(|| samples.swap_remove(place));
            let mut sample = found.unwrap_or_else(|| unscored(&case, repeat, "the other tool has no such sample"));
            sample.redact(&self.redactor);
            return Some(sample);
        }
        seed(&mut case.request, self.seed, repeat);
        match case.dialogue {
            Dialogue::Once => {}
            // Boxed, so that the plain path stays as small as it was.
            Dialogue::Script(_) | Dialogue::Variants(_) | Dialogue::Repeated(_) | Dialogue::Adaptive(_) => {
                return Box::pin(dialogue::draw(self, &case, repeat, cancel)).await;
            }
        }
        match self.exchange(Asked { case: &case, request: &case.request, repeat, cancel }).await {
            Ok((answered, origin)) => {
                let cost_usd = self.cost(&case, &answered, origin);
                let cached = origin == Origin::Cache;
                let frame = Graded { answered, cost_usd, cached, judges: &self.judges, cancel, turns: Vec::new() };
                self.judged(&case, repeat, frame).await
            }
            Err(ModelError::Cancelled) => None,
            Err(error) => {
                let mut sample = failed(&case, repeat, &error);
                sample.redact(&self.redactor);
                Some(sample)
            }
        }
    }

    /// One answer of the model under test: from the cache, or asked for and kept. Secrets in it are masked.
    pub(super) async fn exchange(&self, asked: Asked<'_>) -> Result<(Answered, Origin), ModelError> {
        self.memory.answer(asked.case, asked.repeat, self.ask(asked)).await
    }

    async fn ask(&self, asked: Asked<'_>) -> Result<(Answered, Origin), ModelError> {
        let (model, _) = self.tested(asked.case)?;
        let key = self.cache.as_ref().and_then(|_| Cache::key(model.identity(), asked.request, asked.repeat));
        self.through_cache(model, key.as_ref(), asked).await
    }

    /// The model that a case is about, and its price: the run's, or the one of its suite's own that the case names.
    fn tested(&self, case: &Case) -> Result<(&dyn Model, Option<Price>), ModelError> {
        let Some(key) = &case.model else { return Ok((self.model.as_ref(), self.price)) };
        let own = self.own.get(&(Arc::clone(&case.suite), Arc::clone(key)));
        let own = own.ok_or_else(|| ModelError::Missing(format!("the suite names no model {key}").into()))?;
        Ok((own.model.as_ref(), own.price))
    }

    /// The same of another model, under a key of its own.
    pub(super) async fn through_cache(
        &self,
        model: &dyn Model,
        key: Option<&Digest>,
        asked: Asked<'_>,
    ) -> Result<(Answered, Origin), ModelError> {
        if let Some(kept) = self.kept(key).await {
            let answered =
                Answered { answer: kept.answer, usage: kept.usage, latency_ms: None, ttft_ms: None, attempts: 0 };
            return Ok((answered, Origin::Cache));
        }
        let mut answered = model.answer(asked.request, self.frame(asked)).await?;
        // Before anything is kept: a bucket masks nothing.
        answered.answer.redact(&self.redactor);
        self.keep(key, &answered).await;
        Ok((answered, Origin::Model))
    }

    /// A model keeps the deadline and looks at the cancellation itself.
    fn frame<'a>(&self, asked: Asked<'a>) -> Attempt<'a> {
        let Asked { case, request: _, repeat, cancel } = asked;
        let own = Instant::now() + case.timeout;
        let deadline = self.deadline.map_or(own, |end| end.min(own));
        Attempt { suite: &case.suite, case: case.id.text(), repeat, deadline, cancel }
    }

    /// USD of one answer; none without a price, or where the tokens are not known.
    pub(super) fn cost(&self, case: &Case, answered: &Answered, origin: Origin) -> Option<f64> {
        let price = self.tested(case).ok().and_then(|(_, price)| price);
        match (origin, price, answered.usage) {
            // A cached answer costs nothing, and that is known.
            (Origin::Cache, Some(_), _) => Some(0.0),
            (Origin::Model, Some(price), Some(usage)) => Some(cost(price, usage)),
            (_, None, _) | (Origin::Model, Some(_), None) => None,
        }
    }

    /// The sample of an answer; none where the cancellation has cut its judge off.
    pub(super) async fn judged(&self, case: &Case, repeat: u32, frame: Graded<'_>) -> Option<Sample> {
        let cancel = frame.cancel;
        let others = Others { bench: self, case, repeat, cancel };
        let mut sample = grade(case, repeat, frame, others).await;
        sample.redact(&self.redactor);
        // A judge that was cut off by the cancellation has judged nothing: the sample is drawn again by the next run.
        let unjudged = sample.status == Status::Error || sample.assertions.iter().any(|row| row.score.is_none());
        let cut_off = cancel.is_cancelled() && unjudged;
        (!cut_off).then_some(sample)
    }

    async fn kept(&self, key: Option<&Digest>) -> Option<Kept> {
        let (cache, key) = (self.working_cache()?, key?);
        match cache.get(key).await {
            Ok(kept) => kept,
            Err(error) => {
                self.give_up_cache("the cache cannot be read", &error);
                None
            }
        }
    }

    async fn keep(&self, key: Option<&Digest>, answered: &Answered) {
        let (Some(cache), Some(key)) = (self.working_cache(), key) else { return };
        let kept = Kept { answer: answered.answer.clone(), usage: answered.usage };
        if let Err(error) = cache.put(key, &kept).await {
            self.give_up_cache("an answer cannot be kept in the cache", &error);
        }
    }

    fn working_cache(&self) -> Option<&Cache> {
        self.cache.as_ref().filter(|_| !self.cache_broken.load(Ordering::Relaxed))
    }

    /// A cache is a convenience: at its first failure the run goes on without it, and says so once.
    fn give_up_cache(&self, what: &str, error: &StoreError) {
        if !self.cache_broken.swap(true, Ordering::Relaxed) {
            tracing::warn!("{what}; the run goes on without it: {error}");
        }
    }
}

/// Gives each repeat a seed of its own: the case's seed, or the run's, plus the repeat's number.
pub(super) fn seed(request: &mut Request, run: u64, repeat: u32) {
    match request {
        Request::Generate(generate) => {
            generate.seed = Some(generate.seed.unwrap_or(run).wrapping_add(u64::from(repeat)));
        }
        Request::RankChoices(_) | Request::Rolling(_) | Request::Embed(_) => {}
    }
}

fn cost(price: Price, usage: Usage) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^53")]
    let tokens = |count: u64| count as f64 / 1e6;
    tokens(usage.prompt_tokens) * price.input_per_million + tokens(usage.completion_tokens) * price.output_per_million
}
