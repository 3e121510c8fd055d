//! From an answer to a sample: every assertion is asked, and the sample's status follows from what they say.

use super::shared::Others;
use crate::eval::case::{Case, Grading};
use crate::eval::dialogue::Turn;
use crate::eval::model::{Answered, ModelError};
use crate::eval::promptfoo;
use crate::eval::request::{Answer, Completion, Finish};
use crate::eval::sample::{AssertionScore, Sample, SampleError, Status};
use crate::eval::scorer::{Assertion, Judged, Judges, Scored, Sense, Subject};
use crate::eval::task;
use crate::gate::Score;
use crate::trust::Untrusted;
use tokio_util::sync::CancellationToken;

/// An answer with all that the scorers may look at.
pub(super) struct Graded<'a> {
    /// What the model said.
    pub answered: Answered,
    /// USD, where the policy names a price.
    pub cost_usd: Option<f64>,
    /// Whether it came from the cache.
    pub cached: bool,
    /// The models that may judge.
    pub judges: &'a Judges,
    /// Ends a judge's request.
    pub cancel: &'a CancellationToken,
    /// The turns of a dialogue; empty for a case that is asked once.
    pub turns: Vec<Turn>,
}

/// Judges an answer by the rules of its case.
pub(super) async fn grade(case: &Case, repeat: u32, graded: Graded<'_>, others: Others<'_>) -> Sample {
    let Graded { answered, cost_usd, cached, judges, cancel, turns } = graded;
    let latency_ms = if cached { None } else { answered.latency_ms };
    let usage = answered.usage;
    let subject = Subject {
        case,
        answer: &answered.answer,
        turns: &turns,
        latency_ms,
        cost_usd,
        usage,
        cached,
        judges,
        others: Some(others),
        cancel,
    };
    let Judged { rows, values, mut status, mut score, error } = match &case.grading {
        Grading::Own | Grading::Recorded(_) => by_assertions(case, subject).await,
        Grading::Promptfoo(test) => promptfoo::judge(test, subject).await,
        Grading::Task(doc) => task::judge(doc, subject),
    };
    // An attack that was answered by nothing because the answer was cut off has not been stood.
    if status == Status::Passed && case.attack.is_some() && is_cut_off(&answered.answer) {
        (status, score) = (Status::Unscored, None);
    }
    let blank = blank(case, repeat);
    Sample {
        status,
        score,
        assertions: rows,
        values,
        error,
        answer: Some(answered.answer),
        usage: answered.usage,
        latency_ms,
        ttft_ms: if cached { None } else { answered.ttft_ms },
        cost_usd,
        attempts: if cached { 0 } else { answered.attempts },
        cached,
        turns,
        ..blank
    }
}

/// Every assertion of ours is asked.
async fn by_assertions(case: &Case, subject: Subject<'_>) -> Judged {
    let mut rows = Vec::with_capacity(case.assertions.len());
    let mut verdict = Tally::default();
    for assertion in &case.assertions {
        let outcome = assertion.scorer.score(subject).await;
        let main = oriented(assertion, outcome.main);
        verdict.add(assertion, &main);
        rows.push(row(assertion, assertion.metric.clone(), assertion.weight, main));
        for (name, scored) in outcome.named {
            rows.push(row(assertion, Some(name), 0.0, scored));
        }
    }
    let (status, score) = verdict.conclude();
    Judged { rows, values: Vec::new(), status, score, error: None }
}

/// Whether there is no word because of something else than the end of the answer: the limit of tokens went into thoughts, or a
/// tool was called in a form that is not text.
fn is_cut_off(answer: &Answer) -> bool {
    match answer {
        Answer::Completion(Completion { text, finish, .. }) => {
            text.raw().trim().is_empty() && matches!(finish, Finish::Length | Finish::Other)
        }
        Answer::LogLikelihoods(_) | Answer::Embedding(_) => false,
    }
}

