//! `llmci.yaml`: models, suites, the gate's rules, and how to run. Everything that is wrong with it is found at once.
//! Kept out: whether the files that it names are there (`commands::check`, the loaders).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::input;
use super::model::{ModelSpec, OpenAiSpec};
use super::redteam::SafetyPolicy;
use super::task::TaskChat;
use crate::document::{self, Document, Problems};
use crate::gate::compare::RegressionPolicy;
use crate::gate::{
    DecideBy, Direction, GatePolicy, Threshold, Unit, known_metric, named_score_direction, named_score_unit,
};
use crate::trust::Digest;

mod guard;
mod models;
mod regression;
mod results;
mod safety;

pub use guard::{Guarded, RefusedModel, guard};
pub use results::{HarnessName, ResultsSpec};

/// The word of `gate.model` and `--model` for the models that the suites name themselves.
pub const SUITES_OWN: &str = "suite";

/// Whether a run ends before all of its samples are drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum EarlyStop {
    /// As soon as a look shows that no sample can change the verdict.
    Auto,
    /// Never: the report is about all samples.
    Off,
}

/// How a run is made.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunPolicy {
    /// Requests in flight at most, 1 to 1024.
    pub concurrency: u32,
    /// The seed of everything random.
    pub seed: u64,
    /// Where answers are kept: a folder (relative to the policy), or `s3://bucket/prefix`. Without it nothing is cached.
    pub cache: Option<String>,
    /// When the whole run ends, in minutes.
    pub deadline_minutes: Option<f64>,
    /// Where verdicts are kept, so that nobody runs again until it is green: a folder (relative to the policy), or
    /// `s3://bucket/prefix`. `regression-check` keeps them in `.llmci/verdicts` where nothing is said.
    pub verdicts: Option<String>,
    /// Whether a run ends as soon as its verdict is certain. Where nothing is said: never for thresholds (`eval-gate`),
    /// `auto` for a candidate that `regression-check --evaluate` asks.
    pub early_stop: Option<EarlyStop>,
    /// Where an interrupted run is kept, so that the same command goes on there on any machine: a folder (relative to the
    /// policy), or `s3://bucket/prefix`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
}

impl Default for RunPolicy {
    fn default() -> Self {
        Self {
            concurrency: 8,
            seed: 0,
            cache: None,
            deadline_minutes: None,
            verdicts: None,
            early_stop: None,
            checkpoint: None,
        }
    }
}

/// The policy file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The version of this format: 1.
    pub version: u32,
    /// The models by name.
    #[serde(default)]
    pub models: BTreeMap<String, ModelSpec>,
    /// The suites, as paths relative to this file.
    #[serde(default)]
    pub suites: Vec<String>,
    /// Results of other tools, judged beside the suites.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<ResultsSpec>,
    /// How tasks of lm-eval are put to a model.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lm_eval: TaskChat,
    /// The rules.
    #[serde(default)]
    pub gate: GatePolicy,
    /// How a candidate is compared with a baseline.
    #[serde(default)]
    pub regression: RegressionPolicy,
    /// How a model is attacked, and how much harm is tolerated.
    #[serde(default)]
    pub safety: SafetyPolicy,
    /// How to run.
    #[serde(default)]
    pub run: RunPolicy,
    /// Hosts (`name` or `name:port`) that a pull request may point a model at, besides those of its base's models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted_hosts: Vec<String>,
}

fn is_default(chat: &TaskChat) -> bool {
    *chat == TaskChat::default()
}

/// A policy that has been read and checked.
#[derive(Clone, Debug)]
pub struct LoadedPolicy {
    /// What it says.
    pub policy: Policy,
    /// Over its bytes.
    pub digest: Digest,
    /// The folder that its paths are relative to.
    pub folder: PathBuf,
    /// The file with its places, for problems that are found later.
    pub document: Document,
}

