//! What a comment says, from the verdict down to the small print, with as much detail as it is given room for.
//! Kept out: how much room there is (`markdown`), and how it is written (`markup`).

mod comparison;
mod footer;
mod gate_changes;
mod safety;
mod samples;
mod words;

pub(super) use words::{capital, counted, duration, heading, signs};

use super::headline::headline;
use super::inline::Inline;
use super::markup::Markup;
use super::rows::{early_stop, servers, word};
use super::table::{Line, power, table};
use super::{Report, Sink};
use crate::gate::Reason;
use crate::trust::Untrusted;

/// How much detail is shown, from all to none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Detail {
    /// Rows of the table that is not folded.
    pub(super) rows: usize,
    /// Whether the rows after those are shown folded.
    pub(super) more_rows: bool,
    /// Rules in words.
    pub(super) reasons: usize,
    /// Cases that changed, of each kind.
    pub(super) changes: usize,
    /// Samples that did not pass.
    pub(super) samples: usize,
    /// Characters of a quoted text.
    pub(super) quote: usize,
    /// Attacks that found harm.
    pub(super) findings: usize,
    /// Whether it is shown what each strategy found.
    pub(super) grid: bool,
}

/// What stands where.
pub(super) struct Layout<'a> {
    /// What is said.
    pub(super) report: &'a Report,
    /// The way out.
    pub(super) sink: &'a Sink,
    /// What the host could not do, in words, with what to do about it.
    pub(super) notes: &'a [Untrusted],
}

