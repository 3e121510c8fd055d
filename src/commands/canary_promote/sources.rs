//! Where the measurements of a rollout come from: Prometheus, and for a shadow the compared answers.

use super::run::Source;
use super::session::Session;
use crate::commands::CommandError;
use crate::deliver::plan::{Plan, StrategyName, WorkloadKind};
use crate::deliver::probe::{Naming, Prometheus, PrometheusSource, SideNames, Sources};
use crate::deliver::state::State;
use crate::deliver::workload::{Names, layout, Layout};

/// The sources of a rollout; none where it has no rules.
pub(super) fn source(session: &Session<'_>, state: &State) -> Result<Option<Source>, CommandError> {
    let plan = &state.plan;
    let mut sources: Vec<Source> = Vec::new();
    if let Some(prometheus) = prometheus(session, plan, state)? {
        sources.push(std::sync::Arc::new(prometheus));
    }
    if plan.strategy == StrategyName::Shadow
        && let Some(answers) = &plan.shadow.answers
    {
        sources.push(super::shadow::source(session, plan, answers, state)?);
    }
    Ok(if sources.is_empty() { None } else { Some(std::sync::Arc::new(Sources(sources))) })
}

/// Prometheus, where the plan names one.
pub(super) fn prometheus(
    session: &Session<'_>,
    plan: &Plan,
    state: &State,
) -> Result<Option<PrometheusSource>, CommandError> {
    let Some(spec) = &plan.analysis.prometheus else { return Ok(None) };
    let token = spec.token_env.as_deref().map(|name| {
        session.secret(name).ok_or_else(|| {
            CommandError::Inputs(format!("the variable {name} of `analysis.prometheus.token_env` is not set").into())
        })
    });
    let token = token.transpose()?;
    let client = Prometheus::new(spec, token.as_ref()).map_err(|error| CommandError::environment(&error))?;
    let names = Names::in_state(state);
    let naming = Naming::of(plan);
    // Blue-green's colours change places from one rollout to the next.
    let naming = if plan.workload.kind == WorkloadKind::Deployment && layout(plan) == Layout::Colours {
        naming.with(Some(SideNames::deployment(&names.stable)), SideNames::deployment(&names.canary))
    } else {
        naming
    };
    Ok(Some(PrometheusSource::new(client, plan, naming, session.clock.clone(), state.began)))
}
