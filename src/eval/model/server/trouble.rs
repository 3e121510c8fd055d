//! Why a server is not there, in words that say what to do. Kept out: finding it out (`start`), who shows it.

use std::path::Path;

use super::child::End;
use super::log::{Memory, Tail};
use crate::eval::model::{Preset, ServerSpec};
use crate::trust::{Redactor, Untrusted};

/// What a run cannot go on with.
#[derive(Clone, Debug)]
pub enum ServerTrouble {
    /// Of the machine, or of the server: exit 4.
    Environment(Untrusted),
    /// The server cannot do what the suite asks for: exit 2.
    Inputs(Untrusted),
}

/// Why a server did not come up.
#[derive(Debug)]
pub(super) enum StartError {
    /// It ended, or could not even be started.
    Ended(End),
    /// It was not ready in time.
    Late(f64),
    /// The run's own deadline came first.
    RunLate,
    /// Each time somebody else took its port.
    Taken,
    /// The system.
    System(&'static str, std::io::Error),
    /// The run was cancelled.
    Cancelled,
}

/// A server, and where it writes.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) name: &'a str,
    pub(super) spec: &'a ServerSpec,
    pub(super) log: &'a Path,
    pub(super) redactor: &'a Redactor,
}

impl Subject<'_> {
    /// Why it is not there.
    pub(super) fn not_started(&self, error: &StartError) -> Untrusted {
        let name = self.name;
        let what = match error {
            StartError::Ended(End::Refused(why)) => {
                let command = self.spec.template();
                let program = command.first().map_or("", String::as_str);
                let help = "is it installed on this runner, and in PATH, and does the folder exist?";
                return self
                    .redacted(format!("the server of the model {name} cannot be started: {program}: {why}; {help}"));
            }
            StartError::Ended(end) => format!("ended before it was ready: {}", ending(end)),
            StartError::Late(seconds) => {
                format!(
                    "was not ready after {seconds:.0} s (`ready_timeout_seconds`): {} gave no success",
                    self.spec.ready_path()
                )
            }
            StartError::RunLate => "was not ready when the run's deadline came".to_owned(),
            StartError::Taken => "found its port taken each time".to_owned(),
            StartError::System(what, error) => {
                return self.redacted(format!("the server of the model {name}: {what}: {error}"));
            }
            StartError::Cancelled => "was not started: the run was cancelled".to_owned(),
        };
        let killed = matches!(error, StartError::Ended(end) if is_killed(end));
        self.with_log(&what, killed)
    }

    /// Why it is not there any more.
    pub(super) fn died(&self, end: &End) -> Untrusted {
        self.with_log(&format!("ended while it was asked: {}", ending(end)), is_killed(end))
    }

    fn with_log(&self, what: &str, killed: bool) -> Untrusted {
        let tail = Tail::of(self.log);
        let memory = tail.memory().or_else(|| killed.then_some(Memory::Host));
        let advice = memory.map(|memory| format!("; {}", self.advice(memory, killed))).unwrap_or_default();
        let last = tail.last(self.redactor).map(|line| format!("; its last line: {}", line.raw())).unwrap_or_default();
        let text =
            format!("the server of the model {} {what}{advice}{last}; its log: {}", self.name, self.log.display());
        self.redacted(text)
    }

    fn advice(&self, memory: Memory, killed: bool) -> String {
        match memory {
            Memory::Device => {
                let give = match self.spec.preset {
                    Some(Preset::Vllm) => "`--gpu-memory-utilization`, `--max-model-len` or `--max-num-seqs`",
                    Some(Preset::Sglang) => "`--mem-fraction-static`, `--context-length` or `--max-running-requests`",
                    Some(Preset::Tgi) => "`--cuda-memory-fraction`, `--max-total-tokens` or `--max-batch-prefill-tokens`",
                    Some(Preset::LlamaCpp) => "`--ctx-size` or `--n-gpu-layers`",
                    None => "its context length or the share of memory that it takes",
                };
                format!(
                    "out of GPU memory: lower {give} in `args`, use a smaller or quantised model, more or larger GPUs, or free the \
                     device of others"
                )
            }
            Memory::Host if killed => {
                "killed by signal 9, as the kernel does when the machine or its container runs out of memory: give the job more memory, or \
                 load a smaller model"
                    .to_owned()
            }
            Memory::Host => "out of the machine's memory: give the job more, or load a smaller model".to_owned(),
        }
    }

    /// The last lines of its log in our own.
    pub(super) fn show_log(&self) {
        for line in Tail::of(self.log).lines(self.redactor) {
            tracing::error!("{}: {}", self.name, line.raw());
        }
    }

    fn redacted(&self, text: String) -> Untrusted {
        Untrusted::new(self.redactor.redact(&text))
    }
}

fn ending(end: &End) -> String {
    match end {
        End::Refused(why) => why.clone(),
        End::Exited { code: Some(code), .. } => format!("exit code {code}"),
        End::Exited { code: None, signal: Some(signal) } => format!("signal {signal}"),
        End::Exited { code: None, signal: None } => "in a way that is not known".to_owned(),
        End::Told => "it was told to".to_owned(),
        End::Unsupervised => "its supervisor was killed, and it was killed with it".to_owned(),
    }
}

/// By the kernel, or somebody: also where a shell between has made a code of it.
fn is_killed(end: &End) -> bool {
    match end {
        End::Exited { code, signal } => *signal == Some(9) || *code == Some(137),
        End::Refused(_) | End::Told | End::Unsupervised => false,
    }
}
