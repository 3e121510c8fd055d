//! Attacks within a comment: the hazards and broken budgets above the fold; within it what each strategy found, rises
//! against a baseline, and findings. Nothing here holds a word of an attack or of a model.

use super::words::{capital, counted, heading, signs};
use super::{Detail, Layout};
use crate::gate::safety::BudgetRow;
use crate::gate::{Verdict, percent};
use crate::report::inline::Inline;
use crate::report::markup::Markup;
use crate::report::rows::word;
use crate::report::safety::{
    RIGHT, RISE_HEAD, RISE_RIGHT, budget, found_by, grid, hazard_head, hazard_line, hazards, rise_line,
};
use crate::report::table::Line;
use crate::report::{Finding, Safety};
use crate::trust::Untrusted;

/// Hazards side by side: more are a second table.
const WIDE: usize = 6;
/// Characters of a name that may have come from another tool.
const NAME: usize = 120;
/// Characters of a command: one that is cut is of no use.
const COMMAND: usize = 600;

impl Layout<'_> {
    /// What is judged, hazard by hazard, and the budgets that are broken or undecided.
    pub(super) fn hazards(&self, page: &mut Markup, safety: &Safety, detail: Detail) {
        let lines = self.hazard_lines(safety);
        let shown = lines.get(..detail.rows.min(lines.len())).unwrap_or_default();
        if !shown.is_empty() {
            self.hazard_table(page, safety, shown);
        }
        let broken: Vec<&BudgetRow> =
            safety.rows.budgets.iter().filter(|budget| budget.verdict != Verdict::Pass).collect();
        if detail.rows > 0 && !broken.is_empty() {
            page.list(&self.budgets(safety, &broken));
        }
    }

    /// What of it the fold holds.
    pub(super) fn attacks_in_words(&self, safety: &Safety, detail: Detail) -> Vec<Inline> {
        let mut parts = Vec::new();
        let findings = safety.findings.len().min(detail.findings) as u64;
        if findings > 0 {
            parts.push(self.words(&of_all(findings, safety.findings_count)));
        }
        if detail.grid && !safety.rows.grid.is_empty() {
            parts.push(Inline::fixed("what each strategy found"));
        }
        if detail.grid && !safety.rows.rises.is_empty() {
            parts.push(Inline::fixed("rises against the baseline"));
        }
        let hidden = safety.rows.hazards.len().saturating_sub(detail.rows) as u64;
        if hidden > 0 && detail.more_rows {
            parts.push(self.words(&counted(hidden, "more hazard")));
        }
        parts
    }

    /// The folded part.
    pub(super) fn attacks(&self, page: &mut Markup, safety: &Safety, detail: Detail) {
        let lines = self.hazard_lines(safety);
        let hidden = lines.get(detail.rows.min(lines.len())..).unwrap_or_default();
        if !hidden.is_empty() && detail.more_rows {
            page.paragraph(&Inline::fixed("More hazards").bold());
            self.hazard_table(page, safety, hidden);
        }
        if detail.grid {
            self.strategies(page, safety);
            self.rises(page, safety);
        }
        let shown = safety.findings.len().min(detail.findings);
        if shown > 0 {
            page.paragraph(&self.words(&capital(&of_all(shown as u64, safety.findings_count))).bold());
            let items: Vec<Inline> = safety.findings.iter().take(shown).map(|finding| self.finding(finding)).collect();
            page.list(&items);
        }
    }

    /// What had to be dropped.
    pub(super) fn attacks_left_out(&self, safety: &Safety, detail: Detail) -> Vec<Inline> {
        let mut dropped = Vec::new();
        let hidden = safety.rows.hazards.len().saturating_sub(detail.rows) as u64;
        if hidden > 0 && !detail.more_rows {
            dropped.push(self.words(&counted(hidden, "hazard")));
        }
        if !detail.grid && !safety.rows.grid.is_empty() {
            dropped.push(Inline::fixed("what each strategy found"));
        }
        if !detail.grid && !safety.rows.rises.is_empty() {
            dropped.push(Inline::fixed("rises against the baseline"));
        }
        if detail.rows == 0 && safety.rows.budgets.iter().any(|row| row.verdict != Verdict::Pass) {
            dropped.push(Inline::fixed("budgets that do not hold"));
        }
        let findings = safety.findings.len().saturating_sub(detail.findings) as u64;
        if findings > 0 {
            dropped.push(self.words(&counted(findings, "finding")));
        }
        dropped
    }

    fn hazard_lines(&self, safety: &Safety) -> Vec<Line> {
        hazards(&safety.rows).into_iter().map(|row| hazard_line(self.report, row)).collect()
    }

    fn hazard_table(&self, page: &mut Markup, safety: &Safety, lines: &[Line]) {
        let head: Vec<String> = hazard_head(&safety.rows);
        let head: Vec<&str> = head.iter().map(String::as_str).collect();
        self.judged_table(page, &head, RIGHT, lines);
    }

    fn judged_table(&self, page: &mut Markup, head: &[&str], right: &[usize], lines: &[Line]) {
        let head: Vec<Inline> = head.iter().map(|name| self.words(&heading(name))).collect();
        let rows: Vec<Vec<Inline>> = lines
            .iter()
            .map(|line| {
                let cells = line.cells.iter().map(|cell| self.words(&signs(cell)));
                let verdict = line.verdict.map(|verdict| Inline::verdict(verdict, word(verdict)));
                cells.chain([verdict.unwrap_or_default()]).collect()
            })
            .collect();
        page.table(&head, right, &rows);
    }

    fn budgets(&self, safety: &Safety, budgets: &[&BudgetRow]) -> Vec<Inline> {
        let item = |row: &&BudgetRow| {
            let verdict = Inline::verdict(row.verdict, word(row.verdict));
            Inline::all([verdict, Inline::fixed(": "), self.words(&budget(&safety.rows, row))])
        };
        budgets.iter().map(item).collect()
    }

    /// Strategies as rows, since they are many; hazards as columns.
    fn strategies(&self, page: &mut Markup, safety: &Safety) {
        let rows = &safety.rows;
        if rows.grid.is_empty() {
            return;
        }
        let what = format!(
            ": attempts with harm of all attempts, and the one-sided {} upper bound; these decide nothing",
            percent(rows.confidence)
        );
        page.paragraph(&Inline::all([Inline::fixed("What each strategy found").bold(), self.words(&what)]));
        for part in grid(rows, WIDE) {
            let head = ["Strategy"].into_iter().chain(part.hazards.iter().copied());
            let head: Vec<Inline> = head.map(|name| self.words(name)).collect();
            let right: Vec<usize> = (1..head.len()).collect();
            let line = |(strategy, cells): &(&str, Vec<String>)| -> Vec<Inline> {
                let cells = cells.iter().map(|cell| self.words(&signs(cell)));
                [self.name(strategy)].into_iter().chain(cells).collect()
            };
            let lines: Vec<Vec<Inline>> = part.lines.iter().map(line).collect();
            page.table(&head, &right, &lines);
        }
    }

    fn rises(&self, page: &mut Markup, safety: &Safety) {
        let rises = &safety.rows.rises;
        if rises.is_empty() {
            return;
        }
        page.paragraph(&Inline::fixed("Rises against the baseline").bold());
        let lines: Vec<Line> = rises.iter().map(|rise| rise_line(self.report, &safety.rows, rise)).collect();
        self.judged_table(page, &RISE_HEAD, RISE_RIGHT, &lines);
    }

    fn name(&self, name: &str) -> Inline {
        self.code(&Untrusted::new(name), NAME)
    }

    fn finding(&self, finding: &Finding) -> Inline {
        let Finding { suite: _, probe, hazard, severity, strategy, seed, path, line, .. } = finding;
        let place = Untrusted::new(format!("{}:{line}", path.raw()));
        let again = match finding.replay.as_str() {
            "" => Inline::default(),
            replay => Inline::all([Inline::fixed(", again: "), self.code(&Untrusted::new(replay), COMMAND)]),
        };
        Inline::all([
            self.words(&capital(severity.word())).bold(),
            Inline::fixed(" "),
            self.name(hazard),
            Inline::fixed(", strategy "),
            self.name(strategy),
            Inline::fixed(" (seed "),
            Inline::number(*seed),
            Inline::fixed("), probe "),
            self.name(probe),
            Inline::fixed(" at "),
            self.code(&place, 200),
            Inline::fixed(": "),
            self.words(&found_by(finding)),
            Inline::fixed(", answer "),
            self.digest(&finding.answer_digest),
            again,
        ])
    }
}

fn of_all(shown: u64, all: u64) -> String {
    if shown == all { counted(all, "finding") } else { format!("{shown} of {}", counted(all, "finding")) }
}
