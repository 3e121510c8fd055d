//! Annotations of GitHub's runner: the rule that decided, and the first samples at their place in the suite.

use std::path::Path;

use super::print;
use crate::gate::Verdict;
use crate::report::{FailedSample, Report, Sink};
use crate::trust::Untrusted;

/// Annotations of one type: the runner records ten a step, and one stays for others.
/// Source: actions/runner, `ExecutionContext.cs`.
const MOST: usize = 9;
/// Characters of a message; the runner cuts at 4,096.
const LONGEST: usize = 1000;

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
    if report.verdict == Verdict::Pass {
        return;
    }
    let kind = if report.verdict == Verdict::Inconclusive { "warning" } else { "error" };
    for reason in report.reasons.iter().filter(|reason| reason.verdict != Verdict::Pass).take(MOST) {
        let title = sink.property(&Untrusted::new(format!("{} {}", report.program, reason.verdict.word())), 100);
        print(&format!(
            "::{kind} title={title}::{}\n",
            sink.annotation(&Untrusted::new(reason.text.as_str()), LONGEST)
        ));
    }
    if samples == Samples::Elsewhere {
        return;
    }
    for sample in report.failed_samples.iter().take(MOST) {
        print(&notice(sample, sink, workspace));
    }
}

/// A notice at the sample's line, where its file lies inside the workspace.
fn notice(sample: &FailedSample, sink: &Sink, workspace: &Path) -> String {
    let place = inside(workspace, sample.path.raw())
        .map(|path| format!(" file={},line={}", sink.property(&Untrusted::new(path), 300), sample.line))
        .unwrap_or_default();
    let text = format!("{} {}: {}", sample.case.raw(), sample.status, sample.why.raw());
    format!("::notice{place}::{}\n", sink.annotation(&Untrusted::new(text), LONGEST))
}

/// A file's path relative to the workspace, where it is proven to lie in it.
pub(super) fn inside(workspace: &Path, path: &str) -> Option<String> {
    let root = workspace.canonicalize().ok()?;
    let file = Path::new(path).canonicalize().ok()?;
    Some(file.strip_prefix(&root).ok()?.display().to_string())
}
