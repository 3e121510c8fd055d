//! The order `runbook`: this deployment's own runbook, in `runbook.md` and on the screen.

use super::session::{Session, command_error};
use crate::commands::{CommandError, Exit, Outcome};
use crate::deliver::runbook::{runbook as page, see};
use crate::store::file::{make_folder, write_atomically};

/// Writes it.
pub(super) async fn runbook(session: &Session<'_>) -> Result<Outcome, CommandError> {
    let state = session.state().await?.map(|kept| kept.state);
    let plan = state.as_ref().map_or(&session.plan, |state| &state.plan);
    let seen = see(&session.cluster, plan).await.map_err(command_error)?;
    let file = session.args.rollout.display().to_string();
    let text = session.context.sink.whole(&page(plan, state.as_ref(), &seen, &file));
    make_folder(&session.args.out).map_err(|error| CommandError::environment(&error))?;
    let path = session.args.out.join("runbook.md");
    write_atomically(&path, text.as_bytes()).map_err(|error| CommandError::environment(&error))?;
    // On a host's log no line of it may begin a command.
    let shown: Vec<String> = text.lines().map(|line| session.context.sink.line(&line.into(), 2000)).collect();
    let text = shown.join("\n");
    Ok(Outcome {
        exit: Exit::Pass,
        report: None,
        rollout: None,
        text: format!("{text}\nwritten: {}\n", path.display()),
    })
}
