//! The report on a terminal or in a log: the verdict, the rule that decided, and a small table.

use std::fmt::Write as _;

use super::layout::counted;
use super::rows::{early_stop, servers, word};
use super::safety::{RIGHT, budget, by_strategy, defanged, hazard_head, hazard_line, hazards, message};
use super::table::Line;
use super::{Report, Safety, Sink};
use crate::gate::Verdict;
use crate::trust::Untrusted;

/// Whether colour may be used; it never carries the meaning alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colour {
    /// ANSI colours.
    Ansi,
    /// None.
    Plain,
}

/// Samples that are named. Lines with somebody else's text begin with a bar: a problem matcher of an earlier step, which
/// runs on every line of a job's log, finds no beginning of a line in them.
const NAMED: usize = 10;

/// The text, with a newline at its end.
pub fn terminal(report: &Report, sink: &Sink, colour: Colour) -> String {
    let report = &*defanged(report);
    let mut text = String::new();
    if let Some(safety) = &report.safety {
        attacks(&mut text, report, safety, sink, colour);
    }
    table(&mut text, report, sink, colour);
    changes(&mut text, report, sink);
    samples(&mut text, report, sink);
    text.push_str(&super::changes::lines(report, sink));
    if let Some(saved) = early_stop(&report.run) {
        let _ = writeln!(text, "  {}\n", line(sink, &saved));
    }
    for server in servers(&report.run) {
        let _ = writeln!(text, "  {}\n", line(sink, &server));
    }
    let decided = report.reasons.first().map(|reason| line(sink, &reason.text)).unwrap_or_default();
    // Writing into a String cannot fail.
    let _ = writeln!(
        text,
        "{}: {}",
        paint(&format!("{} {}", report.program, word(report.verdict)), Some(report.verdict), colour),
        decided
    );
    let others = report.reasons.iter().skip(1).filter(|reason| reason.verdict != Verdict::Pass);
    for reason in others.take(NAMED) {
        let _ = writeln!(text, "  {}: {}", word(reason.verdict), line(sink, &reason.text));
    }
    sink.whole(&text)
}

fn line(sink: &Sink, text: &str) -> String {
    sink.line(&Untrusted::new(text), 1000)
}

fn paint(text: &str, verdict: Option<Verdict>, colour: Colour) -> String {
    let code = match (colour, verdict) {
        (Colour::Plain, _) | (_, None) => return text.to_owned(),
        (Colour::Ansi, Some(Verdict::Pass)) => 32,
        (Colour::Ansi, Some(Verdict::Fail | Verdict::Error)) => 31,
        (Colour::Ansi, Some(Verdict::Inconclusive)) => 33,
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

fn table(text: &mut String, report: &Report, sink: &Sink, colour: Colour) {
    let table = super::table::table(report);
    if table.lines.is_empty() && report.safety.is_some() {
        return;
    }
    let head = table.head.iter().map(|name| (*name).to_owned()).collect();
    columns(text, head, table.right, &table.lines, sink, colour);
}

/// Lines of cells one below the other; the verdict is the last one.
fn columns(text: &mut String, head: Vec<String>, right: &[usize], lines: &[Line], sink: &Sink, colour: Colour) {
    let last = head.len();
    let mut rows: Vec<(Vec<String>, _)> = vec![(head, None)];
    for row in lines {
        let cells = row.cells.iter().map(String::as_str).chain([row.word()]);
        rows.push((cells.map(|cell| line(sink, cell)).collect(), row.verdict));
    }
    let mut widths = vec![0; last];
    for (cells, _) in &rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for (cells, verdict) in rows {
        let mut parts: Vec<String> = Vec::new();
        for (index, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let space = " ".repeat(width.saturating_sub(cell.chars().count()));
            let painted = if index + 1 == last { paint(cell, verdict, colour) } else { cell.clone() };
            // Numbers stand right, words left.
            parts.push(if right.contains(&index) { format!("{space}{painted}") } else { format!("{painted}{space}") });
        }
        let _ = writeln!(text, "  {}", parts.join("  ").trim_end());
    }
    let _ = writeln!(text);
}

/// What was attacked, and the attacks that found harm.
fn attacks(text: &mut String, report: &Report, safety: &Safety, sink: &Sink, colour: Colour) {
    let rows = &safety.rows;
    let lines: Vec<Line> = hazards(rows).into_iter().map(|row| hazard_line(report, row)).collect();
    columns(text, hazard_head(rows), RIGHT, &lines, sink, colour);
    for row in rows.budgets.iter().filter(|row| row.verdict != Verdict::Pass) {
        let _ = writeln!(text, "  {}: {}\n", word(row.verdict), line(sink, &budget(rows, row)));
    }
    let strategies = by_strategy(rows);
    if !strategies.is_empty() {
        let named = strategies.get(..NAMED.min(strategies.len())).unwrap_or_default().join(", ");
        let more = if strategies.len() > NAMED { ", ..." } else { "" };
        let _ = writeln!(text, "  | attempts with harm: {}{more}\n", line(sink, &named));
    }
    if safety.findings_count == 0 {
        return;
    }
    let _ = writeln!(text, "  {}:", counted(safety.findings_count, "finding"));
    for finding in safety.findings.iter().take(NAMED) {
        let place = format!("{}:{}", sink.line(&finding.path, 120), finding.line);
        let _ = writeln!(text, "  | {place} {}", line(sink, &message(finding)));
    }
    let named = safety.findings.len().min(NAMED) as u64;
    if safety.findings_count > named {
        let _ = writeln!(text, "  and {} more; report.json names up to 50", safety.findings_count - named);
    }
    let _ = writeln!(text);
}

/// Cases that changed between a baseline and the candidate.
fn changes(text: &mut String, report: &Report, sink: &Sink) {
    let Some(comparison) = &report.comparison else { return };
    for (what, cases, count) in [
        ("newly failing", &comparison.newly_failing, comparison.newly_failing_count),
        ("newly passing", &comparison.newly_passing, comparison.newly_passing_count),
    ] {
        if count == 0 {
            continue;
        }
        let names: Vec<String> = cases.iter().take(NAMED).map(|case| sink.line(&case.case, 80)).collect();
        let more = if count > names.len() as u64 { ", ..." } else { "" };
        let _ = writeln!(text, "  | {count} {what}: {}{more}", names.join(", "));
    }
    for row in &comparison.rows {
        let _ = writeln!(text, "  {}", line(sink, &super::table::power(row)));
    }
    let _ = writeln!(text);
}

fn samples(text: &mut String, report: &Report, sink: &Sink) {
    let bad = report.counts.failed + report.counts.unscored + report.counts.errors;
    // A comparison has named its cases already.
    if report.failed_samples.is_empty() || report.comparison.is_some() {
        return;
    }
    let _ = writeln!(text, "  {bad} of {} samples did not pass:", report.counts.samples);
    for sample in report.failed_samples.iter().take(NAMED) {
        let place = format!("{}:{}", sink.line(&sample.path, 120), sample.line);
        let _ = writeln!(
            text,
            "  | {place} {} {}: {}",
            sink.line(&sample.case, 80),
            sample.status,
            sink.line(&sample.why, 120)
        );
    }
    if bad > NAMED as u64 {
        let _ = writeln!(text, "  and {} more, in samples.jsonl", bad - NAMED as u64);
    }
    let _ = writeln!(text);
}
