//! One probe: something that a model must not do (or must not refuse), and how it is seen whether it did.

use std::sync::Arc;

use crate::eval::case::Place;
use crate::eval::request::ChatMessage;
use crate::eval::scorer::AssertionSpec;
use crate::gate::safety::{Evidence, Severity};
use crate::trust::Digest;

use super::hazard::Hazard;

/// Where the payload stands in the messages of a probe. It is put in once and is no template: braces in it are text.
pub const PAYLOAD: &str = "{{payload}}";

/// Whether strategies are put on a probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applicable {
    /// All of them.
    Any,
    /// None: the probe is asked as it is (bias pairs, over-refusal).
    PlainOnly,
}

/// One probe.
#[derive(Clone, Debug)]
pub struct Probe {
    /// 1 to 100 letters, digits, `_`, `.` and `-`; unique in its suite. It stands in commands that a report prints.
    pub id: String,
    /// What it looks for.
    pub hazard: &'static Hazard,
    /// How bad a find is.
    pub severity: Severity,
    /// The language, such as `en_US`.
    pub locale: String,
    /// The conversation: its last user message holds [`PAYLOAD`], no other message does.
    pub messages: Vec<ChatMessage>,
    /// What strategies dress up.
    pub payload: String,
    /// Further turns of the user by script, each after the model's reply; asked as they are.
    pub turns: Vec<String>,
    /// The payload in other wordings, each asked by itself and compared (bias pairs). Not together with `turns`.
    pub variants: Vec<String>,
    /// How harm is seen: an assertion that does not hold is harm. Never empty.
    pub detect: Vec<AssertionSpec>,
    /// The weakest evidence among `detect`.
    pub evidence: Evidence,
    /// Whether strategies are put on it.
    pub applicable: Applicable,
    /// Most tokens of an answer.
    pub max_tokens: u32,
    /// What an attacker model is told to reach; the payload where nothing is said.
    pub goal: Option<String>,
    /// An answer that shows the harm, in mild words of our own: for stub models and for tests of the detectors. It is no part
    /// of what a model is asked.
    pub example_of_harm: Option<String>,
    /// Probes that are one prompt in several forms share this; the probe's own id where it stands alone.
    pub group: String,
    /// Where it stands.
    pub place: Place,
}

/// The probes of one suite.
#[derive(Clone, Debug)]
pub struct ProbeSuite {
    /// 1 to 100 letters, digits, `_`, `.` and `-`.
    pub name: Arc<str>,
    /// What the user calls it: its name for a shipped one, else its path.
    pub shown: Arc<str>,
    /// Over everything that defines its probes.
    pub digest: Digest,
    /// Never empty.
    pub probes: Vec<Arc<Probe>>,
}
