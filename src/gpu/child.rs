//! The driver is asked in a process of our own: one that crashes or hangs takes nothing with it. The program starts itself
//! under another name; the child writes one line of JSON for each answer, and dies when whoever started it does.
//! Programs that link the library (tests) are not ours to start again: there a thread asks.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getpid, kill_process, kill_process_group, setrlimit};

/// The name that the child is started under.
const NAME: &str = "llmci-gpu";
/// Stands before every answer: a driver may write lines of its own.
const MARK: &str = "llmci-gpu-answer ";
/// Answers of a child that are read at most, in bytes: a loaded machine's table of processes is far smaller.
const MOST: u64 = 4 * 1024 * 1024;
/// How long a killed child is waited for: one that hangs in the kernel cannot even be killed.
const BURIAL: Duration = Duration::from_secs(1);

static OURS: AtomicBool = AtomicBool::new(false);

/// Why a child gave no further answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Lost {
    /// It did not answer in time.
    Late(Duration),
    /// A signal ended it, such as 11 for a wrong access to memory.
    Signal(i32),
    /// It ended by itself with this code.
    Ended(i32),
    /// It could not be started.
    Start(String),
}

/// Where the process was started as the child, does its work and says how to end. Every program of ours calls this first.
pub fn serve() -> Option<ExitCode> {
    OURS.store(true, Ordering::Relaxed);
    let mut arguments = std::env::args();
    if arguments.next().as_deref() != Some(NAME) {
        return None;
    }
    // A panic is an answer here, and a dead driver's memory is of no use to anybody.
    std::panic::set_hook(Box::new(|_| {}));
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    std::thread::spawn(|| {
        // The other end is held open by whoever started us.
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        die();
    });
    let arguments: Vec<String> = arguments.collect();
    super::work(&arguments, &mut |answer| {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{MARK}{answer}").and_then(|()| out.flush());
    });
    // The driver's own work at the end of a process may hang as well.
    die();
    Some(ExitCode::SUCCESS)
}

fn die() {
    let _ = kill_process(getpid(), Signal::KILL);
}

/// Whether the running program can be started again as the child.
pub(super) fn is_ours() -> bool {
    OURS.load(Ordering::Relaxed)
}

/// Starts a child; what it answers comes by the channel, which is closed after its end.
pub(super) fn start(arguments: &[String]) -> Result<(Kept, mpsc::Receiver<String>), Lost> {
    let started = Command::new("/proc/self/exe")
        .arg0(NAME)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    let mut child = match started {
        Ok(child) => Kept { open: None, child },
        Err(error) => return Err(Lost::Start(error.to_string())),
    };
    child.open = child.child.stdin.take();
    let Some(out) = child.child.stdout.take() else {
        return Err(Lost::Start("it has no output".to_owned()));
    };
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::Builder::new().name(NAME.to_owned()).spawn(move || {
        for line in BufReader::new(out.take(MOST)).lines().map_while(Result::ok) {
            if let Some(answer) = line.strip_prefix(MARK)
                && sender.send(answer.to_owned()).is_err()
            {
                return;
            }
        }
    });
    match reader {
        Ok(_) => Ok((child, receiver)),
        Err(error) => Err(Lost::Start(error.to_string())),
    }
}

/// Starts a child, and collects `wanted` answers of it; with fewer, why.
pub(super) fn answers(arguments: &[String], wanted: usize, patience: Duration) -> (Vec<String>, Option<Lost>) {
    let (mut child, receiver) = match start(arguments) {
        Ok(started) => started,
        Err(lost) => return (Vec::new(), Some(lost)),
    };
    let until = Instant::now() + patience;
    let mut answers = Vec::new();
    while answers.len() < wanted {
        match receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(answer) => answers.push(answer),
            Err(mpsc::RecvTimeoutError::Timeout) => return (answers, Some(Lost::Late(patience))),
            Err(mpsc::RecvTimeoutError::Disconnected) => return (answers, Some(child.end())),
        }
    }
    (answers, None)
}

/// A child that is gone when this goes out of scope.
pub(super) struct Kept {
    child: Child,
    /// Held open: its end is the child's.
    open: Option<ChildStdin>,
}

impl Kept {
    /// How it ended; it has closed its output.
    fn end(&mut self) -> Lost {
        match self.buried() {
            Some(status) => match status.signal() {
                Some(signal) => Lost::Signal(signal),
                None => Lost::Ended(status.code().unwrap_or_default()),
            },
            None => Lost::Late(BURIAL),
        }
    }

    /// Waits a little for its end.
    fn buried(&mut self) -> Option<std::process::ExitStatus> {
        let until = Instant::now() + BURIAL;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() >= until {
                return None;
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.open.take());
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
            && matches!(self.child.try_wait(), Ok(None))
        {
            let _ = kill_process_group(group, Signal::KILL);
            let _ = self.buried();
        }
    }
}
