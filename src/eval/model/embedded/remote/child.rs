//! The engine as a child process: its start, its answers, its end. It ends with us: its input closes, and it is killed when nobody
//! holds it any more.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::super::serve::protocol::{FromEngine, Kind, NAME, Reply, ToEngine};
use crate::eval::process::Tail;

/// How long the engine may take to say its first word.
const GREETING: Duration = Duration::from_secs(120);
/// How long it may take to load a model.
const LOADING: Duration = Duration::from_secs(30 * 60);
/// How long a program that has closed its output may take to end.
const ENDING: Duration = Duration::from_secs(2);
/// What is known of an engine whose output is at its end.
const ENDED: &str = "it ended";
/// Between two looks at whether the run goes on.
const LOOK: Duration = Duration::from_millis(100);
/// Lines of the end of its error output that are shown.
const SHOWN_LINES: usize = 5;

/// One answer, or why there is none.
pub(super) type Word = Result<Reply, (Kind, String)>;

/// What it says of the model.
pub(super) struct Loaded {
    pub(super) digest: String,
    pub(super) description: String,
    pub(super) chat_form: bool,
    pub(super) load_ms: f64,
}

/// Who it says it is.
pub(super) struct Hello {
    pub(super) version: String,
    pub(super) cuda: bool,
}

/// A running engine.
pub(super) struct Engine {
    child: Arc<Mutex<Child>>,
    /// Closed when its error output is read to the end.
    errors_end: Mutex<Receiver<()>>,
    group: Option<Pid>,
    lines: Sender<Vec<u8>>,
    shared: Arc<Shared>,
    next: std::sync::atomic::AtomicU64,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    errors: Mutex<Tail>,
}

#[derive(Default)]
struct Waiting {
    answers: BTreeMap<u64, oneshot::Sender<Word>>,
    /// Set once: nothing will be answered any more.
    ended: Option<String>,
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.kill("it was not needed any more");
        let _ = locked(&self.child).wait();
    }
}

/// What it says before it can be asked.
pub(super) struct Greeting(Receiver<FromEngine>);

impl Engine {
    /// Starts the program.
    pub(super) fn start(
        program: &Path,
        environment: &BTreeMap<String, String>,
        cancel: Option<&CancellationToken>,
    ) -> Result<(Self, Greeting, Hello), String> {
        let mut child = Command::new(program)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("it cannot be started: {error}"))?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let shared = Arc::new(Shared::default());
        let (lines, written) = channel();
        let (boot, greeting) = channel();
        let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        std::thread::spawn(move || feed(input, &written));
        let kept = Arc::clone(&shared);
        let (reading, errors_end) = channel();
        std::thread::spawn(move || keep_errors(errors, &kept, &reading));
        let told = Arc::clone(&shared);
        std::thread::spawn(move || listen(output, &boot, &told));
        let next = std::sync::atomic::AtomicU64::new(0);
        let (child, errors_end) = (Arc::new(Mutex::new(child)), Mutex::new(errors_end));
        let engine = Self { child, errors_end, group, lines, shared, next };
        let greeting = Greeting(greeting);
        match engine.heard(&greeting, GREETING, cancel)? {
            FromEngine::Hello { program, version, cuda } if program == NAME => {
                Ok((engine, greeting, Hello { version, cuda }))
            }
            _ => Err(format!("it is not {NAME}")),
        }
    }

    /// Has it load a model.
    pub(super) fn load(
        &self,
        greeting: &Greeting,
        load: super::super::serve::protocol::Load,
        cancel: Option<&CancellationToken>,
    ) -> Result<Loaded, (Kind, String)> {
        self.send(&ToEngine::Load(load)).map_err(|text| (Kind::Compute, text))?;
        match self.heard(greeting, LOADING, cancel).map_err(|text| (Kind::Compute, text))? {
            FromEngine::Loaded { digest, description, chat_form, load_ms } => {
                Ok(Loaded { digest, description, chat_form, load_ms })
            }
            FromEngine::Refused { kind, text } => Err((kind, text)),
            _ => Err((Kind::Compute, "it said something else than whether the model is there".to_owned())),
        }
    }

    /// Asks; the answer comes by the channel, which closes when there will be none.
    pub(super) fn ask(
        &self,
        request: &crate::eval::request::Request,
    ) -> Result<(u64, oneshot::Receiver<Word>), String> {
        let id = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        {
            let mut waiting = locked(&self.shared.waiting);
            if let Some(why) = &waiting.ended {
                return Err(why.clone());
            }
            waiting.answers.insert(id, sender);
        }
        self.send(&ToEngine::Ask { id, request: request.clone() })?;
        Ok((id, receiver))
    }

    /// Nobody waits for an answer any more; the channel still says when the engine has given it up.
    pub(super) fn give_up(&self, id: u64) {
        let _ = self.send(&ToEngine::Cancel(id));
    }

    /// Ends it at once; what waits gets no answer.
    pub(super) fn kill(&self, why: &str) {
        end(&self.shared, why);
        if let Some(group) = self.group {
            // A group that is gone already is what is wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Why it will answer nothing any more.
    pub(super) fn ended(&self) -> String {
        let why = locked(&self.shared.waiting).ended.clone().unwrap_or_else(|| "it gave no answer".to_owned());
        self.with_errors(&why)
    }

    fn send(&self, what: &ToEngine) -> Result<(), String> {
        let mut line = serde_json::to_vec(what).map_err(|error| error.to_string())?;
        line.push(b'\n');
        self.lines.send(line).map_err(|_| self.ended())
    }

    /// The next word before it can be asked. A run that is stopped meanwhile does not wait for it.
    fn heard(
        &self,
        greeting: &Greeting,
        patience: Duration,
        cancel: Option<&CancellationToken>,
    ) -> Result<FromEngine, String> {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match greeting.0.recv_timeout(left.min(LOOK)) {
                Ok(word) => return Ok(word),
                Err(RecvTimeoutError::Timeout) if cancel.is_some_and(CancellationToken::is_cancelled) => {
                    self.kill("it was killed");
                    return Err("interrupted while it began".to_owned());
                }
                Err(RecvTimeoutError::Timeout) if left > LOOK => {}
                Err(RecvTimeoutError::Timeout) => {
                    self.kill("it was killed");
                    let text = format!("it said nothing within {} s, and was killed", patience.as_secs());
                    return Err(self.with_errors(&text));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.status();
                    return Err(self.with_errors(&status));
                }
            }
        }
    }

    /// How it ended; its output is closed already.
    fn status(&self) -> String {
        let why = locked(&self.shared.waiting).ended.clone();
        if let Some(why) = why.filter(|why| why != ENDED) {
            return why;
        }
        let (sender, receiver) = channel();
        let child = Arc::clone(&self.child);
        std::thread::spawn(move || sender.send(locked(&child).wait()));
        let status = receiver.recv_timeout(ENDING);
        let _ = locked(&self.errors_end).recv_timeout(ENDING);
        match status {
            Ok(Ok(status)) => in_words(status),
            Ok(Err(_)) | Err(_) => "it closed its output".to_owned(),
        }
    }

    fn with_errors(&self, why: &str) -> String {
        let shown = locked(&self.shared.errors).last_lines(SHOWN_LINES);
        if shown.is_empty() { why.to_owned() } else { format!("{why}; its last words: {}", shown.join(" | ")) }
    }
}

