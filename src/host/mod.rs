//! Where the process runs: GitHub, GitLab or a person's machine. What it says of the run, and how results are published.
//! Trouble with publishing is a warning; it never opens or shuts a gate.

mod annotate;
mod deployments;
mod event;
pub mod forge;
pub mod github;
pub mod gitlab;
mod print;
mod remote;
mod review;
pub mod settings;
pub mod sticky;
mod tokens;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::report::{
    Flavour, Gpu, HostInfo, RESUMABLE, Report, RolloutReport, Sink, outputs, rollout_markdown, rollout_outputs,
    rollout_terminal,
};
use crate::trust::{Secret, Untrusted};

pub use deployments::{Deployments, Going};
pub use gitlab::GITLAB_REPORTS;
pub use print::{print, print_error};
pub use remote::{Beginning, Conclusion, Published, Remote};
pub use review::Review;
pub use settings::PublishArgs;
pub use tokens::{GITHUB_TOKENS, GITLAB_TOKENS, token};

/// 128 random bits in hexadecimal digits.
pub fn nonce() -> Result<String, &'static str> {
    github::token()
}

/// The host and what it told the process.
pub struct Host {
    kind: Kind,
    info: HostInfo,
    /// Known late where devices are lent to the run.
    gpus: Mutex<Option<Vec<Gpu>>>,
    default_branch: Option<bool>,
    review: Option<Review>,
}

enum Kind {
    GitHub(github::Paths),
    GitLab(gitlab::Paths),
    Local,
}

/// What is published.
pub struct Publication<'a> {
    /// The report.
    pub report: &'a Report,
    /// Where `report.json` lies.
    pub path: &'a Path,
    /// The report as a small table.
    pub terminal: String,
}

/// Whether a command without a report goes on where it was, when it is started again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resumable {
    /// It was interrupted, and what was finished is kept.
    Yes,
    /// It has failed.
    No,
    /// The program has no such output.
    Unsaid,
}

impl Host {
    /// Finds out by the variables that the host sets.
    pub fn detect(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let is = |name: &str| variable(name).as_deref() == Some("true");
        let mut info = HostInfo {
            kind: "local".to_owned(),
            cpus: std::thread::available_parallelism().ok().map(|count| count.get() as u64),
            ..HostInfo::default()
        };
        let kind = if is("GITHUB_ACTIONS") {
            info.kind = "github".to_owned();
            Kind::GitHub(github::Paths::read(variable, &mut info))
        } else if is("GITLAB_CI") {
            info.kind = "gitlab".to_owned();
            Kind::GitLab(gitlab::Paths::read(variable, &mut info))
        } else {
            Kind::Local
        };
        let default_branch = match &kind {
            Kind::GitHub(paths) => paths.on_default_branch(),
            Kind::GitLab(_) => gitlab::on_default_branch(variable),
            Kind::Local => None,
        };
        let review = match &kind {
            Kind::GitHub(_) => review::github(variable),
            Kind::GitLab(_) => review::gitlab(variable),
            Kind::Local => None,
        };
        Self { kind, info, gpus: Mutex::default(), default_branch, review }
    }

    /// For the report. Its GPUs are those that were set last; until then they are not known.
    pub fn info(&self) -> HostInfo {
        let gpus = self.gpus.lock().unwrap_or_else(PoisonError::into_inner).clone();
        HostInfo { gpus, ..self.info.clone() }
    }

    /// Names these GPUs in every report from now on: the machine's, or those that were lent to the run; none where nobody knows them.
    pub fn set_gpus(&self, gpus: Option<Vec<Gpu>>) {
        *self.gpus.lock().unwrap_or_else(PoisonError::into_inner) = gpus;
    }

    /// Whether the run is one of the default branch and of no pull request; none where the host does not say.
    pub fn on_default_branch(&self) -> Option<bool> {
        self.default_branch
    }

    /// The pull or merge request that the run is about.
    pub fn review(&self) -> Option<&Review> {
        self.review.as_ref()
    }

    /// A file's path relative to the checkout, with everything resolved; none where it lies outside of it.
    pub fn inside(&self, path: &Untrusted) -> Option<String> {
        match &self.kind {
            Kind::GitHub(paths) => annotate::inside(paths.workspace(), path.raw()),
            Kind::GitLab(_) | Kind::Local => annotate::inside(Path::new("."), path.raw()),
        }
    }

    /// Whose Markdown a comment is written in.
    pub fn flavour(&self) -> Flavour {
        match self.kind {
            Kind::GitLab(_) => Flavour::GitLab,
            Kind::GitHub(_) | Kind::Local => Flavour::GitHub,
        }
    }

    /// Whether a person may be watching.
    pub fn is_local(&self) -> bool {
        matches!(self.kind, Kind::Local)
    }

