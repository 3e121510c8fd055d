//! Who brings a release out: the host's own id of the run, by which a lock and a state name their holder.

use crate::commands::{CommandError, Context};
use crate::deliver::state::Owner;
use crate::host;

/// What the step after the job reads: `STATE_llmci_rollout` on GitHub.
pub(super) const REMEMBERED: &str = "llmci_rollout";

/// What is left there once nothing is to be done.
pub(super) const CLOSED: &str = "closed";
/// The note of a state that its run left under way on purpose: that run.
pub(super) const LEFT: &str = "left-by";

/// The owner of this process. Each process has an id of its own: jobs of a matrix share all that the host says of them.
pub(super) fn owner(context: &Context) -> Result<Owner, CommandError> {
    let nonce = host::nonce().map_err(|why| CommandError::Environment(why.into()))?;
    let nonce: String = nonce.chars().take(12).collect();
    let run = match job(context) {
        Some(job) => format!("{job}{nonce}"),
        None => format!("local/{}/{nonce}", std::process::id()),
    };
    Ok(Owner { run, url: context.host.info().run_url.map(|url| url.into_raw()) })
}

/// What every run of this job begins its id with; none where no host runs it.
pub(super) fn job(context: &Context) -> Option<String> {
    let get = |name: &str| context.environment.get(name);
    if let (Some(repository), Some(run)) = (get("GITHUB_REPOSITORY"), get("GITHUB_RUN_ID")) {
        let attempt = get("GITHUB_RUN_ATTEMPT").unwrap_or("1");
        return Some(format!("github/{repository}/{run}.{attempt}/{}/", get("GITHUB_JOB").unwrap_or("job")));
    }
    let (project, job) = (get("CI_PROJECT_PATH")?, get("CI_JOB_ID")?);
    Some(format!("gitlab/{project}/{job}/"))
}

/// What an earlier step of the same job left.
pub(super) enum Remembered {
    /// A rollout that is open: its id and its holder.
    Open(String, String),
    /// Nothing: it ended, or was left on purpose.
    Closed,
    /// The host has no such step, or the step never began.
    Unknown,
}

/// Reads it.
pub(super) fn remembered(context: &Context) -> Remembered {
    match context.environment.get(&format!("STATE_{REMEMBERED}")) {
        None => Remembered::Unknown,
        Some(text) => match text.split_once(' ') {
            Some((id, holder)) => Remembered::Open(id.to_owned(), holder.to_owned()),
            None => Remembered::Closed,
        },
    }
}
