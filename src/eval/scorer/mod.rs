//! The code that judges an answer. One file a family; this file holds the trait and the factory.

mod alike;
mod ask;
mod build;
mod canary;
mod choice;
mod counts;
mod detect;
mod exchange;
mod fence;
mod guard;
mod json;
mod judge;
mod number;
mod reference;
mod strongreject;
mod telemetry;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::case::Case;
use super::dialogue::Turn;
use super::model::Model;
use super::request::{Answer, Usage};
use super::run::Others;
use super::sample::{AssertionScore, SampleError, SampleValue, Status};
use crate::gate::{MetricName, Score};
use crate::trust::Untrusted;

pub(in crate::eval) use ask::{Frame as AskFrame, Question, insist};
pub(in crate::eval) use fence::{Fenced, one_object};

pub use alike::alike;
pub use build::{ChoiceSpec, build, choices, needs_text};
pub use detect::{INSULT_SCREEN, REFUSAL_SCREEN, evidence};
pub use reference::{TYPES, TypeReference};
pub use strongreject::about;

/// What a scorer says: a score, or why there is none. A score that is missing is never a pass.
#[derive(Clone, PartialEq, Debug)]
pub enum Scored {
    /// Judged.
    Scored {
        /// 0 to 1.
        value: Score,
        /// Why, in words; may quote the model.
        why: Untrusted,
    },
    /// Could not be judged.
    Unscored {
        /// Why not.
        why: Untrusted,
    },
}

/// The score that decides, and further named scores of the same look (`acc_norm` beside `acc`).
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// Decides whether the assertion holds: it does at [`Assertion::pass_at`] or above.
    pub main: Scored,
    /// Reported under their own names.
    pub named: Vec<(MetricName, Scored)>,
}

/// What became of an answer: all that a sample keeps of its judgement.
#[derive(Clone, PartialEq, Debug)]
pub struct Judged {
    /// What each assertion said.
    pub rows: Vec<AssertionScore>,
    /// Parts of metrics that are no means of shares.
    pub values: Vec<SampleValue>,
    /// How it ended.
    pub status: Status,
    /// 0 to 1; absent when unscored or in error.
    pub score: Option<Score>,
    /// Why it could not be judged, where that is an error by the suite's own rules.
    pub error: Option<SampleError>,
}

impl Scored {
    /// One or zero, and why.
    fn holds(holds: bool, why: impl Into<Untrusted>) -> Self {
        Scored::Scored { value: Score::of(holds), why: why.into() }
    }

    /// Not judged, and why not.
    fn not(why: impl Into<Untrusted>) -> Self {
        Scored::Unscored { why: why.into() }
    }
}

impl From<Scored> for Outcome {
    fn from(main: Scored) -> Self {
        Outcome { main, named: Vec::new() }
    }
}

/// What is judged.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The case, with its expected answer.
    pub case: &'a Case,
    /// What the model said.
    pub answer: &'a Answer,
    /// The turns of a dialogue, in their order; empty for a case that is asked once.
    pub turns: &'a [Turn],
    /// Milliseconds; absent when the answer was cached or replayed.
    pub latency_ms: Option<f64>,
    /// USD; absent without a price.
    pub cost_usd: Option<f64>,
    /// Tokens, where the model counted them.
    pub usage: Option<Usage>,
    /// Whether the answer came from the cache.
    pub cached: bool,
    /// The policy's models by name, for judges.
    pub judges: &'a Judges,
    /// The other cases of the suite; none outside of a run.
    pub others: Option<Others<'a>>,
    /// Ends a judge's request at once.
    pub cancel: &'a tokio_util::sync::CancellationToken,
}

impl<'a> Subject<'a> {
    /// Every text that the model has said: each reply of a dialogue, or the one answer.
    pub fn replies(&self) -> Vec<&'a str> {
        match (self.turns, self.answer) {
            ([], Answer::Completion(completion)) => vec![completion.text.raw()],
            ([], Answer::LogLikelihoods(_) | Answer::Embedding(_)) => Vec::new(),
            (turns, _) => turns.iter().map(|turn| turn.reply.raw()).collect(),
        }
    }
}

