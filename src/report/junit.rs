//! The report as JUnit XML: one test case a rule, one an attack that found harm, and one a sample that did not pass.

use std::collections::BTreeSet;

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::rows::row;
use super::safety::{
    Outcome, budget, defanged, id_of, is_own_metric, is_required, is_rise_required, is_silent, message, outcome,
    rule_name, sentence,
};
use super::table::{compared_name, compared_rule};
use super::{Report, Safety, Sink};
use crate::gate::{Metric, Verdict};
use crate::trust::Untrusted;

/// Characters of a quoted text.
const QUOTE: usize = 2000;

/// The XML. Names are unique: readers that drop a second one of a name would hide a failure.
pub fn junit(report: &Report, sink: &Sink) -> String {
    let report = &*defanged(report);
    let mut document = Document::new(format!("llmci {}", report.program));
    let mut rules = TestSuite::new(format!("{}.rules", report.program));
    let mut seen = BTreeSet::new();
    for metric in judged_metrics(report) {
        let cells = row(metric);
        let name = unique(&format!("{} {}", text(sink, &cells.name), text(sink, &cells.rule)), &mut seen);
        let reason = text(sink, metric.reason.as_deref().unwrap_or_default());
        let required = metric.threshold.as_ref().is_some_and(|threshold| threshold.required);
        let status = rule_status(metric.verdict, required, &reason);
        rules.add_test_case(case(name, format!("{}.rules", report.program), status));
    }
    if let Some(safety) = &report.safety {
        add_attacked(&mut rules, report, safety, sink, &mut seen);
    }
    for compared in report.comparison.iter().flat_map(|comparison| &comparison.rows) {
        let title = format!("{} margin {}", compared_name(compared), compared_rule(compared));
        let name = unique(&text(sink, &title), &mut seen);
        let status = rule_status(Some(compared.verdict), compared.required, &text(sink, &compared.reason));
        rules.add_test_case(case(name, format!("{}.rules", report.program), status));
    }
    let verdict = format!("verdict {}", report.verdict.word());
    let decided = text(sink, report.reasons.first().map_or("", |reason| reason.text.as_str()));
    let status = match report.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Fail => failed(NonSuccessKind::Failure, "fail", &decided),
        Verdict::Inconclusive => failed(NonSuccessKind::Failure, "inconclusive", &decided),
        Verdict::Error => failed(NonSuccessKind::Error, "error", &decided),
    };
    rules.add_test_case(case(unique(&verdict, &mut seen), format!("{}.rules", report.program), status));
    document.add_test_suite(rules);

    if let Some(safety) = &report.safety {
        document.add_test_suite(findings(report, safety, sink, &mut seen));
    }
    let mut samples = TestSuite::new(format!("{}.samples", report.program));
    for sample in &report.failed_samples {
        let name = format!("{} {}", sink.xml(&sample.case, 200), sample.repeat);
        let kind = if sample.status == "failed" { NonSuccessKind::Failure } else { NonSuccessKind::Error };
        let mut status = failed(kind, &sample.status, &sink.xml(&sample.why, QUOTE));
        let place = format!("{}:{}", sink.xml(&sample.path, 200), sample.line);
        let (prompt, answer) = (sink.xml(&sample.prompt, QUOTE), sink.xml(&sample.completion, QUOTE));
        let said = if is_silent(sample) { String::new() } else { format!("\nprompt: {prompt}\nanswer: {answer}") };
        status.set_description(format!("{place}{said}"));
        let class = format!("{}.samples.{}", report.program, sample.suite);
        samples.add_test_case(case(unique(&name, &mut seen), class, status));
    }
    document.add_test_suite(samples);
    // The document holds only text that XML can hold, so it can always be written.
    sink.whole(&document.to_string().unwrap_or_default())
}

/// Metrics with a rule that stand nowhere else.
fn judged_metrics(report: &Report) -> impl Iterator<Item = &Metric> {
    let judged = report.metrics.iter().filter(|metric| metric.threshold.is_some());
    judged.filter(|metric| !is_own_metric(report, metric))
}

/// A test case a hazard, a budget and a rise. What has no limit is only reported.
fn add_attacked(suite: &mut TestSuite, report: &Report, safety: &Safety, sink: &Sink, seen: &mut BTreeSet<String>) {
    let rows = &safety.rows;
    let mut add = |name: &str, status: TestCaseStatus| {
        let name = unique(&text(sink, name), seen);
        suite.add_test_case(case(name, format!("{}.rules", report.program), status));
    };
    for row in &rows.hazards {
        let limit = row.limit.map_or_else(|| "no limit".to_owned(), |limit| format!("<= {limit}"));
        let required = row.limit.is_some() && is_required(report, row);
        let status = match (row.limit, row.verdict) {
            (None, None) => skipped(&text(sink, &sentence(row))),
            (_, verdict) => rule_status(verdict, required, &text(sink, &sentence(row))),
        };
        add(&format!("{} {limit}", rule_name(row)), status);
    }
    for row in &rows.budgets {
        let name = format!("budget of severity {} <= {}", row.severity.word(), row.allowed);
        add(&name, rule_status(Some(row.verdict), true, &text(sink, &budget(rows, row))));
    }
    for row in &rows.rises {
        let name = format!("rise of {}", id_of(&row.hazard));
        add(&name, rule_status(Some(row.verdict), is_rise_required(report, rows, row), &text(sink, &row.reason)));
    }
}

/// A test case a finding, under a name that has neither its seed nor its answer in it.
fn findings(report: &Report, safety: &Safety, sink: &Sink, seen: &mut BTreeSet<String>) -> TestSuite {
    let mut suite = TestSuite::new(format!("{}.findings", report.program));
    for finding in &safety.findings {
        let name = text(sink, &format!("{} {} {}", finding.hazard, finding.strategy, finding.probe));
        let (kind, word) = match outcome(finding) {
            Outcome::Harmful => (NonSuccessKind::Failure, "harmful"),
            Outcome::Refused => (NonSuccessKind::Failure, "refused"),
            Outcome::Undecided => (NonSuccessKind::Error, "undecided"),
        };
        let mut status = failed(kind, word, &text(sink, &message(finding)));
        status.set_description(format!("{}:{}", sink.xml(&finding.path, 200), finding.line));
        let class = format!("{}.findings.{}", report.program, text(sink, &finding.suite));
        suite.add_test_case(case(unique(&name, seen), class, status));
    }
    suite
}

fn rule_status(verdict: Option<Verdict>, required: bool, reason: &str) -> TestCaseStatus {
    match verdict {
        Some(_) if !required => skipped(reason),
        Some(Verdict::Pass) => TestCaseStatus::success(),
        Some(Verdict::Fail) => failed(NonSuccessKind::Failure, "threshold", reason),
        Some(Verdict::Inconclusive) => failed(NonSuccessKind::Failure, "inconclusive", reason),
        Some(Verdict::Error) | None => failed(NonSuccessKind::Error, "error", reason),
    }
}

fn text(sink: &Sink, own: &str) -> String {
    sink.xml(&Untrusted::new(own), QUOTE)
}

/// What is only reported is neither a success nor a failure.
fn skipped(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(message.to_owned());
    status
}

fn failed(kind: NonSuccessKind, name: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(name.to_owned()).set_message(message.to_owned());
    status
}

fn case(name: String, class: String, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(class);
    case
}

fn unique(name: &str, seen: &mut BTreeSet<String>) -> String {
    let mut candidate = name.to_owned();
    let mut number = 2;
    while !seen.insert(candidate.clone()) {
        candidate = format!("{name} ({number})");
        number += 1;
    }
    candidate
}
