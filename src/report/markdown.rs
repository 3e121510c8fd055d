//! The report as Markdown for each place: a comment, a check run, the job's summary, a note. Each has its room; over it,
//! details are dropped in order, and nothing is ever cut in the middle.

use super::layout::{Detail, Layout};
use super::safety::defanged;
use super::{Report, Sink};
use crate::trust::Untrusted;

/// The budget of a job's summary, in bytes: GitHub drops one of over 1 MiB whole.
/// Source: actions/runner, `FileCommandManager.cs` (`CreateStepSummaryCommand`).
pub const SUMMARY_BYTES: usize = 1_000_000;
/// The budget of a comment or note, in bytes: GitHub refuses bodies of over 65,536 characters, and tools differ in what they
/// count. The rest is for markers.
pub const COMMENT_BYTES: usize = 65_000;
/// The budget of each text of a check run's output. Source: GitHub's OpenAPI description, `checks/create`.
pub const CHECK_BYTES: usize = 65_535;

/// From all details to none.
const LADDER: [Detail; 7] = [
    Detail { rows: 12, more_rows: true, reasons: 50, changes: 20, samples: 5, quote: 300, findings: 20, grid: true },
    Detail { rows: 12, more_rows: true, reasons: 10, changes: 10, samples: 5, quote: 300, findings: 15, grid: true },
    Detail { rows: 12, more_rows: true, reasons: 5, changes: 5, samples: 3, quote: 200, findings: 10, grid: true },
    Detail { rows: 12, more_rows: false, reasons: 5, changes: 0, samples: 3, quote: 100, findings: 10, grid: false },
    Detail { rows: 12, more_rows: false, reasons: 0, changes: 0, samples: 0, quote: 0, findings: 5, grid: false },
    Detail { rows: 5, more_rows: false, reasons: 0, changes: 0, samples: 0, quote: 0, findings: 0, grid: false },
    Detail { rows: 0, more_rows: false, reasons: 0, changes: 0, samples: 0, quote: 0, findings: 0, grid: false },
];

/// Whose Markdown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flavour {
    /// GitHub's.
    GitHub,
    /// GitLab's: a line that begins with a slash is a command to the server, wherever it stands.
    GitLab,
}

/// The output of a check run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckText {
    /// Plain text on one line.
    pub title: String,
    /// Markdown of at most [`CHECK_BYTES`]: what a comment shows at once.
    pub summary: String,
    /// Markdown of at most [`CHECK_BYTES`]: what a comment shows folded.
    pub text: String,
}

/// The body of a comment or note of at most [`COMMENT_BYTES`], without the marker by which it is found again.
pub fn comment(report: &Report, sink: &Sink, flavour: Flavour) -> String {
    let report = &*defanged(report);
    let body = fitting(&LADDER, COMMENT_BYTES, |detail| sink.whole(&layout(report, sink, &[]).whole(detail)));
    match flavour {
        Flavour::GitHub => body,
        Flavour::GitLab => without_commands(&body),
    }
}

/// The output of a check run.
pub fn check(report: &Report, sink: &Sink) -> CheckText {
    let report = &*defanged(report);
    let layout = layout(report, sink, &[]);
    CheckText {
        title: sink.whole(&layout.title()),
        summary: fitting(&LADDER, CHECK_BYTES, |detail| sink.whole(&layout.above(detail))),
        text: fitting(&LADDER, CHECK_BYTES, |detail| sink.whole(&layout.below(detail))),
    }
}

/// The report for the job's summary and `report.md`, of at most `budget` bytes.
pub fn markdown(report: &Report, sink: &Sink, budget: usize) -> String {
    markdown_with_notes(report, sink, budget, &[])
}

/// The same, with what the host could not do and how to mend it, such as a permission that is missing.
pub fn markdown_with_notes(report: &Report, sink: &Sink, budget: usize, notes: &[Untrusted]) -> String {
    let report = &*defanged(report);
    let [most, ..] = LADDER;
    let generous = [50, 20].map(|samples| Detail { samples, changes: samples, findings: samples, ..most });
    let ladder: Vec<Detail> = generous.into_iter().chain(LADDER).collect();
    fitting(&ladder, budget, |detail| sink.whole(&layout(report, sink, notes).whole(detail)))
}

/// The job's summary of a run that was interrupted: there is no report, only the way on.
pub fn interrupted(text: &str, sink: &Sink) -> String {
    sink.whole(&format!("## Interrupted, no verdict\n\n{}\n", sink.words(&Untrusted::new(text.trim()), 2000)))
}

fn layout<'a>(report: &'a Report, sink: &'a Sink, notes: &'a [Untrusted]) -> Layout<'a> {
    Layout { report, sink, notes }
}

/// The first rendering that fits; the last one where none does.
fn fitting(ladder: &[Detail], budget: usize, render: impl Fn(Detail) -> String) -> String {
    let mut text = String::new();
    for detail in ladder {
        text = render(*detail);
        if text.len() <= budget {
            break;
        }
    }
    text
}

/// No line begins with a slash, also after GitLab has taken the carriage returns out. The renderer writes none; this is the
/// second belt. Source: gitlabhq, `lib/gitlab/quick_actions/extractor.rb`.
pub fn without_commands(body: &str) -> String {
    let mut safe = String::with_capacity(body.len());
    for line in body.replace('\r', "").split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        match line.get(indent..).and_then(|rest| rest.strip_prefix('/')) {
            Some(rest) => {
                safe.push_str(line.get(..indent).unwrap_or_default());
                safe.push_str("&#47;");
                safe.push_str(rest);
            }
            None => safe.push_str(line),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_line_of_a_note_begins_with_a_slash(body in "([/a\\r\\n \\t]|\u{3000}){0,40}") {
            let safe = without_commands(&body);
            prop_assert!(!safe.contains('\r'));
            prop_assert!(safe.lines().all(|line| !line.trim_start().starts_with('/')), "{safe:?}");
        }
    }
}
