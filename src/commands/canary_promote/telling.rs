//! What happens in a rollout, told: a line in the log, a line in `events.jsonl`, notices to people, and the deployment on the
//! host. Nothing of it can hold the rollout up: notices wait in a queue of their own.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;

use super::record::{instant, stage_word};
use super::session::Session;
use crate::commands::Environment;
use crate::deliver::alert::{Channels, Kind, Notice, Wanted};
use crate::deliver::analysis::Judgement;
use crate::deliver::clock::Clock;
use crate::deliver::drive::{End, Event};
use crate::deliver::plan::Plan;
use crate::deliver::state::State;
use crate::deliver::{Ending, Stage};
use crate::gate::Verdict;
use crate::host::{Deployments, Going, print_error};
use crate::report::Sink;
use crate::trust::Untrusted;

/// Notices that may wait: a rollout has a few dozen.
const WAITING: usize = 256;
/// How long one notice may take on all channels together.
const PATIENCE: Duration = Duration::from_secs(20);

/// Hears of everything.
pub(super) struct Telling {
    sink: Sink,
    clock: Clock,
    quiet: bool,
    heard: Mutex<Heard>,
    queue: Mutex<Option<mpsc::Sender<Notice>>>,
}

#[derive(Default)]
struct Heard {
    state: Option<Box<State>>,
    judgement: Option<Judgement>,
    warnings: Vec<Untrusted>,
    lines: Vec<String>,
    began: bool,
}

impl Telling {
    /// Begins to listen: `channels` and the host's deployments are told in the background.
    pub(super) fn new(
        session: &Session<'_>,
        plan: &Plan,
        rollout: &str,
    ) -> (Self, impl Future<Output = Vec<Untrusted>> + use<>) {
        // A plan that is not believed has been refused by whoever measures; nobody is told its secrets.
        let plan = &session.believed(plan).unwrap_or_else(|_| session.plan.clone());
        let channels = session.channels(plan);
        let page = plan.alerts.environment.as_ref().map(|environment| Page {
            host: session.context.environment.clone(),
            environment: environment.clone(),
            rollout: rollout.to_owned(),
        });
        let warnings = channels.problems();
        let (queue, waiting) = mpsc::channel(WAITING);
        let telling = Self {
            sink: session.context.sink.clone(),
            clock: session.clock.clone(),
            quiet: session.args.quiet,
            heard: Mutex::new(Heard { warnings, ..Heard::default() }),
            queue: Mutex::new(Some(queue)),
        };
        (telling, send(waiting, channels, page))
    }

    /// Hears of an event.
    pub(super) fn hear(&self, event: &Event) {
        let line = line(event);
        if let (Some(line), false) = (&line, self.quiet) {
            print_error(&format!("{}\n", self.sink.line(&Untrusted::new(line.as_str()), 1000)));
        }
        let Ok(mut heard) = self.heard.lock() else { return };
        if let Some(line) = line {
            let at = instant(self.clock.now());
            let text = self.sink.text(&Untrusted::new(line), 2000);
            heard.lines.push(json!({"at": at, "event": word(event), "text": text}).to_string());
        }
        match event {
            Event::Began(state) => {
                // A run that goes on where another one left tells nobody twice.
                let fresh = state.stage == Stage::Prepare && state.history.len() <= 1;
                heard.began = true;
                heard.state = Some(state.clone());
                if fresh {
                    self.notice(&mut heard, Kind::Started, &state.why);
                }
            }
            Event::Look { judgement, .. } => heard.judgement = Some((**judgement).clone()),
            Event::Moved { to, why, seen, .. } => {
                if let Some(state) = heard.state.as_mut() {
                    state.stage = *to;
                    state.why.clone_from(why);
                }
                match to {
                    Stage::Done(Ending::Promoted) => self.notice(&mut heard, Kind::Completed, why),
                    Stage::Done(Ending::RolledBack) => {}
                    // What a person wanted has not failed.
                    Stage::Return if seen.is_some() => self.notice(&mut heard, Kind::Failed, why),
                    Stage::Prepare
                    | Stage::Step(_)
                    | Stage::Promote
                    | Stage::Keep
                    | Stage::Clean
                    | Stage::Return
                    | Stage::Undo => {}
                }
            }
            Event::Reached { stage, split } => {
                if let Some(state) = heard.state.as_mut() {
                    state.split = *split;
                }
                match stage {
                    Stage::Step(_) | Stage::Promote => self.notice(&mut heard, Kind::Step, ""),
                    Stage::Return => self.notice(&mut heard, Kind::RolledBack, ""),
                    Stage::Prepare | Stage::Keep | Stage::Clean | Stage::Undo | Stage::Done(_) => {}
                }
            }
            Event::Asked { .. } => self.notice(&mut heard, Kind::Attention(Wanted::Approval), ""),
            Event::Paused { .. } => self.notice(&mut heard, Kind::Attention(Wanted::Paused), ""),
            Event::Foreign { why } => self.notice(&mut heard, Kind::Attention(Wanted::ForeignEdit), why),
            Event::Ended { end, .. } => match end {
                End::Stuck(why) | End::Failed(why) => self.notice(&mut heard, Kind::Failed, why),
                End::LockLost => self.notice(&mut heard, Kind::Failed, "the lock was lost"),
                End::Done(_) | End::Asked | End::Cancelled | End::Foreign => {}
            },
            Event::Waiting { .. } | Event::Flapped { .. } | Event::Again { .. } => {}
        }
        if let Event::Look { judgement, .. } = event
            && judgement.blind
        {
            self.notice(&mut heard, Kind::NoData, &judgement.why);
        }
    }

