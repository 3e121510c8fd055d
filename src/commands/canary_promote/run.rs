//! Orders that drive a rollout: start, resume, approve, abort, rollback. Each takes the lock, takes the rollout up, drives it to
//! its end or as far as it goes, and says where the traffic is.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::args::{OnApproval, Order};
use super::owner::{CLOSED, LEFT, REMEMBERED};
use super::record::{self, Said};
use super::rights::check_rights;
use super::session::{Session, Taken, command_error};
use super::sources::source;
use super::telling::{Telling, beside, events_file, verdict_of};
use crate::cluster::Guard;
use crate::commands::{CommandError, Exit, Outcome};
use crate::deliver::begin::{Begin, Begun, begin, take_over};
use crate::deliver::drive::{Deps, End, Run, WhenAsked, drive};
use crate::deliver::facts::Wish;
use crate::deliver::reach::Hands;
use crate::deliver::state::{Reached, State};
use crate::deliver::undo::{self, Found, To, resume_or_rollback, roll_back};
use crate::deliver::{Ending, Stage, Trouble};
use crate::gate::Verdict;
use crate::host::print_error;
use crate::store::file::{make_folder, write_atomically};
use crate::trust::Untrusted;

/// How long notices may still be sent once a rollout has ended.
const LAST_NOTICES: Duration = Duration::from_secs(15);
/// The same where a host has told the process to end: what is left of its patience.
const LAST_NOTICES_IN_HASTE: Duration = Duration::from_millis(1500);

/// How long another run may take to return the traffic once it is asked to, in seconds.
const RETURN_SECONDS: f64 = 30.0;

/// Begins a rollout, or goes on with the one of the same plan that is under way.
pub(super) async fn start(session: &Session<'_>) -> Result<Outcome, CommandError> {
    check_rights(session).await?;
    let flag = session.flag(&session.plan)?;
    let lock = session.lock_or_stop().await?;
    let began = Begin {
        cluster: &session.cluster,
        plan: &session.plan,
        owner: session.owner.clone(),
        now: session.clock.now(),
        flag,
    };
    match begin(&began).await {
        Ok(begun) => driven(session, begun, lock).await,
        Err(trouble) => refused(lock, trouble).await,
    }
}

/// Goes on with a rollout that is under way; with `--or-rollback` one that is past its deadline returns.
pub(super) async fn resume(session: &Session<'_>) -> Result<Outcome, CommandError> {
    let Some(kept) = session.state().await?.filter(|kept| !kept.state.stage.is_done()) else {
        return as_it_stands(session, "no rollout is under way").await;
    };
    if kept.state.wish == Wish::Pause && !session.args.or_rollback {
        session.store().wish(Wish::Proceed).await.map_err(command_error)?;
    }
    let lock = match session.lock().await? {
        Taken::Ours(lock) => lock,
        // Somebody drives it: there is nothing to do.
        Taken::Held(why) => {
            print_error(&format!("{}\n", session.context.sink.line(&why, 500)));
            return as_it_stands(session, "somebody else drives the rollout").await;
        }
    };
    // The lock may have been waited for: what was read before it is old.
    let Some(kept) = session.state().await?.filter(|kept| !kept.state.stage.is_done()) else {
        release(lock).await;
        return as_it_stands(session, "no rollout is under way any more").await;
    };
    match resume_or_rollback(&kept.state, &undo::Lock::Free, &session.owner.run, session.clock.now()) {
        Found::RollBack if session.args.or_rollback => back(session, &To::Previous, lock).await,
        Found::Continue | Found::RollBack => go_on(session, lock).await,
        Found::LeaveAlone(why) => {
            release(lock).await;
            nothing(session, &why).await
        }
    }
}

/// Says yes to the step that waits for a person, and goes on where nobody does.
pub(super) async fn approve(session: &Session<'_>) -> Result<Outcome, CommandError> {
    session.store().wish(Wish::Approve).await.map_err(command_error)?;
    match session.lock().await? {
        Taken::Ours(lock) => go_on(session, lock).await,
        Taken::Held(_) => as_it_stands(session, "approved; the run that drives the rollout goes on").await,
    }
}

