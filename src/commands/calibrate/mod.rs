//! `llmci calibrate`: one model several times on the same cases, to see how much its results differ by themselves.

mod args;
mod assemble;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::base::{hold, refuse_own_models};
use super::checkpoint::{self, Checkpoint};
use super::eval_gate::{Models, no_server, not_drawn, prepare, progress, write_samples};
use super::regression_check::rules_of;
use super::{CommandError, Context, Exit, Outcome};
use crate::eval::Status;
use crate::eval::journal::FolderLock;
use crate::eval::model::server::Setting;
use crate::eval::policy::{self, LoadedPolicy};
use crate::eval::redteam::Completions;
use crate::eval::run::{Bench, Collected, Memory, Plan, Resume, Run, Selection};
use crate::eval::scorer::Judges;
use crate::eval::suite::{Filter, Suite};
use crate::gate::noise::RunNoise;
use crate::report::calibration_text;
use crate::stats::float;
use crate::store::file::{make_folder, remove_if_there, write_atomically};
use crate::trust::Untrusted;
use assemble::{Drawn, assemble};

pub use args::CalibrateArgs;

/// The name of the file that it leaves.
const FILE: &str = "calibration.json";
/// Between the seeds of two runs: more than a case has repeats, each of which adds one.
const APART: u64 = 1_000_003;

/// Draws the runs, and measures what differs.
pub async fn run(args: CalibrateArgs, context: &Context) -> Result<Outcome, CommandError> {
    let began = Instant::now();
    let filter = Filter { level: args.level, tags: args.tags.clone() };
    let loaded = policy::load(&args.policy).map_err(prepare::problems)?;
    // In a pull request the base says who may be asked, with which keys.
    let held = hold(loaded, &args.policy, (&args.trust, args.model.as_deref()), context).await?;
    if args.suite.is_empty() {
        held.made_results()?;
    }
    let loaded = held.loaded;
    let mut prepared = {
        let (suites, model) = (args.suite.as_slice(), args.model.as_deref());
        prepare::read_any(loaded, prepare::Given { suites, filter, seed: args.seed, model }, context)?
    };
    refuse_own_models(&prepared.suites, &args.trust, context)?;
    let rules = rules_of(Some(&prepared.loaded))?;
    let run_policy = &prepared.loaded.policy.run;
    let concurrency = args.concurrency.unwrap_or(run_policy.concurrency) as usize;
    let run_minutes = run_policy.deadline_minutes;
    prepared.obtain(&args.gpu, context).await?;
    // Waiting for a GPU is no part of the run.
    let began = prepared.obtained.as_ref().map_or(began, |obtained| obtained.since);
    let deadline = run_minutes.map(|minutes| began + Duration::from_secs_f64(minutes * 60.0));
    let models = prepared.build(args.model.as_deref(), concurrency, context)?;
    let identity = models.model.identity().clone();
    let judged_by: Vec<_> = models.judges.0.values().map(|judge| judge.identity().digest.clone()).collect();
    let mut plans = Vec::new();
    for number in 0..args.runs {
        let seed = prepared.seed.wrapping_add(u64::from(number) * APART);
        let selection =
            Selection { filter: &prepared.filter, shard: None, seed, model: &identity.digest, judges: &judged_by };
        plans.push((number + 1, seed, Arc::new(prepared.plan(&selection)?)));
    }

    // From here on something is written: the folder is ours until the process ends.
    let environment = |error: &dyn std::error::Error| CommandError::environment(error);
    make_folder(&args.out).map_err(|error| environment(&error))?;
    let _lock = FolderLock::take(&args.out).map_err(|error| environment(&error))?;
    // An earlier calibration must not be found after a run that failed.
    remove_if_there(&args.out.join(FILE)).map_err(|error| environment(&error))?;
    let prepare::Prepared { loaded, suites, filter, seed: _, obtained } = prepared;
    let suites = Arc::new(suites);
    let stop = context.cancel.child_token();
    let all = Drawing {
        args: &args,
        loaded: &loaded,
        context,
        models: &models,
        suites: &suites,
        concurrency,
        deadline,
        stop: stop.clone(),
    };
    // One server for all runs: its start is no part of what is measured.
    models.servers.open(&Setting::new(&args.out, stop, deadline, context.redactor.clone()));
    let drawn = all.draw_all(&plans).await;
    let trouble = models.servers.close().await;
    if let Some(trouble) = trouble.filter(|_| !context.cancel.is_cancelled()) {
        return Err(no_server(trouble));
    }
    // The models end first.
    drop(models);
    drop(obtained);
    let AllDrawn { runs, folders, checkpoints } = drawn?;
    let cases = plans.first().map(|(_, _, plan)| plan.cases_by_suite().to_vec()).unwrap_or_default();
    let drawn = Drawn {
        loaded: &loaded,
        suites: &suites,
        cases: &cases,
        filter: &filter,
        model: &identity,
        rules: &rules,
        finished_at: (context.clock)(),
    };
    let within = within_budget(&runs, loaded.policy.gate.error_budget);
    let calibration = match within.and_then(|()| assemble(&drawn, runs, &folders)) {
        Ok(calibration) => calibration,
        Err(error) => {
            // The next run asks again: with the same samples it would end here again. Wrong inputs can be mended without that.
            if error.exit() == Exit::Environment {
                taken_away(&checkpoints).await;
            }
            return Err(error);
        }
    };
    let mut text = serde_json::to_string_pretty(&calibration).map_err(|error| CommandError::Bug(error.to_string()))?;
    text.push('\n');
    let path = args.out.join(FILE);
    write_atomically(&path, context.sink.whole(&text).as_bytes()).map_err(|error| environment(&error))?;
    taken_away(&checkpoints).await;
    let shown = context.sink.line(&Untrusted::new(path.display().to_string()), 300);
    let text = format!("{}written: {shown}\n", calibration_text(&calibration, &context.sink));
    Ok(Outcome { exit: Exit::Pass, report: None, rollout: None, text })
}

