//! What one dialogue has said and used so far, and the sample that it becomes.
//! Kept out: what is said next (`script`, `variants`, `hunt`).

use tokio_util::sync::CancellationToken;

use super::last_words;
use crate::eval::case::Case;
use crate::eval::dialogue::Turn;
use crate::eval::model::{Answered, ModelError};
use crate::eval::request::{Answer, Generate, Request, Usage};
use crate::eval::run::attempt::{Asked, Bench, Origin};
use crate::eval::run::grade::{Graded, failed};
use crate::eval::sample::Sample;
use crate::trust::Untrusted;

/// What all answers of a dialogue took together. A number that one of them lacks is lacking for all: half a sum would be
/// read as a whole one.
#[derive(Clone, Copy)]
struct Taken {
    usage: Option<Usage>,
    cost_usd: Option<f64>,
    latency_ms: Option<f64>,
    /// Of the first answer.
    ttft_ms: Option<f64>,
    attempts: u32,
    cached: bool,
}

/// One dialogue under way.
pub(super) struct Talk<'a> {
    pub(super) bench: &'a Bench,
    pub(super) case: &'a Case,
    pub(super) repeat: u32,
    pub(super) cancel: &'a CancellationToken,
    turns: Vec<Turn>,
    taken: Option<Taken>,
}

impl<'a> Talk<'a> {
    /// Nothing said yet.
    pub(super) fn new(bench: &'a Bench, case: &'a Case, repeat: u32, cancel: &'a CancellationToken) -> Self {
        Self { bench, case, repeat, cancel, turns: Vec::new(), taken: None }
    }

    /// Every turn so far, in the order of asking.
    pub(super) fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// Asks the model under test and notes the turn. Gives the answer, and its text for the next request: the text as it
    /// is kept, without secrets, so that a resumed or cached run says the same.
    pub(super) async fn ask(&mut self, generate: &Generate) -> Result<(Answer, String), ModelError> {
        let request = Request::Generate(generate.clone());
        let asked = Asked { case: self.case, request: &request, repeat: self.repeat, cancel: self.cancel };
        let (answered, origin) = self.bench.exchange(asked).await?;
        let reply = match &answered.answer {
            Answer::Completion(completion) => completion.text.clone(),
            Answer::LogLikelihoods(_) | Answer::Embedding(_) => {
                return Err(ModelError::Malformed("numbers instead of text".into()));
            }
        };
        self.take(&answered, origin);
        let text = reply.raw().to_owned();
        self.turns.push(Turn { prompt: Untrusted::new(last_words(&generate.prompt)), reply });
        Ok((answered.answer, text))
    }

    fn take(&mut self, answered: &Answered, origin: Origin) {
        let Answered { answer: _, usage, latency_ms, ttft_ms, attempts } = answered;
        let cached = origin == Origin::Cache;
        let one = Taken {
            usage: *usage,
            cost_usd: self.bench.cost(self.case, answered, origin),
            latency_ms: *latency_ms,
            ttft_ms: *ttft_ms,
            attempts: if cached { 0 } else { *attempts },
            cached,
        };
        self.taken = Some(match self.taken {
            None => one,
            Some(before) => Taken {
                usage: before.usage.zip(one.usage).map(|(a, b)| Usage {
                    prompt_tokens: a.prompt_tokens + b.prompt_tokens,
                    completion_tokens: a.completion_tokens + b.completion_tokens,
                }),
                cost_usd: before.cost_usd.zip(one.cost_usd).map(|(a, b)| a + b),
                latency_ms: before.latency_ms.zip(one.latency_ms).map(|(a, b)| a + b),
                ttft_ms: before.ttft_ms,
                attempts: before.attempts.saturating_add(one.attempts),
                cached: before.cached && one.cached,
            },
        });
    }

    /// Judges an answer by the case's assertions, which see `turns`; none where the run was cancelled meanwhile.
    pub(super) async fn judge(&self, answer: Answer, turns: Vec<Turn>) -> Option<Sample> {
        let taken = self.taken?;
        let Taken { usage, cost_usd, latency_ms, ttft_ms, attempts, cached } = taken;
        let answered = Answered { answer, usage, latency_ms, ttft_ms, attempts };
        let frame = Graded { answered, cost_usd, cached, judges: &self.bench.judges, cancel: self.cancel, turns };
        self.bench.judged(self.case, self.repeat, frame).await
    }

    /// Puts every turn, and what all of them took, on a sample that saw only a part.
    pub(super) fn seal(&self, mut sample: Sample) -> Sample {
        sample.turns.clone_from(&self.turns);
        if let Some(taken) = self.taken {
            let Taken { usage, cost_usd, latency_ms, ttft_ms, attempts, cached } = taken;
            sample.usage = usage;
            sample.cost_usd = cost_usd;
            sample.latency_ms = latency_ms;
            sample.ttft_ms = ttft_ms;
            sample.attempts = attempts;
            sample.cached = cached;
        }
        sample.redact(&self.bench.redactor);
        sample
    }

    /// The sample of a dialogue that broke: it says where. None for a cancellation.
    pub(super) fn failed(&self, error: &ModelError, place: &str) -> Option<Sample> {
        if *error == ModelError::Cancelled {
            return None;
        }
        let mut sample = self.seal(failed(self.case, self.repeat, error));
        // The request that failed was sent too, and no error is ever cached.
        sample.attempts = sample.attempts.saturating_add(u32::from(self.taken.is_some()));
        sample.cached = false;
        // A time without its last request is no time.
        (sample.latency_ms, sample.ttft_ms) = (None, None);
        if let Some(error) = &mut sample.error {
            error.message = Untrusted::new(format!("{place}: {}", error.message.raw()));
        }
        Some(sample)
    }
}
