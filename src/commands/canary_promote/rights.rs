//! Rights that are missing are found before the first change, with the lines of a Role that give them.

use super::session::{Session, command_error};
use crate::cluster::{Right, role_lines};
use crate::commands::CommandError;
use crate::deliver::rights::rights;

/// Asks about every right that a rollout of this plan uses.
pub(super) async fn check_rights(session: &Session<'_>) -> Result<(), CommandError> {
    let namespace = session.plan.workload.namespace();
    let wanted = rights(&session.plan);
    let missing: Vec<Right> =
        session.cluster.missing_rights(namespace, &wanted).await.map_err(|error| command_error(error.into()))?;
    if missing.is_empty() {
        return Ok(());
    }
    let text = format!(
        "the account may not do everything that this rollout needs, and nothing was changed; add to its Role in `{namespace}`: {}",
        role_lines(&missing).join(" ")
    );
    Err(CommandError::Environment(text.into()))
}