/// The published schema: file name and text.
pub fn schema() -> (&'static str, String) {
    ("policy.schema.json", document::schema_text::<Policy>("llmci policy (llmci.yaml)"))
}

/// Reads and checks a policy.
pub fn load(path: &Path) -> Result<LoadedPolicy, Problems> {
    let shown = path.display().to_string();
    let text =
        input::read(path, &shown, "policy").map_err(|problem| problem.help("give the policy's path with --policy"))?;
    read_text(&shown, &text, path.parent().unwrap_or(Path::new("")))
}

/// The same for a text that is no file of this checkout; its paths are relative to `folder`.
pub fn read_text(shown: &str, text: &str, folder: &Path) -> Result<LoadedPolicy, Problems> {
    let document = document::parse_yaml(shown, text)?;
    let policy: Policy = document::decode(&document)?;
    let mut problems = Problems::none();
    check(&policy, &document, &mut problems);
    problems.or(LoadedPolicy { policy, digest: Digest::of(text.as_bytes()), folder: folder.to_owned(), document })
}

fn check(policy: &Policy, document: &Document, problems: &mut Problems) {
    if policy.version != 1 {
        problems.push(
            document.problem("/version", format!("version {} is not known; this program reads 1", policy.version)),
        );
    }
    for (name, model) in &policy.models {
        let pointer = format!("/models/{}", document::pointer_part(name));
        match model {
            ModelSpec::Openai(spec) => check_openai(spec, &pointer, document, problems),
            ModelSpec::Http(spec) => models::check_http(spec, &pointer, document, problems),
            ModelSpec::Exec(spec) => models::check_exec(spec, &pointer, document, problems),
            ModelSpec::Server(spec) => models::check_server(spec, &pointer, document, problems),
            ModelSpec::Embedded(_) | ModelSpec::Replay(_) | ModelSpec::Echo(_) => {}
        }
    }
    if policy.lm_eval.fewshot_as_multiturn && !policy.lm_eval.apply_chat_template {
        let problem = document.problem("/lm_eval/fewshot_as_multiturn", "only a chat has turns");
        problems.push(problem.help("set `lm_eval.apply_chat_template: true` too"));
    }
    check_gate(policy, document, problems);
    regression::check(&policy.regression, document, problems);
    safety::check(policy, document, problems);
    results::check(policy, document, problems);
    let run = &policy.run;
    if !(1..=1024).contains(&run.concurrency) {
        problems.push(document.problem("/run/concurrency", "concurrency is 1 to 1024"));
    }
    if run.deadline_minutes.is_some_and(|minutes| !(minutes > 0.0 && minutes <= 525_600.0)) {
        problems
            .push(document.problem("/run/deadline_minutes", "the deadline is more than 0 minutes, and at most a year"));
    }
}

fn check_openai(spec: &OpenAiSpec, pointer: &str, document: &Document, problems: &mut Problems) {
    let mut at = |field: &str, message: &str| problems.push(document.problem(&format!("{pointer}/{field}"), message));
    models::check_url("base_url", &spec.base_url, &mut at);
    if spec.model.trim().is_empty() {
        at("model", "the model's name at the endpoint is empty");
    }
    models::check_sending(spec.price, &spec.limits, &spec.retry, &mut at);
    models::check_body(&spec.extra_body, &mut at);
}

