//! The surfaces: terminal, Markdown, JSON and outputs. The last line of each text says where the traffic is.

use std::fmt::Write as _;

use super::types::{ROLLOUT_OUTPUTS, RolloutFinding, RolloutReport};
use crate::gate::Verdict;
use crate::report::Sink;
use crate::trust::{Untrusted, clean};

/// Moves that are shown; all of them are in `rollout.json`.
const MOVES: usize = 30;

/// The text of `rollout.json`.
pub fn rollout_json(report: &RolloutReport, sink: &Sink) -> String {
    let text = serde_json::to_string_pretty(report).unwrap_or_default();
    format!("{}\n", sink.whole(&text))
}

/// The values of [`ROLLOUT_OUTPUTS`]. None of them holds text of a cluster.
pub fn rollout_outputs(report: &RolloutReport, path: &str) -> Vec<(&'static str, String)> {
    let values = [
        report.verdict.word().to_owned(),
        (report.verdict == Verdict::Pass).to_string(),
        report.ending.clone().unwrap_or_default(),
        report.stage.clone(),
        report.on_new.map(|percent| percent.to_string()).unwrap_or_default(),
        clean(path).replace(['\n', '\t'], " "),
    ];
    ROLLOUT_OUTPUTS.iter().map(|(name, _)| *name).zip(values).collect()
}

/// The report in a log.
pub fn rollout_terminal(report: &RolloutReport, sink: &Sink) -> String {
    let line = |text: &Untrusted| sink.line(text, 1000);
    let mut text = String::new();
    // Writing into a String cannot fail.
    if !report.findings.is_empty() {
        let rows: Vec<[String; 5]> = report
            .findings
            .iter()
            .map(|finding| {
                let [canary, stable, bound] = numbers(finding);
                [sink.line(&finding.rule, 60), canary, stable, bound, finding.verdict.word().to_owned()]
            })
            .collect();
        let head = ["rule", "canary", "stable", "bound", "verdict"].map(str::to_owned);
        let all: Vec<&[String; 5]> = std::iter::once(&head).chain(&rows).collect();
        let width = |column: usize| {
            all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        for row in &all {
            let cells: Vec<String> =
                row.iter().enumerate().map(|(at, cell)| format!("{cell:<w$}", w = width(at))).collect();
            let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{}", line(&Untrusted::new(headline(report))));
    for warning in &report.warnings {
        let _ = writeln!(text, "  warning: {}", line(warning));
    }
    for next in &report.next {
        let _ = writeln!(text, "  {}", line(next));
    }
    let _ = writeln!(text, "{}", line(&report.traffic));
    sink.whole(&text)
}

/// The report as Markdown, for a job's summary.
pub fn rollout_markdown(report: &RolloutReport, sink: &Sink) -> String {
    let words = |text: &Untrusted| sink.words(text, 600);
    let mut text = String::new();
    let _ = writeln!(text, "## canary-promote: {}\n", ending_words(report));
    let _ = writeln!(text, "{}\n", words(&report.why));
    let _ = writeln!(
        text,
        "| workload | strategy | old version | new version |\n|---|---|---|---|\n| {} | {} | {} | {} |\n",
        sink.code(&report.workload, 200),
        report.strategy,
        sink.code(&report.old, 300),
        sink.code(&report.new, 300)
    );
    if !report.findings.is_empty() {
        text.push_str("| rule | canary | stable | bound | n | verdict | |\n|---|--:|--:|--:|--:|---|---|\n");
        for finding in &report.findings {
            let [canary, stable, bound] = numbers(finding);
            let (rule, why) = (sink.code(&finding.rule, 80), words(&finding.why).replace('|', "\\|"));
            let _ = writeln!(
                text,
                "| {rule} | {canary} | {stable} | {bound} | {} | {} | {why} |",
                finding.n,
                finding.verdict.word()
            );
        }
        text.push('\n');
    }
    if !report.steps.is_empty() {
        text.push_str("<details><summary>Moves</summary>\n\n| when | stage | users on the new version | why |\n|---|---|--:|---|\n");
        let skip = report.steps.len().saturating_sub(MOVES);
        for step in report.steps.iter().skip(skip) {
            let why = words(&step.why).replace('|', "\\|");
            let _ = writeln!(text, "| {} | {} | {} % | {why} |", step.at, step.stage, step.on_new);
        }
        text.push_str("\n</details>\n\n");
    }
    for warning in &report.warnings {
        let _ = writeln!(text, "- Warning: {}", words(warning));
    }
    for next in &report.next {
        let _ = writeln!(text, "- {}", words(next));
    }
    let _ = writeln!(text, "\n**{}**", words(&report.traffic));
    sink.whole(&text)
}

fn headline(report: &RolloutReport) -> String {
    format!("canary-promote {}: {}", ending_words(report), report.why.raw())
}

fn ending_words(report: &RolloutReport) -> String {
    match (report.ending.as_deref(), report.verdict) {
        (Some("promoted"), _) => "promoted".to_owned(),
        (Some("rolled-back"), Verdict::Inconclusive) => "rolled back (undecided)".to_owned(),
        (Some("rolled-back"), _) => "rolled back".to_owned(),
        (_, verdict) => format!("{} at {}", verdict.word(), report.stage),
    }
}

fn numbers(finding: &RolloutFinding) -> [String; 3] {
    [finding.canary, finding.stable, finding.bound].map(|value| value.map(number).unwrap_or_default())
}

/// A number with at most four places behind the point, and no zeros at its end.
fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if matches!(text, "" | "-" | "-0") { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> RolloutReport {
        RolloutReport {
            schema: 1,
            program_version: "0".to_owned(),
            command: "start".to_owned(),
            id: None,
            workload: "Deployment prod/llm".into(),
            strategy: "canary".to_owned(),
            old: "r/llm:1".into(),
            new: "r/llm:2".into(),
            verdict: Verdict::Fail,
            ending: Some("rolled-back".to_owned()),
            stage: "done".to_owned(),
            on_new: Some(0),
            mirrored: Some(0),
            why: "error_rate: 0.05 | <img src=x> @everyone\n::set-output name=x::y".into(),
            steps: Vec::new(),
            findings: vec![RolloutFinding {
                rule: "error_rate".into(),
                verdict: Verdict::Fail,
                canary: Some(0.05),
                stable: Some(0.005),
                low: None,
                high: None,
                bound: Some(0.01),
                n: 400,
                why: "a|b".into(),
            }],
            next: Vec::new(),
            warnings: Vec::new(),
            traffic: "traffic: 100 % on r/llm:1".into(),
            at: String::new(),
            run_url: None,
        }
    }

    #[test]
    fn the_last_line_says_where_the_traffic_is() {
        for text in [rollout_terminal(&report(), &Sink::default()), rollout_markdown(&report(), &Sink::default())] {
            assert!(text.trim_end().lines().last().unwrap().contains("100"), "{text}");
        }
    }

    #[test]
    fn text_of_a_cluster_is_inert_on_every_surface() {
        let (log, page) =
            (rollout_terminal(&report(), &Sink::default()), rollout_markdown(&report(), &Sink::default()));
        assert!(!log.lines().any(|line| line.starts_with("::")), "{log}");
        assert!(!page.contains("<img") && !page.contains(" @everyone"), "{page}");
        let outputs = rollout_outputs(&report(), "a\nb");
        assert!(outputs.iter().all(|(_, value)| !value.contains('\n') && !value.contains("img")));
    }

    #[test]
    fn numbers_are_short_and_never_empty() {
        assert_eq!([number(0.05), number(0.0), number(-0.0), number(12.0)], ["0.05", "0", "0", "12"]);
    }
}
