//! A program of this machine, started without a shell: its own process group, a bounded output, an end on every wait.
//! Kept out: what it is started for (`model::exec`, the scripts of suites).

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::trust::{Untrusted, without_broken_word};

/// The most that a program may write to its output, in bytes.
const MOST_OUTPUT: usize = 16 * 1024 * 1024;
/// Bytes of the end of its error output that are kept.
const KEPT_ERRORS: usize = 4096;
/// Lines of the end of its error output that are shown.
const SHOWN_LINES: usize = 10;
/// What a program finds in its environment unless it is given more: where programs and files are, and the language.
const NEEDED: [&str; 18] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "RUBYLIB",
];

/// What is started.
pub(super) struct Program<'a> {
    /// The program and its arguments; not empty.
    pub command: &'a [String],
    /// Where it runs.
    pub folder: &'a Path,
    /// Its whole environment.
    pub environment: &'a BTreeMap<String, String>,
    /// What it reads.
    pub input: Vec<u8>,
    /// When it is killed.
    pub deadline: Instant,
    /// Kills it at once.
    pub cancel: &'a CancellationToken,
}

/// What it wrote before it ended well.
pub(super) struct Written {
    /// Its output.
    pub output: Vec<u8>,
    /// The last lines of its error output.
    pub errors: Untrusted,
}

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProcessError {
    /// It is not there, or may not be started.
    #[error("cannot be started: {0}")]
    Start(std::io::Error),
    /// Its pipes broke.
    #[error("its output cannot be read: {0}")]
    Pipe(std::io::Error),
    /// It wrote too much.
    #[error("it wrote more than {MOST_OUTPUT} bytes")]
    TooMuch,
    /// It ended badly.
    #[error("it ended with {status}")]
    Failed {
        /// How.
        status: ExitStatus,
        /// The last lines of its error output.
        errors: Untrusted,
    },
    /// The deadline.
    #[error("it was not done at the deadline")]
    Late,
    /// Cancelled from outside.
    #[error("cancelled")]
    Cancelled,
}

/// The few variables that every program needs.
pub(super) fn environment(of: &dyn Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    NEEDED.iter().filter_map(|name| Some(((*name).to_owned(), of(name)?))).collect()
}

/// Kills the whole group when it goes out of scope: what a program has started ends with it.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // A group that is gone already is what is wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Starts the program, and waits until it has ended.
pub(super) async fn run(program: Program<'_>) -> Result<Written, ProcessError> {
    let Program { command, folder, environment, input, deadline, cancel } = program;
    let Some((name, arguments)) = command.split_first() else {
        return Err(ProcessError::Start(std::io::Error::other("there is no program")));
    };
    let mut child = Command::new(name)
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(ProcessError::Start)?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let _group = Group(pid);
    let working = tokio::time::timeout_at(tokio::time::Instant::from_std(deadline), talk(&mut child, input));
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(ProcessError::Cancelled),
        done = working => done.unwrap_or(Err(ProcessError::Late)),
    }
}

/// Feeds it, and reads both of its outputs at the same time: a pipe that is full would make it wait for ever.
async fn talk(child: &mut Child, input: Vec<u8>) -> Result<Written, ProcessError> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program that does not read its input is free not to.
            let _ = stdin.write_all(&input).await;
            let _ = stdin.shutdown().await;
        }
        Ok(())
    };
    let output = async {
        match stdout {
            Some(stdout) => whole(stdout).await,
            None => Ok(Vec::new()),
        }
    };
    let errors = async {
        match stderr {
            Some(stderr) => end(stderr).await,
            None => Ok(Tail::default()),
        }
    };
    // The outputs end when everybody who holds them has: a child that stays behind in the background is waited for, and is
    // killed at the deadline.
    let ((), output, errors) = tokio::try_join!(feed, output, errors)?;
    let status = child.wait().await.map_err(ProcessError::Pipe)?;
    let errors = Untrusted::new(errors.last_lines(SHOWN_LINES).join("\n"));
    if status.success() { Ok(Written { output, errors }) } else { Err(ProcessError::Failed { status, errors }) }
}

async fn whole(mut from: impl AsyncRead + Unpin) -> Result<Vec<u8>, ProcessError> {
    let mut output = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await.map_err(ProcessError::Pipe)?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else { return Ok(output) };
        if output.len() + piece.len() > MOST_OUTPUT {
            return Err(ProcessError::TooMuch);
        }
        output.extend_from_slice(piece);
    }
}

/// The end of a stream that may be of any length.
#[derive(Default)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
    /// Whether the beginning of the stream is gone.
    cut: bool,
}

