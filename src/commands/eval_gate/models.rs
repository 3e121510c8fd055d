//! Who is asked and who judges: models of the policy, and models that suites of other tools name themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::prepare::Prepared;
use crate::commands::{CommandError, Context};
use crate::document::{Problem, nearest, pointer_part};
use crate::eval::model::server::Servers;
use crate::eval::model::{self, Built, Model, ModelBuildError, ModelSpec, OwnModels, Price, Surroundings};
use crate::eval::policy::{Policy, SUITES_OWN};
use crate::eval::run::{Own, OwnByKey};
use crate::eval::scorer::Judges;
use crate::eval::suite::{Asked, Form, OwnModel};
use crate::trust::Untrusted;

/// Everybody who is asked in a run.
pub(crate) struct Models {
    /// The model under test; it stands for all of them where the suites name their own.
    pub(crate) model: Arc<dyn Model>,
    /// Its price.
    pub(crate) price: Option<Price>,
    /// The suites' own.
    pub(crate) own: Arc<OwnByKey>,
    /// Who judges.
    pub(crate) judges: Judges,
    /// Those of them that the run starts and ends.
    pub(crate) servers: Servers,
}

/// Who answers the suites of other tools: their own models where the policy has none, or says so.
pub(crate) fn asked(policy: &Policy, given: Option<&str>) -> Asked {
    match given.or(policy.gate.model.as_deref()) {
        Some(SUITES_OWN) if !policy.models.contains_key(SUITES_OWN) => Asked::Own,
        Some(_) => Asked::Policy,
        None if policy.models.is_empty() => Asked::Own,
        None => Asked::Policy,
    }
}

impl Prepared {
    /// The name and settings of the model under test.
    fn model(&self, given: Option<&str>) -> Result<(&str, &ModelSpec), CommandError> {
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

    /// Builds everybody who is asked, and learns their keys.
    pub(crate) fn build(
        &self,
        given: Option<&str>,
        connections: usize,
        context: &Context,
    ) -> Result<Models, CommandError> {
        let policy = &self.loaded.policy;
        let environment = |name: &str| context.environment.get(name).map(str::to_owned);
        let around = Surroundings {
            folder: &self.loaded.folder,
            environment: &environment,
            connections,
            trusted: &policy.trusted_hosts,
            visible_devices: self.obtained.as_ref().map(|obtained| obtained.visible.as_str()),
            cancel: Some(&context.cancel),
        };
        let learned = |built: Built| {
            context.redactor.learn(&built.secrets);
            context.host.mask(&built.secrets);
            built
        };
        let make = |name: &str, spec: &ModelSpec| -> Result<Built, CommandError> {
            model::build(name, spec, &around).map(learned).map_err(|error| self.not_built(name, error))
        };
        let mut own = OwnByKey::new();
        let mut judges: BTreeMap<String, Arc<dyn Model>> = BTreeMap::new();
        for suite in &self.suites {
            // What a suite names is beside the suite.
            let folder = Path::new(suite.shown_path()).parent().unwrap_or(Path::new(""));
            let beside = Surroundings { folder, ..around };
            for (key, OwnModel { spec, spot }) in suite.models() {
                let built = model::build(key, spec, &beside).map(learned).map_err(|error| {
                    if error.is_of_the_environment() {
                        return CommandError::environment(&error);
                    }
                    let message = crate::net::chain_of(&error);
                    CommandError::Problems(vec![Problem::new(suite.shown_path(), *spot, message)])
                })?;
                let Built { model, secrets: _, price, server: _ } = built;
                judges.entry(key.clone()).or_insert_with(|| Arc::clone(&model));
                own.insert((Arc::clone(suite.name()), Arc::from(key.as_str())), Own { model, price });
            }
        }
        let mut servers = Servers::default();
        let tested = if self.all_name_models(given)? {
            None
        } else {
            let (name, spec) = self.model(given)?;
            let built = make(name, spec)?;
            built.server.iter().cloned().for_each(|server| servers.push(server));
            Some((name, built))
        };
        // A judge of the policy is its judge, whatever a suite calls a model of its own.
        let mut standing = BTreeSet::new();
        for judge in self.suites.iter().flat_map(|suite| suite.judges().keys()) {
            let Some(spec) = policy.models.get(judge) else { continue };
            // One judge is one server, however many suites it judges.
            if !standing.insert(judge) {
                continue;
            }
            let model = match &tested {
                Some((name, built)) if name == judge => Arc::clone(&built.model),
                Some(_) | None => {
                    let built = make(judge, spec)?;
                    built.server.into_iter().for_each(|server| servers.push(server));
                    built.model
                }
            };
            judges.insert(judge.clone(), model);
        }
        let (model, price): (Arc<dyn Model>, _) = match tested {
            Some((_, built)) => (built.model, built.price),
            None => (Arc::new(OwnModels::new(own.values().map(|own| own.model.identity()))), None),
        };
        Ok(Models { model, price, own: Arc::new(own), judges: Judges::new(judges), servers })
    }

    /// Whether every suite's own models are asked. A suite of ours has none, so that somebody has to be named for it.
    fn all_name_models(&self, given: Option<&str>) -> Result<bool, CommandError> {
        // What another tool has measured asks nobody.
        let asking: Vec<_> = self.suites.iter().filter(|suite| suite.form() != Form::Recorded).collect();
        if asking.is_empty() && !self.suites.is_empty() {
            return Ok(true);
        }
        let nobody = asking.into_iter().find(|suite| suite.form() != Form::Promptfoo);
        let wished = given.or(self.loaded.policy.gate.model.as_deref()).is_some();
        match (asked(&self.loaded.policy, given), nobody) {
            (Asked::Own, None) => Ok(true),
            (Asked::Own, Some(suite)) if wished => {
                let problem = Problem::of_file(suite.shown_path(), "this suite names no model itself");
                let help = "list the model under `models:` of the policy, and set `gate.model`, or give --model";
                Err(CommandError::Problems(vec![problem.help(help)]))
            }
            (Asked::Own, Some(_)) | (Asked::Policy, _) => Ok(false),
        }
    }

    /// Files that the policy names are inputs; everything else is the environment.
    fn not_built(&self, name: &str, error: ModelBuildError) -> CommandError {
        match error {
            ModelBuildError::Replay(problem) => CommandError::Problems(vec![*problem]),
            error if error.is_of_the_environment() => {
                let text = format!("the model {name}: {}", crate::net::chain_of(&error));
                CommandError::Environment(Untrusted::new(text))
            }
            error => {
                let pointer = format!("/models/{}", pointer_part(name));
                let message = crate::net::chain_of(&error);
                CommandError::Problems(vec![self.loaded.document.key_problem(&pointer, message)])
            }
        }
    }
}