    /// Tells people of a state as it is.
    fn notice(&self, heard: &mut Heard, kind: Kind, why: &str) {
        let Some(state) = &heard.state else { return };
        let mut notice = Notice::of(state, kind, self.clock.now());
        if !why.is_empty() {
            notice.why = Untrusted::new(why);
        }
        let full = self.queue.lock().ok().and_then(|queue| queue.as_ref()?.try_send(notice).err());
        if full.is_some() {
            heard.warnings.push("a notice was not sent: too many are waiting".into());
        }
    }

    /// Tells people of something that no event of a rollout says.
    pub(super) fn say(&self, notice: Notice) {
        let full = self.queue.lock().ok().and_then(|queue| queue.as_ref()?.try_send(notice).err());
        if let (Some(_), Ok(mut heard)) = (full, self.heard.lock()) {
            heard.warnings.push("a notice was not sent: too many are waiting".into());
        }
    }

    /// Nothing more will be heard: what is waiting is sent, and the sending ends.
    pub(super) fn close(&self) {
        drop(self.queue.lock().ok().and_then(|mut queue| queue.take()));
    }

    /// The last judgement, the lines of `events.jsonl`, and what went wrong.
    pub(super) fn end(self) -> (Option<Judgement>, Vec<String>, Vec<Untrusted>) {
        let heard = self.heard.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        (heard.judgement, heard.lines, heard.warnings)
    }
}

/// Does the work while notices are sent beside it, and gives those still on their way so much time at its end. What could not be
/// sent comes back with the work's result.
pub(super) async fn beside<T>(
    work: impl Future<Output = T>,
    sending: impl Future<Output = Vec<Untrusted>>,
    at_the_end: impl FnOnce(&T) -> Duration,
) -> (T, Vec<Untrusted>) {
    let (mut work, mut sending) = (std::pin::pin!(work), std::pin::pin!(sending));
    let mut unsent = None;
    let done = loop {
        tokio::select! {
            biased;
            done = &mut work => break done,
            told = &mut sending, if unsent.is_none() => unsent = Some(told),
        }
    };
    let unsent = match unsent {
        Some(unsent) => unsent,
        None => tokio::time::timeout(at_the_end(&done), sending)
            .await
            .unwrap_or_else(|_| vec!["notices were still being sent when the run ended".into()]),
    };
    (done, unsent)
}

/// The environment whose deployments the host shows.
struct Page {
    host: Environment,
    environment: String,
    rollout: String,
}

async fn send(mut waiting: mpsc::Receiver<Notice>, channels: Channels, page: Option<Page>) -> Vec<Untrusted> {
    let mut unsent = Vec::new();
    let mut deployments = None;
    while let Some(notice) = waiting.recv().await {
        unsent.extend(channels.send_all(&notice, PATIENCE).await);
        let going = going(notice.kind);
        if let (Some(Page { host, environment, rollout }), None, Some(_)) = (&page, &deployments, going) {
            let variable = |name: &str| host.get(name).map(str::to_owned);
            let (opened, warnings) = Deployments::open(&variable, environment, rollout, None).await;
            unsent.extend(warnings);
            deployments = Some(opened);
        }
        if let (Some(deployments), Some(going)) = (deployments.as_mut(), going) {
            unsent.extend(deployments.say(going, notice.kind.words()).await);
        }
    }
    unsent
}

