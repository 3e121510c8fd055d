//! Results of lm-evaluation-harness: the aggregates of `results_*.json`, and the samples that `--log_samples` writes beside
//! them, one row for each document and filter. `sample_len` and the standard errors are no metrics; `"N/A"` is no number.
//! Without the samples, a metric is its recorded value with its recorded standard error (`aggregates`).
//! Source: lm-evaluation-harness 0.4.13 (`lm_eval/loggers/evaluation_tracker.py`, `lm_eval/evaluator.py`), and 0.3 for the
//! form without filters.

mod aggregates;
mod rows;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::expect::{Expect, since_1970};
use super::lines::held;
use super::value::number;
use crate::document::{Problem, Problems};
use crate::eval::suite::Suite;
use crate::eval::task::metric_key;
use crate::gate::{Declared, Direction, MetricName};
use crate::trust::Digest;

/// A metric of a task by its whole name, such as `exact_match,strict-match`.
#[derive(Clone, PartialEq, Debug)]
struct Said {
    /// The number; none for `"N/A"` and for what is not finite.
    value: Option<f64>,
    /// Its standard error; none where there is none.
    stderr: Option<f64>,
    /// Whether more is better; none where the file does not say.
    higher: Option<bool>,
}

/// One task of a results file.
struct Task<'a> {
    name: &'a str,
    metrics: BTreeMap<String, Said>,
    original: Option<u64>,
    effective: Option<u64>,
    prompt: Digest,
}

/// Reads the aggregates at `path`, with the samples beside them.
pub(super) fn read(path: &Path, shown: &str, expect: &Expect<'_>) -> Result<Vec<Suite>, Problems> {
    let (document, digest) = held(path, shown)?;
    let problem = |message: String| Problem::of_file(shown, message);
    let results = document.get("results").and_then(Value::as_object);
    let results = results.filter(|results| !results.is_empty());
    let results = results.ok_or_else(|| problem("the results hold no task".to_owned()))?;
    expect.fresh(path, shown, document.get("date").and_then(number).and_then(since_1970))?;
    let groups = document.get("groups").and_then(Value::as_object);
    let is_group = |name: &str| {
        let parts = document.pointer("/group_subtasks").and_then(|all| all.get(name)).and_then(Value::as_array);
        groups.is_some_and(|groups| groups.contains_key(name)) || parts.is_some_and(|parts| !parts.is_empty())
    };
    let mut found = Problems::none();
    // A group is the sum of tasks that are there themselves.
    let mut tasks = Vec::new();
    for (name, entries) in results.iter().filter(|(name, _)| !is_group(name)) {
        match task(name, entries, &document) {
            Ok(task) => tasks.push(task),
            Err(message) => found.push(problem(message)),
        }
    }
    if tasks.is_empty() && found.is_empty() {
        found.push(problem("the results hold groups, and no task".to_owned()));
    }
    let counted = document.get("n-samples").and_then(Value::as_object).into_iter().flatten();
    for (name, _) in counted.filter(|(name, _)| !results.contains_key(*name)) {
        found.push(problem(format!("the task `{name}` was run and has no results")).help("run it again"));
    }
    let limited = document.pointer("/config/limit").is_some_and(|limit| !limit.is_null());
    for task in &tasks {
        if let Some(message) = limit(task, limited).filter(|_| !expect.allow_limit) {
            let help = "run the whole task, or accept a part of it with `allow_limit: true`";
            found.push(problem(message).help(help));
        }
    }
    let mut found = found.or(Problems::none())?;
    let mut suites = Vec::new();
    for task in &tasks {
        let read = match beside(path, task.name) {
            Some(samples) => rows::read(&samples, &shown_beside(shown, &samples), task, &digest, expect),
            None => aggregates::read(task, &digest, shown, expect).map_err(Problems::from),
        };
        match read {
            Ok(suite) => suites.push(suite),
            Err(others) => found.extend(others),
        }
    }
    found.or(suites)
}

/// Says what is left out of a task, if anything.
fn limit(task: &Task<'_>, limited: bool) -> Option<String> {
    match (task.original, task.effective) {
        (Some(original), Some(effective)) if effective < original => {
            Some(format!("of {original} documents of the task `{}` only {effective} were asked (`--limit`)", task.name))
        }
        (None, _) | (_, None) if limited => Some(format!("the task `{}` was run with `--limit`", task.name)),
        (Some(_), Some(_)) | (None, _) | (_, None) => None,
    }
}

