//! From a rollout's state to what is said of it: the report, its files, and the words for a stage.

use std::path::{Path, PathBuf};

use super::args::Order;
use crate::commands::{CommandError, Context};
use crate::deliver::analysis::Finding;
use crate::deliver::plan::{Plan, StrategyName, Workload};
use crate::deliver::state::{Moment, State};
use crate::deliver::{Ending, Split, Stage, strategy};
use crate::gate::Verdict;
use crate::report::{RolloutFinding, RolloutReport, RolloutStep, rollout_json, rollout_markdown};
use crate::store::file::{make_folder, write_atomically};
use crate::trust::Untrusted;

/// What a run has to say beside the state.
pub(super) struct Said {
    /// How the run ends.
    pub(super) verdict: Verdict,
    /// The sentence that decided.
    pub(super) why: Untrusted,
    /// The split as it was seen at the end; none where it could not be read.
    pub(super) split: Option<Split>,
    /// What the last look found.
    pub(super) findings: Vec<Finding>,
    /// What a person can do now.
    pub(super) next: Vec<String>,
    /// What went wrong beside the rollout.
    pub(super) warnings: Vec<Untrusted>,
    /// Where the traffic is.
    pub(super) traffic: Untrusted,
}

/// The report.
pub(super) fn report(order: Order, plan: &Plan, state: Option<&State>, said: Said, context: &Context) -> RolloutReport {
    let plan = state.map_or(plan, |state| &state.plan);
    let stage = state.map_or(Stage::Prepare, |state| state.stage);
    let ending = state.and_then(State::ending).map(ending_word);
    let Said { verdict, why, split, findings, next, warnings, traffic } = said;
    let on_new = match (state, split) {
        // Behind a promoted rollout the stable workload is the new version.
        (Some(state), Some(_)) if state.ending().is_some() || matches!(state.stage, Stage::Clean) => {
            Some(state.exposure().get())
        }
        (_, split) => split.map(|split| split.canary.get()),
    };
    RolloutReport {
        schema: 1,
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        command: order.word().to_owned(),
        id: state.map(|state| state.id.as_str().into()),
        workload: words_of(&plan.workload).into(),
        strategy: strategy_word(plan.strategy).to_owned(),
        old: state.map(|state| state.old.words()).unwrap_or_default().into(),
        new: state.map(|state| state.new.words()).unwrap_or_default().into(),
        verdict,
        ending: ending.map(str::to_owned),
        stage: state.map_or_else(|| "none".to_owned(), |_| stage_word(stage)),
        on_new,
        mirrored: split.map(|split| split.mirror.get()),
        why,
        steps: state.map(steps).unwrap_or_default(),
        findings: findings.into_iter().map(finding).collect(),
        next: next.into_iter().map(Untrusted::from).collect(),
        warnings,
        traffic,
        at: (context.clock)(),
        run_url: context.host.info().run_url,
    }
}

/// Writes `rollout.json` and `rollout.md`, and gives the path of the first.
pub(super) fn write(report: &RolloutReport, folder: &Path, context: &Context) -> Result<PathBuf, CommandError> {
    let unwritten = |error: &dyn std::error::Error| CommandError::environment(error);
    make_folder(folder).map_err(|error| unwritten(&error))?;
    let path = folder.join("rollout.json");
    write_atomically(&path, rollout_json(report, &context.sink).as_bytes()).map_err(|error| unwritten(&error))?;
    let page = rollout_markdown(report, &context.sink);
    write_atomically(&folder.join("rollout.md"), page.as_bytes()).map_err(|error| unwritten(&error))?;
    Ok(path)
}

fn steps(state: &State) -> Vec<RolloutStep> {
    let step = |happening: &crate::deliver::state::Happening| RolloutStep {
        at: instant(happening.at),
        stage: stage_word(happening.stage),
        on_new: strategy::exposure(&state.plan, happening.stage).get(),
        why: happening.why.as_str().into(),
    };
    state.history.iter().map(step).collect()
}

fn finding(finding: Finding) -> RolloutFinding {
    let Finding { rule, verdict, canary, stable, low, high, bound, n, why, no_data: _ } = finding;
    RolloutFinding { rule: rule.into(), verdict, canary, stable, low, high, bound, n, why: why.into() }
}

/// RFC 3339 of a moment; empty beyond the calendar.
pub(super) fn instant(moment: Moment) -> String {
    Moment(moment.0 - moment.0.rem_euclid(1000)).rfc3339().unwrap_or_default()
}

/// `Deployment prod/llm`.
pub(super) fn words_of(workload: &Workload) -> String {
    use crate::deliver::plan::WorkloadKind;
    let kind = match workload.kind {
        WorkloadKind::Deployment => "Deployment",
        WorkloadKind::Rollout => "Rollout",
        WorkloadKind::InferenceService => "InferenceService",
    };
    format!("{kind} {}/{}", workload.namespace(), workload.name)
}

/// The stage as outputs and reports have it: `step-1` is the first one.
pub(super) fn stage_word(stage: Stage) -> String {
    match stage {
        Stage::Prepare => "prepare".to_owned(),
        Stage::Step(step) => format!("step-{}", u32::from(step) + 1),
        Stage::Promote => "promote".to_owned(),
        Stage::Keep => "keep".to_owned(),
        Stage::Clean => "clean".to_owned(),
        Stage::Return => "return".to_owned(),
        Stage::Undo => "undo".to_owned(),
        Stage::Done(_) => "done".to_owned(),
    }
}

fn ending_word(ending: Ending) -> &'static str {
    match ending {
        Ending::Promoted => "promoted",
        Ending::RolledBack => "rolled-back",
    }
}

/// The strategy as the rollout file has it.
pub(super) fn strategy_word(strategy: StrategyName) -> &'static str {
    match strategy {
        StrategyName::Canary => "canary",
        StrategyName::BlueGreen => "blue-green",
        StrategyName::Shadow => "shadow",
        StrategyName::Rolling => "rolling",
        StrategyName::FeatureFlag => "feature-flag",
    }
}
