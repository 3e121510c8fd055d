//! `--evaluate`: the candidate is asked for this comparison, in a seeded order, and no longer than the verdict needs.

use std::sync::Arc;
use std::time::Instant;

use super::RegressionCheckArgs;
use super::assemble::Asked;
use super::source::{self, Found};
use crate::commands::base::refuse_own_models;
use crate::commands::eval_gate::prepare::{Given, read_any};
use crate::commands::eval_gate::{Drawing, Finished, Session, SessionArgs, assemble, suite_info, write_samples};
use crate::commands::{CommandError, Context};
use crate::eval::early::{Against, PairTrial, PlannedCases, Schedule, Trial, Watch};
use crate::eval::planned::{RuleScope, planned};
use crate::eval::policy::{EarlyStop, LoadedPolicy};
use crate::eval::reduce::{Drawn, facts};
use crate::eval::run::Collected;
use crate::eval::suite::Filter;
use crate::gate::compare::RegressionPolicy;
use crate::gate::plan::regression_can_pass;
use crate::gate::{OnInconclusive, Preflight, Reason, Verdict, lacking};
use crate::report::{Report, SuiteInfo};
use crate::trust::Untrusted;

/// The address of a candidate that is asked.
const ADDRESS: &str = "the candidate, asked by --evaluate";

/// A candidate that could be asked.
pub(super) struct Planned {
    pub(super) session: Session,
    pub(super) suite: SuiteInfo,
    early: EarlyStop,
    began: Instant,
    started_at: String,
}

/// Reads, builds and lays out everything; asks nothing.
pub(super) async fn plan(
    args: &RegressionCheckArgs,
    loaded: Option<LoadedPolicy>,
    began: Instant,
    context: &Context,
) -> Result<Planned, CommandError> {
    let refuse = |text: &str| CommandError::Inputs(Untrusted::new(text));
    let loaded = loaded.ok_or_else(|| refuse("--evaluate asks the model of a policy: give --policy"))?;
    if let Some(at) = loaded.policy.results.iter().position(|spec| spec.harness.is_some()) {
        let problem = loaded.document.problem(&format!("/results/{at}"), "this program starts no tools");
        let help =
            "start it with eval-gate, and compare the folders of two such runs: `--baseline OLD --candidate NEW`";
        return Err(CommandError::Problems(vec![problem.help(help)]));
    }
    let early = args.early_stop.or(loaded.policy.run.early_stop).unwrap_or(EarlyStop::Auto);
    let keeps = args.update_baseline || args.bless.is_some();
    if keeps && early == EarlyStop::Auto {
        return Err(refuse("a run that may stop early is no baseline: add --early-stop off"));
    }
    let prepared = {
        let given =
            Given { suites: &args.suite, filter: Filter::default(), seed: args.seed, model: args.model.as_deref() };
        read_any(loaded, given, context)?
    };
    refuse_own_models(&prepared.suites, &args.trust, context)?;
    let session_args = SessionArgs { model: args.model.as_deref(), shard: None, concurrency: None, began };
    let session = Session::open(prepared, session_args, context).await?;
    let suite = suite_info(&session.suites, &session.plan, &session.filter);
    Ok(Planned { session, suite, early, began, started_at: (context.clock)() })
}

/// What a candidate is asked for.
pub(super) struct Question<'a> {
    pub(super) baseline: &'a Found,
    pub(super) anchor: Option<&'a Found>,
    pub(super) rules: &'a RegressionPolicy,
    /// Verdicts that were given on the same things before.
    pub(super) earlier: u32,
}

impl Planned {
    /// Asks, and leaves the samples in the folder. Nothing is asked where the runs have too little in common.
    pub(super) async fn ask(
        &self,
        question: &Question<'_>,
        args: &RegressionCheckArgs,
        context: &Context,
    ) -> Result<(Found, Asked), CommandError> {
        let Session { suites, plan, .. } = &self.session;
        let planned = PlannedCases::of(suites, plan).map_err(|problem| CommandError::Problems(vec![*problem]))?;
        let against = against(question)?;
        let coverages: Vec<_> = against.iter().map(|one| planned.coverage(one)).collect();
        let least = question.rules.coverage;
        let mut refused: Vec<Reason> = coverages.iter().filter_map(|coverage| coverage.reason(least)).collect();
        refused.extend(self.hopeless(question, context));
        if !refused.is_empty() {
            let nothing = Collected::empty(plan.slots().len());
            let found = Found {
                address: ADDRESS.to_owned(),
                side: None,
                digest: self.suite.digest.clone(),
                report: Some(self.report(&nothing, None, context)?),
                samples_file: None,
                report_file: None,
            };
            return Ok((found, Asked { refused, ..Asked::default() }));
        }
        let watch = match self.early {
            EarlyStop::Off => None,
            EarlyStop::Auto => self.watch(planned, against, question)?,
        };
        let checkpoint = self.session.checkpoint("regression-check", &args.preemption, context).await?;
        let kept = checkpoint.as_ref();
        let drawing = Drawing { folder: &args.out, resume: args.resume, quiet: args.quiet, watch, checkpoint: kept };
        let ended = self.session.draw(drawing, context).await?;
        write_samples(&args.out, &ended.collected)?;
        let watch = ended.watch.as_ref();
        let report = self.report(&ended.collected, watch, context)?;
        let place = args.out.join("samples.jsonl").display().to_string();
        let found = Found { address: ADDRESS.to_owned(), report: Some(report), ..source::find("candidate", &place)? };
        let part = watch.and_then(|watch| Some(watch.schedule().part(watch.stopped_at()?)));
        let (rows, names) = (ended.collected.rows(), ended.collected.names());
        let drawn = Drawn { suites, plan, rows, names, part: part.as_deref() };
        let lacking = lacking(&facts(drawn, self.session.loaded.policy.gate.error_budget, None));
        let trial = match watch.filter(|watch| watch.stopped_at().is_some()).map(Watch::trial) {
            Some(Trial::Pairs(trial)) => Some(trial),
            Some(Trial::Thresholds(_) | Trial::Safety(_)) | None => None,
        };
        let asked = Asked {
            staged: trial.map(PairTrial::staged),
            coverages: trial.map(PairTrial::coverages),
            lacking,
            refused: Vec::new(),
            checkpoint: checkpoint.filter(|_| ended.is_whole()),
        };
        Ok((found, asked))
    }

