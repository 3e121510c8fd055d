//! Everything that is read and checked before anything is asked or written: policy, suites, models, plan.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::models::asked;
use crate::commands::obtain::{GpuArgs, Obtained, obtain};
use crate::commands::{CommandError, Context};
use crate::document::{Problem, Problems, nearest};
use crate::eval::harness::{Expect, read_results};
use crate::eval::policy::{LoadedPolicy, ResultsSpec};
use crate::eval::run::{Plan, Selection};
use crate::eval::suite::{self, Around, Filter, Suite};
use crate::trust::Untrusted;

/// A run that could begin.
pub(crate) struct Prepared {
    /// The policy.
    pub loaded: LoadedPolicy,
    /// The suites, in order.
    pub suites: Vec<Suite>,
    /// Level and tags.
    pub filter: Filter,
    /// The seed.
    pub seed: u64,
    /// The GPUs of the run, which are its own until it ends.
    pub obtained: Option<Obtained>,
}

/// What the command line says of a run.
pub(crate) struct Given<'a> {
    /// Suites instead of the policy's.
    pub suites: &'a [PathBuf],
    /// Level and tags.
    pub filter: Filter,
    /// The seed; none for the policy's.
    pub seed: Option<u64>,
    /// The model; none for the policy's.
    pub model: Option<&'a str>,
}

/// Reads the suites of a policy that has a rule to pass, and finds every problem in them.
pub(crate) fn read(loaded: LoadedPolicy, given: Given<'_>, context: &Context) -> Result<Prepared, CommandError> {
    if !loaded.policy.gate.thresholds.iter().any(|threshold| threshold.required) {
        // Found out before anything is spent: such a gate could never pass.
        let problem =
            loaded.document.key_problem("/gate/thresholds", "the gate has no required threshold: nothing could pass");
        return Err(CommandError::Problems(vec![problem.help("add a rule such as `{metric: pass_rate, min: 0.9}`")]));
    }
    read_any(loaded, given, context)
}

/// The same for a policy with thresholds or without.
pub(crate) fn read_any(loaded: LoadedPolicy, given: Given<'_>, context: &Context) -> Result<Prepared, CommandError> {
    let Given { suites, filter, seed, model } = given;
    let suites = load_suites(&loaded, suites, model, context).map_err(problems)?;
    for note in suites.iter().flat_map(Suite::notes) {
        tracing::warn!("{}", note.render(&|part| context.sink.line(part, 500)));
    }
    let seed = seed.unwrap_or(loaded.policy.run.seed);
    Ok(Prepared { loaded, suites, filter, seed, obtained: None })
}

/// Problems of files, in the order of their places.
pub(crate) fn problems(found: Problems) -> CommandError {
    CommandError::Problems(found.sorted())
}

/// What suites of other tools are read with.
pub(crate) fn around<'a>(
    loaded: &'a LoadedPolicy,
    model: Option<&str>,
    environment: &'a dyn Fn(&str) -> Option<String>,
) -> Around<'a> {
    let policy = &loaded.policy;
    let judge = policy.gate.judge.as_deref();
    Around { environment, asked: asked(policy, model), judge, working: None, chat: Some(&policy.lm_eval) }
}

