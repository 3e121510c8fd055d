//! One run of a model on suites, from what was read to what was drawn: shared by all programs that ask a model.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::prepare::Prepared;
use crate::commands::checkpoint::{self, Checkpoint, Stop};
use crate::commands::obtain::Obtained;
use crate::commands::preemption::PreemptionArgs;
use crate::commands::{CommandError, Context, prior};
use crate::eval::cache::Cache;
use crate::eval::early::Watch;
use crate::eval::model::server::{ServerTrouble, Servers, Setting};
use crate::eval::model::{ModelError, ModelIdentity, probe_log_likelihoods};
use crate::eval::policy::LoadedPolicy;
use crate::eval::run::{Bench, Collected, Ended, Memory, Plan, ProgressStyle, Resume, Run, RunError, Selection};
use crate::eval::shard::Shard;
use crate::eval::suite::{Filter, Suite};
use crate::eval::{Grading, Prompt, Request};
use crate::store;
use crate::trust::Untrusted;

/// What a program decides about its run.
pub(crate) struct SessionArgs<'a> {
    /// The model; none for the policy's.
    pub(crate) model: Option<&'a str>,
    /// The part of the run.
    pub(crate) shard: Option<Shard>,
    /// Requests in flight; none for the policy's.
    pub(crate) concurrency: Option<u32>,
    /// When the program began: its deadline counts from there.
    pub(crate) began: Instant,
}

/// A run that could begin: everything is read, built and laid out, and nothing is asked or written.
pub(crate) struct Session {
    pub(crate) loaded: LoadedPolicy,
    pub(crate) suites: Arc<Vec<Suite>>,
    pub(crate) filter: Filter,
    pub(crate) seed: u64,
    pub(crate) shard: Option<Shard>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) model: ModelIdentity,
    pub(crate) concurrency: u32,
    /// The models that are servers of this run.
    pub(crate) servers: Servers,
    bench: Arc<Bench>,
    /// Behind the models that use them: they end first.
    _obtained: Option<Obtained>,
}

/// How a session's samples are drawn.
pub(crate) struct Drawing<'a> {
    /// The folder of the journal, which is ours for as long as it takes.
    pub(crate) folder: &'a Path,
    /// Whether an earlier journal is continued.
    pub(crate) resume: bool,
    /// No progress display.
    pub(crate) quiet: bool,
    /// What looks at the run.
    pub(crate) watch: Option<Watch>,
    /// Where the run is kept for other machines.
    pub(crate) checkpoint: Option<&'a Checkpoint>,
}

impl Session {
    /// Builds the models and lays out the samples.
    pub(crate) async fn open(
        prepared: Prepared,
        args: SessionArgs<'_>,
        context: &Context,
    ) -> Result<Self, CommandError> {
        let run_policy = &prepared.loaded.policy.run;
        let concurrency = args.concurrency.unwrap_or(run_policy.concurrency);
        let models = prepared.build(args.model, concurrency as usize, context)?;
        let identity = models.model.identity().clone();
        let judged_by: Vec<_> = models.judges.0.values().map(|judge| judge.identity().digest.clone()).collect();
        let selection = Selection {
            filter: &prepared.filter,
            shard: args.shard,
            seed: prepared.seed,
            model: &identity.digest,
            judges: &judged_by,
        };
        let plan = Arc::new(prepared.plan(&selection)?);
        let cache = match &run_policy.cache {
            Some(address) => {
                prior::check("cache", address, &prepared.loaded.folder, context)?;
                let opened = store::open(address, &prepared.loaded.folder).await;
                Some(opened.map_err(|error| CommandError::environment(&error))?)
            }
            None => None,
        };
        // Waiting for a GPU is no part of the run.
        let began = prepared.obtained.as_ref().map_or(args.began, |obtained| obtained.since);
        let deadline = run_policy.deadline_minutes.map(|minutes| began + Duration::from_secs_f64(minutes * 60.0));
        let Prepared { loaded, suites, filter, seed, obtained } = prepared;
        let suites = Arc::new(suites);
        let bench = Bench {
            model: models.model,
            own: models.own,
            suites: Arc::clone(&suites),
            memory: Memory::default(),
            judges: models.judges,
            cache: cache.map(Cache::new),
            cache_broken: AtomicBool::new(false),
            price: models.price,
            redactor: context.redactor.clone(),
            completions: loaded.policy.safety.completions,
            seed,
            deadline,
            cancel: context.cancel.child_token(),
        };
        Ok(Self {
            loaded,
            suites,
            filter,
            seed,
            shard: args.shard,
            plan,
            model: identity,
            concurrency,
            servers: models.servers,
            bench: Arc::new(bench),
            _obtained: obtained,
        })
    }