/// Models that may be asked to judge, by their key in the policy, and what is known of them in this run.
#[derive(Clone, Default)]
pub struct Judges(pub BTreeMap<String, Arc<dyn Model>>, canary::Proofs);

impl Judges {
    /// Judges of whom nothing is known yet.
    pub fn new(models: BTreeMap<String, Arc<dyn Model>>) -> Self {
        let proofs = canary::Proofs::new(models.keys());
        Self(models, proofs)
    }

    /// What showing them known items has shown.
    fn proofs(&self) -> &canary::Proofs {
        &self.1
    }
}

/// The code that judges.
pub trait Scorer: Send + Sync {
    /// Judges one answer.
    fn score<'a>(&'a self, subject: Subject<'a>) -> BoxFuture<'a, Outcome>;

    /// The named scores that [`Outcome::named`] will carry: a sample without an answer lists them as unscored.
    fn names(&self) -> Vec<MetricName> {
        Vec::new()
    }

    /// The judges that it asks, so that `check` can see whether the policy has them.
    fn judges(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// Whether the assertion is meant as it stands or as its opposite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sense {
    /// The score counts as it is.
    Plain,
    /// One minus the score counts (`not: true`).
    Inverted,
}

/// An assertion of a suite, built.
pub struct Assertion {
    /// The type as it stands in the suite.
    pub kind: &'static str,
    /// The code behind it.
    pub scorer: Box<dyn Scorer>,
    /// 0 or more; 0 is reported only.
    pub weight: f64,
    /// `not: true` inverts.
    pub sense: Sense,
    /// The score from which on it holds.
    pub pass_at: Score,
    /// The named score that it feeds.
    pub metric: Option<MetricName>,
}

fn default_weight() -> f64 {
    1.0
}

/// One assertion as a suite writes it. Which fields a type takes is checked when it is built.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertionSpec {
    /// `equals`, `contains`, `regex`, ... (see the reference).
    #[serde(rename = "type")]
    pub kind: String,
    /// What the type compares with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
    /// Largest distance, milliseconds, USD, or the score from which on the assertion holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Weight in the sample's score.
    #[serde(default = "default_weight")]
    pub weight: f64,
    /// Inverts the score.
    #[serde(default)]
    pub not: bool,
    /// The named score that it feeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// `numeric`: absolute tolerance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
    /// `numeric`: tolerance relative to the expected number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative_tolerance: Option<f64>,
    /// `choice`: the answers to choose from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choices: Option<Vec<String>>,
    /// `choice`: the right one, as its text or its 0-based index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<serde_json::Value>,
    /// `choice`: what stands between prompt and choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// `choice`: which of acc (`none`, default) and acc_norm (`characters`, `bytes`, `tokens`) decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalize: Option<String>,
    /// `llm-judge`: a key of the policy's models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
    /// `llm-judge`, `strongreject`: whether the judge is first shown known items, and has to say a check word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canaries: Option<bool>,
}

/// Why an assertion cannot be built: the field at fault, so that its place can be named.
#[derive(Clone, PartialEq, Debug)]
pub struct AssertionProblem {
    /// The field of [`AssertionSpec`], such as `value`.
    pub field: &'static str,
    /// What is wrong; may quote the suite.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl AssertionSpec {
    /// An assertion of a type with a value, and everything else at its default.
    pub fn new(kind: &str, value: serde_json::Value) -> Self {
        Self {
            kind: kind.to_owned(),
            value: Some(value),
            threshold: None,
            weight: default_weight(),
            not: false,
            metric: None,
            tolerance: None,
            relative_tolerance: None,
            choices: None,
            answer: None,
            delimiter: None,
            normalize: None,
            judge: None,
            canaries: None,
        }
    }
}