impl Tail {
    /// What came next.
    pub(super) fn add(&mut self, piece: &[u8]) {
        self.bytes.extend(piece);
        self.cut |= self.bytes.len() > KEPT_ERRORS;
        self.bytes.drain(..self.bytes.len().saturating_sub(KEPT_ERRORS));
    }

    /// So many of the last lines that are not empty.
    pub(super) fn last_lines(&self, most: usize) -> Vec<String> {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        // Half a secret is one that no redactor knows.
        let text = if self.cut { without_broken_word(&text) } else { &text };
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines.iter().skip(lines.len().saturating_sub(most)).map(|line| (*line).to_owned()).collect()
    }
}

async fn end(mut from: impl AsyncRead + Unpin) -> Result<Tail, ProcessError> {
    let mut tail = Tail::default();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await.map_err(ProcessError::Pipe)?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else {
            return Ok(tail);
        };
        tail.add(piece);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn started(script: &str, input: &str, patience: Duration) -> Result<Written, ProcessError> {
        let command = ["sh", "-c", script].map(str::to_owned);
        let environment = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        let cancel = CancellationToken::new();
        run(Program {
            command: &command,
            folder: Path::new("/"),
            environment: &environment,
            input: input.as_bytes().to_vec(),
            deadline: Instant::now() + patience,
            cancel: &cancel,
        })
        .await
    }

    #[tokio::test]
    async fn output_is_kept_and_a_bad_end_is_none() {
        let minute = Duration::from_secs(60);
        let written = started("cat; echo aside >&2", "hello", minute).await.unwrap();
        assert_eq!((written.output.as_slice(), written.errors.raw()), (b"hello".as_slice(), "aside"));
        let failed = started("echo half; seq 100 >&2; exit 3", "", minute).await;
        let Err(ProcessError::Failed { status, errors }) = failed else { panic!("it ended well") };
        assert_eq!((status.code(), errors.raw().lines().count()), (Some(3), SHOWN_LINES));
        assert!(errors.raw().ends_with("100"));
        assert!(matches!(started("kill -9 $$", "", minute).await, Err(ProcessError::Failed { .. })));
    }

    #[tokio::test]
    async fn no_half_of_a_word_is_left_at_the_cut() {
        // The cut goes through the key: its second half alone would not be recognised.
        let script = format!("printf 'key sk-0123456789 %0{}d end' 0 >&2; exit 1", KEPT_ERRORS - 10);
        let failed = started(&script, "", Duration::from_secs(60)).await;
        let Err(ProcessError::Failed { errors, .. }) = failed else { panic!("it ended well") };
        assert!(errors.raw().trim_start().starts_with("000") && errors.raw().ends_with("end"), "{}", errors.raw());
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_or_that_floods_is_an_error() {
        let command = ["/no/such/program".to_owned()];
        let (environment, cancel) = (BTreeMap::new(), CancellationToken::new());
        let program = Program {
            command: &command,
            folder: Path::new("/"),
            environment: &environment,
            input: Vec::new(),
            deadline: Instant::now() + Duration::from_secs(60),
            cancel: &cancel,
        };
        assert!(matches!(run(program).await, Err(ProcessError::Start(_))));
        let flood = started("yes", "", Duration::from_secs(60)).await;
        assert!(matches!(flood, Err(ProcessError::TooMuch)));
    }

    #[tokio::test]
    async fn the_environment_is_what_it_was_given() {
        let written = started("env", "", Duration::from_secs(60)).await.unwrap();
        let text = String::from_utf8(written.output).unwrap();
        // The shell itself adds PWD, SHLVL and _.
        let names: Vec<&str> = text.lines().filter_map(|line| line.split('=').next()).collect();
        assert!(names.iter().all(|name| ["PATH", "PWD", "SHLVL", "_", "OLDPWD"].contains(name)), "{names:?}");
    }

    #[tokio::test]
    async fn at_the_deadline_all_that_was_started_is_killed() {
        let folder = std::env::temp_dir().join(format!("llmci-process-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let place = folder.join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", place.display());
        let late = started(&script, "", Duration::from_millis(500)).await;
        assert!(matches!(late, Err(ProcessError::Late)));
        let pid: i32 = std::fs::read_to_string(&place).unwrap().trim().parse().unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        // Signal 0 only asks whether it is there; a zombie that nobody has fetched yet counts as dead.
        let alive = || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            status.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
        };
        while alive() {
            assert!(Instant::now() < until, "the child of a killed program lives on");
            tokio::task::yield_now().await;
        }
        let _ = std::fs::remove_dir_all(&folder);
    }
}
