//! `--dry-run`: the whole rollout is walked through against the cluster as it is, with writes that change nothing, measurements
//! that always pass and a clock that nobody waits for. Printed: the timeline, and each call with what it changes.

use std::sync::Mutex;

use tokio_util::sync::CancellationToken;

use super::record::{stage_word, words_of};
use super::rights::check_rights;
use super::session::{Session, command_error};
use crate::cluster::Call;
use crate::commands::{CommandError, Exit, Outcome};
use crate::deliver::begin::{Begin, Begun, begin};
use crate::deliver::clock::Clock;
use crate::deliver::drive::{Deps, End, Event, WhenAsked, drive};
use crate::deliver::plan::{Alerts, Analysis, Approval, Plan};
use crate::deliver::reach::Hands;
use crate::deliver::store::Store;
use crate::deliver::undo::{To, roll_back};
use crate::deliver::{Stage, Trouble, strategy};
use crate::trust::Untrusted;

/// The most calls that are shown: a rollout has a few dozen.
const CALLS: usize = 500;

/// Walks through a rollout that would begin now.
pub(super) async fn start(session: &Session<'_>) -> Result<Outcome, CommandError> {
    check_rights(session).await?;
    let cluster = session.cluster.rehearse();
    let plan = quiet(&session.plan);
    let flag = session.flag(&plan)?;
    let now = session.clock.now();
    let begun = begin(&Begin { cluster: &cluster, plan: &plan, owner: session.owner.clone(), now, flag }).await;
    walk(session, &cluster, begun).await
}

/// Walks through a rollback.
pub(super) async fn rollback(session: &Session<'_>, to: &To) -> Result<Outcome, CommandError> {
    let cluster = session.cluster.rehearse();
    let plan = session.state().await?.map_or_else(|| session.plan.clone(), |kept| kept.state.plan);
    let flag = session.flag(&plan)?;
    let begun = roll_back(&cluster, &session.plan, to, &session.owner, session.clock.now(), flag).await;
    walk(session, &cluster, begun).await
}

/// The plan without what cannot be rehearsed: measurements, people who are asked, alerts.
fn quiet(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.analysis = Analysis { interval_seconds: plan.analysis.interval_seconds, ..Analysis::default() };
    plan.alerts = Alerts::default();
    plan.shadow.answers = None;
    for approval in [
        &mut plan.canary.approval,
        &mut plan.blue_green.approval,
        &mut plan.shadow.approval,
        &mut plan.rolling.approval,
        &mut plan.feature_flag.approval,
    ] {
        *approval = Approval::None;
    }
    plan
}

async fn walk(
    session: &Session<'_>,
    cluster: &crate::cluster::Cluster,
    begun: Result<Begun, Trouble>,
) -> Result<Outcome, CommandError> {
    let Begun { kept, router, remarks, taken: _ } = begun.map_err(command_error)?;
    let state = kept.state;
    let clock = Clock::by_hand(session.clock.now());
    let never = CancellationToken::new();
    let moves: Mutex<Vec<(Stage, f64, usize)>> = Mutex::default();
    let told = |event: &Event| {
        if let (Event::Reached { stage, .. }, Ok(mut moves)) = (event, moves.lock()) {
            moves.push((*stage, clock.now().since(state.began), cluster.calls().len()));
        }
    };
    let deps = Deps {
        hands: Hands { cluster, router: &*router, clock: &clock, cancel: &session.context.cancel, lock_lost: &never },
        store: Store::new(cluster, state.plan.workload.namespace(), &state.plan.workload.name),
        source: None,
        run: session.owner.run.clone(),
        when_asked: WhenAsked::Wait,
        told: &told,
    };
    let run = drive(&deps).await;
    let line = |text: &Untrusted| session.context.sink.line(text, 400);
    let mut text = format!("dry run of {}: nothing is changed\n\n", line(&words_of(&state.plan.workload).into()));
    text.push_str(&timeline(&session.plan));
    for remark in remarks {
        text.push_str(&format!("note: {}\n", line(&remark.into())));
    }
    let calls = cluster.calls();
    let mut moves = moves.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    moves.sort_by_key(|(_, _, calls)| *calls);
    let mut moves = moves.into_iter().peekable();
    for (at, call) in calls.iter().take(CALLS).enumerate() {
        while let Some((stage, ..)) = moves.next_if(|(_, _, before)| *before <= at) {
            text.push_str(&format!("-- {} is reached\n", stage_word(stage)));
        }
        text.push_str(&shown(call, &line));
    }
    text.push_str(&format!("\n{}\n", line(&run.traffic.into())));
    match run.end {
        End::Done(_) => Ok(Outcome { exit: Exit::Pass, report: None, rollout: None, text }),
        End::Asked | End::Cancelled | End::Foreign | End::LockLost | End::Stuck(_) | End::Failed(_) => {
            let why =
                run.trouble.as_ref().map(crate::deliver::drive::words).unwrap_or_else(|| format!("{:?}", run.end));
            Err(CommandError::Environment(format!("the dry run did not come to its end: {why}\n{text}").into()))
        }
    }
}

/// One call, with what it changes.
fn shown(call: &Call, line: &dyn Fn(&Untrusted) -> String) -> String {
    let mut text = format!("{} {}\n", call.method, line(&call.place.words().into()));
    for change in call.lines().iter().filter(|change| !change.path.starts_with("data.state")) {
        text.push_str(&format!("    {}\n", line(&change.words())));
    }
    text
}

/// Every stage with its share, its least time, and when it is given up.
fn timeline(plan: &Plan) -> String {
    let mut text = format!("{:<10}  {:>15}  {:>11}  {:>9}\n", "stage", "on new version", "at least", "at most");
    for stage in strategy::way(plan) {
        let (hold, limit) = (strategy::hold_seconds(plan, stage), strategy::limit_seconds(plan, stage));
        let share = strategy::exposure(plan, stage).get();
        text.push_str(&format!("{:<10}  {share:>13} %  {hold:>9.0} s  {limit:>7.0} s\n", stage_word(stage)));
    }
    text.push_str(&format!(
        "without data a step ends after {:.0} s; the whole rollout after {:.0} s\n\n",
        plan.patience.no_data_seconds, plan.patience.deadline_seconds
    ));
    text
}