impl Layout<'_> {
    /// The whole: all details in one fold, so that nothing of ours can be taken for a second one.
    pub(super) fn whole(&self, detail: Detail) -> String {
        let mut page = Markup::default();
        self.top(&mut page, detail);
        if let Some(summary) = self.contents(detail) {
            page.fold(&summary, |inside| self.details(inside, detail));
        }
        self.left_out(&mut page, detail);
        page.small(&self.footer());
        page.finish()
    }

    /// What is above the fold, and the small print.
    pub(super) fn above(&self, detail: Detail) -> String {
        let mut page = Markup::default();
        self.top(&mut page, detail);
        self.left_out(&mut page, detail);
        page.small(&self.footer());
        page.finish()
    }

    /// What is in the fold, without it; nothing where there is no fold.
    pub(super) fn below(&self, detail: Detail) -> String {
        let mut page = Markup::default();
        self.details(&mut page, detail);
        if page.is_empty() { String::new() } else { page.finish() }
    }

    /// The verdict and what decided, as plain text on one line.
    pub(super) fn title(&self) -> String {
        let text = format!("{}: {}", self.report.verdict.word(), headline(self.report).text);
        self.sink.line(&Untrusted::new(text), 200)
    }

    fn words(&self, text: &str) -> Inline {
        Inline::words(self.sink, text)
    }

    fn code(&self, text: &Untrusted, most: usize) -> Inline {
        Inline::code(self.sink, text, most)
    }

    fn top(&self, page: &mut Markup, detail: Detail) {
        let report = self.report;
        let decided = headline(report);
        let verdict = Inline::verdict(report.verdict, "");
        page.heading(&Inline::all([
            verdict,
            self.words(&report.program),
            Inline::fixed(": "),
            self.words(report.verdict.word()),
            Inline::fixed(". "),
            self.words(&decided.text),
        ]));
        if let Some(sentence) = decided.sentence.filter(|_| detail.rows > 0) {
            page.paragraph(&self.words(&sentence));
        }
        self.loosened(page, detail);
        for note in self.notes {
            page.paragraph(&Inline::all([Inline::fixed("Note").bold(), Inline::fixed(": "), self.words(note.raw())]));
        }
        if let Some(saved) = early_stop(&report.run) {
            page.paragraph(&self.words(&capital(&saved)));
        }
        for server in servers(&report.run) {
            page.paragraph(&self.words(&capital(&server)));
        }
        if let Some(comparison) = &report.comparison {
            self.sides(page, comparison);
        }
        if let Some(safety) = &report.safety {
            self.hazards(page, safety, detail);
        }
        let lines = table(report).lines;
        let shown = self.shown(&lines, detail);
        if shown > 0 {
            self.table(page, lines.get(..shown).unwrap_or_default());
        }
    }

    /// Rows that are not folded: those with a rule, and a few more where there is room.
    fn shown(&self, lines: &[Line], detail: Detail) -> usize {
        let judged = lines.iter().filter(|line| line.verdict.is_some()).count();
        judged.max(4).min(detail.rows).min(lines.len())
    }

    fn table(&self, page: &mut Markup, lines: &[Line]) {
        let table = table(self.report);
        let head: Vec<Inline> = table.head.iter().map(|name| self.words(&heading(name))).collect();
        let rows: Vec<Vec<Inline>> = lines
            .iter()
            .map(|line| {
                let cells = line.cells.iter().map(|cell| self.words(&signs(cell)));
                let verdict = line.verdict.map(|verdict| Inline::verdict(verdict, word(verdict)));
                cells.chain([verdict.unwrap_or_default()]).collect()
            })
            .collect();
        page.table(&head, table.right, &rows);
    }

    /// What the fold holds; none where that is nothing.
    fn contents(&self, detail: Detail) -> Option<Inline> {
        let report = self.report;
        let mut parts = Vec::new();
        if let Some(safety) = &report.safety {
            parts.extend(self.attacks_in_words(safety, detail));
        }
        let bad = self.bad();
        let samples = report.failed_samples.len().min(detail.samples) as u64;
        if samples > 0 {
            parts.push(self.words(&match report.comparison {
                Some(_) => counted(samples, "newly failing sample"),
                None => format!("{samples} of {bad} samples that did not pass"),
            }));
        }
        if let Some(comparison) = report.comparison.as_ref().filter(|_| detail.changes > 0) {
            let (worse, better) = (comparison.newly_failing_count, comparison.newly_passing_count);
            if worse + better > 0 {
                parts.push(self.words(&format!("{worse} newly failing and {better} newly passing cases")));
            }
        }
        let others = self.other_changes().len();
        if others > 0 && detail.changes > 0 {
            parts.push(self.words(&format!("{} of the gate", counted(others as u64, "other change"))));
        }
        let lines = table(report).lines;
        let hidden = lines.len() - self.shown(&lines, detail);
        if hidden > 0 && detail.more_rows {
            parts.push(self.words(&counted(hidden as u64, "more metric")));
        }
        if self.other_reasons(detail).next().is_some() {
            parts.push(Inline::fixed("other rules in words"));
        }
        let rules = report.comparison.as_ref().is_some_and(|comparison| !comparison.rows.is_empty());
        if rules && detail.reasons > 0 {
            parts.push(Inline::fixed("what could be seen"));
        }
        (!parts.is_empty()).then(|| Inline::all([Inline::fixed("Details: "), Inline::join(&parts, " · ")]))
    }

    fn other_reasons(&self, detail: Detail) -> impl Iterator<Item = &Reason> {
        self.report.reasons.iter().skip(1).take(detail.reasons)
    }

    fn details(&self, page: &mut Markup, detail: Detail) {
        if let Some(safety) = &self.report.safety {
            self.attacks(page, safety, detail);
        }
        for sample in self.report.failed_samples.iter().take(detail.samples) {
            self.sample(page, sample, detail);
        }
        if let Some(comparison) = &self.report.comparison {
            self.changes(page, comparison, detail);
        }
        let others = self.other_changes();
        if !others.is_empty() && detail.changes > 0 {
            page.paragraph(&Inline::fixed("Other changes of the gate").bold());
            self.list_changes(page, &others, detail);
        }
        let lines = table(self.report).lines;
        let hidden = lines.get(self.shown(&lines, detail)..).unwrap_or_default();
        if !hidden.is_empty() && detail.more_rows {
            page.paragraph(&Inline::fixed("More metrics").bold());
            self.table(page, hidden);
        }
        let others: Vec<Inline> = self
            .other_reasons(detail)
            .map(|reason| {
                Inline::all([
                    Inline::verdict(reason.verdict, word(reason.verdict)),
                    Inline::fixed(": "),
                    self.words(&reason.text),
                ])
            })
            .collect();
        if !others.is_empty() {
            page.paragraph(&Inline::fixed("Other rules in words").bold());
            page.list(&others);
        }
        let rows = self.report.comparison.iter().flat_map(|comparison| &comparison.rows);
        let seen: Vec<Inline> = rows.take(detail.reasons).map(|row| self.words(&power(row))).collect();
        if !seen.is_empty() {
            page.paragraph(&Inline::fixed("What could be seen").bold());
            page.list(&seen);
        }
    }

    /// What had to be dropped for want of room.
    fn left_out(&self, page: &mut Markup, detail: Detail) {
        let mut dropped = Vec::new();
        if let Some(safety) = &self.report.safety {
            dropped.extend(self.attacks_left_out(safety, detail));
        }
        let lines = table(self.report).lines;
        if lines.len() > self.shown(&lines, detail) && !detail.more_rows {
            dropped.push(Inline::fixed("metrics"));
        }
        if detail.reasons == 0 && self.report.reasons.len() > 1 {
            dropped.push(Inline::fixed("rules"));
        }
        if detail.samples == 0 && !self.report.failed_samples.is_empty() {
            dropped.push(Inline::fixed("samples"));
        }
        if !dropped.is_empty() {
            let what = Inline::join(&dropped, ", ");
            page.paragraph(&Inline::all([
                Inline::fixed("Left out for want of room: "),
                what,
                Inline::fixed(". All of it is in report.html and report.json of the run."),
            ]));
        }
    }
}
