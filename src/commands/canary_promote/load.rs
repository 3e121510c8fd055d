//! The plan: from the rollout file, with the inputs in place of what it says, or from the inputs alone.

use std::path::Path;

use clap::ValueEnum;

use serde_json::{Map, Value, json};

use super::args::CanaryPromoteArgs;
use super::shadow::check_requests;
use crate::commands::CommandError;
use crate::deliver::plan::{self, Plan, Purpose, StrategyName};
use crate::deliver::probe::check_queries;
use crate::document::{Document, LARGEST_FILE, Problem, Problems, parse_yaml};

/// Reads it.
pub(super) fn load(args: &CanaryPromoteArgs, purpose: Purpose) -> Result<Plan, CommandError> {
    let shown = args.rollout.display().to_string();
    let there = args.rollout.exists();
    if !there && args.workload.is_none() {
        let problem = Problem::of_file(&shown, "there is no rollout file")
            .help("name it with --rollout, or say everything by inputs: at least --workload and --new-image");
        return Err(CommandError::Problems(vec![problem]));
    }
    let text = if there { read(args, &shown)? } else { format!("version: 1\nworkload: {{name: {}}}\n", json!("-")) };
    let document = parse_yaml(&shown, &text).map_err(problems)?;
    let document = with_inputs(document, args)?;
    let mut plan = plan::read(&document, purpose).map_err(problems)?;
    let wrong = check_queries(&plan, &document);
    if !wrong.is_empty() {
        return Err(problems(wrong));
    }
    let shadowed = plan.strategy == StrategyName::Shadow && purpose == Purpose::Begin;
    if let (true, Some(answers)) = (shadowed, &plan.shadow.answers) {
        let folder = args.rollout.parent().unwrap_or(Path::new(""));
        let wrong = check_requests(folder, &plan.shadow, answers);
        if !wrong.is_empty() {
            return Err(problems(wrong));
        }
    }
    if let Some(answers) = plan.shadow.answers.as_mut() {
        // The plan travels with the rollout: what stands beside its file is named from everywhere.
        let folder = args.rollout.parent().map(Path::to_owned).unwrap_or_default();
        let path =
            std::path::absolute(folder.join(&answers.requests)).unwrap_or_else(|_| folder.join(&answers.requests));
        answers.requests = path.display().to_string();
    }
    Ok(plan)
}

fn problems(problems: Problems) -> CommandError {
    CommandError::Problems(problems.sorted())
}

fn read(args: &CanaryPromoteArgs, shown: &str) -> Result<String, CommandError> {
    let refused = |message: String| CommandError::Problems(vec![Problem::of_file(shown, message)]);
    let size = std::fs::metadata(&args.rollout).map_err(|error| refused(format!("cannot be read: {error}")))?.len();
    if size > LARGEST_FILE {
        return Err(refused("is larger than 4 MiB".to_owned()));
    }
    std::fs::read_to_string(&args.rollout).map_err(|error| refused(format!("cannot be read: {error}")))
}

/// The document with the inputs in place of what it says.
fn with_inputs(document: Document, args: &CanaryPromoteArgs) -> Result<Document, CommandError> {
    let mut value = document.value().clone();
    let Some(root) = value.as_object_mut() else { return Ok(document) };
    let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
    let strategy = args.strategy.or_else(|| serde_json::from_value(root.get("strategy")?.clone()).ok());
    let strategy = strategy.unwrap_or_default();
    let (section, hold) = match strategy {
        StrategyName::Canary => ("canary", "hold_seconds"),
        StrategyName::BlueGreen => ("blue_green", "switch_delay_seconds"),
        StrategyName::Shadow => ("shadow", "hold_seconds"),
        StrategyName::Rolling => ("rolling", "hold_seconds"),
        StrategyName::FeatureFlag => ("feature_flag", "hold_seconds"),
    };
    let has_steps = matches!(strategy, StrategyName::Canary | StrategyName::FeatureFlag);
    if !args.steps.is_empty() && !has_steps {
        return Err(CommandError::Inputs("--steps are the steps of a canary or of a feature flag".into()));
    }
    let steps = (!args.steps.is_empty()).then(|| json!(args.steps));
    let presets: Vec<Value> = args.presets.iter().map(name).collect();
    let sets: [(&[&str], Option<Value>); 14] = [
        (&["workload", "name"], text(&args.workload)),
        (&["workload", "namespace"], text(&args.namespace)),
        (&["workload", "service"], text(&args.service)),
        (&["workload", "container"], text(&args.container)),
        (&["workload", "context"], text(&args.context)),
        (&["change", "image"], text(&args.new_image)),
        (&["change", "model", "value"], text(&args.model_version)),
        (&["strategy"], args.strategy.as_ref().map(name)),
        (&[section, "steps"], steps),
        (&[section, hold], args.hold_seconds.map(|seconds| json!(seconds))),
        (&["analysis", "prometheus", "url"], text(&args.prometheus)),
        (&["analysis", "presets"], (!presets.is_empty()).then_some(Value::Array(presets))),
        (&["alerts", "environment"], text(&args.environment)),
        (&["watch", "for_seconds"], args.for_seconds.map(|seconds| json!(seconds))),
    ];
    for (path, value) in sets {
        if let Some(value) = value {
            set(root, path, value);
        }
    }
    Ok(document.with_value(value))
}

fn set(object: &mut Map<String, Value>, path: &[&str], value: Value) {
    match path {
        [] => {}
        [last] => {
            object.insert((*last).to_owned(), value);
        }
        [first, rest @ ..] => {
            let inner = object.entry((*first).to_owned()).or_insert_with(|| json!({}));
            if !inner.is_object() {
                // What stands there is wrong, and will be told with its line.
                return;
            }
            if let Some(inner) = inner.as_object_mut() {
                set(inner, rest, value);
            }
        }
    }
}

/// A value of a fixed list, as the rollout file has it.
fn name<T: ValueEnum>(value: &T) -> Value {
    json!(value.to_possible_value().map(|value| value.get_name().to_owned()))
}