    /// Where the run is kept, if anywhere.
    pub(crate) async fn checkpoint(
        &self,
        program: &'static str,
        args: &PreemptionArgs,
        context: &Context,
    ) -> Result<Option<Checkpoint>, CommandError> {
        Checkpoint::open(args, &self.loaded, (program, &self.plan), context).await
    }

    /// A run in which nothing was asked.
    pub(crate) fn nothing(&self) -> Ended {
        Ended { collected: Collected::empty(self.plan.slots().len()), watch: None }
    }

    /// Draws the samples. A run that was interrupted from outside is an error that says how to go on.
    pub(crate) async fn draw(&self, mut drawing: Drawing<'_>, context: &Context) -> Result<Ended, CommandError> {
        let run = Run {
            suites: Arc::clone(&self.suites),
            plan: Arc::clone(&self.plan),
            bench: Arc::clone(&self.bench),
            concurrency: self.concurrency as usize,
            progress: progress(drawing.quiet, context),
            watch: drawing.watch.take(),
        };
        let setting =
            Setting::new(drawing.folder, self.bench.cancel.clone(), self.bench.deadline, context.redactor.clone());
        self.servers.open(&setting);
        let drawn = self.drawn(run, &drawing, context).await;
        // Whatever has become of the run: they end with it.
        let trouble = self.servers.close().await;
        if let Some(trouble) = trouble.filter(|_| !context.cancel.is_cancelled()) {
            return Err(no_server(trouble));
        }
        let (ended, stop) = drawn?;
        if context.cancel.is_cancelled() {
            return Err(checkpoint::interrupted(&ended.collected, &self.plan, &stop, context));
        }
        Ok(ended)
    }
}

impl Session {
    async fn drawn(&self, run: Run, drawing: &Drawing<'_>, context: &Context) -> Result<(Ended, Stop), CommandError> {
        self.probe().await?;
        let resume = if drawing.resume { Resume::Continue } else { Resume::Fresh };
        let drawn = checkpoint::draw(run, (drawing.folder, resume), drawing.checkpoint, context).await;
        drawn.map_err(|error| not_drawn(&error))
    }

    /// A suite that asks how likely texts are is not begun on an endpoint that cannot say it, nor a task as chats on a model without a
    /// form for them. Any other trouble is the samples' own.
    async fn probe(&self) -> Result<(), CommandError> {
        let first = |index: usize| self.plan.slots().iter().find(|slot| usize::from(slot.suite) == index);
        let mut probed = false;
        for (index, suite) in self.suites.iter().enumerate() {
            let Some(slot) = first(index) else { continue };
            let case = suite.case(slot.case as usize).map_err(|problem| CommandError::Problems(vec![problem]))?;
            let likely = match (&case.grading, &case.request) {
                (Grading::Recorded(_), _) | (_, Request::Generate(_) | Request::Embed(_)) => false,
                (_, Request::RankChoices(_) | Request::Rolling(_)) => true,
            };
            if matches!((&case.grading, case.request.prompt()), (Grading::Task(_), Prompt::Chat(_)))
                && !self.bench.model.has_chat_form()
            {
                let text = format!(
                    "the model {} has no chat template, and the policy asks for chats: leave `lm_eval.apply_chat_template` out, or \
                     put the template into its folder (chat_template.jinja)",
                    self.model.name
                );
                return Err(CommandError::Inputs(Untrusted::new(text)));
            }
            if !likely || probed {
                continue;
            }
            probed = true;
            let probe = probe_log_likelihoods(self.bench.model.as_ref(), &self.bench.cancel).await;
            if let Err(ModelError::Unsupported(why)) = probe {
                let text = format!("the model {}: {}", self.model.name, why.raw());
                return Err(CommandError::Inputs(Untrusted::new(text)));
            }
        }
        Ok(())
    }
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

/// What a server that is not there means for the process.
pub(crate) fn no_server(trouble: ServerTrouble) -> CommandError {
    match trouble {
        ServerTrouble::Environment(text) => CommandError::Environment(text),
        ServerTrouble::Inputs(text) => CommandError::Inputs(text),
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
