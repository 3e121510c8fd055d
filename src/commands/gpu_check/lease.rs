//! `gpu-check --lease -- COMMAND`: takes GPUs, checks them, runs a command that sees these alone, and ends as the command ends.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::GpuCheckArgs;
use super::run::{Checked, publish};
use crate::commands::obtain::{Asked, LEASED, Obtained, apart, lend};
use crate::commands::{CommandError, Context, Exit, Outcome};
use crate::gpu;
use crate::trust::Untrusted;

/// How long a command that gives way has to keep what it has, before it is killed.
const GRACE: Duration = Duration::from_secs(60);
/// A command that is there and cannot be started, and one that is not there. Source: POSIX, Shell & Utilities, 2.8.2.
const NOT_STARTED: (u8, u8) = (126, 127);
/// Added to a signal's number. Source: bash's manual, exit status.
const BY_SIGNAL: i32 = 128;

/// Runs the command. Its exit code is the program's, also where that is one that has a meaning of ours: ours come with a line
/// that begins with `error:`.
pub(super) async fn run(args: &GpuCheckArgs, context: &Context) -> Result<Outcome, CommandError> {
    let Some((name, arguments)) = args.command.split_first() else {
        let text = "--lease holds the GPUs for a command: gpu-check --lease -- COMMAND ARGUMENTS";
        return Err(CommandError::Inputs(text.into()));
    };
    // Before anything is waited for: a signal of that time reaches the command, or keeps it from being started.
    let mut signals = Signals::listen().map_err(|error| CommandError::environment(&error))?;
    let (checked, obtained) = match check(args, context).await? {
        Taken::Well(checked, obtained) => (checked, obtained),
        Taken::Unfit(checked) => return publish(&checked, args, context),
    };
    // What the command writes to stdout is its own.
    context.host.print_error(&publish(&checked, args, context)?.text);
    if signals.early() || context.cancel.is_cancelled() {
        return Err(CommandError::Environment("interrupted before the command was started".into()));
    }
    let mut started = Command::new(name);
    started.args(arguments).env("CUDA_VISIBLE_DEVICES", &obtained.visible);
    started.env(LEASED, &obtained.visible).process_group(0);
    let child = match started.spawn() {
        Ok(child) => child,
        Err(error) => {
            let text = context.sink.line(&Untrusted::new(format!("{name}: {error}")), 500);
            context.host.print_error(&format!("error: the command cannot be started: {text}\n"));
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            return Ok(ended(Exit::OfCommand(if missing { NOT_STARTED.1 } else { NOT_STARTED.0 })));
        }
    };
    let (status, gave_way) = until_end(child, &obtained, &mut signals).await?;
    obtained.give_back();
    if gave_way {
        let text = "a more urgent job waited for the GPUs: the command was stopped, and may be run again";
        return Err(CommandError::Environment(text.into()));
    }
    Ok(ended(Exit::OfCommand(code(status))))
}

/// What came of taking and checking.
enum Taken {
    Well(Checked, Obtained),
    /// Too few that suffice, or one that is not well: it is given back.
    Unfit(Checked),
}

/// Takes devices that suffice, and has them do what `--health` says. A device that another job uses at first is as good as any:
/// `--max-used-memory-mb` counts when it is ours.
async fn check(args: &GpuCheckArgs, context: &Context) -> Result<Taken, CommandError> {
    let need = args.need.need(args.count)?;
    let (driver, depth) = (args.need.driver.patience()?, args.health.depth());
    let asked = Asked::new(need, driver, &args.how, context)?;
    let lasting = asked.lasting();
    let machine = apart(move || gpu::machine_within(driver), context).await?;
    let checked = Checked::looked(&lasting, machine.clone());
    let (Ok(machine), true) = (machine, checked.passed()) else { return Ok(Taken::Unfit(checked)) };
    let obtained = lend(&asked, &machine, context).await?;
    let checked = checked.only(&lasting, &obtained.uuids());
    let checked = apart(move || checked.tested(&lasting, depth, driver), context).await?;
    Ok(if checked.passed() { Taken::Well(checked, obtained) } else { Taken::Unfit(checked) })
}

fn ended(exit: Exit) -> Outcome {
    Outcome { exit, report: None, rollout: None, text: String::new() }
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| BY_SIGNAL + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// Waits for the command; whether it had to give way. What it leaves behind in its process group is killed.
async fn until_end(
    mut child: Child,
    obtained: &Obtained,
    signals: &mut Signals,
) -> Result<(ExitStatus, bool), CommandError> {
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let wanted = obtained.wanted_back();
    let mut last = None;
    loop {
        let killed = async {
            match last {
                Some(last) => tokio::time::sleep_until(last).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            status = child.wait() => {
                return status.map(|status| (status, last.is_some())).map_err(|error| CommandError::environment(&error));
            }
            Some(signal) = signals.next() => group.send(signal),
            () = wanted.cancelled(), if last.is_none() => {
                group.send(Signal::TERM);
                last = Some(tokio::time::Instant::now() + GRACE);
            }
            () = killed => {
                group.send(Signal::KILL);
                last = Some(tokio::time::Instant::now() + GRACE);
            }
        }
    }
}

/// The command's process group. What is left of it ends with it: it could still use the devices.
struct Group(Option<Pid>);

impl Group {
    fn send(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // A group that is gone already needs no signal.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.send(Signal::KILL);
    }
}

/// Signals that the command gets in our place.
struct Signals(mpsc::Receiver<Signal>);

impl Signals {
    fn listen() -> std::io::Result<Self> {
        let kinds = [
            (SignalKind::interrupt(), Signal::INT),
            (SignalKind::terminate(), Signal::TERM),
            (SignalKind::hangup(), Signal::HUP),
            (SignalKind::quit(), Signal::QUIT),
            (SignalKind::user_defined1(), Signal::USR1),
            (SignalKind::user_defined2(), Signal::USR2),
        ];
        let (sender, receiver) = mpsc::channel(16);
        for (kind, number) in kinds {
            let (mut stream, sender) = (signal(kind)?, sender.clone());
            tokio::spawn(async move { while stream.recv().await.is_some() && sender.send(number).await.is_ok() {} });
        }
        Ok(Self(receiver))
    }

    async fn next(&mut self) -> Option<Signal> {
        self.0.recv().await
    }

    /// Whether one that ends programs came before there was a command; the others are dropped.
    fn early(&mut self) -> bool {
        let mut end = false;
        while let Ok(signal) = self.0.try_recv() {
            end |= [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT].contains(&signal);
        }
        end
    }
}