/// A failed request is a sample too.
pub(super) fn failed(case: &Case, repeat: u32, error: &ModelError) -> Sample {
    let (kind, message) = error.parts();
    let assertions = unjudged(case, "there is no answer");
    Sample { error: Some(SampleError { kind: kind.to_owned(), message }), assertions, ..blank(case, repeat) }
}

/// A case of which nothing can be said, and no request is to blame: an attack that never came about.
pub(super) fn unscored(case: &Case, repeat: u32, why: &str) -> Sample {
    Sample { status: Status::Unscored, assertions: unjudged(case, why), attempts: 0, ..blank(case, repeat) }
}

/// Every score of a case, and none of them given.
fn unjudged(case: &Case, why: &str) -> Vec<AssertionScore> {
    if let Grading::Task(doc) = &case.grading {
        return task::unjudged(doc, why);
    }
    let unanswered = || Scored::Unscored { why: Untrusted::new(why) };
    // The named scores are there, and empty: a metric over them must see that a sample is missing.
    let mut assertions = Vec::new();
    for assertion in &case.assertions {
        assertions.push(row(assertion, assertion.metric.clone(), assertion.weight, unanswered()));
        for name in assertion.scorer.names() {
            assertions.push(row(assertion, Some(name), 0.0, unanswered()));
        }
    }
    assertions
}

fn blank(case: &Case, repeat: u32) -> Sample {
    Sample {
        suite: case.suite.to_string(),
        case: case.id.clone(),
        repeat,
        level: case.level,
        tags: case.tags.clone(),
        cluster: case.cluster.clone(),
        prompt_digest: case.prompt_digest.clone(),
        expected_digest: case.expected_digest.clone(),
        status: Status::Error,
        score: None,
        assertions: Vec::new(),
        values: Vec::new(),
        answer: None,
        error: None,
        usage: None,
        latency_ms: None,
        ttft_ms: None,
        cost_usd: None,
        attempts: 1,
        cached: false,
        attack: case.attack.as_deref().cloned(),
        turns: Vec::new(),
        answer_digest: None,
    }
}

fn oriented(assertion: &Assertion, scored: Scored) -> Scored {
    match (assertion.sense, scored) {
        (Sense::Inverted, Scored::Scored { value, why }) => {
            // One minus a score is a score again.
            Scored::Scored { value: Score::new(1.0 - value.value()).unwrap_or(Score::ZERO), why }
        }
        (Sense::Inverted | Sense::Plain, scored) => scored,
    }
}

fn row(assertion: &Assertion, metric: Option<crate::gate::MetricName>, weight: f64, scored: Scored) -> AssertionScore {
    let (score, why) = match scored {
        Scored::Scored { value, why } => (Some(value), why),
        Scored::Unscored { why } => (None, why),
    };
    AssertionScore { assertion: assertion.kind.to_owned(), metric, weight, score, why }
}

/// What the weighted assertions say together. An assertion of weight 0 is reported only.
#[derive(Default)]
struct Tally {
    weight: f64,
    sum: f64,
    broken: bool,
    unscored: bool,
}

impl Tally {
    fn add(&mut self, assertion: &Assertion, scored: &Scored) {
        if assertion.weight <= 0.0 {
            return;
        }
        match scored {
            Scored::Scored { value, .. } => {
                self.weight += assertion.weight;
                self.sum += assertion.weight * value.value();
                self.broken |= *value < assertion.pass_at;
            }
            Scored::Unscored { .. } => self.unscored = true,
        }
    }

    fn conclude(self) -> (Status, Option<Score>) {
        // One that does not hold is enough, whatever the others would have said; but there is no score without them.
        if self.broken && self.unscored {
            return (Status::Failed, None);
        }
        // Nothing that counts was judged: that is no pass.
        if self.unscored || self.weight <= 0.0 {
            return (Status::Unscored, None);
        }
        let score = Score::new((self.sum / self.weight).clamp(0.0, 1.0)).ok();
        (if self.broken { Status::Failed } else { Status::Passed }, score)
    }
}
