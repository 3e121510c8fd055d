//! Files that a pull request brings and that would decide with the base's rights: a policy where the base has none, the config of a tool
//! that is started, results that nobody has measured. Each is refused with what to do.

use std::path::Path;

use super::{Held, refused};
use crate::commands::CommandError;
use crate::commands::tracked::{Tracked, Whose, folded};
use crate::eval::harness::result_files;
use crate::eval::model::ModelSpec;
use crate::eval::policy::{HarnessName, Policy};
use crate::trust::Untrusted;

/// A policy that is held against none may not start a command, nor send a request of any form. Where the event lends the base's
/// secrets to the run, it may not name one of them either.
pub(super) fn refuse_rights(policy: &Policy, privileged: bool) -> Result<(), CommandError> {
    let what = |model: &ModelSpec| match model {
        ModelSpec::Http(_) => Some("of `provider: http`"),
        ModelSpec::Exec(_) => Some("of `provider: exec`"),
        ModelSpec::Server(_) => Some("of `provider: server`"),
        ModelSpec::Openai(spec) => {
            let keyed = spec.api_key_env.is_some() || !spec.headers.is_empty();
            (privileged && keyed).then_some("with a key or headers")
        }
        ModelSpec::Embedded(_) | ModelSpec::Replay(_) | ModelSpec::Echo(_) => None,
    };
    let model = policy.models.iter().find_map(|(name, model)| Some(format!("the model `{name}` {}", what(model)?)));
    let tool = || policy.results.iter().any(|results| results.harness.is_some()).then(|| "a tool to start".to_owned());
    let Some(found) = model.or_else(tool) else { return Ok(()) };
    Err(refused(format!(
        "the base has no such policy, and the pull request's own names {found}, which would run with the base's rights: merge the \
         policy without it first, or say --policy-from head"
    )))
}

impl Held {
    /// A tool that is started has the whole environment, and its config may name commands and hosts: it is the base's.
    pub(crate) async fn same_configs(&self) -> Result<(), CommandError> {
        let Some(base) = &self.base else { return Ok(()) };
        let tools = self.loaded.policy.results.iter().filter(|results| results.harness == Some(HarnessName::Promptfoo));
        for config in tools.filter_map(|results| results.config.as_deref()) {
            let help = "merge it first, list the config under `suites:` instead, where it runs without keys that the base does not \
                        send, or say --policy-from head";
            let theirs = base.read(config).await?;
            // Some programs fold `..` where the system follows a link: both must lead to the base's file.
            let place = self.loaded.folder.join(config);
            let is_theirs = |place: &Path| std::fs::read(place).ok() == theirs;
            if theirs.is_some() && !(is_theirs(&place) && is_theirs(&folded(&place))) {
                return Err(refused(format!(
                    "the pull request changes {config}, with which promptfoo is started, keys and all: {help}"
                )));
            }
            // What is no part of the repository was made by the workflow.
            if theirs.is_none() && base.is_brought(config)? {
                return Err(refused(format!(
                    "the pull request brings {config}, with which promptfoo is started, keys and all (name the file itself: a \
                     folder is no config, and what is behind a link, in a submodule or in a clone counts as the pull request's): {help}"
                )));
            }
        }
        Ok(())
    }

    /// Results that are files of the pull request itself were measured by nobody: they say what their author wants.
    pub(crate) fn made_results(&self) -> Result<(), CommandError> {
        if self.base.is_none() {
            return Ok(());
        }
        let untold = |why: String| CommandError::Environment(Untrusted::new(why));
        let mut tracked = Tracked::default();
        let paths = self.loaded.policy.results.iter().filter(|results| results.harness.is_none());
        for path in paths.filter_map(|results| results.path.as_deref()) {
            let whole = self.loaded.folder.join(path);
            // That there are none is found, and said, where they are read.
            let Ok(files) = result_files(&whole, path) else { continue };
            let mut found = None;
            for file in files {
                if matches!(tracked.whose(&file).map_err(untold)?, Whose::Checkouts(_)) {
                    found = Some(file);
                    break;
                }
            }
            let Some(file) = found else { continue };
            return Err(refused(format!(
                "{} is a file of the repository, and the policy takes it for results of this run: whoever writes a pull request can \
                 commit any result. Let an earlier step write to a path that git does not track (list it in .gitignore), start the \
                 tool with `harness:`, or say --policy-from head",
                file.display()
            )));
        }
        Ok(())
    }
}