fn check_gate(policy: &Policy, document: &Document, problems: &mut Problems) {
    let gate = &policy.gate;
    let named = [("model", gate.model.as_ref().filter(|model| *model != SUITES_OWN)), ("judge", gate.judge.as_ref())];
    for (field, model) in named {
        let Some(model) = model.filter(|model| !policy.models.contains_key(*model)) else { continue };
        let names: Vec<&str> = policy.models.keys().map(String::as_str).collect();
        let problem = document.problem(&format!("/gate/{field}"), format!("no model `{model}` under `models`"));
        problems.push(match document::nearest(model, names.iter().copied()) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help(format!("models: {}", names.join(", "))),
        });
    }
    for (index, suite) in gate.suites.iter().flatten().enumerate() {
        if !policy.suites.contains(suite) {
            let problem =
                document.problem(&format!("/gate/suites/{index}"), format!("`{suite}` is not listed under `suites`"));
            problems.push(problem.help("gate.suites is a selection of the paths under `suites`"));
        }
    }
    if !(0.0..=1.0).contains(&gate.error_budget) {
        problems.push(document.problem("/gate/error_budget", "the error budget is a share from 0 to 1"));
    }
    for (index, threshold) in gate.thresholds.iter().enumerate() {
        check_threshold(threshold, &format!("/gate/thresholds/{index}"), document, problems);
    }
}

fn check_threshold(threshold: &Threshold, pointer: &str, document: &Document, problems: &mut Problems) {
    let mut at = |field: &str, message: String, help: Option<String>| {
        let problem = document.problem(&format!("{pointer}{field}"), message);
        problems.push(match help {
            Some(help) => problem.help(help),
            None => problem,
        });
    };
    let name = threshold.metric.as_str();
    let known = known_metric(name);
    let plain = name.strip_prefix("score:").unwrap_or(name);
    let own = known.map(|known| known.direction).or_else(|| named_score_direction(plain));
    let bound = match (threshold.min, threshold.max) {
        (Some(min), None) => Some((min, Direction::Higher, "/min")),
        (None, Some(max)) => Some((max, Direction::Lower, "/max")),
        (Some(_), Some(_)) | (None, None) => {
            at("", "a threshold has exactly one of `min` and `max`".to_owned(), None);
            None
        }
    };
    match (own, threshold.direction) {
        (Some(own), Some(given)) if own != given => {
            at("/direction", format!("the direction of {name} is the opposite"), None);
        }
        (None, None) => {
            let near = document::nearest(name, crate::gate::KNOWN.iter().map(|known| known.name));
            let help = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
            let help = format!("{help}a named score needs `direction: higher` or `direction: lower`");
            at("/metric", format!("`{name}` is no metric of its own, so its direction is not known"), Some(help));
        }
        (Some(_), _) | (None, Some(_)) => {}
    }
    if let (Some((value, side, field)), Some(direction)) = (bound, own.or(threshold.direction)) {
        if side != direction {
            let right = if direction == Direction::Higher { "min" } else { "max" };
            at(field, format!("{name} is better {direction:?}: its bound is `{right}`").to_lowercase(), None);
        }
        let unit = known.map_or_else(|| named_score_unit(plain), |known| known.unit);
        let share = unit == Unit::Share;
        // A correlation may be below 0.
        let negative = value < 0.0 && !plain.starts_with("mcc");
        if !value.is_finite() || negative || (share && value > 1.0) {
            let range = if share { "0 to 1" } else { "0 or more" };
            at(field, format!("{name} is {range}; the bound {value} is outside"), None);
        }
    }
    let share = known.map_or_else(|| named_score_unit(plain), |known| known.unit) == Unit::Share;
    let extreme = threshold.min == Some(1.0) || threshold.max == Some(0.0);
    if share && extreme && threshold.decide_by == DecideBy::Interval {
        let help = "add `decide_by: point` to ask it of exactly these samples, or choose a bound such as 0.99 or 0.01";
        let message = format!("no number of samples can show with confidence that {name} is exactly its best value");
        at("", message, Some(help.to_owned()));
    }
    if !(threshold.confidence > 0.5 && threshold.confidence < 1.0) {
        at("/confidence", "the confidence is more than 0.5 and less than 1".to_owned(), None);
    }
    if let Some(level) = &threshold.level
        && super::Level::from_word(level).is_none()
    {
        let near = document::nearest(level, super::Level::WORDS);
        at("/level", format!("no level `{level}`"), near.map(|near| format!("did you mean `{near}`?")));
    }
}
