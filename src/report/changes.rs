//! What a pull request changes of its own gate, for the surfaces that people read: what is loosened stands first.

use std::fmt::Write as _;

use super::{ChangeKind, GateChange, Report, Sink};

/// Changes that a surface names.
pub(super) const NAMED: usize = 20;

/// The kind as a word that needs no colour.
pub(super) fn word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Loosened => "LOOSENED",
        ChangeKind::Other => "changed",
        ChangeKind::Tightened => "tightened",
    }
}

/// What is loosened, then the rest.
pub(super) fn in_order(report: &Report) -> Vec<&GateChange> {
    let rank = |change: &&GateChange| match change.kind {
        ChangeKind::Loosened => 0,
        ChangeKind::Other => 1,
        ChangeKind::Tightened => 2,
    };
    let mut changes: Vec<&GateChange> = report.gate_changes.iter().collect();
    changes.sort_by_key(rank);
    changes
}

/// As plain lines; nothing where nothing changes.
pub(super) fn lines(report: &Report, sink: &Sink) -> String {
    let mut text = String::new();
    if report.gate_changes.is_empty() {
        return text;
    }
    // Writing into a String cannot fail.
    let _ = writeln!(text, "  the pull request changes its own gate:");
    for change in in_order(report).into_iter().take(NAMED) {
        let (place, what) = (sink.line(&change.place, 200), sink.line(&change.what, 300));
        let _ = writeln!(text, "  | {} {place}: {what}", word(change.kind));
    }
    let _ = writeln!(text);
    text
}
