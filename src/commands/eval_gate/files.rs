//! The files that a run leaves: samples first, then the report in its forms. Each is there whole or not at all.

use std::path::{Path, PathBuf};

use crate::commands::{CommandError, Context};
use crate::eval::run::Collected;
use crate::report::{self, Report};
use crate::store::file::{AtomicFile, write_atomically};

/// Bytes of `report.md`: GitHub drops a summary of over 1 MiB whole.
const SUMMARY: usize = 1_000_000;

/// Writes all files of a run, and gives the path of `report.json`.
pub(crate) fn write_all(
    folder: &Path,
    report: &Report,
    collected: &Collected,
    context: &Context,
) -> Result<PathBuf, CommandError> {
    let failed = |error: &dyn std::error::Error| CommandError::environment(error);
    if let Some(journal) = collected.journal() {
        let mut samples = AtomicFile::create(&folder.join("samples.jsonl")).map_err(|error| failed(&error))?;
        journal.copy_in_order(&mut samples).map_err(|error| failed(&error))?;
        samples.commit().map_err(|error| failed(&error))?;
    }
    let sink = &context.sink;
    let path = folder.join("report.json");
    let files = [
        (folder.join("report.md"), report::markdown(report, sink, SUMMARY)),
        (folder.join("junit.xml"), report::junit(report, sink)),
        (path.clone(), report::json(report, sink)),
    ];
    for (place, text) in files {
        write_atomically(&place, text.as_bytes()).map_err(|error| failed(&error))?;
    }
    Ok(path)
}