/// Returns the traffic: by the run that drives the rollout, or by this one where nobody does.
pub(super) async fn abort(session: &Session<'_>) -> Result<Outcome, CommandError> {
    session.store().wish(Wish::Abort).await.map_err(command_error)?;
    match session.lock().await? {
        Taken::Ours(lock) => go_on(session, lock).await,
        Taken::Held(_) => returned_by_another(session).await,
    }
}

/// Brings back the previous version, or a given revision.
pub(super) async fn rollback(session: &Session<'_>) -> Result<Outcome, CommandError> {
    let to = match session.args.to_revision {
        Some(revision) => To::Revision(revision.to_string()),
        None => To::Previous,
    };
    if session.args.dry_run {
        return super::dry_run::rollback(session, &to).await;
    }
    // Whoever drives the rollout returns the traffic at once, and lets go of the lock.
    let turns = |state: &State| !state.stage.is_done() && state.stage != Stage::Clean;
    let under_way = session.state().await?.is_some_and(|kept| turns(&kept.state));
    if under_way && to == To::Previous {
        session.store().wish(Wish::Abort).await.map_err(command_error)?;
    }
    let lock = match session.lock().await? {
        Taken::Ours(lock) => lock,
        Taken::Held(_) if under_way && to == To::Previous => return returned_by_another(session).await,
        Taken::Held(why) => return Err(CommandError::Environment(why)),
    };
    let returned = session.state().await?.is_some_and(|kept| kept.state.ending() == Some(Ending::RolledBack));
    if under_way && to == To::Previous && returned {
        release(lock).await;
        return nothing(session, "the run that drove the rollout has brought it back").await;
    }
    back(session, &to, lock).await
}

/// Waits until the run that drives the rollout has returned its traffic; what it has not by then is no success.
async fn returned_by_another(session: &Session<'_>) -> Result<Outcome, CommandError> {
    let until = session.clock.now().after(RETURN_SECONDS + session.plan.patience.lock_seconds);
    loop {
        let state = session.state().await?.map(|kept| kept.state);
        let back = state.as_ref().is_none_or(|state| match (state.stage, state.reached) {
            (Stage::Undo | Stage::Done(Ending::RolledBack), _) | (Stage::Return, Reached::Confirmed) => true,
            (Stage::Prepare | Stage::Step(_) | Stage::Promote | Stage::Keep | Stage::Clean, _)
            | (Stage::Return, Reached::Announced)
            | (Stage::Done(Ending::Promoted), _) => false,
        });
        if back {
            return nothing(session, "the run that drives the rollout has returned the traffic").await;
        }
        if session.clock.now() >= until || session.clock.wait(0.5, &session.context.cancel).await {
            let mut outcome =
                nothing(session, "the run that drives the rollout has not returned the traffic yet").await?;
            outcome.exit = Exit::Inconclusive;
            return Ok(outcome);
        }
    }
}

/// Brings a rollout back, with the lock held.
pub(super) async fn back(session: &Session<'_>, to: &To, lock: Guard) -> Result<Outcome, CommandError> {
    let plan = session.state().await?.map_or_else(|| session.plan.clone(), |kept| kept.state.plan);
    let flag = session.flag(&plan)?;
    match roll_back(&session.cluster, &session.plan, to, &session.owner, session.clock.now(), flag).await {
        Ok(begun) => driven(session, begun, lock).await,
        Err(trouble) => refused(lock, trouble).await,
    }
}

/// Goes on with what is in the cluster, with the lock held.
async fn go_on(session: &Session<'_>, lock: Guard) -> Result<Outcome, CommandError> {
    let Some(kept) = session.state().await? else {
        release(lock).await;
        return nothing(session, "no rollout is under way").await;
    };
    let flag = session.flag(&kept.state.plan)?;
    match take_over(&session.cluster, &session.store(), kept, &session.owner, flag).await {
        Ok(begun) => driven(session, begun, lock).await,
        Err(trouble) => refused(lock, trouble).await,
    }
}