    /// Required rules that no result could pass with so few cases. One that only a better candidate could pass is a warning.
    fn hopeless(&self, question: &Question<'_>, context: &Context) -> Vec<Reason> {
        let gate = &self.session.loaded.policy.gate;
        let warn_only = gate.preflight == Preflight::Warn || gate.on_inconclusive == OnInconclusive::Pass;
        let mut hopeless = Vec::new();
        for rule in question.rules.rules.iter().filter(|rule| rule.required) {
            let scope = RuleScope::of_rule(rule);
            let can = regression_can_pass(rule, &planned(&self.session.suites, &self.session.filter, scope));
            if can.unchanged {
                continue;
            }
            let who = if can.ever { "an unchanged candidate" } else { "no candidate at all" };
            let needed = can.needed.map_or_else(|| "no number would do".to_owned(), |n| format!("{n} are needed"));
            let scope = scope.words().map_or_else(String::new, |scope| format!(" [{scope}]"));
            let text = format!(
                "{}{scope}: with {} pairs {who} could {}pass the margin of {}: {needed}; add cases, or widen the margin",
                rule.metric,
                can.pairs,
                if can.ever { "not " } else { "" },
                rule.margin
            );
            if can.ever || warn_only {
                tracing::warn!("{}", context.sink.line(&Untrusted::new(text), 500));
            } else {
                hopeless.push(Reason { verdict: Verdict::Inconclusive, metric: Some(rule.metric.clone()), text });
            }
        }
        hopeless
    }

    fn watch(
        &self,
        planned: PlannedCases,
        against: Vec<Against>,
        question: &Question<'_>,
    ) -> Result<Option<Watch>, CommandError> {
        let Session { suites, plan, .. } = &self.session;
        let paired = planned.paired_slots(&against, plan.slots().len());
        let schedule = Schedule::new(plan, suites, |slot, _| paired.get(slot).copied().unwrap_or(false));
        let trial = PairTrial::new(planned, against, question.rules, question.earlier)
            .map_err(|error| CommandError::Inputs(Untrusted::new(error.to_string())))?;
        if trial.is_none() {
            tracing::warn!("the rules cannot be looked at before the end: the run does not stop early");
        }
        Ok(trial.map(|trial| Watch::new(schedule, Trial::Pairs(trial))))
    }

    fn report(&self, collected: &Collected, watch: Option<&Watch>, context: &Context) -> Result<Report, CommandError> {
        let session = &self.session;
        assemble(&Finished {
            program: "regression-check",
            loaded: &session.loaded,
            suites: &session.suites,
            filter: &session.filter,
            plan: &session.plan,
            collected,
            watch,
            model: &session.model,
            servers: session.servers.infos(),
            shard: None,
            seed: session.seed,
            concurrency: session.concurrency,
            started_at: self.started_at.clone(),
            finished_at: (context.clock)(),
            seconds: self.began.elapsed().as_secs_f64(),
            host: context.host.info(),
        })
    }
}

fn against(question: &Question<'_>) -> Result<Vec<Against>, CommandError> {
    let sides = [Some(("baseline", question.baseline)), question.anchor.map(|anchor| ("anchor", anchor))];
    let against = sides.into_iter().flatten().map(|(role, found)| match &found.side {
        Some(side) => Ok(Against { role: role.to_owned(), side: Arc::clone(side) }),
        None => {
            let text = format!("--evaluate pairs cases, so the {role} needs its samples.jsonl, not only its report");
            Err(CommandError::Inputs(Untrusted::new(text)))
        }
    });
    against.collect()
}
