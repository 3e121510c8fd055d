//! Everything that is read and checked before anything is asked or written: policy, suites, models, plan.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::commands::{CommandError, Context};
use crate::document::{Problem, Problems, nearest};
use crate::eval::model::{self, Built, ModelBuildError, ModelSpec, Surroundings};
use crate::eval::policy::LoadedPolicy;
use crate::eval::run::{Plan, Selection};
use crate::eval::scorer::Judges;
use crate::eval::suite::{Filter, Suite};
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
}

/// Reads the suites of a policy that has a rule to pass, and finds every problem in them.
pub(crate) fn read(
    loaded: LoadedPolicy,
    suites: &[PathBuf],
    filter: Filter,
    seed: Option<u64>,
) -> Result<Prepared, CommandError> {
    if !loaded.policy.gate.thresholds.iter().any(|threshold| threshold.required) {
        // Found out before anything is spent: such a gate could never pass.
        let problem =
            loaded.document.key_problem("/gate/thresholds", "the gate has no required threshold: nothing could pass");
        return Err(CommandError::Problems(vec![problem.help("add a rule such as `{metric: pass_rate, min: 0.9}`")]));
    }
    read_any(loaded, suites, filter, seed)
}

/// The same for a policy with thresholds or without.
pub(crate) fn read_any(
    loaded: LoadedPolicy,
    suites: &[PathBuf],
    filter: Filter,
    seed: Option<u64>,
) -> Result<Prepared, CommandError> {
    let suites = load_suites(&loaded, suites).map_err(problems)?;
    let seed = seed.unwrap_or(loaded.policy.run.seed);
    Ok(Prepared { loaded, suites, filter, seed })
}

/// Problems of files, in the order of their places.
pub(crate) fn problems(found: Problems) -> CommandError {
    CommandError::Problems(found.sorted())
}

/// The suites of the command line, of the gate, or all of the policy.
pub(crate) fn load_suites(loaded: &LoadedPolicy, given: &[PathBuf]) -> Result<Vec<Suite>, Problems> {
    let policy = &loaded.policy;
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
    if paths.is_empty() {
        let problem = loaded.document.problem("/suites", "there is no suite to run");
        return Err(problem.help("list the suites under `suites:`, or give one with --suite").into());
    }
    let mut found = Problems::none();
    let mut suites: Vec<Suite> = Vec::new();
    for (path, shown) in &paths {
        match Suite::load(path, shown) {
            Ok(suite) => {
                if let Some(same) = suites.iter().find(|other| other.name() == suite.name()) {
                    let message = format!("the suite {} already has the name {}", same.shown_path(), suite.name());
                    found.push(Problem::of_file(shown, message));
                }
                check_judges(&suite, loaded, &mut found);
                suites.push(suite);
            }
            Err(others) => found.extend(others),
        }
    }
    found.or(suites)
}

pub(crate) fn check_judges(suite: &Suite, loaded: &LoadedPolicy, found: &mut Problems) {
    let models = &loaded.policy.models;
    for (judge, spot) in suite.judges() {
        if !models.contains_key(judge) {
            let problem =
                Problem::new(suite.shown_path(), *spot, format!("the judge `{judge}` is no model of the policy"));
            let near = nearest(judge, models.keys().map(String::as_str)).map(|near| format!("did you mean `{near}`? "));
            let names = models.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            found.push(problem.help(format!("{}models: {names}", near.unwrap_or_default())));
        }
    }
}

impl Prepared {
    /// The name and settings of the model under test.
    pub(crate) fn model(&self, given: Option<&str>) -> Result<(&str, &ModelSpec), CommandError> {
        let models = &self.loaded.policy.models;
        let name = match given.or(self.loaded.policy.gate.model.as_deref()) {
            Some(name) => name,
            None => match models.keys().collect::<Vec<_>>().as_slice() {
                [only] => only.as_str(),
                _ => {
                    let problem = self.loaded.document.problem("/gate", "which model is evaluated?");
                    return Err(CommandError::Problems(vec![problem.help("set `gate.model`, or give --model")]));
                }
            },
        };
        let names = || models.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let near = || nearest(name, models.keys().map(String::as_str)).map(|near| format!(" did you mean `{near}`?"));
        match models.get_key_value(name) {
            Some((name, spec)) => Ok((name, spec)),
            None => {
                let text = format!(
                    "--model: the policy has no model `{name}`;{} models: {}",
                    near().unwrap_or_default(),
                    names()
                );
                Err(CommandError::Inputs(Untrusted::new(text)))
            }
        }
    }

    /// Builds the model under test and the judges, and learns their keys.
    pub(crate) fn build(
        &self,
        model: Option<&str>,
        connections: usize,
        context: &Context,
    ) -> Result<(Built, Judges), CommandError> {
        let (name, spec) = self.model(model)?;
        let environment = |name: &str| context.environment.get(name).map(str::to_owned);
        let around = Surroundings {
            folder: &self.loaded.folder,
            environment: &environment,
            connections,
            trusted: &self.loaded.policy.trusted_hosts,
        };
        let make = |name: &str, spec: &ModelSpec| -> Result<Built, CommandError> {
            let built = model::build(name, spec, &around).map_err(|error| self.not_built(name, error))?;
            context.redactor.learn(&built.secrets);
            context.host.mask(&built.secrets);
            Ok(built)
        };
        let built = make(name, spec)?;
        let mut judges = BTreeMap::new();
        for judge in self.suites.iter().flat_map(|suite| suite.judges().keys()) {
            if let (false, Some(spec)) = (judges.contains_key(judge), self.loaded.policy.models.get(judge)) {
                let model = if judge == name { Arc::clone(&built.model) } else { make(judge, spec)?.model };
                judges.insert(judge.clone(), model);
            }
        }
        Ok((built, Judges::new(judges)))
    }

    /// Files that the policy names are inputs; everything else is the environment.
    fn not_built(&self, name: &str, error: ModelBuildError) -> CommandError {
        match error {
            ModelBuildError::Replay(problem) => CommandError::Problems(vec![*problem]),
            error => {
                let pointer = format!("/models/{}", crate::document::pointer_part(name));
                let message = crate::net::chain_of(&error);
                CommandError::Problems(vec![self.loaded.document.key_problem(&pointer, message)])
            }
        }
    }

    /// Lays out the samples.
    pub(crate) fn plan(&self, selection: &Selection<'_>) -> Result<Plan, CommandError> {
        Plan::new(&self.suites, selection).map_err(|error| CommandError::Inputs(Untrusted::new(error.to_string())))
    }
}
