//! A comparison within a comment: with what the candidate was compared, and which cases changed.

use super::words::capital;
use super::{Detail, Layout};
use crate::report::inline::Inline;
use crate::report::markup::Markup;
use crate::report::{ChangedCase, Comparison};

impl Layout<'_> {
    /// With what the candidate was compared.
    pub(super) fn sides(&self, page: &mut Markup, comparison: &Comparison) {
        for side in &comparison.sides {
            let mut parts = Vec::new();
            if let Some(commit) = &side.commit {
                parts.push(Inline::all([Inline::fixed("commit "), self.short(commit)]));
            }
            if let Some(model) = &side.model {
                parts.push(Inline::all([Inline::fixed("model "), self.words(model)]));
            }
            parts.push(Inline::all([Inline::fixed("samples "), self.digest(&side.digest)]));
            parts.push(match (side.paired, side.coverage) {
                (Some(paired), Some(coverage)) => {
                    self.words(&format!("{paired} unchanged cases in both ({})", crate::gate::percent(coverage)))
                }
                (_, _) => Inline::fixed("not paired: its samples are not there"),
            });
            if let (Some(run), Some(own)) = (&side.run_url, &self.report.host.run_url) {
                parts.push(Inline::all([Inline::fixed("run "), Inline::link(self.sink, run, own)]));
            }
            let role = self.words(&capital(&side.role)).bold();
            page.paragraph(&Inline::all([role, Inline::fixed(": "), Inline::join(&parts, ", ")]));
        }
        for note in &comparison.notes {
            page.paragraph(&Inline::all([Inline::fixed("Note").bold(), Inline::fixed(": "), self.words(note.raw())]));
        }
    }

    pub(super) fn changes(&self, page: &mut Markup, comparison: &Comparison, detail: Detail) {
        for (title, cases, count) in [
            ("newly failing", &comparison.newly_failing, comparison.newly_failing_count),
            ("newly passing", &comparison.newly_passing, comparison.newly_passing_count),
        ] {
            let shown = cases.len().min(detail.changes);
            if shown == 0 {
                continue;
            }
            let of =
                if shown as u64 == count { format!("{count} {title}") } else { format!("{shown} of {count} {title}") };
            let items: Vec<Inline> = cases.iter().take(shown).map(|case| self.changed(case)).collect();
            let names = Inline::join(&items, ", ");
            page.paragraph(&Inline::all([self.words(&of).bold(), Inline::fixed(": "), names]));
        }
    }

    /// A case that changed, with its shares where it did not change from all to none or back.
    pub(super) fn changed(&self, case: &ChangedCase) -> Inline {
        let several = self.report.suite.parts.len() > 1;
        let suite = if several { self.words(&format!("{} ", case.suite)) } else { Inline::default() };
        let whole = |share: f64| share == 0.0 || share == 1.0;
        let shares = if whole(case.baseline) && whole(case.candidate) {
            Inline::default()
        } else {
            self.words(&format!(" ({:.2}, was {:.2})", case.candidate, case.baseline))
        };
        Inline::all([suite, self.code(&case.case, 120), shares])
    }
}