/// Drives what was begun, and reports.
pub(super) async fn driven(session: &Session<'_>, begun: Begun, lock: Guard) -> Result<Outcome, CommandError> {
    let context = session.context;
    let Begun { kept, router, taken: _, remarks } = begun;
    let state = kept.state;
    let source = source(session, &state)?;
    let remembered = format!("{} {}", state.id, session.owner.run);
    let mut warnings: Vec<Untrusted> = remarks.into_iter().map(Untrusted::from).collect();
    warnings.extend(context.host.remember(REMEMBERED, &remembered));
    let (telling, sending) = Telling::new(session, &state.plan, &state.id);
    let (never, lost) = (CancellationToken::new(), lock.lost());
    let deps = Deps {
        hands: Hands {
            cluster: &session.cluster,
            router: &*router,
            clock: &session.clock,
            cancel: if session.order == Order::Abort { &never } else { &context.cancel },
            lock_lost: &lost,
        },
        store: session.store(),
        source: source.as_deref(),
        run: session.owner.run.clone(),
        when_asked: match session.args.on_approval {
            OnApproval::Wait => WhenAsked::Wait,
            OnApproval::Leave => WhenAsked::Leave,
        },
        told: &|event| telling.hear(event),
    };
    let work = async {
        let run = drive(&deps).await;
        telling.close();
        run
    };
    let haste = || context.cancel.is_cancelled();
    let (run, unsent) = beside(work, sending, |_| if haste() { LAST_NOTICES_IN_HASTE } else { LAST_NOTICES }).await;
    release(lock).await;
    let (judgement, lines, told) = telling.end();
    warnings.extend(told);
    warnings.extend(unsent);
    warnings.extend(context.host.remember(REMEMBERED, if left_open(&run) { &remembered } else { CLOSED }));
    if matches!(run.end, End::Asked | End::Foreign) {
        leave(session).await;
    }
    if !lines.is_empty() {
        make_folder(&session.args.out).map_err(|error| CommandError::environment(&error))?;
        let text = format!("{}\n", lines.join("\n"));
        write_atomically(&events_file(session), text.as_bytes()).map_err(|error| CommandError::environment(&error))?;
    }
    let verdict = verdict_of(&run.end, run.state.as_ref());
    let said = Said {
        verdict,
        why: why(&run).into(),
        split: match &run.state {
            Some(state) => session.split(state).await,
            None => None,
        },
        findings: judgement.map(|judgement| judgement.findings).unwrap_or_default(),
        next: next(&run, session),
        warnings,
        traffic: run.traffic.clone().into(),
    };
    let report = record::report(session.order, &session.plan, run.state.as_ref(), said, context);
    let path = record::write(&report, &session.args.out, context)?;
    let exit = exit(session.order, &run, verdict);
    Ok(Outcome { exit, report: None, rollout: Some((Box::new(report), path)), text: String::new() })
}

/// The same for an order whose exit code says whether everybody has the new version; a schedule (`--or-rollback`) only looks after
/// what is left over.
async fn as_it_stands(session: &Session<'_>, why: &str) -> Result<Outcome, CommandError> {
    let ending = session.state().await?.and_then(|kept| kept.state.ending());
    let mut outcome = nothing(session, why).await?;
    outcome.exit = match ending {
        _ if session.args.or_rollback => Exit::Pass,
        Some(Ending::Promoted) => Exit::Pass,
        Some(Ending::RolledBack) => Exit::Fail,
        None => Exit::Inconclusive,
    };
    Ok(outcome)
}

/// A report of an order that had nothing to drive.
pub(super) async fn nothing(session: &Session<'_>, why: &str) -> Result<Outcome, CommandError> {
    super::status::status(session, why).await
}

async fn refused(lock: Guard, trouble: Trouble) -> Result<Outcome, CommandError> {
    release(lock).await;
    Err(command_error(trouble))
}

