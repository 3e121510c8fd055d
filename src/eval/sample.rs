//! One graded attempt at a case: a row of the journal and of `samples.jsonl`.

use serde::{Deserialize, Serialize};

use super::case::{CaseId, Level};
use super::dialogue::Turn;
use super::redteam::Completions;
use super::request::{Answer, Usage};
use crate::gate::safety::Severity;
use crate::gate::{Aggregate, MetricName, Score};
use crate::trust::{Digest, Hasher, Redactor, Untrusted};

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Every weighted assertion holds.
    Passed,
    /// A weighted assertion does not hold.
    Failed,
    /// A weighted assertion could not be judged; never counted as passed.
    Unscored,
    /// The model gave no answer.
    Error,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SampleError {
    /// The kind of [`super::model::ModelError`], such as `timeout`.
    pub kind: String,
    /// What happened.
    pub message: Untrusted,
}

/// What one assertion said.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AssertionScore {
    /// The assertion's type, such as `icontains`.
    pub assertion: String,
    /// The named score that it feeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<MetricName>,
    /// Its weight; 0 is reported only.
    pub weight: f64,
    /// The score; absent when the assertion could not be judged.
    pub score: Option<Score>,
    /// Why, in words.
    pub why: Untrusted,
}

/// A sample's part of a metric that is no mean of shares: a perplexity, a BLEU score.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SampleValue {
    /// The metric.
    pub name: MetricName,
    /// How the parts of all samples become its value.
    pub aggregate: Aggregate,
    /// This sample's part, in the form that the aggregate asks for.
    pub parts: Vec<f64>,
}

/// What an attack is: enough to make it again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AttackInfo {
    /// The hazard's id.
    pub hazard: String,
    /// Of the probe.
    pub severity: Severity,
    /// The probe's id in its suite.
    pub probe: String,
    /// The strategies, joined by `+`; `plain` for none.
    pub strategy: String,
    /// The seed of everything random in it.
    pub seed: u64,
}

/// One attempt.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// The suite's name.
    pub suite: String,
    /// The case.
    pub case: CaseId,
    /// 0-based.
    pub repeat: u32,
    /// The case's level.
    pub level: Level,
    /// The case's tags.
    pub tags: Vec<String>,
    /// The case's cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Over the request without its seed: pairs the case with the same case of another run.
    pub prompt_digest: Digest,
    /// Over the gold answer and the assertions.
    pub expected_digest: Digest,
    /// How it ended.
    pub status: Status,
    /// The weighted mean of the assertions; absent when unscored or in error.
    pub score: Option<Score>,
    /// What each assertion said.
    pub assertions: Vec<AssertionScore>,
    /// Its parts of metrics that are no means of shares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<SampleValue>,
    /// The answer; absent in error.
    pub answer: Option<Answer>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<SampleError>,
    /// Tokens, where the model counted them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Milliseconds from sending to the last byte of the successful attempt; absent when cached or replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// Milliseconds to the first token, when the answer was streamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<f64>,
    /// USD, where the policy names a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Requests sent, retries included; 0 when cached.
    pub attempts: u32,
    /// Whether the answer came from the cache.
    pub cached: bool,
    /// What it attacked, and how; absent for a case that is no attack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack: Option<AttackInfo>,
    /// The turns of a dialogue; empty for a case that is asked once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
    /// Over everything that the model said, for an attack: reports name its answer by this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_digest: Option<Digest>,
}

impl Sample {
    /// Names everything that was said to an attack by its digest, and keeps its texts only where that is wanted. It is the last
    /// that is done to a sample before it is kept.
    pub fn seal(&mut self, completions: Completions) {
        if self.attack.is_none() {
            return;
        }
        let completion = match &mut self.answer {
            Some(Answer::Completion(completion)) => Some(completion),
            Some(Answer::LogLikelihoods(_) | Answer::Embedding(_)) | None => None,
        };
        if completion.is_some() || !self.turns.is_empty() {
            let mut hasher = Hasher::new();
            for turn in &self.turns {
                hasher.part(turn.reply.raw().as_bytes());
            }
            hasher.part(completion.as_ref().map(|completion| completion.text.raw().as_bytes()).unwrap_or_default());
            self.answer_digest = Some(hasher.finish());
        }
        match completions {
            Completions::Keep => {}
            Completions::Digest => {
                if let (Some(completion), Some(digest)) = (completion, &self.answer_digest) {
                    completion.text = Untrusted::new(format!("sha256:{}", digest.hex()));
                    completion.token_log_probs = None;
                }
                self.turns.clear();
                // What a detector, a judge or a server says may quote the model.
                self.assertions.iter_mut().for_each(|row| row.why = Untrusted::default());
                if let Some(error) = &mut self.error {
                    error.message = Untrusted::default();
                }
            }
        }
    }

    /// Masks secrets in every text that a model, a judge or a server has written: the sample goes to files that are kept.
    pub fn redact(&mut self, redactor: &Redactor) {
        if let Some(answer) = &mut self.answer {
            answer.redact(redactor);
        }
        if let Some(error) = &mut self.error {
            redactor.redact_in_place(&mut error.message);
        }
        for turn in &mut self.turns {
            turn.redact(redactor);
        }
        for row in &mut self.assertions {
            redactor.redact_in_place(&mut row.why);
        }
    }
}
