//! The files that a run leaves: samples first, then the report in its forms. Each is there whole or not at all.

use std::path::{Path, PathBuf};

use crate::commands::{CommandError, Context};
use crate::eval::run::{Collected, Plan};
use crate::eval::suite::{Form, Suite};
use crate::eval::task;
use crate::host::GITLAB_REPORTS;
use crate::report::{self, Flavour, Report};
use crate::store::file::{AtomicFile, remove_if_there, write_atomically};
use crate::trust::Untrusted;

/// The forms of a report; GitLab's host adds its own.
const REPORTS: [&str; 8] =
    ["report.json", "report.md", "report.html", "report.sarif", "junit.xml", "comment.md", "note.md", LM_EVAL];
/// What was measured of lm-eval's tasks, in its form.
const LM_EVAL: &str = "lm-eval-results.json";

/// Removes what an earlier run left: a run that is killed must not leave another one's verdict for the next step to read.
pub(crate) fn clear(folder: &Path) -> Result<(), CommandError> {
    clear_reports(folder).and_then(|()| remove(&folder.join("samples.jsonl")))
}

/// Removes an earlier verdict only, for programs that do not write samples.
pub(crate) fn clear_reports(folder: &Path) -> Result<(), CommandError> {
    let of_the_host = GITLAB_REPORTS.iter().map(|(_, name)| name);
    REPORTS.iter().chain(of_the_host).try_for_each(|name| remove(&folder.join(name)))
}

fn remove(file: &Path) -> Result<(), CommandError> {
    remove_if_there(file).map_err(|error| CommandError::environment(&error))
}

/// Writes all files of a run, and gives the path of `report.json`.
pub(crate) fn write_all(
    folder: &Path,
    report: &Report,
    collected: &Collected,
    context: &Context,
) -> Result<PathBuf, CommandError> {
    // The samples are the most bytes: they go to the disk while the report is made.
    std::thread::scope(|scope| {
        let samples = scope.spawn(|| write_samples(folder, collected));
        let written = write_report(folder, report, context);
        let copied = samples.join().map_err(|_| CommandError::Bug("the samples could not be written".to_owned()))?;
        copied.and(written)
    })
}

/// Writes what was measured of lm-eval's tasks in lm-eval's own form, where there is such a suite.
pub(crate) fn write_lm_eval(
    folder: &Path,
    suites: &[Suite],
    plan: &Plan,
    collected: &Collected,
) -> Result<(), CommandError> {
    if !suites.iter().any(|suite| suite.form() == Form::Task) {
        return Ok(());
    }
    let results = task::of_run(suites, plan, collected.rows(), collected.names())
        .map_err(|problem| CommandError::Problems(vec![problem]))?;
    let mut text = serde_json::to_vec_pretty(&results).map_err(|error| CommandError::Bug(error.to_string()))?;
    text.push(b'\n');
    write_atomically(&folder.join(LM_EVAL), &text).map_err(|error| CommandError::environment(&error))
}

/// Writes the samples that were judged, in the order of the suites.
pub(crate) fn write_samples(folder: &Path, collected: &Collected) -> Result<(), CommandError> {
    let Some(journal) = collected.journal() else { return Ok(()) };
    let failed = |error: &dyn std::error::Error| CommandError::environment(error);
    let mut samples = AtomicFile::create(&folder.join("samples.jsonl")).map_err(|error| failed(&error))?;
    journal.copy_in_order(&mut samples, |slot| collected.has(slot)).map_err(|error| failed(&error))?;
    samples.commit().map_err(|error| failed(&error))
}

/// Writes the report in its forms, `report.json` last, and gives its path. The comment is among them: where this job's token
/// cannot post it, a later job or a person can.
pub(crate) fn write_report(folder: &Path, report: &Report, context: &Context) -> Result<PathBuf, CommandError> {
    let sink = &context.sink;
    let path = folder.join("report.json");
    let inside = |file: &Untrusted| context.host.inside(file);
    let flavour = context.host.flavour();
    let comment = match flavour {
        Flavour::GitHub => "comment.md",
        Flavour::GitLab => "note.md",
    };
    let files = [
        (folder.join("report.md"), report::markdown(report, sink, report::SUMMARY_BYTES)),
        (folder.join("report.html"), report::html(report, sink)),
        (folder.join("report.sarif"), report::sarif(report, sink, &inside)),
        (folder.join("junit.xml"), report::junit(report, sink)),
        (folder.join(comment), report::comment(report, sink, flavour)),
        (path.clone(), report::json(report, sink)),
    ];
    for (place, text) in files {
        write_atomically(&place, text.as_bytes()).map_err(|error| CommandError::environment(&error))?;
    }
    Ok(path)
}
