//! Annotations as commands of GitHub's runner, and where a file lies in the checkout.

use std::collections::BTreeMap;
use std::path::Path;

use super::print;
use crate::report::{Annotation, COMMANDS_A_LEVEL, Level, Report, Sink, line_annotations};
use crate::trust::Untrusted;

/// Characters of a text; it was cut before.
const LONGEST: usize = 2000;

/// Whether the samples are annotated by commands too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Samples {
    /// They are shown nowhere else.
    Shown,
    /// The check run shows them.
    Elsewhere,
}

/// Prints annotations; nothing for a gate that passed.
pub(super) fn github(report: &Report, sink: &Sink, workspace: &Path, samples: Samples) {
    let mut printed = BTreeMap::new();
    let all = line_annotations(report, sink, &|path| inside(workspace, path.raw()));
    for annotation in all.iter().filter(|one| samples == Samples::Shown || one.level != Level::Notice) {
        let count: &mut usize = printed.entry(annotation.level).or_default();
        *count += 1;
        if *count <= COMMANDS_A_LEVEL {
            print(&command(annotation, sink));
        }
    }
}

/// A file's path relative to the workspace; none where it is not a file inside it.
pub(super) fn inside(workspace: &Path, path: &str) -> Option<String> {
    let root = workspace.canonicalize().ok()?;
    let file = Path::new(path).canonicalize().ok().filter(|file| file.is_file())?;
    file.strip_prefix(&root).ok()?.to_str().map(str::to_owned)
}

fn command(annotation: &Annotation, sink: &Sink) -> String {
    let Annotation { level, place, title, message } = annotation;
    let property = |text: &str| sink.property(&Untrusted::new(text), LONGEST);
    let place = place.as_ref().map(|(path, line)| format!("file={},line={line},", property(path))).unwrap_or_default();
    let message = sink.annotation(&Untrusted::new(message.as_str()), LONGEST);
    format!("::{} {place}title={}::{message}\n", level.command(), property(title))
}
