//! Who brings a release out: the host's own id of the run, by which a lock and a state name their holder.

use crate::commands::{CommandError, Context};
use crate::deliver::state::Owner;
use crate::host;

/// What the step after the job reads: `STATE_llmci_rollout` on GitHub.
pub(super) const REMEMBERED: &str = "llmci_rollout";

/// The owner of this process. Each process has an id of its own: jobs of a matrix share all that the host says of them.
pub(super) fn owner(context: &Context) -> Result<Owner, CommandError> {
    let nonce = host::nonce().map_err(|why| CommandError::Environment(why.into()))?;
    let nonce: String = nonce.chars().take(12).collect();
    let get = |name: &str| context.environment.get(name);
    let run = if let (Some(repository), Some(run)) = (get("GITHUB_REPOSITORY"), get("GITHUB_RUN_ID")) {
        let attempt = get("GITHUB_RUN_ATTEMPT").unwrap_or("1");
        format!("github/{repository}/{run}.{attempt}/{}/{nonce}", get("GITHUB_JOB").unwrap_or("job"))
    } else if let (Some(project), Some(job)) = (get("CI_PROJECT_PATH"), get("CI_JOB_ID")) {
        format!("gitlab/{project}/{job}/{nonce}")
    } else {
        format!("local/{}/{nonce}", std::process::id())
    };
    Ok(Owner { run, url: context.host.info().run_url.map(|url| url.into_raw()) })
}

/// What an earlier step of the same job left: the rollout's id and its holder.
pub(super) fn remembered(context: &Context) -> Option<(String, String)> {
    let text = context.environment.get(&format!("STATE_{REMEMBERED}"))?;
    let (id, holder) = text.split_once(' ')?;
    Some((id.to_owned(), holder.to_owned()))
}
