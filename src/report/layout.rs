//! What a comment says, from the verdict down to the small print, with as much detail as it is given room for.
//! Kept out: how much room there is (`markdown`), and how it is written (`markup`).

use super::changes::{in_order, word as kind};
use super::headline::headline;
use super::inline::Inline;
use super::markup::Markup;
use super::rows::{early_stop, word};
use super::table::{Line, power, table};
use super::{ChangeKind, ChangedCase, Comparison, FailedSample, GateChange, Report, Sink};
use crate::gate::Reason;
use crate::trust::{Digest, Untrusted};

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
        if let Some(comparison) = &report.comparison {
            self.sides(page, comparison);
        }
        let lines = table(report).lines;
        let shown = self.shown(&lines, detail);
        if shown > 0 {
            self.table(page, lines.get(..shown).unwrap_or_default());
        }
    }

    /// What the pull request loosens of its own gate: a reviewer has to see it.
    fn loosened(&self, page: &mut Markup, detail: Detail) {
        let loosened = self.gate_changes(ChangeKind::Loosened);
        if loosened.is_empty() {
            return;
        }
        let what = format!(": this pull request loosens its own gate in {}", counted(loosened.len() as u64, "place"));
        page.paragraph(&Inline::all([Inline::fixed("Review asked").bold(), self.words(&what)]));
        self.list_changes(page, &loosened, detail);
    }

    fn gate_changes(&self, kind: ChangeKind) -> Vec<&GateChange> {
        in_order(self.report).into_iter().filter(|change| change.kind == kind).collect()
    }

    fn list_changes(&self, page: &mut Markup, changes: &[&GateChange], detail: Detail) {
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

    /// With what the candidate was compared.
    fn sides(&self, page: &mut Markup, comparison: &Comparison) {
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
    }

    /// What the fold holds; none where that is nothing.
    fn contents(&self, detail: Detail) -> Option<Inline> {
        let report = self.report;
        let mut parts = Vec::new();
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

    fn bad(&self) -> u64 {
        let counts = &self.report.counts;
        counts.failed + counts.unscored + counts.errors
    }

    fn other_changes(&self) -> Vec<&GateChange> {
        let other = self.gate_changes(ChangeKind::Other);
        other.into_iter().chain(self.gate_changes(ChangeKind::Tightened)).collect()
    }

    fn other_reasons(&self, detail: Detail) -> impl Iterator<Item = &Reason> {
        self.report.reasons.iter().skip(1).take(detail.reasons)
    }

    fn details(&self, page: &mut Markup, detail: Detail) {
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

    fn sample(&self, page: &mut Markup, sample: &FailedSample, detail: Detail) {
        let place = Untrusted::new(format!("{}:{}", sample.path.raw(), sample.line));
        let repeat = if sample.repeat > 0 { format!(", repeat {}", sample.repeat) } else { String::new() };
        page.paragraph(&Inline::all([
            self.words(&capital(&sample.status)).bold(),
            Inline::fixed(" "),
            self.code(&sample.case, 120),
            Inline::fixed(" at "),
            self.code(&place, 200),
            self.words(&repeat),
            Inline::fixed(": "),
            self.code(&sample.why, detail.quote),
        ]));
        let (prompt, answer) = (&sample.prompt, &sample.completion);
        if !(prompt.raw().is_empty() && answer.raw().is_empty()) {
            let quoted = |text: &Untrusted| match text.raw() {
                "" => "nothing".to_owned(),
                _ => self.sink.html(text, detail.quote),
            };
            page.preformatted(&format!("Prompt: {}\nAnswer: {}", quoted(prompt), quoted(answer)));
        }
    }

    fn changes(&self, page: &mut Markup, comparison: &Comparison, detail: Detail) {
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
    fn changed(&self, case: &ChangedCase) -> Inline {
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

    /// What had to be dropped for want of room.
    fn left_out(&self, page: &mut Markup, detail: Detail) {
        let mut dropped = Vec::new();
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

    fn footer(&self) -> Inline {
        let Report { model, suite, counts, timing, host, run, seed, .. } = self.report;
        let mut parts = Vec::new();
        if let Some(commit) = &host.commit {
            parts.push(Inline::all([Inline::fixed("commit "), self.short(commit)]));
        }
        parts.push(Inline::all([
            Inline::fixed("model "),
            self.words(&format!("{} ({}) ", model.name, model.provider)),
            self.digest(&model.digest),
        ]));
        parts.push(Inline::all([
            Inline::fixed("suite "),
            self.words(&suite.name),
            Inline::fixed(" "),
            self.digest(&suite.digest),
        ]));
        parts.push(Inline::all([Inline::fixed("policy "), self.digest(&self.report.policy_digest)]));
        let counted = [("in error", counts.errors), ("cached", counts.cached), ("resumed", counts.resumed)];
        let counted: String =
            counted.iter().filter(|(_, count)| *count > 0).map(|(word, count)| format!(", {count} {word}")).collect();
        parts.push(self.words(&format!("{} samples of {} cases{counted}", counts.samples, counts.cases)));
        parts.push(Inline::all([Inline::fixed("seed "), Inline::number(*seed)]));
        parts.push(self.words(&duration(timing.seconds)));
        parts.push(match host.gpus.first() {
            Some(gpu) => {
                Inline::all([Inline::number(host.gpus.len() as u64), Inline::fixed(" × "), self.code(&gpu.name, 60)])
            }
            None => Inline::fixed("no GPU"),
        });
        if let Some(cost) = run.cost_usd {
            parts.push(self.words(&format!("{cost:.4} USD")));
        }
        if let Some(run) = &host.run_url {
            parts.push(Inline::all([Inline::fixed("run and report.html: "), Inline::link(self.sink, run, run)]));
        }
        Inline::join(&parts, " · ")
    }

    /// The beginning of a commit's name.
    fn short(&self, commit: &Untrusted) -> Inline {
        self.code(&Untrusted::new(commit.raw().chars().take(8).collect::<String>()), 8)
    }

    fn digest(&self, digest: &Digest) -> Inline {
        self.code(&Untrusted::new(digest.short()), 12)
    }
}

/// The signs of a rule as they are printed, which need no escape.
pub(super) fn signs(cell: &str) -> String {
    cell.replace(">= ", "≥ ").replace("<= ", "≤ ")
}

/// A number of things.
fn counted(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// A column's name.
pub(super) fn heading(name: &str) -> String {
    if name == "n" { name.to_owned() } else { capital(name) }
}

/// With a capital at its beginning.
pub(super) fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Seconds as a person says them.
pub(super) fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let minutes = (seconds / 60.0).floor();
    format!("{minutes:.0} min {:.0} s", (seconds - minutes * 60.0).floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_begin_with_a_capital_and_minutes_are_said() {
        assert_eq!(capital("verdict"), "Verdict");
        assert_eq!(heading("n"), "n");
        assert_eq!(duration(372.4), "6 min 12 s");
    }
}