/// How a deployment stands after a notice; none where it stands as before.
fn going(kind: Kind) -> Option<Going> {
    match kind {
        Kind::Started | Kind::Step | Kind::Attention(_) => Some(Going::InProgress),
        Kind::Completed => Some(Going::Success),
        Kind::Failed => Some(Going::Failure),
        // What was said of the failure stays.
        Kind::RolledBack | Kind::NoData => None,
    }
}

/// An event in one line; none where the next one says it as well.
fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Began(state) => {
            format!("{}: {}", stage_word(state.stage), if state.history.len() <= 1 { "begins" } else { "goes on" })
        }
        Event::Moved { from, to, why, .. } => {
            let (from, to) = (stage_word(*from), ended(*to));
            // The last move only ends what an earlier one has decided.
            if why.is_empty() || stage_is_over(event) {
                format!("{from} -> {to}")
            } else {
                format!("{from} -> {to}: {why}")
            }
        }
        Event::Reached { stage: stage @ (Stage::Clean | Stage::Undo), .. } => {
            format!("{}: reached, what the rollout made is removed", stage_word(*stage))
        }
        Event::Reached { stage, split } => {
            let mirrored =
                if split.mirror.get() > 0 { format!(", {} % mirrored", split.mirror.get()) } else { String::new() };
            format!("{}: reached, {} % of the traffic{mirrored}", stage_word(*stage), split.canary.get())
        }
        Event::Waiting { stage, why } => format!("{}: waiting: {why}", stage_word(*stage)),
        Event::Look { stage, judgement } => {
            format!("{}: {}: {}", stage_word(*stage), judgement.verdict.word(), judgement.why)
        }
        Event::Flapped { stage, times, why } => {
            format!("{}: not ready any more (time {times}): {why}", stage_word(*stage))
        }
        Event::Asked { stage } => format!("{}: passed; waits for `canary-promote approve`", stage_word(*stage)),
        Event::Paused { stage } => format!("{}: paused by a person", stage_word(*stage)),
        Event::Foreign { why } => format!("stopped: {why}"),
        Event::Again { why } => format!("tried again: {why}"),
        Event::Ended { .. } => return None,
    })
}

fn stage_is_over(event: &Event) -> bool {
    matches!(event, Event::Moved { to: Stage::Done(_) | Stage::Undo, .. })
}

fn ended(stage: Stage) -> String {
    match stage {
        Stage::Done(Ending::Promoted) => "promoted".to_owned(),
        Stage::Done(Ending::RolledBack) => "rolled back".to_owned(),
        other => stage_word(other),
    }
}

fn word(event: &Event) -> &'static str {
    match event {
        Event::Began(_) => "began",
        Event::Moved { .. } => "moved",
        Event::Reached { .. } => "reached",
        Event::Waiting { .. } => "waiting",
        Event::Look { .. } => "look",
        Event::Flapped { .. } => "flapped",
        Event::Asked { .. } => "asked",
        Event::Paused { .. } => "paused",
        Event::Foreign { .. } => "foreign",
        Event::Again { .. } => "again",
        Event::Ended { .. } => "ended",
    }
}

/// Where `events.jsonl` lies.
pub(super) fn events_file(session: &Session<'_>) -> PathBuf {
    session.args.out.join("events.jsonl")
}

/// The verdict of a run's end.
pub(super) fn verdict_of(end: &End, state: Option<&State>) -> Verdict {
    match end {
        End::Done(Ending::Promoted) => Verdict::Pass,
        End::Done(Ending::RolledBack) => state.map_or(Verdict::Fail, why_returned),
        End::Asked => Verdict::Inconclusive,
        End::Cancelled | End::Foreign | End::LockLost | End::Stuck(_) | End::Failed(_) => Verdict::Error,
    }
}

/// What returned the traffic.
fn why_returned(state: &State) -> Verdict {
    let back = state.history.iter().rev().find(|one| one.stage == Stage::Return);
    back.and_then(|one| one.verdict).unwrap_or(Verdict::Fail)
}