fn in_words(status: ExitStatus) -> String {
    match status.code() {
        // The loader's code for a library that is missing.
        Some(127) => "it ended with 127 before it began: a library that it needs is missing".to_owned(),
        Some(_) | None => format!("it ended with {status}"),
    }
}

fn end(shared: &Shared, why: &str) {
    let mut waiting = locked(&shared.waiting);
    waiting.ended.get_or_insert_with(|| why.to_owned());
    waiting.answers.clear();
}

fn feed(input: Option<ChildStdin>, lines: &Receiver<Vec<u8>>) {
    let Some(mut input) = input else { return };
    // Its end closes the pipe, which ends the engine.
    while let Ok(line) = lines.recv() {
        if input.write_all(&line).and_then(|()| input.flush()).is_err() {
            return;
        }
    }
}

fn listen(output: Option<impl Read>, boot: &Sender<FromEngine>, shared: &Shared) {
    let Some(output) = output else { return };
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    let why = loop {
        line.clear();
        match lines.read_until(b'\n', &mut line) {
            Ok(0) => break ENDED.to_owned(),
            Ok(_) => {}
            Err(error) => break format!("its output cannot be read: {error}"),
        }
        let (id, word) = match serde_json::from_slice(&line) {
            Ok(FromEngine::Answered { id, reply }) => (id, Ok(reply)),
            Ok(FromEngine::Failed { id, kind, text }) => (id, Err((kind, text))),
            Ok(word @ (FromEngine::Hello { .. } | FromEngine::Loaded { .. })) => {
                let _ = boot.send(word);
                continue;
            }
            Ok(FromEngine::Refused { kind, text }) => {
                let why = text.clone();
                let _ = boot.send(FromEngine::Refused { kind, text });
                break why;
            }
            Err(error) => break format!("a line of its output is not understood: {error}"),
        };
        let sender = locked(&shared.waiting).answers.remove(&id);
        if let Some(sender) = sender {
            // Whoever has stopped waiting is free to.
            let _ = sender.send(word);
        }
    };
    end(shared, &why);
}

fn keep_errors(errors: Option<impl Read>, shared: &Shared, _reading: &Sender<()>) {
    let Some(mut errors) = errors else { return };
    let mut buffer = [0; 4096];
    while let Ok(read) = errors.read(&mut buffer) {
        if read == 0 {
            return;
        }
        locked(&shared.errors).add(buffer.get(..read).unwrap_or_default());
    }
}
