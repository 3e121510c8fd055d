//! `eval-gate`: draws the samples, judges them, and writes the report.

mod args;
mod assemble;
mod files;
pub(crate) mod prepare;
mod session;

use std::sync::Arc;
use std::time::Instant;

use super::{CommandError, Context, Exit, Outcome};
use crate::eval::early::{Schedule, ThresholdTrial, Trial, Watch};
use crate::eval::journal::FolderLock;
use crate::eval::policy::EarlyStop;
use crate::eval::suite::Filter;
use crate::store;

pub use args::EvalGateArgs;
pub(crate) use assemble::{Finished, assemble, suite_info};
pub(crate) use files::{clear, clear_reports, write_all, write_report, write_samples};
pub(crate) use session::{Drawing, Session, SessionArgs};

/// Runs the gate.
pub async fn run(args: EvalGateArgs, context: &Context) -> Result<Outcome, CommandError> {
    let began = Instant::now();
    let started_at = (context.clock)();
    let filter = Filter { level: args.level, tags: args.tags.clone() };
    let prepared = prepare::read(&args.policy, &args.suite, filter, args.seed)?;
    let early = args.early_stop.or(prepared.loaded.policy.run.early_stop).unwrap_or(EarlyStop::Off);
    let session_args =
        SessionArgs { model: args.model.as_deref(), shard: args.shard, concurrency: args.concurrency, began };
    let session = Session::open(prepared, session_args, context).await?;
    tracing::debug!("prepared after {:.1} ms", began.elapsed().as_secs_f64() * 1e3);

    // From here on something is written: the folder is ours until the process ends.
    store::file::make_folder(&args.out).map_err(|error| CommandError::environment(&error))?;
    let _lock = FolderLock::take(&args.out).map_err(|error| CommandError::environment(&error))?;
    clear(&args.out)?;
    let watch = match early {
        EarlyStop::Off => None,
        EarlyStop::Auto => watch(&session),
    };
    let drawing = Drawing { folder: &args.out, resume: args.resume, quiet: args.quiet, watch };
    let ended = session.draw(drawing, context).await?;
    tracing::debug!("drawn after {:.1} ms", began.elapsed().as_secs_f64() * 1e3);

    let report = assemble(&Finished {
        program: "eval-gate",
        loaded: &session.loaded,
        suites: &session.suites,
        filter: &session.filter,
        plan: &session.plan,
        collected: &ended.collected,
        watch: ended.watch.as_ref(),
        model: &session.model,
        shard: args.shard,
        seed: session.seed,
        concurrency: session.concurrency,
        started_at,
        finished_at: (context.clock)(),
        seconds: began.elapsed().as_secs_f64(),
        host: context.host.info(),
    })?;
    tracing::debug!("judged after {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    let path = write_all(&args.out, &report, &ended.collected, context)?;
    tracing::debug!("written after {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    let exit = Exit::of(report.verdict, &session.loaded.policy.gate, args.shard.is_some());
    Ok(Outcome { exit, report: Some((Box::new(report), path)), text: String::new() })
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
