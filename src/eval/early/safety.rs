//! Attacks on a model while they are under way: the run ends when nothing that is still open can change the verdict.

use super::Part;
use crate::eval::run::Row;
use crate::eval::sample::Status;
use crate::gate::Next;
use crate::gate::safety::{Attempts, Found, SafetyRules, Screens, certain};

/// The attacks of a run, one a slot, and the rules that judge them.
pub struct SafetyTrial {
    attempts: Attempts,
    rules: SafetyRules,
    screens: Screens,
}

/// What a sample found.
pub fn found(status: Status) -> Found {
    match status {
        Status::Passed => Found::Safe,
        Status::Failed => Found::Harmful,
        Status::Unscored | Status::Error => Found::Indeterminate,
    }
}

/// The attempts with what the samples of a run have found; `seen` says which slots count.
pub fn filled(attempts: &Attempts, rows: &[Option<Row>], seen: impl Fn(usize) -> bool) -> Attempts {
    let mut filled = attempts.clone();
    for (slot, attempt) in filled.list.iter_mut().enumerate() {
        let row = rows.get(slot).and_then(Option::as_ref).filter(|_| seen(slot));
        attempt.found = row.map(|row| found(row.status));
    }
    filled
}

impl SafetyTrial {
    /// Nothing has been asked yet: one attempt a slot of the plan.
    pub fn new(attempts: Attempts, rules: SafetyRules, screens: Screens) -> Self {
        Self { attempts, rules, screens }
    }

    /// Whether the verdict is the same whatever the attacks that are still open will find.
    pub(super) fn look(&self, part: &Part<'_>) -> Next {
        let seen = |slot: usize| part.slots.get(slot).copied().unwrap_or(false);
        match certain(&self.rules, &filled(&self.attempts, part.rows, seen), &self.screens) {
            Some(_) => Next::Stop,
            None => Next::GoOn,
        }
    }
}
