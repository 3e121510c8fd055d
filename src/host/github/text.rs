//! The texts of comments, checks and annotations, each within its limit. What they look like is `report`'s business.

use std::path::Path;

use super::check::{Annotation, Output};
use crate::gate::Verdict;
use crate::report::{Report, Sink, markdown};
use crate::trust::Untrusted;

/// Bytes of a comment or of a check's summary: GitHub holds 65,536 characters of a comment and 65,535 of a summary.
const BUDGET: usize = 65_000;
/// Characters of a title.
const TITLE: usize = 240;
/// Characters of an annotation's message; GitHub holds 64 KB.
const MESSAGE: usize = 4000;

/// The comment on a result, without its marker.
pub(in crate::host) fn comment(report: &Report, sink: &Sink) -> String {
    let text = markdown(report, sink, BUDGET);
    match text.len() <= BUDGET {
        true => text,
        // Names alone can be longer than any budget: the verdict and its reason always fit.
        false => format!("### {}\n\nThe whole report is too long for this place.", words(&line(report, sink), sink)),
    }
}

/// The verdict and its reason on one line of plain text.
pub(in crate::host) fn line(report: &Report, sink: &Sink) -> String {
    let reason = report.reasons.first().map(|reason| reason.text.as_str()).unwrap_or_default();
    sink.line(&Untrusted::new(format!("{} {}: {reason}", report.program, report.verdict.word())), TITLE)
}

/// What a check shows of a result.
pub(super) fn output(report: &Report, sink: &Sink) -> Output {
    Output { title: line(report, sink), summary: comment(report, sink) }
}

/// What is shown where there is no report.
pub(in crate::host) fn failure(program: &str, why: &str, sink: &Sink) -> Output {
    let title = sink.line(&Untrusted::new(format!("{program}: no verdict")), TITLE);
    let why = sink.html(&why.into(), 4000);
    let summary = format!("### ⚠️ {}: error\n\nThere is no verdict, so the gate is shut.\n\n<pre>{why}</pre>", program);
    Output { title, summary }
}

/// What is shown where there is no report and none was to be.
pub(in crate::host) fn done(program: &str, what: &str, sink: &Sink) -> Output {
    let title = sink.line(&Untrusted::new(format!("{program}: {}", what.trim())), TITLE);
    Output { title, summary: format!("<pre>{}</pre>", sink.html(&what.into(), 4000)) }
}

fn words(text: &str, sink: &Sink) -> String {
    sink.words(&text.into(), TITLE)
}

/// Samples that did not pass, at their lines in the suite. Files outside the repository have no place there.
pub(super) fn annotations(report: &Report, sink: &Sink, workspace: &Path) -> Vec<Annotation> {
    if report.verdict == Verdict::Pass {
        return Vec::new();
    }
    let mut all = Vec::new();
    for sample in &report.failed_samples {
        let Some(path) = super::super::annotate::inside(workspace, sample.path.raw()) else { continue };
        let text = format!("{}: {}", sample.status, sample.why.raw());
        all.push(Annotation {
            path,
            line: sample.line.max(1),
            level: "warning",
            title: sink.line(&sample.case, TITLE),
            message: sink.line(&Untrusted::new(text), MESSAGE),
        });
    }
    all
}
