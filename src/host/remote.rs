//! What is told to a host's API: that the work has begun, and how it ended. One enum over the hosts; a terminal has none.

use tokio_util::sync::CancellationToken;

use super::github::{self, Clock, Publisher, Run};
use super::gitlab;
use super::{Host, Kind, PublishArgs};
use crate::report::{Report, Sink};
use crate::trust::Untrusted;

/// How a run ends, for surfaces that have one word for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conclusion {
    /// The gate is open.
    Success,
    /// The gate is shut.
    Failure,
    /// The samples decide neither way, and the policy lets that pass.
    Neutral,
    /// The run was stopped.
    Cancelled,
}

impl Conclusion {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Conclusion::Success => "success",
            Conclusion::Failure => "failure",
            Conclusion::Neutral => "neutral",
            Conclusion::Cancelled => "cancelled",
        }
    }
}

/// Who begins.
pub struct Beginning<'a> {
    /// Such as `eval-gate`.
    pub program: &'static str,
    /// What the user wants to be shown.
    pub args: &'a PublishArgs,
    /// The process's variables.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Set when the process is asked to stop.
    pub interrupted: CancellationToken,
    /// RFC 3339 of the moment.
    pub clock: fn() -> String,
}

/// A host's API that was told of the beginning; or none, where there is no token or no pull request.
pub enum Remote {
    /// GitHub.
    GitHub(Box<Publisher>),
    /// GitLab, which is asked only at the end.
    GitLab(Box<gitlab::Publisher>),
    /// A terminal, a push, a host without a token.
    Nothing,
}

/// What became of publishing.
#[derive(Default)]
pub struct Published {
    /// Trouble, in words; it opens and shuts no gate.
    pub warnings: Vec<Untrusted>,
    /// Whether the samples are annotated at their lines already.
    pub annotated: bool,
}

impl Host {
    /// Tells the host's API that the work begins.
    pub async fn open(&self, beginning: &Beginning<'_>) -> (Remote, Vec<Untrusted>) {
        match &self.kind {
            Kind::GitHub(paths) => {
                let Some(run) = Run::of(paths, &self.info, beginning) else { return (Remote::Nothing, Vec::new()) };
                match Publisher::new(run, Clock::real(), beginning.interrupted.clone()) {
                    Ok(mut publisher) => {
                        let state = publisher.state();
                        let kept = state.iter().filter_map(|(name, value)| paths.save_state(name, value));
                        let mut warnings: Vec<Untrusted> = kept.collect();
                        warnings.extend(publisher.open().await);
                        let late = publisher.late_state();
                        warnings.extend(late.and_then(|(name, value)| paths.save_state(name, &value)));
                        (Remote::GitHub(Box::new(publisher)), warnings)
                    }
                    Err(trouble) => {
                        let text = format!("nothing is published on the pull request: {}", trouble.words());
                        (Remote::Nothing, vec![Untrusted::new(text)])
                    }
                }
            }
            Kind::GitLab(_) => (Remote::GitLab(Box::new(gitlab::Publisher::of(beginning))), Vec::new()),
            Kind::Local => (Remote::Nothing, Vec::new()),
        }
    }
}

impl Remote {
    /// Shows a report.
    pub async fn publish(&mut self, report: &Report, conclusion: Conclusion, sink: &Sink, host: &Host) -> Published {
        match (self, &host.kind) {
            (Remote::GitHub(publisher), Kind::GitHub(paths)) => {
                let mut published = publisher.publish(report, conclusion, sink, paths.workspace()).await;
                published.warnings.extend(paths.settle(publisher));
                published
            }
            (Remote::GitLab(publisher), _) => {
                Published { warnings: publisher.publish(report, conclusion, sink).await, annotated: false }
            }
            (Remote::GitHub(_) | Remote::Nothing, _) => Published::default(),
        }
    }

    /// Shows that there is no report, and why.
    pub async fn fail(&mut self, why: &str, conclusion: Conclusion, sink: &Sink, host: &Host) -> Vec<Untrusted> {
        match (self, &host.kind) {
            (Remote::GitHub(publisher), Kind::GitHub(paths)) => {
                let mut warnings = publisher.fail(github::failure(publisher.program(), why, sink), conclusion).await;
                warnings.extend(paths.settle(publisher));
                warnings
            }
            (Remote::GitLab(publisher), _) => publisher.fail(why, conclusion, sink).await,
            (Remote::GitHub(_) | Remote::Nothing, _) => Vec::new(),
        }
    }

    /// Shows that the work is done and has no report, such as keeping a first baseline.
    pub async fn done(&mut self, what: &str, conclusion: Conclusion, sink: &Sink, host: &Host) -> Vec<Untrusted> {
        match (self, &host.kind) {
            (Remote::GitHub(publisher), Kind::GitHub(paths)) => {
                let mut warnings = publisher.done(github::done(publisher.program(), what, sink), conclusion).await;
                warnings.extend(paths.settle(publisher));
                warnings
            }
            (Remote::GitLab(publisher), _) => publisher.done(what, conclusion, sink).await,
            (Remote::GitHub(_) | Remote::Nothing, _) => Vec::new(),
        }
    }
}
