//! `eval-gate`: draws the samples, judges them, and writes the report.

mod args;
mod assemble;
mod files;
mod models;
mod preflight;
pub(crate) mod prepare;
mod session;
mod tools;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::base::{Changes, TrustArgs, hold};
use super::ledger::{Key, Ledger, identity, said_again};
use super::{CommandError, Context, Exit, Outcome, prior};
use crate::eval::early::{Schedule, ThresholdTrial, Trial, Watch};
use crate::eval::journal::FolderLock;
use crate::eval::policy::{self, EarlyStop};
use crate::eval::suite::Filter;
use crate::gate::Verdict;
use crate::report::{HostInfo, Report};
use crate::store;
use crate::trust::Digest;
use prepare::{Given, Prepared};
use tools::start_tools;

pub use args::EvalGateArgs;
pub(crate) use assemble::{Finished, assemble, frame, read_back, suite_info};
pub(crate) use files::{clear, clear_reports, write_all, write_lm_eval, write_report, write_samples};
pub(crate) use models::Models;
pub(crate) use session::{Drawing, Session, SessionArgs, no_server, not_drawn, progress};
pub(crate) use tools::Tools;

/// Runs the gate.
pub async fn run(args: EvalGateArgs, context: &Context) -> Result<Outcome, CommandError> {
    let began = Instant::now();
    let started_at = (context.clock)();
    let filter = Filter { level: args.level, tags: args.tags.clone() };
    let model = args.model.as_deref();
    let tools =
        if args.shard.is_some() { Tools::Refuse } else { Tools::Start { out: &args.out, began, gpu: &args.gpu } };
    let inputs =
        Inputs { policy: &args.policy, suites: &args.suite, filter, seed: args.seed, trust: &args.trust, model, tools };
    let (mut prepared, changes) = read_held(inputs, context).await?;
    prepared.obtain(&args.gpu, context).await?;
    let early = args.early_stop.or(prepared.loaded.policy.run.early_stop).unwrap_or(EarlyStop::Off);
    let session_args =
        SessionArgs { model: args.model.as_deref(), shard: args.shard, concurrency: args.concurrency, began };
    let mut session = Session::open(prepared, session_args, context).await?;
    tracing::debug!("prepared after {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    let ledger = open_ledger(&args, &session, context).await?;
    let (earlier, stored) = match &ledger {
        Some(ledger) => ledger.last().await?,
        None => (0, None),
    };
    session.loaded.policy.gate.halve_errors(earlier);

    // From here on something is written: the folder is ours until the process ends.
    store::file::make_folder(&args.out).map_err(|error| CommandError::environment(&error))?;
    let _lock = FolderLock::take(&args.out).map_err(|error| CommandError::environment(&error))?;
    if let Some(stored) = stored.filter(|_| !args.fresh) {
        clear_reports(&args.out)?;
        // It was made on the hardware of that time.
        let host = HostInfo { gpus: stored.host.gpus.clone(), ..context.host.info() };
        let mut report = Report { host, ..said_again(stored) };
        changes.judge(&session.loaded.policy.gate, &mut report);
        let path = write_report(&args.out, &report, context)?;
        let exit = Exit::of(report.verdict, &session.loaded.policy.gate, false);
        return Ok(Outcome { exit, report: Some((Box::new(report), path)), rollout: None, text: String::new() });
    }
    clear(&args.out)?;
    if let Some(mut report) = preflight::stop(&session, (began, &started_at), context)? {
        changes.judge(&session.loaded.policy.gate, &mut report);
        let path = write_report(&args.out, &report, context)?;
        // A shard that stops has not measured what it was asked to: `on_partial` does not make it green.
        let exit = Exit::of(report.verdict, &session.loaded.policy.gate, false);
        return Ok(Outcome { exit, report: Some((Box::new(report), path)), rollout: None, text: String::new() });
    }
    let watch = match early {
        EarlyStop::Off => None,
        EarlyStop::Auto => watch(&session),
    };
    let checkpoint = session.checkpoint("eval-gate", &args.preemption, context).await?;
    let kept = checkpoint.as_ref();
    let drawing = Drawing { folder: &args.out, resume: args.resume, quiet: args.quiet, watch, checkpoint: kept };
    let ended = session.draw(drawing, context).await?;
    tracing::debug!("drawn after {:.1} ms", began.elapsed().as_secs_f64() * 1e3);

    let mut report = assemble(&Finished {
        program: "eval-gate",
        loaded: &session.loaded,
        suites: &session.suites,
        filter: &session.filter,
        plan: &session.plan,
        collected: &ended.collected,
        watch: ended.watch.as_ref(),
        model: &session.model,
        servers: session.servers.infos(),
        shard: args.shard,
        seed: session.seed,
        concurrency: session.concurrency,
        started_at,
        finished_at: (context.clock)(),
        seconds: began.elapsed().as_secs_f64(),
        host: context.host.info(),
    })?;
    tracing::debug!("judged after {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    // What a reviewer has to look at is no part of what was measured: it may be seen by the next run.
    if let Some(ledger) = ledger.filter(|_| report.verdict != Verdict::Error) {
        ledger.add(earlier, &report).await?;
    }
    changes.judge(&session.loaded.policy.gate, &mut report);
    write_lm_eval(&args.out, &session.suites, &session.plan, &ended.collected)?;
    let path = write_all(&args.out, &report, &ended.collected, context)?;
    if let Some(checkpoint) = checkpoint.filter(|_| ended.is_whole()) {
        checkpoint.done().await;
    }
    tracing::debug!("written after {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    let exit = Exit::of(report.verdict, &session.loaded.policy.gate, args.shard.is_some());
    Ok(Outcome { exit, report: Some((Box::new(report), path)), rollout: None, text: String::new() })
}

/// What decides which policy and suites are read.
pub(crate) struct Inputs<'a> {
    pub(crate) policy: &'a Path,
    pub(crate) suites: &'a [PathBuf],
    pub(crate) filter: Filter,
    pub(crate) seed: Option<u64>,
    pub(crate) trust: &'a TrustArgs,
    /// The model that the command line names.
    pub(crate) model: Option<&'a str>,
    /// Whether tools of `results:` are started.
    pub(crate) tools: Tools<'a>,
}

/// Reads policy and suites as far as a pull request may decide them, and what it changes of them.
pub(crate) async fn read_held(inputs: Inputs<'_>, context: &Context) -> Result<(Prepared, Changes), CommandError> {
    let loaded = policy::load(inputs.policy).map_err(prepare::problems)?;
    let mut held = hold(loaded, inputs.policy, (inputs.trust, inputs.model), context).await?;
    let Inputs { policy: _, suites, filter, seed, trust: _, model, tools } = inputs;
    let mut obtained = None;
    if suites.is_empty() {
        held.made_results()?;
        held.same_configs().await?;
        // Only what the base's policy says is ever started.
        obtained = start_tools(&mut held.loaded, tools, context).await?;
    }
    let read = prepare::read(held.loaded.clone(), Given { suites, filter, seed, model }, context)?;
    let prepared = Prepared { obtained, ..read };
    let environment = |name: &str| context.environment.get(name).map(str::to_owned);
    let around = prepare::around(&prepared.loaded, model, &environment);
    let changes = Changes::of(held, &prepared.suites, around).await?;
    Ok((prepared, changes))
}

/// Where verdicts are kept, if anywhere; a shard has none of its own.
async fn open_ledger(
    args: &EvalGateArgs,
    session: &Session,
    context: &Context,
) -> Result<Option<Ledger>, CommandError> {
    let run = &session.loaded.policy.run;
    let (address, folder) = match (&args.verdicts, &run.verdicts) {
        (Some(given), _) => (given, PathBuf::new()),
        (None, Some(policy)) => (policy, session.loaded.folder.clone()),
        (None, None) => return Ok(None),
    };
    if session.shard.is_some() {
        return Ok(None);
    }
    let rules =
        serde_json::to_vec(&session.loaded.policy.gate).map_err(|error| CommandError::Bug(error.to_string()))?;
    let key = Key {
        candidate: identity(&session.model.digest, session.model.provider, context.host.info().commit.as_ref()),
        baseline: Vec::new(),
        suite: suite_info(&session.suites, &session.plan, &session.filter).digest,
        rules: Digest::of(&rules),
    };
    prior::check("verdicts", address, &folder, context)?;
    Ok(Some(Ledger::open(address, &folder, key).await?))
}

/// Looks at the thresholds while the run is under way. A shard is judged by nobody before it is merged.
fn watch(session: &Session) -> Option<Watch> {
    if session.shard.is_some() {
        tracing::warn!("a shard never stops early: `llmci merge` judges the whole");
        return None;
    }
    let schedule = Schedule::new(&session.plan, &session.suites, |_, _| true);
    let (suites, plan) = (Arc::clone(&session.suites), Arc::clone(&session.plan));
    let trial = ThresholdTrial::new(suites, plan, &session.loaded.policy.gate.thresholds, &schedule);
    if trial.is_none() {
        tracing::warn!("the thresholds cannot be looked at before the end: the run does not stop early");
    }
    Some(Watch::new(schedule, Trial::Thresholds(trial?)))
}
