//! The gate's side of a supervisor: it is started with an order, says how the server is, and ends everything when its input ends.
//! Kept out: the supervisor's own side (`supervise`), and when a server counts as ready (`start`).

use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::processes::{Left, descendants};
use super::supervise::{self, Order, Said};

/// How much longer than the server's own time to end the supervisor may take.
const SPARE: Duration = Duration::from_secs(25);

/// How often is looked who belongs to a server.
const LOOK: Duration = Duration::from_secs(1);

/// How a server ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// It was never started: why.
    Refused(String),
    /// By itself: its exit code, or the signal.
    Exited {
        /// Its exit code.
        code: Option<i32>,
        /// The signal that has ended it.
        signal: Option<i32>,
    },
    /// As it was told to.
    Told,
    /// Its supervisor was killed, and it with it.
    Unsupervised,
}

/// A server under a supervisor. When this goes out of scope, or the process ends in any way, the server ends too.
pub(super) struct Supervised {
    /// The supervisor's id.
    id: i32,
    /// Open for as long as the server may run.
    input: Mutex<Option<ChildStdin>>,
    end: watch::Receiver<Option<End>>,
    over: Mutex<Option<JoinHandle<Option<String>>>>,
    patience: Duration,
}

impl Supervised {
    /// Starts the supervisor, which starts the server.
    pub(super) async fn start(order: &Order, mark: String) -> std::io::Result<Self> {
        // The program that is running, also where its file has been replaced since.
        let mut command = std::process::Command::new("/proc/self/exe");
        command.arg0(supervise::NAME).env_clear().current_dir("/");
        if let Some(libraries) = std::env::var_os("LD_LIBRARY_PATH") {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        // Nothing of ours stays open in it but the two pipes: who waits for the end of our output does not wait for it.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = Command::from(command).spawn()?;
        let broken = || std::io::Error::other("the supervisor has no pipes");
        let id = child.id().and_then(|id| i32::try_from(id).ok()).ok_or_else(broken)?;
        let (mut input, output) = (child.stdin.take().ok_or_else(broken)?, child.stdout.take().ok_or_else(broken)?);
        let mut line = serde_json::to_vec(order).map_err(std::io::Error::other)?;
        line.push(b'\n');
        let (sender, end) = watch::channel(None);
        let over = tokio::spawn(follow(child, output, sender, mark));
        // A supervisor that is dead already is noticed by its output.
        let _ = input.write_all(&line).await;
        let (input, over) = (Mutex::new(Some(input)), Mutex::new(Some(over)));
        Ok(Self { id, input, end, over, patience: order.patience })
    }

    /// The supervisor's id.
    pub(super) fn id(&self) -> i32 {
        self.id
    }

    /// Waits until the server has ended, and says how.
    pub(super) async fn ended(&self) -> End {
        let mut end = self.end.clone();
        match end.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or(End::Unsupervised),
            Err(_) => End::Unsupervised,
        }
    }

    /// How it ended, if it has.
    pub(super) fn end(&self) -> Option<End> {
        self.end.borrow().clone()
    }

    /// Ends it, with all that it has started. What is left, if anything, is said.
    pub(super) async fn stop(&self) -> Option<String> {
        drop(self.input.lock().unwrap_or_else(PoisonError::into_inner).take());
        let over = self.over.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let abort = over.abort_handle();
        match tokio::time::timeout(self.patience + SPARE, over).await {
            Ok(said) => said.ok().flatten(),
            Err(_) => {
                abort.abort();
                Some("its supervisor does not end".to_owned())
            }
        }
    }
}

/// Follows what the supervisor says until it is gone. Says what is left of the server, if anything.
async fn follow(
    mut child: Child,
    output: ChildStdout,
    sender: watch::Sender<Option<End>>,
    mark: String,
) -> Option<String> {
    let mut lines = BufReader::new(output).lines();
    let (mut server, mut done, mut left) = (None, false, None);
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let (mut known, mut looks) = (Vec::new(), tokio::time::interval(LOOK));
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line,
            _ = looks.tick() => {
                let seen = id.map(descendants).unwrap_or_default();
                // A supervisor that is dead has none.
                known = if seen.is_empty() { known } else { seen };
                continue;
            }
        };
        let Ok(Some(line)) = line else { break };
        match serde_json::from_str(&line) {
            Ok(Said::Started(id)) => server = Some(id),
            Ok(Said::Refused(why)) => {
                done = true;
                sender.send_replace(Some(End::Refused(why)));
            }
            Ok(Said::Ended { code, signal }) => {
                sender.send_replace(Some(End::Exited { code, signal }));
            }
            Ok(Said::Done) => done = true,
            Ok(Said::Stuck(ids)) => {
                done = true;
                left = Some(format!("processes {ids:?} could not be killed"));
            }
            Err(_) => {}
        }
    }
    if let (false, Some(supervisor)) = (done, id) {
        // Its output has ended, and it with it, unless something else has closed it.
        if let Some(pid) = Pid::from_raw(supervisor) {
            let _ = kill_process(pid, Signal::KILL);
        }
        // Not waited for yet: until then nobody else gets its id.
        if server.is_some() || sender.borrow().is_none() {
            let killed = Left { supervisor, server, mark: &mark, known: &known }.kill().await;
            left = (!killed).then(|| "some of its processes could not be killed".to_owned());
        }
        sender.send_if_modified(|end| {
            let open = end.is_none();
            if open {
                *end = Some(End::Unsupervised);
            }
            open
        });
    }
    // It ends by itself once it has said so.
    let _ = child.wait().await;
    sender.send_if_modified(|end| {
        let open = end.is_none();
        if open {
            *end = Some(End::Told);
        }
        open
    });
    left
}
