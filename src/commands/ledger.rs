//! Verdicts that were given: who runs again until it is green gets the first answer, or pays with half the error.
//! A key is made of everything that a verdict depends on but chance: candidate, baseline, suite and rules.

use std::path::Path;

use super::CommandError;
use crate::gate::Reason;
use crate::report::Report;
use crate::store::{self, Store};
use crate::trust::{Digest, Hasher, Untrusted};

/// Attempts that are looked for: behind them the error is below 2^-64 of what it was.
const MOST: u32 = 64;

/// Who is judged: the model by its digest; with its commit where the digest does not hold the weights.
pub(crate) fn identity(model: &Digest, provider: &str, commit: Option<&Untrusted>) -> Digest {
    let mut hasher = Hasher::new();
    hasher.part(model.hex().as_bytes());
    if let (true, Some(commit)) = (matches!(provider, "openai" | "server"), commit) {
        hasher.part(commit.raw().as_bytes());
    }
    hasher.finish()
}

/// A verdict that was given before, said again. That it was is a part of the deciding reason: a surface that shows one
/// reason shows it too.
pub(crate) fn said_again(mut report: Report) -> Report {
    let text = format!(
        "; verdict of {}, kept: the same things are not judged twice under the same rules (--fresh judges again with half the error)",
        report.timing.finished_at
    );
    match report.reasons.first_mut() {
        Some(reason) => reason.text.push_str(&text),
        None => report.reasons.push(Reason { verdict: report.verdict, metric: None, text }),
    }
    report
}

/// What a verdict is about.
pub(crate) struct Key {
    /// The candidate: its model, not its samples.
    pub candidate: Digest,
    /// The baseline's samples, and the anchor's.
    pub baseline: Vec<Digest>,
    /// The candidate's suite.
    pub suite: Digest,
    /// The rules.
    pub rules: Digest,
}

/// The verdicts of one key.
pub(crate) struct Ledger {
    store: Box<dyn Store>,
    key: Key,
}

impl Ledger {
    /// Opens the store.
    pub(crate) async fn open(address: &str, relative_to: &Path, key: Key) -> Result<Self, CommandError> {
        let store = store::open(address, relative_to).await.map_err(|error| CommandError::environment(&error))?;
        Ok(Self { store, key })
    }

    fn attempt(&self, number: u32) -> Digest {
        let mut hasher = Hasher::new();
        hasher.part(b"llmci-verdict-1").part(self.key.candidate.hex().as_bytes());
        for digest in &self.key.baseline {
            hasher.part(b"baseline").part(digest.hex().as_bytes());
        }
        hasher.part(self.key.suite.hex().as_bytes()).part(self.key.rules.hex().as_bytes());
        hasher.part(&number.to_le_bytes());
        hasher.finish()
    }

    /// How many verdicts there are, and the last one.
    pub(crate) async fn last(&self) -> Result<(u32, Option<Report>), CommandError> {
        let mut last = None;
        for number in 0..MOST {
            let value =
                self.store.get(&self.attempt(number)).await.map_err(|error| CommandError::environment(&error))?;
            let Some(value) = value else { return Ok((number, last)) };
            let report = serde_json::from_slice(&value).map_err(|error| {
                let text = format!(
                    "a kept verdict cannot be read ({error}); it is of another version: give another --verdicts"
                );
                CommandError::Environment(text.into())
            })?;
            last = Some(report);
        }
        Ok((MOST, last))
    }

    /// Keeps a verdict as the next one.
    pub(crate) async fn add(&self, number: u32, report: &Report) -> Result<(), CommandError> {
        let value = serde_json::to_vec(report).map_err(|error| CommandError::Bug(error.to_string()))?;
        self.store.put(&self.attempt(number), value).await.map_err(|error| CommandError::environment(&error))
    }
}