    /// Tells the host's log about secrets, before anything is printed that could hold one.
    pub fn mask(&self, secrets: &[Secret]) {
        match &self.kind {
            Kind::GitHub(_) => github::mask(secrets),
            // GitLab masks only what its settings name; our redactor stands before every sink.
            Kind::GitLab(_) | Kind::Local => {}
        }
    }

    /// Prints what went wrong to stderr: it may quote a server's reply or a file's name.
    pub fn print_error(&self, text: &str) {
        match &self.kind {
            Kind::GitHub(_) => github::print_guarded(text, print_error),
            Kind::GitLab(_) | Kind::Local => print_error(text),
        }
    }

    /// Publishes a report on the job's own surfaces: log and outputs. What failed comes back as warnings.
    pub fn publish(&self, publication: &Publication<'_>, sink: &Sink) -> Vec<Untrusted> {
        let values = outputs(publication.report, &publication.path.display().to_string());
        match &self.kind {
            Kind::GitHub(paths) => {
                github::print_guarded(&publication.terminal, print);
                paths.publish(&values, "")
            }
            Kind::GitLab(paths) => {
                print(&publication.terminal);
                paths.publish(publication.report, &values, publication.path, sink)
            }
            Kind::Local => {
                print(&publication.terminal);
                Vec::new()
            }
        }
    }

    /// Leaves a value for the step after the job, where the host has such a step: `STATE_<name>` there.
    pub fn remember(&self, name: &str, value: &str) -> Option<Untrusted> {
        match &self.kind {
            Kind::GitHub(paths) => paths.save_state(name, value),
            Kind::GitLab(_) | Kind::Local => None,
        }
    }

    /// Publishes how a rollout went: log, outputs and the job's summary.
    pub fn publish_rollout(&self, rollout: &RolloutReport, path: &Path, sink: &Sink) -> Vec<Untrusted> {
        let values = rollout_outputs(rollout, &path.display().to_string());
        let text = rollout_terminal(rollout, sink);
        match &self.kind {
            Kind::GitHub(paths) => {
                github::print_guarded(&text, print);
                paths.publish(&values, &rollout_markdown(rollout, sink))
            }
            Kind::GitLab(paths) => {
                print(&text);
                path.parent().map(|folder| paths.publish_outputs(&values, folder)).unwrap_or_default()
            }
            Kind::Local => {
                print(&text);
                Vec::new()
            }
        }
    }

    /// Publishes outputs and a summary of a program that has no report; `folder` is where GitLab's job keeps its files.
    pub fn publish_values(&self, values: &[(&'static str, String)], markdown: &str, folder: &Path) -> Vec<Untrusted> {
        match &self.kind {
            Kind::GitHub(paths) => paths.publish(values, markdown),
            Kind::GitLab(paths) => paths.publish_outputs(values, folder),
            Kind::Local => Vec::new(),
        }
    }

    /// Writes the job's summary, where the host has one.
    pub fn summarise(&self, markdown: &str) -> Vec<Untrusted> {
        match &self.kind {
            Kind::GitHub(paths) => paths.publish(&[], markdown),
            Kind::GitLab(_) | Kind::Local => Vec::new(),
        }
    }

    /// Annotates by commands of the log, where the host reads them; the samples only where no check run shows them.
    pub fn annotate(&self, report: &Report, sink: &Sink, published: &Published) {
        let samples = if published.annotated { annotate::Samples::Elsewhere } else { annotate::Samples::Shown };
        match &self.kind {
            Kind::GitHub(paths) => annotate::github(report, sink, paths.workspace(), samples),
            Kind::GitLab(_) | Kind::Local => {}
        }
    }

    /// Publishes that a command came to no report: verdict `error`, nothing passed. The summary is Markdown.
    pub fn publish_failure(&self, folder: Option<&Path>, resumable: Resumable, summary: &str) -> Vec<Untrusted> {
        let mut values = vec![("verdict", "error".to_owned()), ("passed", "false".to_owned())];
        match resumable {
            Resumable::Yes => values.push((RESUMABLE, true.to_string())),
            Resumable::No => values.push((RESUMABLE, false.to_string())),
            Resumable::Unsaid => {}
        }
        match &self.kind {
            Kind::GitHub(paths) => paths.publish(&values, summary),
            // Without a known output folder there is no place that a later job would look at.
            Kind::GitLab(paths) => folder.map(|folder| paths.publish_outputs(&values, folder)).unwrap_or_default(),
            Kind::Local => Vec::new(),
        }
    }
}

fn warning(what: &str, path: &Path, error: &std::io::Error) -> Untrusted {
    Untrusted::new(format!("{what} could not be written to {}: {error}", path.display()))
}

fn optional_path(value: Option<String>) -> Option<PathBuf> {
    value.filter(|value| !value.is_empty()).map(PathBuf::from)
}
