//! The report as Markdown: for the job's summary and, later, for comments. Verdict first, then the rule that decided, one
//! table, and the rest folded. Over the budget, details are dropped in order; nothing is ever cut in the middle.

use std::fmt::Write as _;

use super::rows::{early_stop, word};
use super::{FailedSample, Report, Sink};
use crate::gate::Verdict;
use crate::trust::Untrusted;

/// The budget of a job's summary, in bytes: GitHub drops one of over 1 MiB whole.
/// Source: actions/runner, `FileCommandManager.cs` (`CreateStepSummaryCommand`).
pub const SUMMARY_BYTES: usize = 1_000_000;
/// Rows of the table that is not folded.
const ROWS: usize = 12;
/// Characters of a quoted prompt or completion.
const QUOTE: usize = 300;

/// How much detail is shown, from all to none.
#[derive(Clone, Copy)]
struct Detail {
    samples: usize,
    folded_metrics: bool,
    reasons: usize,
}

/// Markdown of at most `budget` bytes (a comment of GitHub holds 65,536 characters, a summary 1 MiB).
pub fn markdown(report: &Report, sink: &Sink, budget: usize) -> String {
    let details = [(50, true, 50), (20, true, 20), (5, true, 10), (0, true, 5), (0, false, 3)];
    let mut text = String::new();
    for (samples, folded_metrics, reasons) in details {
        text = sink.whole(&render(report, sink, Detail { samples, folded_metrics, reasons }));
        if text.len() <= budget {
            break;
        }
    }
    text
}

fn render(report: &Report, sink: &Sink, detail: Detail) -> String {
    let mut text = String::new();
    header(&mut text, report, sink);
    text.push_str(&super::changes::markdown(report, sink));
    table(&mut text, report, sink, detail);
    reasons(&mut text, report, sink, detail);
    changes(&mut text, report, sink, detail);
    samples(&mut text, report, sink, detail);
    footer(&mut text, report, sink);
    text
}

fn icon(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✅",
        Verdict::Fail => "❌",
        Verdict::Inconclusive => "❔",
        Verdict::Error => "⚠️",
    }
}

fn own(sink: &Sink, text: &str) -> String {
    sink.words(&Untrusted::new(text), 1000)
}

// Writing into a String cannot fail, so the results of write! are not looked at.
fn header(text: &mut String, report: &Report, sink: &Sink) {
    let decided = report.reasons.first().map(|reason| own(sink, &reason.text)).unwrap_or_default();
    let _ = writeln!(text, "### {} {}: {}\n", icon(report.verdict), own(sink, &report.program), report.verdict.word());
    let _ = writeln!(text, "{decided}\n");
    if let Some(saved) = early_stop(&report.run) {
        let _ = writeln!(text, "{}\n", own(sink, &capital(&saved)));
    }
}

fn table(text: &mut String, report: &Report, sink: &Sink, detail: Detail) {
    let table = super::table::table(report);
    let rows = &table.lines;
    let judged = rows.iter().filter(|row| row.verdict.is_some()).count();
    let shown = judged.clamp(rows.len().min(4), ROWS).min(rows.len());
    let names: Vec<String> = table.head.iter().map(|name| capital(name)).collect();
    let sides = (0..names.len()).map(|index| if table.right.contains(&index) { "---:" } else { "---" });
    let head = format!("| {} |\n|{}|", names.join(" | "), sides.collect::<Vec<_>>().join("|"));
    let line = |text: &mut String, row: &super::table::Line| {
        let cells: Vec<String> = row.cells.iter().map(|cell| own(sink, cell)).collect();
        let _ = writeln!(text, "| {} | {} {} |", cells.join(" | "), row.verdict.map_or("", icon), row.word());
    };
    let _ = writeln!(text, "{head}");
    rows.iter().take(shown).for_each(|row| line(text, row));
    let _ = writeln!(text);
    if rows.len() > shown && detail.folded_metrics {
        let _ = writeln!(text, "<details><summary>{} more metrics</summary>\n\n{head}", rows.len() - shown);
        rows.iter().skip(shown).for_each(|row| line(text, row));
        let _ = writeln!(text, "\n</details>\n");
    }
}

