//! The supervisor: a process of ours between the gate and a server that it starts. It outlives the gate by as long as it takes to
//! end everything that the server has started, and no longer: its input ends when the gate does, however that happens. (PR_SET_PDEATHSIG would
//! not do: it fires when the thread that has started the child ends.) Kept out: the gate's side (`child`).

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{BufRead, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process_group, set_child_subreaper, setsid, wait,
};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::processes::{descendants, send};

/// The name under which our own program is a supervisor.
pub const NAME: &str = "llmci-supervise";
/// How often is looked, whatever signals arrive.
const LOOK: Duration = Duration::from_millis(100);
/// How long killed processes may take to be gone.
const KILLED: Duration = Duration::from_secs(20);

/// What the gate wants to have started: one line of JSON.
#[derive(Serialize, Deserialize)]
pub(super) struct Order {
    /// The program and its arguments.
    pub(super) command: Vec<String>,
    /// Where it runs.
    pub(super) folder: PathBuf,
    /// Its whole environment.
    pub(super) environment: BTreeMap<String, String>,
    /// Where its output goes.
    pub(super) log: PathBuf,
    /// How long it may take to end after SIGTERM.
    pub(super) patience: Duration,
}

/// What the supervisor says: one line of JSON each. Its output ends when it does.
#[derive(Serialize, Deserialize)]
pub(super) enum Said {
    /// It runs; its id is that of its group.
    Started(i32),
    /// It could not be started.
    Refused(String),
    /// It has ended by itself; what it has left behind is ended now.
    Ended {
        /// Its exit code.
        code: Option<i32>,
        /// The signal that has ended it.
        signal: Option<i32>,
    },
    /// Nothing that it has started is left.
    Done,
    /// Some of it would not die.
    Stuck(Vec<i32>),
}

/// The supervisor's whole life.
pub fn main() -> ExitCode {
    // What a terminal or a runner sends to the group of the gate does not come here. It cannot fail: we lead no group.
    let _ = setsid();
    // Orphans of the server become our children, wherever they have gone.
    if let Err(error) = set_child_subreaper(Some(getpid())) {
        say(&Said::Refused(format!("no supervisor of orphans: {error}")));
        return ExitCode::FAILURE;
    }
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(supervise()),
        Err(error) => {
            say(&Said::Refused(format!("the supervisor's runtime: {error}")));
            ExitCode::FAILURE
        }
    }
}

/// What comes from the gate.
enum Heard {
    Order(Box<Order>),
    /// The gate is gone, or wants the end.
    End,
}

async fn supervise() -> ExitCode {
    // Before anything is started: from here on only the end of our input ends us.
    let Some(mut signals) = Signals::install() else {
        say(&Said::Refused("the supervisor's signal handlers could not be installed".to_owned()));
        return ExitCode::FAILURE;
    };
    let (sender, mut heard) = mpsc::unbounded_channel();
    let listener = std::thread::Builder::new().name("gate".to_owned()).spawn(move || listen(&sender));
    if listener.is_err() {
        return ExitCode::FAILURE;
    }
    let order = loop {
        tokio::select! {
            said = heard.recv() => match said {
                Some(Heard::Order(order)) => break order,
                Some(Heard::End) | None => return ExitCode::SUCCESS,
            },
            () = signals.child_or_borne() => {}
        }
    };
    let server = match start(&order) {
        Ok(server) => server,
        Err(error) => {
            say(&Said::Refused(error.to_string()));
            return ExitCode::SUCCESS;
        }
    };
    say(&Said::Started(server.as_raw_pid()));
    let mut alive = true;
    while alive {
        tokio::select! {
            // Nobody says anything but the end once there was an order.
            _ = heard.recv() => break,
            () = signals.child_or_borne() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        if let Some(status) = reap(server).ended {
            alive = false;
            say(&Said::Ended { code: status.exit_status(), signal: status.terminating_signal() });
        }
    }
    let stuck = end(server, alive, order.patience, &mut signals).await;
    say(&if stuck.is_empty() { Said::Done } else { Said::Stuck(stuck) });
    ExitCode::SUCCESS
}

/// SIGTERM, time to end well, SIGKILL; then until nobody is left.
async fn end(server: Pid, alive: bool, patience: Duration, signals: &mut Signals) -> Vec<i32> {
    let ours = getpid().as_raw_pid();
    if alive {
        // A group that is gone already is what is wanted.
        let _ = kill_process_group(server, Signal::TERM);
    } else {
        send(&descendants(ours), Signal::TERM);
    }
    let until = Instant::now() + patience;
    let give_up = until + KILLED;
    loop {
        let reaped = reap(server);
        if reaped.childless {
            return Vec::new();
        }
        if reaped.ended.is_some() {
            // What has left its group was not asked yet.
            send(&descendants(ours), Signal::TERM);
        }
        let now = Instant::now();
        if now >= give_up {
            return descendants(ours).iter().map(|process| process.id).collect();
        }
        if now >= until {
            send(&descendants(ours), Signal::KILL);
        }
        tokio::select! {
            () = signals.child_or_borne() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn start(order: &Order) -> std::io::Result<Pid> {
    let none = || std::io::Error::other("there is no program");
    let (program, arguments) = order.command.split_first().ok_or_else(none)?;
    let log = OpenOptions::new().create(true).append(true).open(&order.log)?;
    let child = Command::new(program)
        .args(arguments)
        .current_dir(&order.folder)
        .env_clear()
        .envs(&order.environment)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()?;
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(none)
}

/// Who was dead.
struct Reaped {
    /// How the server ended, where it was among them.
    ended: Option<WaitStatus>,
    /// Whether nobody is left: orphans are our children too, so that no descendant is either.
    childless: bool,
}

/// Takes the dead away.
fn reap(server: Pid) -> Reaped {
    let mut ended = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == server => ended = Some(status),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return Reaped { ended, childless: false },
            Err(_) => return Reaped { ended, childless: true },
        }
    }
}

/// Hears the order, and then the end of the input.
fn listen(sender: &mpsc::UnboundedSender<Heard>) {
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    let order = input.read_line(&mut line).ok().and_then(|_| serde_json::from_str(&line).ok());
    if let Some(order) = order {
        let _ = sender.send(Heard::Order(Box::new(order)));
        let mut rest = [0; 64];
        while !matches!(input.read(&mut rest), Ok(0) | Err(_)) {}
    }
    let _ = sender.send(Heard::End);
}

/// Says one thing. Where nobody listens any more, nothing is lost.
fn say(said: &Said) {
    if let Ok(mut line) = serde_json::to_string(said) {
        line.push('\n');
        let mut output = std::io::stdout().lock();
        let _ = output.write_all(line.as_bytes()).and_then(|()| output.flush());
    }
}

/// Signals that do not end us, and the one that says that a child has changed. Handlers, and nothing that is ignored: children
/// would inherit that.
struct Signals {
    child: Listener,
    borne: [Listener; 5],
}

impl Signals {
    fn install() -> Option<Self> {
        let listen = |kind| signal(kind).ok();
        Some(Self {
            child: listen(SignalKind::child())?,
            borne: [
                listen(SignalKind::terminate())?,
                listen(SignalKind::interrupt())?,
                listen(SignalKind::hangup())?,
                listen(SignalKind::quit())?,
                listen(SignalKind::user_defined1())?,
            ],
        })
    }

    async fn child_or_borne(&mut self) {
        let [terminate, interrupt, hangup, quit, user] = &mut self.borne;
        tokio::select! {
            _ = self.child.recv() => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
            _ = quit.recv() => {}
            _ = user.recv() => {}
        }
    }
}
