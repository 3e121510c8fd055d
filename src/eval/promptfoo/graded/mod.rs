//! Assertions that need a model, another interpreter or a server. Kept out: all others (`assert`).

use serde_json::Value;

use super::assert::{Frame, Given, Graded, Thrown};
use super::test::Code;

/// Judges by a type that `assert` does not know itself.
pub(super) async fn judge_one(given: &Given<'_>) -> Result<Graded, Thrown> {
    Err(Thrown::new(format!("assertions of type `{}` cannot be judged here", given.assertion.kind)))
}

/// Runs a script of Python or Ruby that gives a value or transforms one: the function that it names, else `function`, is given
/// the output and the context.
pub(super) async fn value_of(
    _code: &Code,
    _function: &str,
    _output: &Value,
    _context: &Value,
    _frame: &Frame<'_>,
) -> Result<Value, Thrown> {
    Err(Thrown::new("scripts of other languages are not run here"))
}
