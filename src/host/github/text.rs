//! What a check shows, from the renderings of `report`, and where there is no report. Each text is within its limit.

use std::path::Path;

use super::check::Output;
use crate::host::annotate::inside;
use crate::report::{Annotation, CheckText, Report, Sink, check, line_annotations};
use crate::trust::Untrusted;

/// Characters of a title; GitHub shows 255.
const TITLE: usize = 240;
/// Characters of what went wrong.
const WHY: usize = 4000;

/// What a check shows of a result.
pub(super) fn output(report: &Report, sink: &Sink) -> Output {
    let CheckText { title, summary, text } = check(report, sink);
    Output { title: sink.text(&Untrusted::new(title), TITLE), summary, text }
}

/// What is shown where there is no report.
pub(in crate::host) fn failure(program: &str, why: &str, sink: &Sink) -> Output {
    let title = sink.line(&Untrusted::new(format!("{program}: no verdict")), TITLE);
    let why = sink.html(&why.into(), WHY);
    let summary = format!("### ⚠️ {program}: error\n\nThere is no verdict, so the gate is shut.\n\n<pre>{why}</pre>");
    Output { title, summary, text: String::new() }
}

/// What is shown where there is no report and none was to be.
pub(in crate::host) fn done(program: &str, what: &str, sink: &Sink) -> Output {
    let title = sink.line(&Untrusted::new(format!("{program}: {}", what.trim())), TITLE);
    Output { title, summary: format!("<pre>{}</pre>", sink.html(&what.into(), WHY)), text: String::new() }
}

/// Samples that did not pass, at their lines in the suite. What has no file inside the repository has no place there.
pub(super) fn annotations(report: &Report, sink: &Sink, workspace: &Path) -> Vec<Annotation> {
    let mut all = line_annotations(report, sink, &|path| inside(workspace, path.raw()));
    all.retain(|annotation| annotation.place.is_some());
    all
}
