//! One row of a suite, ready to be asked: every template rendered, every assertion built.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dialogue::Dialogue;
use super::promptfoo;
use super::request::Request;
use super::sample::{AttackInfo, Sample};
use super::scorer::Assertion;
use super::task;
use crate::trust::{Digest, Untrusted};

/// The level of a test, from the fastest to the roughest.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    Debug,
    Serialize,
    Deserialize,
    JsonSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Fast and basic.
    Smoke,
    /// One component.
    Unit,
    /// Several components.
    Integration,
    /// The quality of the model.
    #[default]
    Evaluation,
    /// Safety and alignment.
    Safety,
    /// Under load.
    Load,
    /// Under failure.
    Chaos,
}

impl Level {
    /// All words, in order.
    pub const WORDS: [&'static str; 7] = ["smoke", "unit", "integration", "evaluation", "safety", "load", "chaos"];

    /// The level that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        let all = [
            Level::Smoke,
            Level::Unit,
            Level::Integration,
            Level::Evaluation,
            Level::Safety,
            Level::Load,
            Level::Chaos,
        ];
        all.into_iter().find(|level| level.word() == word)
    }

    /// The word of suites and inputs.
    pub fn word(self) -> &'static str {
        match self {
            Level::Smoke => "smoke",
            Level::Unit => "unit",
            Level::Integration => "integration",
            Level::Evaluation => "evaluation",
            Level::Safety => "safety",
            Level::Load => "load",
            Level::Chaos => "chaos",
        }
    }
}

/// A case's id: 1 to 200 characters without control characters, unique in its suite.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CaseId(Untrusted);

impl CaseId {
    /// Checks length and characters.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let length = text.chars().count();
        if length == 0 || length > 200 {
            return Err("a case id has 1 to 200 characters");
        }
        if text.chars().any(char::is_control) {
            return Err("a case id has no control characters");
        }
        Ok(Self(Untrusted::new(text)))
    }

    /// The id as untrusted text.
    pub fn text(&self) -> &Untrusted {
        &self.0
    }
}

/// Where something stands in a user's file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The file as the user named it.
    pub path: Arc<str>,
    /// 1-based.
    pub line: u32,
    /// 1-based.
    pub column: u32,
}

/// By whose rules an answer is judged.
#[derive(Default)]
pub enum Grading {
    /// By ours: the case's own `assertions`.
    #[default]
    Own,
    /// As promptfoo judges a test.
    Promptfoo(Box<promptfoo::Test>),
    /// By the filters and metrics of an lm-eval task.
    Task(Box<task::Doc>),
    /// It was asked and judged by another tool: nothing is asked. One sample a repeat.
    Recorded(Vec<Sample>),
}

/// One case of a suite.
pub struct Case {
    /// Unique in the suite.
    pub id: CaseId,
    /// The suite's name.
    pub suite: Arc<str>,
    /// Its level.
    pub level: Level,
    /// Its tags, the suite's own among them.
    pub tags: Vec<String>,
    /// The group that it belongs to; a case without one is a group of its own.
    pub cluster: Option<String>,
    /// What the model is asked. The seed is the case's own or absent: the run fills it in for each repeat.
    pub request: Request,
    /// Whether it is asked once, or in several turns.
    pub dialogue: Dialogue,
    /// Where the case is an attack: of which hazard, by which strategy. Such a case fails when its answer is harmful.
    pub attack: Option<Arc<AttackInfo>>,
    /// The gold answer.
    pub expected: Option<serde_json::Value>,
    /// How the answer is judged. Never empty where [`Grading::Own`] judges.
    pub assertions: Vec<Assertion>,
    /// By whose rules.
    pub grading: Grading,
    /// The model of the suite's own that is asked, by its key in [`super::suite::Suite::models`]; none for the run's model.
    pub model: Option<Arc<str>>,
    /// How many samples are drawn, at least 1.
    pub repeats: u32,
    /// How long one request may take in all, retries included.
    pub timeout: Duration,
    /// Where the case stands.
    pub place: Place,
    /// Over the request without its seed.
    pub prompt_digest: Digest,
    /// Over `expected` and the assertions.
    pub expected_digest: Digest,
}
