//! `eval-gate`: draws the samples, judges them, and writes the report.

mod args;
mod assemble;
mod files;
mod preflight;
pub(crate) mod prepare;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::{CommandError, Context, Exit, Outcome};
use crate::eval::cache::Cache;
use crate::eval::journal::FolderLock;
use crate::eval::run::{Bench, Collected, Plan, ProgressStyle, Resume, Run, RunError, Selection};
use crate::eval::suite::Filter;
use crate::store;
use crate::trust::Untrusted;

pub use args::EvalGateArgs;
pub(crate) use assemble::{Finished, assemble};
pub(crate) use files::{clear, write_all, write_report, write_samples};

/// Runs the gate.
pub async fn run(args: EvalGateArgs, context: &Context) -> Result<Outcome, CommandError> {
    let began = Instant::now();
    let started_at = (context.clock)();
    let filter = Filter { level: args.level, tags: args.tags.clone() };
    let prepared = prepare::read(&args.policy, &args.suite, filter, args.seed)?;
    let run_policy = &prepared.loaded.policy.run;
    let concurrency = args.concurrency.unwrap_or(run_policy.concurrency);
    let (built, judges) = prepared.build(args.model.as_deref(), concurrency as usize, context)?;
    let identity = built.model.identity().clone();
    let judged_by: Vec<_> = judges.0.values().map(|judge| judge.identity().digest.clone()).collect();
    let selection = Selection {
        filter: &prepared.filter,
        shard: args.shard,
        seed: prepared.seed,
        model: &identity.digest,
        judges: &judged_by,
    };
    let plan = Arc::new(prepared.plan(&selection)?);
    if let Some(stopped) = preflight::stop(&args, &prepared, &plan, &identity, (began, &started_at), context)? {
        return Ok(stopped);
    }
    let cache = match &run_policy.cache {
        Some(address) => Some(
            store::open(address, &prepared.loaded.folder).await.map_err(|error| CommandError::environment(&error))?,
        ),
        None => None,
    };
    let deadline = run_policy.deadline_minutes.map(|minutes| began + Duration::from_secs_f64(minutes * 60.0));
    let bench = Bench {
        model: built.model,
        judges,
        cache: cache.map(Cache::new),
        cache_broken: AtomicBool::new(false),
        price: built.price,
        redactor: context.redactor.clone(),
        seed: prepared.seed,
        deadline,
        cancel: context.cancel.child_token(),
    };

    tracing::debug!("prepared after {:.1} ms", began.elapsed().as_secs_f64() * 1e3);

    // From here on something is written: the folder is ours until the process ends.
    store::file::make_folder(&args.out).map_err(|error| CommandError::environment(&error))?;
    let _lock = FolderLock::take(&args.out).map_err(|error| CommandError::environment(&error))?;
    clear(&args.out)?;
    let prepare::Prepared { loaded, suites, filter, seed } = prepared;
    let suites = Arc::new(suites);
    let run = Run {
        suites: Arc::clone(&suites),
        plan: Arc::clone(&plan),
        bench: Arc::new(bench),
        concurrency: concurrency as usize,
        progress: progress(args.quiet, context),
    };
    let resume = if args.resume { Resume::Continue } else { Resume::Fresh };
    let collected = run.draw(&args.out, resume).await.map_err(|error| not_drawn(&error))?;
    tracing::debug!("drawn after {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    if context.cancel.is_cancelled() {
        return Err(interrupted(&collected, &plan));
    }

    let finished = Finished {
        program: "eval-gate",
        loaded: &loaded,
        suites: &suites,
        filter: &filter,
        plan: &plan,
        collected: &collected,
        model: &identity,
        shard: args.shard,
        seed,
        concurrency,
        started_at,
        finished_at: (context.clock)(),
        seconds: began.elapsed().as_secs_f64(),
        host: context.host.info(),
    };
    let report = assemble(&finished)?;
    tracing::debug!("judged after {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    let path = write_all(&args.out, &report, &collected, context)?;
    tracing::debug!("written after {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    let exit = Exit::of(report.verdict, &loaded.policy.gate, args.shard.is_some());
    Ok(Outcome { exit, report: Some((Box::new(report), path)), text: String::new() })
}

/// How progress is shown.
pub(crate) fn progress(quiet: bool, context: &Context) -> ProgressStyle {
    use std::io::IsTerminal;
    if quiet {
        ProgressStyle::Quiet
    } else if context.host.is_local() && std::io::stderr().is_terminal() {
        ProgressStyle::Bar
    } else {
        ProgressStyle::Lines
    }
}

/// What a run that broke off means for the process.
pub(crate) fn not_drawn(error: &RunError) -> CommandError {
    match error {
        RunError::Journal(_) => CommandError::environment(error),
        RunError::Suite(problem) => CommandError::Problems(vec![(**problem).clone()]),
        RunError::Worker(text) => CommandError::Bug(text.clone()),
    }
}

fn interrupted(collected: &Collected, plan: &Plan) -> CommandError {
    let text = format!(
        "interrupted: {} of {} samples are in the journal; run again with --resume to go on there",
        collected.finished(),
        plan.slots().len()
    );
    CommandError::Environment(Untrusted::new(text))
}
