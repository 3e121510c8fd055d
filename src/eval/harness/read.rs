//! From a path of the policy to suites: a file, a folder, or a glob. Several files of one task are not chosen among.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::expect::Expect;
use super::lines::{Form, form};
use super::{deepeval, inspect, lm_eval, openai_evals, samples};
use crate::document::{Problem, Problems};
use crate::eval::suite::Suite;

/// Files that a folder or a glob may name.
const MOST_FILES: usize = 1000;
/// How deep folders are looked through.
const DEEPEST: usize = 4;

/// Reads the results at `path`: a file, a folder, or a glob; `shown` is what the user calls it. Never empty.
pub fn read_results(path: &Path, shown: &str, expect: &Expect<'_>) -> Result<Vec<Suite>, Problems> {
    let files = named_files(path, shown)?;
    let mut found = Problems::none();
    let mut suites = Vec::new();
    for (file, shown) in &files {
        match read_file(file, shown, expect) {
            Ok(read) => suites.extend(read),
            Err(others) => found.extend(others),
        }
    }
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for suite in &suites {
        if let Some(other) = names.insert(suite.name().to_string(), suite.shown_path().to_owned()) {
            let message = format!("{other} has results of `{}` too", suite.name());
            let help = "which one counts? give one file, or let the tool write into an empty folder";
            found.push(Problem::of_file(suite.shown_path(), message).help(help));
        }
    }
    for task in expect.tasks.iter().filter(|task| !names.contains_key(&expect.suite(Some(task), ""))) {
        let known: Vec<&str> = names.keys().map(String::as_str).collect();
        let problem = Problem::of_file(shown, format!("there are no results of the task `{task}`"));
        found.push(problem.help(format!("there are: {}", known.join(", "))));
    }
    let counted = suites.iter().map(Suite::samples).fold(0, u64::saturating_add);
    if let Some(expected) = expect.samples.filter(|expected| found.is_empty() && *expected != counted) {
        let message = format!("the results hold {counted} samples, and the policy expects {expected}");
        found.push(Problem::of_file(shown, message).help("make the results again, or correct `samples:`"));
    }
    found.or(suites)
}

fn read_file(path: &Path, shown: &str, expect: &Expect<'_>) -> Result<Vec<Suite>, Problems> {
    match form(path, shown)? {
        Form::LmEval => lm_eval::read(path, shown, expect),
        Form::Promptfoo => samples::read(path, shown, expect),
        Form::PromptfooRows => samples::read_rows(path, shown, expect),
        Form::LmEvalSamples => {
            let help = "give the `results_*.json` that lm-eval wrote beside it: it says how many samples there must be";
            Err(Problem::of_file(shown, "samples of lm-eval without their results").help(help).into())
        }
        Form::Garak => {
            let help = "list it for `safety-gate`, which knows what garak's probes attack";
            Err(Problem::of_file(shown, "a report of garak holds attacks, and no evaluation").help(help).into())
        }
        Form::InspectZip => inspect::read_zip(path, shown, expect),
        Form::Inspect => inspect::read(path, shown, expect),
        Form::Deepeval => deepeval::read(path, shown, expect),
        Form::OpenaiEvals => openai_evals::read(path, shown, expect),
    }
}

/// The files that [`read_results`] would read at a path.
pub fn result_files(path: &Path, shown: &str) -> Result<Vec<PathBuf>, Problem> {
    Ok(named_files(path, shown)?.into_iter().map(|(file, _)| file).collect())
}

/// The files behind a path, in the order of their names, as they are and as the user calls them.
fn named_files(path: &Path, shown: &str) -> Result<Vec<(PathBuf, String)>, Problem> {
    let missing = |message: &str| {
        Problem::of_file(shown, message.to_owned()).help("has the tool run, and written its results there?")
    };
    if path.is_file() {
        return Ok(vec![(path.to_owned(), shown.to_owned())]);
    }
    let mut found = Vec::new();
    if path.is_dir() {
        walk(path, shown, 0, &mut found)?;
    } else if shown.contains(['*', '?', '[']) {
        let pattern = path.to_str().ok_or_else(|| missing("the pattern is not UTF-8"))?;
        let all = glob::glob(pattern).map_err(|error| missing(&format!("no pattern of files: {error}")))?;
        let unreadable = |error: glob::GlobError| Problem::of_file(shown, format!("a folder cannot be read: {error}"));
        let all = all.collect::<Result<Vec<PathBuf>, _>>().map_err(unreadable)?;
        found.extend(all.into_iter().filter(|file| file.is_file() && is_results(file)).take(MOST_FILES + 1));
    } else {
        return Err(missing("there are no results"));
    }
    if found.len() > MOST_FILES {
        return Err(missing("more than 1000 files"));
    }
    if found.is_empty() {
        return Err(missing("there are no results"));
    }
    found.sort();
    Ok(found.into_iter().map(|file| (file.clone(), file.display().to_string())).collect())
}

/// What cannot be looked into could hold what fails: it is a problem, and never less to judge.
fn walk(folder: &Path, shown: &str, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Problem> {
    let unreadable = |error: std::io::Error| {
        Problem::of_file(shown, format!("the folder {} cannot be read: {error}", folder.display()))
    };
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        // A link may lead anywhere.
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() && depth == DEEPEST {
            let message = format!("folders are looked through {DEEPEST} deep, and {} is deeper", path.display());
            return Err(Problem::of_file(shown, message).help("give the folder of the results themselves"));
        } else if kind.is_dir() {
            walk(&path, shown, depth + 1, found)?;
        } else if kind.is_file() && is_results(&path) && found.len() <= MOST_FILES {
            found.push(path);
        }
    }
    Ok(())
}

/// Samples of lm-eval belong to the results beside them, and what has another ending is no form that is known.
fn is_results(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let known = path.extension().is_some_and(|ending| ["json", "jsonl", "eval"].iter().any(|known| ending == *known));
    known && !(name.starts_with("samples_") && name.ends_with(".jsonl"))
}
