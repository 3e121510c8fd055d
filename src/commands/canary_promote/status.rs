//! Orders that look or leave a word: status and pause.

use super::record::{self, Said, stage_word};
use super::session::{Session, command_error};
use crate::commands::{CommandError, Exit, Outcome};
use crate::deliver::facts::Wish;
use crate::deliver::state::{Reached, State};
use crate::deliver::{Ending, where_the_traffic_is};
use crate::gate::Verdict;

/// Says where the rollout and the traffic are; `why` leads where an order had nothing else to do.
pub(super) async fn status(session: &Session<'_>, why: &str) -> Result<Outcome, CommandError> {
    let kept = session.state().await?;
    let state = kept.map(|kept| kept.state);
    let split = match &state {
        Some(state) => session.split(state).await,
        None => None,
    };
    let traffic = match &state {
        Some(state) => where_the_traffic_is(split, state),
        None => format!("traffic: as it is; no rollout of `{}` is known here", session.plan.workload.name),
    };
    let told = match &state {
        Some(state) => words(state),
        None => "no rollout is known".to_owned(),
    };
    let verdict = match state.as_ref().and_then(State::ending) {
        Some(Ending::Promoted) => Verdict::Pass,
        Some(Ending::RolledBack) => Verdict::Fail,
        None => Verdict::Inconclusive,
    };
    let said = Said {
        verdict,
        why: if why.is_empty() { told } else { format!("{why} ({told})") }.into(),
        split,
        findings: Vec::new(),
        next: Vec::new(),
        warnings: Vec::new(),
        traffic: traffic.into(),
    };
    let report = record::report(session.order, &session.plan, state.as_ref(), said, session.context);
    let path = record::write(&report, &session.args.out, session.context)?;
    Ok(Outcome { exit: Exit::Pass, report: None, rollout: Some((Box::new(report), path)), text: String::new() })
}

/// Leaves word that the rollout is to stay where it is.
pub(super) async fn pause(session: &Session<'_>) -> Result<Outcome, CommandError> {
    session.store().wish(Wish::Pause).await.map_err(command_error)?;
    status(session, "it stays at this step; `resume` lets it go on").await
}

fn words(state: &State) -> String {
    let stage = stage_word(state.stage);
    let reached = match state.reached {
        Reached::Announced => "on its way to",
        Reached::Confirmed => "at",
    };
    let wish = match state.wish {
        Wish::Proceed => "",
        Wish::Pause => "; paused",
        Wish::Approve => "; approved",
        Wish::Abort => "; to be aborted",
    };
    match state.ending() {
        Some(Ending::Promoted) => "promoted".to_owned(),
        Some(Ending::RolledBack) => format!("rolled back: {}", state.why),
        None => format!("{reached} {stage} since {}{wish}; run {}", record::instant(state.announced), state.owner.run),
    }
}