/// A lock that cannot be given back runs out by itself.
pub(super) async fn release(lock: Guard) {
    if let Err(error) = lock.release().await {
        tracing::debug!("the lock was not given back: {error}");
    }
}

/// Notes in the state that this run ended on purpose with the rollout under way: the step after its job leaves it alone.
async fn leave(session: &Session<'_>) {
    let store = session.store();
    if let Ok(Some(kept)) = store.read().await
        && kept.state.owner.run == session.owner.run
    {
        let mut state = kept.state.clone();
        state.notes.insert(LEFT.to_owned(), session.owner.run.clone());
        if let Err(trouble) = store.write(&kept, &state).await {
            tracing::debug!("the state was not marked as left: {trouble}");
        }
    }
}

/// Whether the step after the job has something to do.
fn left_open(run: &Run) -> bool {
    match run.end {
        End::Done(_) | End::Asked | End::Foreign | End::LockLost => false,
        End::Cancelled | End::Stuck(_) | End::Failed(_) => true,
    }
}

fn why(run: &Run) -> String {
    let state = run.state.as_ref();
    match &run.end {
        End::Done(Ending::Promoted) => "everybody has the new version".to_owned(),
        End::Done(Ending::RolledBack) => state.map(returned).unwrap_or_default(),
        End::Asked => "a person has to approve the next step".to_owned(),
        End::Cancelled => "the process was told to end".to_owned(),
        End::Foreign | End::LockLost => run.trouble.as_ref().map(crate::deliver::drive::words).unwrap_or_default(),
        End::Stuck(why) | End::Failed(why) => why.clone(),
    }
}

/// Why the traffic returned.
fn returned(state: &State) -> String {
    let back = state.history.iter().rev().find(|one| one.stage == crate::deliver::Stage::Return);
    back.map(|one| one.why.clone()).unwrap_or_else(|| state.why.clone())
}

/// What a person can do now.
fn next(run: &Run, session: &Session<'_>) -> Vec<String> {
    let name = &session.plan.workload.name;
    let context = session.plan.workload.context.as_ref().map(|context| format!(" --context {context}"));
    let names =
        format!("--workload {name} --namespace {}{}", session.plan.workload.namespace(), context.unwrap_or_default());
    match &run.end {
        End::Done(Ending::Promoted) => vec![format!("the version before: canary-promote rollback {names}")],
        End::Done(Ending::RolledBack) => Vec::new(),
        End::Asked => vec![
            format!("go on: canary-promote approve {names}"),
            format!("bring it back: canary-promote abort {names}"),
        ],
        End::Cancelled => vec![format!("remove what is left of it: canary-promote resume {names}")],
        End::Foreign => vec![
            format!("undo that change, then: canary-promote resume {names}"),
            format!("or bring the traffic to stable by hand, then: canary-promote rollback {names}"),
        ],
        End::LockLost => vec![format!("see who has it: canary-promote status {names}")],
        End::Stuck(_) | End::Failed(_) => vec![
            format!("go on: canary-promote resume {names}"),
            format!("bring it back: canary-promote rollback {names}"),
        ],
    }
}

/// The exit code: what was asked for, or not.
fn exit(order: Order, run: &Run, verdict: Verdict) -> Exit {
    let wanted_back = matches!(order, Order::Abort | Order::Rollback);
    match (&run.end, verdict) {
        (End::Done(Ending::RolledBack), _) if wanted_back => Exit::Pass,
        (End::Done(Ending::Promoted), _) if wanted_back => Exit::Fail,
        (_, Verdict::Pass) => Exit::Pass,
        (_, Verdict::Fail) => Exit::Fail,
        (_, Verdict::Inconclusive) => Exit::Inconclusive,
        (_, Verdict::Error) => Exit::Environment,
    }
}

/// Names that are used by others of this folder.
pub(super) type Source = Arc<dyn crate::deliver::probe::MetricSource>;
