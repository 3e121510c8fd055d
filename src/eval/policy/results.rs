//! `results:` of a policy: what other tools have measured, or are started to measure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Policy;
use crate::document::{Document, Problems};

/// A tool that can be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HarnessName {
    /// lm-evaluation-harness.
    LmEval,
    /// promptfoo.
    Promptfoo,
}

/// Results of another tool that are judged like a suite: a file that is there (`path`), or a tool that is started (`harness`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResultsSpec {
    /// A file, a folder or a glob, relative to the policy. The tool is known by the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The tool to start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harness: Option<HarnessName>,
    /// The program, where it is not found on PATH by its own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Its arguments. Where results are written is not among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// promptfoo's config, relative to the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Stands before the names of the suites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Tasks that must be there; a missing one is a problem.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<String>,
    /// How many samples there must be in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
    /// Whether a run over a part of its data (`--limit`) is accepted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_limit: bool,
    /// Results at `path` that are older are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_minutes: Option<f64>,
    /// When the tool is killed, in minutes (default: 60).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_minutes: Option<f64>,
}

/// Arguments that say where results are written, or what they hold: that is not the policy's to choose.
const OURS: [(HarnessName, &[&str]); 2] = [
    (HarnessName::LmEval, &["--output_path", "-o", "--log_samples", "--tasks", "-t"]),
    (HarnessName::Promptfoo, &["--output", "-o", "--config", "-c"]),
];

/// Finds every problem.
pub(super) fn check(policy: &Policy, document: &Document, problems: &mut Problems) {
    for (index, results) in policy.results.iter().enumerate() {
        let mut at = |field: &str, message: &str| {
            problems.push(document.problem(&format!("/results/{index}{field}"), message.to_owned()));
        };
        match (&results.path, results.harness) {
            (Some(path), None) if path.trim().is_empty() => at("/path", "the path is empty"),
            (Some(_), None) => {
                let of_a_tool = results.program.is_some()
                    || !results.args.is_empty()
                    || results.config.is_some()
                    || results.timeout_minutes.is_some();
                if of_a_tool {
                    at("", "`program`, `args`, `config` and `timeout_minutes` belong to a `harness` that is started");
                }
            }
            (None, Some(harness)) => {
                check_harness(results, harness, &mut at);
                if results.max_age_minutes.is_some() {
                    at("/max_age_minutes", "results of a tool that is started are always of its own run");
                }
            }
            (Some(_), Some(_)) | (None, None) => at("", "results have exactly one of `path` and `harness`"),
        }
        let good = |minutes: f64| minutes > 0.0 && minutes <= 525_600.0;
        if results.max_age_minutes.is_some_and(|minutes| !good(minutes)) {
            at("/max_age_minutes", "more than 0 minutes, and at most a year");
        }
        if results.timeout_minutes.is_some_and(|minutes| !good(minutes)) {
            at("/timeout_minutes", "more than 0 minutes, and at most a year");
        }
        if results.samples == Some(0) {
            at("/samples", "no samples would show nothing");
        }
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let named = |name: &String| !(1..=50).contains(&name.len()) || !name.chars().all(letter);
        if results.name.as_ref().is_some_and(named) {
            at("/name", "a name has 1 to 50 letters, digits, `_`, `.` or `-`");
        }
    }
}

fn check_harness(results: &ResultsSpec, harness: HarnessName, at: &mut dyn FnMut(&str, &str)) {
    let ours = OURS.iter().filter(|(of, _)| *of == harness).flat_map(|(_, names)| names.iter());
    for (index, argument) in results.args.iter().enumerate() {
        let is = |name: &&&str| {
            argument == **name || argument.strip_prefix(**name).is_some_and(|rest| rest.starts_with('='))
        };
        if let Some(name) = ours.clone().find(is) {
            at(&format!("/args/{index}"), &format!("{name} is set by the gate, which must know where the results are"));
        }
    }
    match harness {
        HarnessName::Promptfoo if results.config.is_none() => at("", "promptfoo needs its `config`"),
        HarnessName::LmEval if results.config.is_some() => at("/config", "lm_eval has no `config`; see `args`"),
        HarnessName::LmEval if results.tasks.is_empty() => {
            at("", "name the `tasks` that lm_eval must have results of: they are given to it with `--tasks`");
        }
        HarnessName::LmEval | HarnessName::Promptfoo => {}
    }
}
