//! `llmci check`: everything that is wrong with policy and suites, at once, without asking a model.

use std::path::{Path, PathBuf};

use clap::Args;

use super::eval_gate::prepare::{load_suites, problems};
use super::{CommandError, Context, Exit, Outcome, safety_gate};
use crate::document::{Problem, Problems, pointer_part};
use crate::eval::model::ModelSpec;
use crate::eval::policy::{self, LoadedPolicy};
use crate::eval::redteam::ProbeSuite;
use crate::trust::Untrusted;

/// The inputs of `llmci check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// The policy file
    #[arg(long, value_name = "PATH", default_value = "llmci.yaml")]
    pub policy: PathBuf,
    /// A suite to check instead of the policy's; may be given several times
    #[arg(long, value_name = "PATH")]
    pub suite: Vec<PathBuf>,
}

/// Checks, and says what there is.
pub fn run(args: &CheckArgs, context: &Context) -> Result<Outcome, CommandError> {
    let loaded = match policy::load(&args.policy) {
        Ok(loaded) => loaded,
        Err(found) => return Err(problems(found)),
    };
    let mut found = Problems::none();
    check_models(&loaded, &mut found);
    // A policy of safety-gate alone has probes and no suites.
    let attacked = loaded.document.value().get("safety").is_some();
    let suites = if attacked && loaded.policy.suites.is_empty() && args.suite.is_empty() {
        Vec::new()
    } else {
        load_suites(&loaded, &args.suite, None, context).unwrap_or_else(|others| {
            found.extend(others);
            Vec::new()
        })
    };
    let probes = match attacked.then(|| probes(&loaded)) {
        Some(Ok(probes)) => probes,
        Some(Err(CommandError::Problems(others))) => {
            others.into_iter().for_each(|other| found.push(other));
            Vec::new()
        }
        Some(Err(error)) => return Err(error),
        None => Vec::new(),
    };
    check_scopes(&loaded, &suites, &mut found);
    if !found.is_empty() {
        return Err(problems(found));
    }
    let gate = &loaded.policy.gate;
    let mut text = String::new();
    for suite in &suites {
        let samples: u64 = suite.heads().iter().map(|head| u64::from(head.repeats)).sum();
        let path = context.sink.line(&suite.shown_path().into(), 200);
        text.push_str(&format!("suite {}: {} cases, {samples} samples ({path})\n", suite.name(), suite.heads().len()));
        for note in suite.notes() {
            text.push_str(&format!("warning: {}\n", note.render(&|part| context.sink.line(part, 500))));
        }
    }
    for suite in &probes {
        let shown = context.sink.line(&Untrusted::new(&*suite.shown), 200);
        text.push_str(&format!("probes {}: {} ({shown})\n", suite.name, suite.probes.len()));
    }
    text.push_str(&format!("models: {}, thresholds: {}\n", loaded.policy.models.len(), gate.thresholds.len()));
    if !suites.is_empty() && !gate.thresholds.iter().any(|threshold| threshold.required) {
        text.push_str("warning: no required threshold under gate.thresholds: the gate can never pass\n");
    }
    text.push_str(if suites.iter().all(|suite| suite.notes().is_empty()) {
        "no problem found\n"
    } else {
        "no error found\n"
    });
    Ok(Outcome { exit: Exit::Pass, report: None, rollout: None, text })
}

/// The suites of probes, with all strategies and judges that the policy names for them.
fn probes(loaded: &LoadedPolicy) -> Result<Vec<ProbeSuite>, CommandError> {
    let probes = safety_gate::read_suites(loaded, &[])?;
    safety_gate::check_probes(&probes, loaded)?;
    Ok(probes)
}

/// The files that models name are there. Their contents are looked at when they are used.
fn check_models(loaded: &LoadedPolicy, found: &mut Problems) {
    for (name, spec) in &loaded.policy.models {
        let at = |field: &str, message: String| {
            loaded.document.problem(&format!("/models/{}/{field}", pointer_part(name)), message)
        };
        match spec {
            ModelSpec::Openai(spec) => {
                if let Some(path) = &spec.ca_file
                    && !loaded.folder.join(path).is_file()
                {
                    found.push(at("ca_file", format!("no such file: {path}")));
                }
            }
            ModelSpec::Embedded(spec) => {
                if let Some(why) = no_weights(&loaded.folder.join(&spec.path)) {
                    found.push(at("path", format!("{}: {why}", spec.path)));
                }
            }
            ModelSpec::Replay(spec) => {
                if !loaded.folder.join(&spec.path).is_file() {
                    found.push(at("path", format!("no such file: {}", spec.path)));
                }
            }
            ModelSpec::Http(spec) => {
                if let Some(path) = &spec.ca_file
                    && !loaded.folder.join(path).is_file()
                {
                    found.push(at("ca_file", format!("no such file: {path}")));
                }
            }
            ModelSpec::Exec(spec) => {
                if let Some(path) = &spec.folder
                    && !loaded.folder.join(path).is_dir()
                {
                    found.push(at("folder", format!("no such folder: {path}")));
                }
            }
            ModelSpec::Server(spec) => {
                if let Some(path) = &spec.folder
                    && !loaded.folder.join(path).is_dir()
                {
                    found.push(at("folder", format!("no such folder: {path}")));
                }
            }
            ModelSpec::Echo(_) => {}
        }
    }
}

fn no_weights(path: &Path) -> Option<&'static str> {
    if path.extension().is_some_and(|extension| extension == "gguf") {
        return (!path.is_file()).then_some("no such file");
    }
    if !path.is_dir() {
        return Some("no such folder");
    }
    if !path.join("model.safetensors").is_file() && !path.join("model.safetensors.index.json").is_file() {
        return Some("a folder without weights: expected model.safetensors or model.safetensors.index.json");
    }
    let missing = ["config.json", "tokenizer.json"].into_iter().find(|name| !path.join(name).is_file());
    missing.map(|name| if name == "config.json" { "config.json is missing" } else { "tokenizer.json is missing" })
}

/// A threshold over a part of the samples that no suite has could never be measured.
fn check_scopes(loaded: &LoadedPolicy, suites: &[crate::eval::suite::Suite], found: &mut Problems) {
    if suites.is_empty() {
        return;
    }
    let heads = || suites.iter().flat_map(|suite| suite.heads());
    for (index, threshold) in loaded.policy.gate.thresholds.iter().enumerate() {
        let mut at = |field: &str, message: String| -> () {
            let pointer = format!("/gate/thresholds/{index}/{field}");
            let problem: Problem = loaded.document.problem(&pointer, message);
            found.push(problem.help("such a threshold could never be measured, so the gate could never pass"));
        };
        if let Some(name) = &threshold.suite
            && !suites.iter().any(|suite| &**suite.name() == name.as_str())
        {
            at("suite", format!("no suite has the name {name}"));
        }
        if let Some(level) = &threshold.level
            && !heads().any(|head| head.level.word() == level)
        {
            at("level", format!("no case has the level {level}"));
        }
        for tag in &threshold.tags {
            if !heads().any(|head| head.tags.contains(tag)) {
                at("tags", format!("no case has the tag {tag}"));
            }
        }
    }
}