async fn taken_away(checkpoints: &[Checkpoint]) {
    for checkpoint in checkpoints {
        checkpoint.done().await;
    }
}

/// What all runs have left.
#[derive(Default)]
struct AllDrawn {
    runs: Vec<RunNoise>,
    folders: Vec<PathBuf>,
    checkpoints: Vec<Checkpoint>,
}

/// What all runs share.
struct Drawing<'a> {
    args: &'a CalibrateArgs,
    loaded: &'a LoadedPolicy,
    context: &'a Context,
    models: &'a Models,
    suites: &'a Arc<Vec<Suite>>,
    concurrency: usize,
    deadline: Option<Instant>,
    /// Ends all of it.
    stop: CancellationToken,
}

impl Drawing<'_> {
    /// Draws one run after the other, and leaves the samples of each in its folder.
    async fn draw_all(&self, plans: &[(u32, u64, Arc<Plan>)]) -> Result<AllDrawn, CommandError> {
        let mut all = AllDrawn::default();
        for (number, seed, plan) in plans {
            let folder = self.args.out.join(format!("run-{number}"));
            tracing::info!("run {number} of {}", self.args.runs);
            let (collected, checkpoint) = self.draw(&folder, *seed, plan).await?;
            if let Some(checkpoint) = &checkpoint {
                checkpoint.keep_whole(&folder).await;
            }
            all.checkpoints.extend(checkpoint);
            all.runs.push(counted(*number, *seed, &collected));
            write_samples(&folder, &collected)?;
            all.folders.push(folder);
        }
        Ok(all)
    }

    /// Draws one whole run: what is not whole is an interruption.
    async fn draw(
        &self,
        folder: &Path,
        seed: u64,
        plan: &Arc<Plan>,
    ) -> Result<(Collected, Option<Checkpoint>), CommandError> {
        make_folder(folder).map_err(|error| CommandError::environment(&error))?;
        let bench = Bench {
            model: Arc::clone(&self.models.model),
            own: Arc::clone(&self.models.own),
            suites: Arc::clone(self.suites),
            memory: Memory::default(),
            judges: Judges::new(self.models.judges.0.clone()),
            // A cached answer would hide the noise that is to be measured.
            cache: None,
            cache_broken: AtomicBool::new(false),
            price: self.models.price,
            redactor: self.context.redactor.clone(),
            completions: Completions::Keep,
            seed,
            deadline: self.deadline,
            cancel: self.stop.child_token(),
        };
        let run = Run {
            suites: Arc::clone(self.suites),
            plan: Arc::clone(plan),
            bench: Arc::new(bench),
            concurrency: self.concurrency,
            progress: progress(self.args.quiet, self.context),
            // The whole of every run is needed: noise is not stopped early.
            watch: None,
        };
        let resume = if self.args.resume { Resume::Continue } else { Resume::Fresh };
        let checkpoint =
            Checkpoint::open(&self.args.preemption, self.loaded, ("calibrate", plan), self.context).await?;
        let drawn = checkpoint::draw(run, (folder, resume), checkpoint.as_ref(), self.context).await;
        let (ended, stop) = drawn.map_err(|error| not_drawn(&error))?;
        let collected = ended.collected;
        let (there, all) = (collected.finished(), plan.slots().len());
        if there < all && self.context.cancel.is_cancelled() {
            return Err(checkpoint::interrupted(&collected, plan, &stop, self.context));
        }
        if there < all {
            let text = format!(
                "the deadline has passed: {there} of {all} samples of {} are in its journal; run again with --resume to go on there",
                folder.display()
            );
            return Err(CommandError::Environment(Untrusted::new(text)));
        }
        Ok((collected, checkpoint))
    }
}

fn counted(run: u32, seed: u64, collected: &Collected) -> RunNoise {
    let count = |status: Status| collected.rows().iter().flatten().filter(|row| row.status == status).count() as u64;
    let measured = collected.rows().iter().flatten().filter(|row| row.is_only_measured()).count() as u64;
    let (passed, failed) = (count(Status::Passed) - measured, count(Status::Failed));
    RunNoise {
        run,
        seed,
        samples: collected.finished() as u64,
        passed,
        errors: count(Status::Error),
        unscored: count(Status::Unscored),
        pass_rate: (passed + failed > 0).then(|| float(passed) / float(passed + failed)),
    }
}

/// An endpoint that fails is not calm, only silent.
fn within_budget(runs: &[RunNoise], budget: f64) -> Result<(), CommandError> {
    let errors: u64 = runs.iter().map(|run| run.errors).sum();
    let samples: u64 = runs.iter().map(|run| run.samples).sum();
    if float(errors) <= budget * float(samples) {
        return Ok(());
    }
    let text = format!(
        "{errors} of {samples} samples ended in an error, more than `gate.error_budget` allows: nothing was calibrated; \
         the runs are kept, and a run without --resume asks everything again"
    );
    Err(CommandError::Environment(Untrusted::new(text)))
}