fn reasons(text: &mut String, report: &Report, sink: &Sink, detail: Detail) {
    let rest: Vec<_> = report.reasons.iter().skip(1).take(detail.reasons).collect();
    if rest.is_empty() {
        return;
    }
    let _ = writeln!(text, "<details><summary>All rules in words</summary>\n");
    for reason in rest {
        let _ = writeln!(text, "- {}: {}", word(reason.verdict), own(sink, &reason.text));
    }
    let _ = writeln!(text, "\n</details>\n");
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Cases that changed between a baseline and the candidate, and what the comparison could have seen.
fn changes(text: &mut String, report: &Report, sink: &Sink, detail: Detail) {
    let Some(comparison) = &report.comparison else { return };
    for (what, cases, count) in [
        ("newly failing", &comparison.newly_failing, comparison.newly_failing_count),
        ("newly passing", &comparison.newly_passing, comparison.newly_passing_count),
    ] {
        if count == 0 || detail.samples == 0 {
            continue;
        }
        let _ = writeln!(text, "<details><summary>{count} {what} cases</summary>\n");
        for case in cases.iter().take(detail.samples) {
            let (suite, name) = (own(sink, &case.suite), sink.cell(&case.case, 200));
            let _ = writeln!(text, "- {suite} <code>{name}</code>: {:.2} &#8594; {:.2}", case.baseline, case.candidate);
        }
        let _ = writeln!(text, "\n</details>\n");
    }
    for row in &comparison.rows {
        let _ = writeln!(text, "- {}", own(sink, &super::table::power(row)));
    }
    let _ = writeln!(text);
}

fn samples(text: &mut String, report: &Report, sink: &Sink, detail: Detail) {
    let counts = &report.counts;
    let bad = counts.failed + counts.unscored + counts.errors;
    let shown: Vec<&FailedSample> = report.failed_samples.iter().take(detail.samples).collect();
    if shown.is_empty() {
        return;
    }
    let _ = writeln!(text, "<details><summary>{} of {bad} samples that did not pass</summary>\n", shown.len());
    for sample in shown {
        let repeat = if sample.repeat > 0 { format!(", repeat {}", sample.repeat) } else { String::new() };
        let place = format!("<code>{}:{}</code>", sink.cell(&sample.path, 200), sample.line);
        let _ = writeln!(
            text,
            "**{}** <code>{}</code> ({place}{repeat})",
            own(sink, &sample.status),
            sink.cell(&sample.case, 200)
        );
        let _ = writeln!(text, "<br>{}", sink.cell(&sample.why, QUOTE));
        let _ = writeln!(
            text,
            "<pre>{}\n&#8594; {}</pre>\n",
            sink.html(&sample.prompt, QUOTE),
            sink.html(&sample.completion, QUOTE)
        );
    }
    let _ = writeln!(text, "</details>\n");
}

fn footer(text: &mut String, report: &Report, sink: &Sink) {
    let Report { model, suite, counts, timing, host, run, seed, .. } = report;
    let mut parts = Vec::new();
    if let Some(commit) = &host.commit {
        parts.push(format!("commit <code>{}</code>", sink.cell(commit, 12)));
    }
    parts.push(format!("model {} ({}, {})", own(sink, &model.name), own(sink, &model.provider), model.digest.short()));
    parts.push(format!("suite {} ({})", own(sink, &suite.name), suite.digest.short()));
    parts.push(format!("policy {}", report.policy_digest.short()));
    parts.push(format!(
        "{} samples of {} cases, {} errors, {} cached",
        counts.samples, counts.cases, counts.errors, counts.cached
    ));
    parts.push(format!("seed {seed}"));
    parts.push(format!("{:.1} s", timing.seconds));
    if let Some(cost) = run.cost_usd {
        parts.push(format!("{cost:.4} USD"));
    }
    if let Some(gpu) = host.gpus.first() {
        parts.push(format!("{} x {}", host.gpus.len(), sink.cell(&gpu.name, 60)));
    }
    let _ = writeln!(text, "<sub>{}</sub>", parts.join(" · "));
}
