//! Where the measurements of a rollout come from: Prometheus, and for a shadow the compared answers.

use std::path::Path;
use std::sync::Arc;

use super::run::Source;
use super::session::Session;
use super::shadow::{ShadowError, ShadowSource};
use crate::commands::CommandError;
use crate::deliver::plan::{Answers, Plan, StrategyName, WorkloadKind};
use crate::deliver::probe::{Naming, Prometheus, PrometheusSource, SideNames, Sources};
use crate::deliver::state::State;
use crate::deliver::workload::{Layout, Names, layout};
use crate::eval::model::Surroundings;
use crate::net::chain_of;

/// The sources of a rollout; none where it has no rules.
pub(super) fn source(session: &Session<'_>, state: &State) -> Result<Option<Source>, CommandError> {
    let plan = &session.believed(&state.plan)?;
    let mut sources: Vec<Source> = Vec::new();
    if let Some(prometheus) = prometheus(session, plan, state, Whose::Sides)? {
        sources.push(Arc::new(prometheus));
    }
    if plan.strategy == StrategyName::Shadow
        && let Some(answers) = &plan.shadow.answers
    {
        sources.push(answers_of(session, plan, answers, state)?);
    }
    Ok(if sources.is_empty() { None } else { Some(Arc::new(Sources(sources))) })
}

/// Whose measurements are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Both sides of a rollout.
    Sides,
    /// The release that everybody has: the workload that users reach now.
    Release,
}

/// Prometheus, where the plan names one.
pub(super) fn prometheus(
    session: &Session<'_>,
    plan: &Plan,
    state: &State,
    whose: Whose,
) -> Result<Option<PrometheusSource>, CommandError> {
    let plan = &session.believed(plan)?;
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
    let colours = plan.workload.kind == WorkloadKind::Deployment && layout(plan) == Layout::Colours;
    let naming = match whose {
        // Blue-green's colours change places from one rollout to the next.
        Whose::Sides if colours => {
            naming.with(Some(SideNames::deployment(&names.stable)), SideNames::deployment(&names.canary))
        }
        Whose::Sides => naming,
        Whose::Release if colours => naming.with(None, SideNames::deployment(&names.canary)),
        Whose::Release => naming.with(None, SideNames::deployment(&names.stable)),
    };
    Ok(Some(PrometheusSource::new(client, plan, naming, session.clock.clone(), state.began)))
}

/// The compared answers of a shadow. The same rollout takes the same sample, whoever drives it.
fn answers_of(session: &Session<'_>, plan: &Plan, answers: &Answers, state: &State) -> Result<Source, CommandError> {
    let context = session.context;
    let variable = |name: &str| context.environment.get(name).map(str::to_owned);
    let around = Surroundings {
        folder: Path::new(""),
        environment: &variable,
        connections: 8,
        trusted: &[],
        visible_devices: None,
        cancel: None,
    };
    let seed = u64::from_str_radix(state.id.get(..8).unwrap_or_default(), 16).unwrap_or(0);
    let built = ShadowSource::new(&plan.shadow, answers, &around, seed, context.cancel.clone());
    let (source, secrets) = built.map_err(|error| match error {
        ShadowError::Requests(problems) => CommandError::Problems(problems.sorted()),
        ShadowError::Endpoint(error) => CommandError::Inputs(chain_of(&error).into()),
        ShadowError::Compare(error) => CommandError::Inputs(chain_of(&error).into()),
    })?;
    context.redactor.learn(&secrets);
    context.host.mask(&secrets);
    Ok(Arc::new(source))
}
