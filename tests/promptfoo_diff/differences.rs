//! What llmci does not do as promptfoo does, on purpose: the generator draws no config in which it would show. Everything that is
//! not named here has to agree. `docs/how-to/promptfoo-differences.md` says the same to users.

use serde_json::Value;

/// A difference that is meant.
pub struct Difference {
    /// What it is called.
    pub name: &'static str,
    /// Why it is meant.
    pub reason: &'static str,
    /// Whether an assertion may show it, seen with the text that it judges.
    pub shows: fn(&Value, &str) -> bool,
}

/// All of them.
pub const DIFFERENCES: &[Difference] = &[];

/// The difference that an assertion may show.
pub fn of(assertion: &Value, output: &str) -> Option<&'static Difference> {
    DIFFERENCES.iter().find(|difference| (difference.shows)(assertion, output))
}
