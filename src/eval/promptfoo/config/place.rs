//! Where a part of a config stands: in a file of YAML or JSON, or in a line of a table. Kept out: what it means.

use std::sync::Arc;

use crate::document::{Document, Problem, Problems, Spot, nearest};
use crate::eval::case::Place;

/// Where a value stands; parts of it are found by JSON pointer.
#[derive(Clone, Debug)]
pub(super) enum At {
    /// In a document, at a pointer.
    Document(Arc<Document>, String),
    /// In a line of a file.
    Line(Arc<str>, u32),
}

impl At {
    /// The root of a document.
    pub(super) fn root(document: &Arc<Document>) -> Self {
        At::Document(Arc::clone(document), String::new())
    }

    /// A part: `/key` or `/0`.
    pub(super) fn part(&self, pointer: &str) -> Self {
        match self {
            At::Document(document, before) => At::Document(Arc::clone(document), format!("{before}{pointer}")),
            At::Line(path, line) => At::Line(Arc::clone(path), *line),
        }
    }

    /// The file, as it is called.
    pub(super) fn path(&self) -> &str {
        match self {
            At::Document(document, _) => document.path(),
            At::Line(path, _) => path,
        }
    }

    /// The line and column.
    pub(super) fn spot(&self) -> Spot {
        match self {
            At::Document(document, pointer) => document.spot(pointer),
            At::Line(_, line) => Spot { line: *line, column: 1 },
        }
    }

    /// Both.
    pub(super) fn place(&self) -> Place {
        let Spot { line, column } = self.spot();
        Place { path: self.path().into(), line, column }
    }

    /// What is wrong here.
    pub(super) fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::new(self.path(), self.spot(), message)
    }

    /// What is wrong with the key of this value.
    pub(super) fn key_problem(&self, message: impl Into<String>) -> Problem {
        match self {
            At::Document(document, pointer) => document.key_problem(pointer, message),
            At::Line(..) => self.problem(message),
        }
    }

    /// A key that is not known: a problem where it was meant to be another, else a note, since promptfoo takes no notice of it.
    pub(super) fn unknown_key(&self, key: &str, known: &[&str], problems: &mut Problems) {
        let problem = self.key_problem(format!("unknown key `{key}`"));
        match nearest(key, known.iter().copied()) {
            Some(near) => problems.push(problem.help(format!("did you mean `{near}`?"))),
            // The guide of many: a limit of time is no option of a test.
            None if key == "timeout" => {
                problems.push(problem.help("write `evaluateOptions: {timeoutMs: 30000}` at the top of the config"));
            }
            None => {
                let help = format!("it says nothing to promptfoo, and nothing here; known are: {}", known.join(", "));
                problems.note(problem.help(help));
            }
        }
    }
}
