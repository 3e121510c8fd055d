//! What a pull request changes of its own gate, within a comment: what is loosened stands above the fold.

use super::words::counted;
use super::{Detail, Layout};
use crate::report::changes::{in_order, word as kind};
use crate::report::inline::Inline;
use crate::report::markup::Markup;
use crate::report::{ChangeKind, GateChange};

impl Layout<'_> {
    /// What the pull request loosens of its own gate: a reviewer has to see it.
    pub(super) fn loosened(&self, page: &mut Markup, detail: Detail) {
        let loosened = self.gate_changes(ChangeKind::Loosened);
        if loosened.is_empty() {
            return;
        }
        let what = format!(": this pull request loosens its own gate in {}", counted(loosened.len() as u64, "place"));
        page.paragraph(&Inline::all([Inline::fixed("Review asked").bold(), self.words(&what)]));
        self.list_changes(page, &loosened, detail);
    }

    pub(super) fn gate_changes(&self, kind: ChangeKind) -> Vec<&GateChange> {
        in_order(self.report).into_iter().filter(|change| change.kind == kind).collect()
    }

    pub(super) fn list_changes(&self, page: &mut Markup, changes: &[&GateChange], detail: Detail) {
        let items: Vec<Inline> = changes
            .iter()
            .take(detail.rows)
            .map(|change| {
                Inline::all([
                    Inline::fixed(kind(change.kind)).bold(),
                    Inline::fixed(" "),
                    self.code(&change.place, 120),
                    Inline::fixed(": "),
                    self.code(&change.what, 200),
                ])
            })
            .collect();
        page.list(&items);
    }

    pub(super) fn other_changes(&self) -> Vec<&GateChange> {
        let other = self.gate_changes(ChangeKind::Other);
        other.into_iter().chain(self.gate_changes(ChangeKind::Tightened)).collect()
    }
}