/// The suites of the command line, of the gate, or all of the policy.
pub(crate) fn load_suites(
    loaded: &LoadedPolicy,
    given: &[PathBuf],
    model: Option<&str>,
    context: &Context,
) -> Result<Vec<Suite>, Problems> {
    let policy = &loaded.policy;
    let environment = |name: &str| context.environment.get(name).map(str::to_owned);
    let around = around(loaded, model, &environment);
    let paths: Vec<(PathBuf, String)> = if given.is_empty() {
        let names = policy.gate.suites.as_ref().unwrap_or(&policy.suites);
        names
            .iter()
            .map(|name| loaded.folder.join(name))
            .map(|path| (path.clone(), path.display().to_string()))
            .collect()
    } else {
        given.iter().map(|path| (path.clone(), path.display().to_string())).collect()
    };
    let results: &[ResultsSpec] = if given.is_empty() { &policy.results } else { &[] };
    if paths.is_empty() && results.is_empty() {
        let problem = loaded.document.problem("/suites", "there is no suite to run");
        return Err(problem.help("list the suites under `suites:`, or give one with --suite").into());
    }
    let mut found = Problems::none();
    let mut suites: Vec<Suite> = Vec::new();
    for (path, shown) in &paths {
        match suite::load(path, shown, around) {
            Ok(read) => {
                for suite in read {
                    if let Some(same) = suites.iter().find(|other| other.name() == suite.name()) {
                        let message = format!("the suite {} already has the name {}", same.shown_path(), suite.name());
                        found.push(Problem::of_file(shown, message));
                    }
                    check_judges(&suite, loaded, &mut found);
                    check_own(&suite, &suites, &mut found);
                    suites.push(suite);
                }
            }
            Err(others) => found.extend(others),
        }
    }
    for spec in results {
        match recorded(loaded, spec) {
            Ok(read) => {
                for suite in read {
                    if let Some(same) = suites.iter().find(|other| other.name() == suite.name()) {
                        let message = format!("{} already has the name {}", same.shown_path(), suite.name());
                        let help = "give these results a `name:` of their own";
                        found.push(Problem::of_file(suite.shown_path(), message).help(help));
                    }
                    suites.push(suite);
                }
            }
            Err(others) => found.extend(others),
        }
    }
    found.or(suites)
}

/// Results of another tool: at their path, or in the folder of the tool that was started.
fn recorded(loaded: &LoadedPolicy, spec: &ResultsSpec) -> Result<Vec<Suite>, Problems> {
    // A tool that was not started, for a check or a plan, has nothing to say yet.
    let Some(path) = &spec.path else { return Ok(Vec::new()) };
    let path = loaded.folder.join(path);
    let now = SystemTime::now();
    let age = spec.max_age_minutes.and_then(|minutes| Duration::try_from_secs_f64(minutes * 60.0).ok());
    let expect = Expect {
        name: spec.name.as_deref(),
        tasks: &spec.tasks,
        samples: spec.samples,
        allow_limit: spec.allow_limit,
        not_before: age.and_then(|age| now.checked_sub(age)),
    };
    read_results(&path, &path.display().to_string(), &expect)
}

/// One name is one model in all suites of a run: its answers and verdicts are kept under that name.
fn check_own(suite: &Suite, others: &[Suite], found: &mut Problems) {
    for (key, own) in suite.models() {
        let other = others.iter().find(|other| other.models().get(key).is_some_and(|theirs| theirs.spec != own.spec));
        if let Some(other) = other {
            let message = format!("{} names another model `{key}`", other.shown_path());
            found.push(
                Problem::new(suite.shown_path(), own.spot, message).help("give one of them a `label` of its own"),
            );
        }
    }
}

pub(crate) fn check_judges(suite: &Suite, loaded: &LoadedPolicy, found: &mut Problems) {
    let models = &loaded.policy.models;
    for (judge, spot) in suite.judges() {
        if !models.contains_key(judge) && !suite.models().contains_key(judge) {
            let problem =
                Problem::new(suite.shown_path(), *spot, format!("the judge `{judge}` is no model of the policy"));
            let near = nearest(judge, models.keys().map(String::as_str)).map(|near| format!("did you mean `{near}`? "));
            let names = models.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            found.push(problem.help(format!("{}models: {names}", near.unwrap_or_default())));
        }
    }
}

impl Prepared {
    /// Takes the GPUs of the run, where some are asked for and none were taken already. It is the last thing before the models
    /// are built: nobody waits for a GPU to be told of a wrong suite.
    pub(crate) async fn obtain(&mut self, gpu: &GpuArgs, context: &Context) -> Result<(), CommandError> {
        if self.obtained.is_none() {
            self.obtained = obtain(gpu, context).await?;
        }
        Ok(())
    }

    /// Lays out the samples.
    pub(crate) fn plan(&self, selection: &Selection<'_>) -> Result<Plan, CommandError> {
        Plan::new(&self.suites, selection).map_err(|error| CommandError::Inputs(Untrusted::new(error.to_string())))
    }
}