fn task<'a>(name: &'a str, entries: &Value, document: &Value) -> Result<Task<'a>, String> {
    let entries = entries.as_object().ok_or_else(|| format!("the results of `{name}` are no object"))?;
    let counted = |key: &str| {
        let counts = document.get("n-samples")?.get(name)?;
        counts.get(key).and_then(Value::as_u64)
    };
    let of_task = |key: &str| document.get(key).and_then(|all| all.get(name)).map(Value::to_string).unwrap_or_default();
    let prompt = [of_task("task_hashes"), of_task("versions"), of_task("n-shot")].join("\0");
    Ok(Task {
        name,
        metrics: metrics(entries, document.get("higher_is_better").and_then(|all| all.get(name))),
        original: counted("original"),
        effective: counted("effective").or_else(|| entries.get("sample_len").and_then(Value::as_u64)),
        prompt: Digest::of(prompt.as_bytes()),
    })
}

/// The metrics of a task: `acc,none` with `acc_stderr,none`, and `acc` with `acc_stderr` before version 0.4.
fn metrics(entries: &Map<String, Value>, higher: Option<&Value>) -> BTreeMap<String, Said> {
    let mut metrics = BTreeMap::new();
    for (key, value) in entries {
        let (metric, _) = key.rsplit_once(',').map_or((key.as_str(), None), |(metric, filter)| (metric, Some(filter)));
        let no_metric = matches!(metric, "name" | "alias" | "sample_len" | "sample_count" | "samples");
        if no_metric || metric.ends_with("_stderr") {
            continue;
        }
        let error = match key.rsplit_once(',') {
            Some((metric, filter)) => entries.get(&format!("{metric}_stderr,{filter}")),
            None => entries.get(&format!("{key}_stderr")),
        };
        let said = Said {
            stderr: error.and_then(Value::as_f64).filter(|error| error.is_finite() && *error >= 0.0),
            // A text here is `"N/A"`; nothing else of what JSON has is a number.
            value: value.as_f64().filter(|value| value.is_finite()),
            higher: higher.and_then(|higher| higher.get(metric)).and_then(Value::as_bool),
        };
        metrics.insert(key.clone(), said);
    }
    metrics
}

/// The name under which a policy asks for a metric: `acc`, and `exact_match.strict-match` for a filter of its own.
fn metric_name(metric: &str, filter: Option<&str>) -> String {
    let filter = filter.filter(|filter| !filter.is_empty()).unwrap_or("none");
    metric_key(metric, filter).map_or_else(|_| metric.to_owned(), |name| name.to_string())
}

/// The names under which a policy asks for the metrics of a task, with what the results say of each.
fn named<'a>(task: &'a Task<'_>) -> impl Iterator<Item = (String, &'a str, &'a Said)> {
    task.metrics.iter().map(|(key, said)| {
        let (metric, filter) = key.rsplit_once(',').map_or((key.as_str(), None), |(one, other)| (one, Some(other)));
        (metric_name(metric, filter), metric, said)
    })
}

/// Which way is better, for every metric of a task that its results say it of.
fn declared(task: &Task<'_>) -> Vec<Declared> {
    let mut declared: BTreeMap<String, Declared> = BTreeMap::new();
    for (name, _, said) in named(task) {
        let (Some(named), Some(higher)) = (MetricName::of_text(&name), said.higher) else { continue };
        let direction = if higher { Direction::Higher } else { Direction::Lower };
        declared.insert(name, Declared { name: named, direction });
    }
    declared.into_values().collect()
}

/// The samples of a task that were written together with the results at `path`.
fn beside(path: &Path, task: &str) -> Option<PathBuf> {
    let stem = path.file_stem()?.to_str()?;
    let stamp = stem.strip_prefix("results_").or_else(|| stem.strip_prefix("results"))?;
    let name = if stamp.is_empty() { format!("samples_{task}.jsonl") } else { format!("samples_{task}_{stamp}.jsonl") };
    // A task's name may not lead out of the folder.
    let plain = !name.contains(['/', '\\']);
    let samples = path.parent().unwrap_or(Path::new("")).join(name);
    (plain && samples.is_file()).then_some(samples)
}

fn shown_beside(shown: &str, samples: &Path) -> String {
    let name = samples.file_name().unwrap_or_default();
    Path::new(shown).parent().unwrap_or(Path::new("")).join(name).display().to_string()
}
