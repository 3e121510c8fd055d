//! JavaScript of other tools' suites, in an embedded engine with an end to time and memory, and without any I/O.
//! Kept out: what the scripts are about (`eval::promptfoo`).
//!
//! Every run has a fresh context: a script can leave nothing behind for the next one. There are no modules (`require` and
//! `import` fail with the module's name), no files, no network and no environment. `console` goes nowhere. `Math.random`
//! starts from a fixed seed, so that a judgement can be repeated; `Date` is today, since a script that asks for it means today.
//! Timers run in the order of their times, at once: nobody waits.

mod engine;
mod returned;
#[cfg(test)]
mod tests;
mod worker;

use std::sync::Arc;

use serde_json::Value;

use crate::trust::Untrusted;

pub use returned::Returned;

/// How long one script may run, its promises and the reading of its result included.
pub const TIME_LIMIT: std::time::Duration = std::time::Duration::from_millis(500);
/// Memory of one script, in bytes.
pub const MEMORY_LIMIT: usize = 32 * 1024 * 1024;
/// Stack of one script, in bytes.
pub const STACK_LIMIT: usize = 512 * 1024;

/// What a source text is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Form {
    /// A function's body over the names of the arguments, with `return`, as JavaScript's `new Function(names, source)`.
    Body,
    /// A file, as ES module or as CommonJS: its default export or the one of this name is a function, and is called.
    Function(Option<String>),
    /// A file whose export may also be a value, which is then the result.
    Export(Option<String>),
}

/// A script, not yet compiled: a source text that does not parse is an error of [`Script::run`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    source: Arc<str>,
    form: Form,
}

/// What went wrong in a script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It threw, or does not parse.
    Thrown,
    /// It took longer than [`TIME_LIMIT`].
    Time,
    /// It took more than [`MEMORY_LIMIT`].
    Memory,
    /// Its promise can never be settled.
    Pending,
    /// The file does not export what is called.
    Export,
    /// Its result is no data: it holds a cycle or a bigint.
    Result,
    /// The engine did not start.
    Engine,
}

/// Why a script has no result.
#[derive(Clone, PartialEq, Debug)]
pub struct ScriptError {
    /// What went wrong.
    pub fault: Fault,
    /// In words; may quote what the script was given.
    pub message: Untrusted,
    /// The line in the script, 1-based, where it is known.
    pub line: Option<u32>,
}

impl ScriptError {
    fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self { fault, message: Untrusted::new(message), line: None }
    }

    /// The message with its line.
    pub fn text(&self) -> Untrusted {
        match self.line {
            Some(line) => Untrusted::new(format!("line {line}: {}", self.message.raw())),
            None => self.message.clone(),
        }
    }
}

/// The error of a script that took too long.
fn late() -> ScriptError {
    ScriptError::new(Fault::Time, format!("the script ran for more than {} ms", TIME_LIMIT.as_millis()))
}

impl Script {
    /// A script of a form.
    pub fn new(source: impl Into<Arc<str>>, form: Form) -> Self {
        Self { source: source.into(), form }
    }

    /// Runs it with named arguments; a function of a file gets them in their order. Takes [`TIME_LIMIT`] at most, and blocks.
    pub fn run(&self, arguments: &[(&str, Value)]) -> Result<Returned, ScriptError> {
        let arguments = arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        worker::run(worker::Job { source: Arc::clone(&self.source), form: self.form.clone(), arguments })
    }
}
