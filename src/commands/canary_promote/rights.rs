//! Rights that are missing are found before the first change, with the lines of a Role that give them.

use super::session::{Session, command_error};
use crate::commands::CommandError;
use crate::deliver::plan::Plan;
use crate::deliver::rights::rights;

/// Asks about every right that a rollout of this plan uses.
pub(super) async fn check_rights(session: &Session<'_>, plan: &Plan) -> Result<(), CommandError> {
    let namespace = plan.workload.namespace();
    let mut missing = Vec::new();
    for right in rights(plan) {
        let mut lacking = Vec::new();
        for verb in right.verbs {
            let allowed = session.cluster.may(namespace, right.resource, right.part, verb).await;
            if !allowed.map_err(|error| command_error(error.into()))? {
                lacking.push(*verb);
            }
        }
        if !lacking.is_empty() {
            let part = right.part.map(|part| format!("/{part}")).unwrap_or_default();
            missing.push(format!(
                "- {{apiGroups: [\"{}\"], resources: [{}{part}], verbs: [{}]}}",
                right.resource.group,
                right.resource.plural,
                lacking.join(", ")
            ));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let text = format!(
        "the account may not do everything that this rollout needs, and nothing was changed; add to its Role in `{namespace}`: {}",
        missing.join(" ")
    );
    Err(CommandError::Environment(text.into()))
}
