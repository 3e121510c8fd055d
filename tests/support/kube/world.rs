//! What the server knows at one moment: the objects, the users' rights, what the test has scripted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::store::Store;

/// How a call goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status and reason, without doing it; `Retry-After` where given.
    Status(u16, &'static str, Option<u64>),
    /// The connection is closed before anything is done.
    Close,
    /// It is done, and the connection is closed without an answer.
    CloseAfter,
    /// It is done, and answered after this time.
    Delay(Duration),
}

/// A fault that waits for its call.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// `PATCH`, or nothing for any.
    pub method: String,
    /// A part of the path.
    pub path: String,
    pub fault: Fault,
}

/// One call that came.
#[derive(Clone, Debug)]
pub struct Call {
    /// From 1.
    pub number: usize,
    pub method: String,
    /// With the query.
    pub path: String,
    pub body: String,
    pub at: std::time::Instant,
    /// The answer's status; 0 until it was answered.
    pub status: u16,
}

/// Run at a call.
pub type Hook = Arc<dyn Fn() + Send + Sync>;

/// What the server knows.
#[derive(Default)]
pub struct World {
    pub store: Store,
    pub token: String,
    pub user: String,
    /// Callers without a token are the user: client-go sends none without TLS.
    pub open: bool,
    /// The token is refused.
    pub expired: bool,
    /// Verb, resource (`deployments/scale`): taken away from the user. `*` is any.
    pub denied: BTreeSet<(String, String)>,
    pub faults: VecDeque<Waiting>,
    pub calls: Vec<Call>,
    /// Before the answer of this call is sent.
    pub before_answer: BTreeMap<usize, Hook>,
    /// After it was sent.
    pub after_answer: BTreeMap<usize, Hook>,
    /// Images whose pods the test made ready or unready.
    pub ready: BTreeMap<String, bool>,
    /// Controllers stand still.
    pub held: bool,
    /// Kinds whose CRD is not installed, by plural.
    pub absent: BTreeSet<String>,
    /// The desired count of autoscalers, by name.
    pub autoscale: BTreeMap<String, u64>,
    /// Predictors of each InferenceService, in the order of their coming.
    pub revisions: BTreeMap<String, Vec<serde_json::Value>>,
}

impl World {
    /// Whether the user may.
    pub fn allows(&self, verb: &str, resource: &str) -> bool {
        !self.denied.iter().any(|(denied, what)| (denied == "*" || denied == verb) && (what == "*" || what == resource))
    }
}
