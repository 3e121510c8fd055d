//! The step after the job: closes what a cancelled or killed step left open.

use tokio_util::sync::CancellationToken;

use super::api::{Access, Api};
use super::check::{Check, Output, Ticket};
use super::pace::Clock;
use super::status::{State, Status};
use crate::host::{Conclusion, GITHUB_TOKENS, token};
use crate::trust::Untrusted;

/// The state that names the check run, by its ticket.
pub(super) const CHECK: &str = "LLMCI_CHECK_RUN";
/// The state that names a status that may be pending: its commit and its context; empty once it is settled.
pub(super) const STATUS: &str = "LLMCI_STATUS";

/// Closes a check run that is still in progress, and a status that is still pending. Gives lines for the log.
pub async fn close_dangling(
    variable: &dyn Fn(&str) -> Option<String>,
    now: &str,
    clock: Clock,
    interrupted: CancellationToken,
) -> Vec<Untrusted> {
    let text = |name: &str| variable(name).filter(|value| !value.is_empty());
    let check = text(&format!("STATE_{CHECK}")).and_then(|words| Ticket::parse(&words));
    let status = text(&format!("STATE_{STATUS}"));
    if check.is_none() && status.is_none() {
        return Vec::new();
    }
    let (Some(token), Some(repository)) = (token(&GITHUB_TOKENS, variable), text("GITHUB_REPOSITORY")) else {
        return vec!["a check run may still be in progress: there is no token to close it with".into()];
    };
    let base = text("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".to_owned());
    let access = Access { base: &base, graphql: None, repository: &repository, token: &token };
    let api = match Api::new(&access, clock, interrupted) {
        Ok(api) => api,
        Err(trouble) => return vec![Untrusted::new(trouble.words())],
    };
    let mut lines = Vec::new();
    let mut told = |what: &str, trouble: super::Trouble| {
        lines.push(Untrusted::new(format!("{what} was not closed: {}", trouble.words())));
    };
    if let Some(ticket) = check {
        let output = Output {
            title: "stopped".to_owned(),
            summary: "The job was stopped before there was a verdict.".to_owned(),
            text: String::new(),
        };
        let closed = match Check::still_open(&api, &ticket).await {
            Ok(Some(check)) => check.close(&api, Conclusion::Cancelled, &output, &[], now).await,
            // A token that may not write checks has opened none.
            Ok(None) | Err(super::Trouble::NoRight(..)) => Ok(()),
            Err(trouble) => Err(trouble),
        };
        if let Err(trouble) = closed {
            told("the check run", trouble);
        }
    }
    if let Some((sha, context)) = status.as_deref().and_then(|status| status.split_once(' ')) {
        let status = Status { context, sha, target_url: None };
        if let Err(trouble) = status.set(&api, State::Error, "stopped").await {
            told("the commit status", trouble);
        }
    }
    lines
}
