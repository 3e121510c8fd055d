//! What is wrong with a user's file, where, and what to do.

use super::Spot;
use crate::trust::Untrusted;

/// One thing that is wrong. Its texts may quote the file, so they are untrusted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file as the user named it.
    pub path: Untrusted,
    /// Where in it.
    pub spot: Spot,
    /// What is wrong.
    pub message: Untrusted,
    /// What to do.
    pub help: Option<Untrusted>,
}

impl Problem {
    /// A problem without advice.
    pub fn new(path: &str, spot: Spot, message: impl Into<String>) -> Self {
        Self { path: path.into(), spot, message: Untrusted::new(message), help: None }
    }

    /// A problem of a file as a whole: it is not there, or it cannot be read.
    pub fn of_file(path: &str, message: impl Into<String>) -> Self {
        Self::new(path, Spot { line: 1, column: 1 }, message)
    }

    /// Adds advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(Untrusted::new(help));
        self
    }

    /// `path:line:column: message`, then the help on a line of its own, through the escape of the sink.
    pub fn render(&self, escape: &dyn Fn(&Untrusted) -> String) -> String {
        let Spot { line, column } = self.spot;
        let mut text = format!("{}:{line}:{column}: {}", escape(&self.path), escape(&self.message));
        if let Some(help) = &self.help {
            text.push_str("\n  help: ");
            text.push_str(&escape(help));
        }
        text
    }
}

/// Problems, and notes on what is none.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Problems(Vec<Problem>, Vec<Problem>);

impl Problems {
    /// No problem yet.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a problem.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds what is no problem, and surely not what the author wanted.
    pub fn note(&mut self, note: Problem) {
        self.1.push(note);
    }

    /// The notes so far, which are then gone from here.
    pub fn take_notes(&mut self) -> Vec<Problem> {
        std::mem::take(&mut self.1)
    }

    /// Adds the problems and notes of another look.
    pub fn extend(&mut self, others: Problems) {
        self.0.extend(others.0);
        self.1.extend(others.1);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The problems by file and place.
    pub fn sorted(mut self) -> Vec<Problem> {
        self.0.sort_by(|a, b| (&a.path, a.spot).cmp(&(&b.path, b.spot)));
        self.0
    }

    /// The value when there is no problem, else the problems.
    pub fn or<T>(self, value: T) -> Result<T, Problems> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem], Vec::new())
    }
}
