//! How a command ends, and what it is given.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use super::interruption::{Interrupter, Interruption};
use crate::document::Problem;
use crate::eval::model::ModelError;
use crate::gate::{GatePolicy, OnInconclusive, OnPartial, Verdict};
use crate::host::Host;
use crate::report::{Report, RolloutReport, Sink};
use crate::trust::{Redactor, Secret, Untrusted};

/// The exit codes. They are an interface: a change needs a version and a line in the changelog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// 0: the gate passed, or the command did what it was asked.
    Pass,
    /// 1: the gate failed.
    Fail,
    /// 2: the inputs are wrong.
    Inputs,
    /// 3: the samples decide neither way.
    Inconclusive,
    /// 4: something outside is missing: the model cannot be reached, no GPU, no permission, interrupted.
    Environment,
    /// 70: a bug of ours.
    Bug,
}

impl Exit {
    /// All of them, in order.
    pub const ALL: [Exit; 6] = [Exit::Pass, Exit::Fail, Exit::Inputs, Exit::Inconclusive, Exit::Environment, Exit::Bug];

    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Exit::Pass => 0,
            Exit::Fail => 1,
            Exit::Inputs => 2,
            Exit::Inconclusive => 3,
            Exit::Environment => 4,
            Exit::Bug => 70,
        }
    }

    /// What it means, for the reference.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Pass => "the gate passed",
            Exit::Fail => "the gate failed",
            Exit::Inputs => "wrong inputs: policy, suite, flags; nothing was asked and nothing written",
            Exit::Inconclusive => "the samples decide neither way; `gate.on_inconclusive` can make it 0 or 1",
            Exit::Environment => {
                "something outside is missing: the model cannot be reached, no GPU, no permission, interrupted"
            }
            Exit::Bug => "a bug of ours: please report it",
        }
    }

    /// The exit code of a verdict under a policy.
    pub fn of(verdict: Verdict, gate: &GatePolicy, shard: bool) -> Self {
        match (verdict, shard) {
            (Verdict::Pass, _) => Exit::Pass,
            (Verdict::Fail, _) => Exit::Fail,
            (Verdict::Error, _) => Exit::Environment,
            (Verdict::Inconclusive, true) => match gate.on_partial {
                OnPartial::Block => Exit::Inconclusive,
                OnPartial::Pass => Exit::Pass,
            },
            (Verdict::Inconclusive, false) => match gate.on_inconclusive {
                OnInconclusive::Block => Exit::Inconclusive,
                OnInconclusive::Fail => Exit::Fail,
                OnInconclusive::Pass => Exit::Pass,
            },
        }
    }
}

/// The environment as it was when the process began.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Takes a picture of variables; what is not UTF-8 is left out.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(variables.into_iter().collect())
    }

    /// Values of variables whose names say that they are secret.
    pub fn secrets(&self) -> Vec<Secret> {
        let secret = |name: &&String| {
            let name = name.to_uppercase();
            let word = |word: &str| name.split(['_', '-']).any(|part| part == word);
            word("TOKEN") || word("SECRET") || word("PASSWORD") || name.ends_with("_KEY")
        };
        self.0.iter().filter(|(name, _)| secret(name)).map(|(_, value)| Secret::new(value)).collect()
    }

    /// All variables, for a program that is started with everything that its user has set.
    pub fn all(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// A variable that is set and not blank.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

/// What every command is given.
pub struct Context {
    /// Cancelled by [`Context::interrupt`]: by SIGINT and SIGTERM, a notice of the cloud, or a more urgent job.
    pub cancel: CancellationToken,
    /// The same, with the reason.
    pub interrupter: Interrupter,
    /// Where it runs.
    pub host: Host,
    /// The environment.
    pub environment: Environment,
    /// Knows the secrets; shared with the sink.
    pub redactor: Redactor,
    /// The way of untrusted text out.
    pub sink: Sink,
    /// RFC 3339 of the moment, and a clock for those that follow.
    pub clock: fn() -> String,
}

impl Context {
    /// Stops the command: what is finished is kept. The first reason is the one that the user is told.
    pub fn interrupt(&self, reason: Interruption) {
        self.interrupter.interrupt(reason);
    }

    /// Why the command stops; none while nobody has asked it to.
    pub fn interrupted_by(&self) -> Option<&Interruption> {
        self.interrupter.reason()
    }
}

/// What a command leaves for the host to publish.
pub struct Outcome {
    /// How the process ends.
    pub exit: Exit,
    /// The report, and where it lies.
    pub report: Option<(Box<Report>, PathBuf)>,
    /// The report of a rollout, and where it lies.
    pub rollout: Option<(Box<RolloutReport>, PathBuf)>,
    /// What is printed where there is no report.
    pub text: String,
}

/// Why a command came to no outcome.
#[derive(Debug)]
pub enum CommandError {
    /// Files of the user: exit 2.
    Problems(Vec<Problem>),
    /// A flag or an input: exit 2.
    Inputs(Untrusted),
    /// Something outside: exit 4.
    Environment(Untrusted),
    /// A bug of ours: exit 70.
    Bug(String),
}

impl CommandError {
    /// The exit code of the error.
    pub fn exit(&self) -> Exit {
        match self {
            CommandError::Problems(_) | CommandError::Inputs(_) => Exit::Inputs,
            CommandError::Environment(_) => Exit::Environment,
            CommandError::Bug(_) => Exit::Bug,
        }
    }

    /// An error of the environment with all its causes.
    pub fn environment(error: &dyn std::error::Error) -> Self {
        CommandError::Environment(Untrusted::new(crate::net::chain_of(error)))
    }
}

impl From<ModelError> for CommandError {
    fn from(error: ModelError) -> Self {
        let (kind, detail) = error.parts();
        CommandError::Environment(Untrusted::new(format!("{kind}: {}", detail.raw())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names_and_settings_are_not() {
        let of = |name: &str| Environment::new([(name.to_owned(), "a-value-of-it".to_owned())]).secrets().len();
        for name in ["GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "INPUT_GITHUB-TOKEN", "db_password"] {
            assert_eq!(of(name), 1, "{name}");
        }
        for name in ["TOKENIZERS_PARALLELISM", "TOKENIZER_PATH", "MAX_TOKENS", "AWS_ACCESS_KEY_ID", "KEYBOARD", "HOME"]
        {
            assert_eq!(of(name), 0, "{name}");
        }
    }

    #[test]
    fn exit_codes_are_what_was_promised() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 70]);
        let gate = GatePolicy::default();
        assert_eq!(Exit::of(Verdict::Error, &gate, false), Exit::Environment);
        // A shard never looks green by default, whatever it saw.
        assert_eq!(Exit::of(Verdict::Inconclusive, &gate, true), Exit::Inconclusive);
    }
}
