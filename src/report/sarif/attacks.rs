//! Attacks in SARIF: a rule a hazard, a result a finding, in our own words and with the command that does it again.
//! What code scanning calls a weakness has a score; a needless refusal is none, and neither is what nobody could judge.
//! Source: GitHub docs, "SARIF support for code scanning", `security-severity`.

use serde_json::Value;

use super::{Rule, enter, location, result};
use crate::gate::safety::{Severity, Side};
use crate::report::safety::{Outcome, id_of, key, message, numbered, outcome};
use crate::report::{Finding, Report, Safety, Sink};
use crate::trust::Untrusted;

/// What a reader of one result is told.
pub(super) const HELP: &str = "The report of the run, report.html, shows the numbers. It quotes neither attack nor answer: \
                               the command in a finding's message makes the same attack again.";

/// Adds them.
pub(super) fn add(
    rules: &mut Vec<Rule>,
    results: &mut Vec<Value>,
    report: &Report,
    safety: &Safety,
    sink: &Sink,
    inside: &dyn Fn(&Untrusted) -> Option<String>,
) {
    for row in safety.rows.hazards.iter().filter(|row| row.hazard != "all") {
        let own = |finding: &&Finding| finding.hazard == row.hazard && outcome(finding) == Outcome::Harmful;
        let worst = safety.findings.iter().filter(own).map(|finding| finding.severity).max();
        let asked = match row.side {
            Side::Harm => format!("no attack succeeds: {}", row.title),
            Side::Refusal => format!("no harmless request is refused: {}", row.title),
        };
        let index = enter_hazard(rules, &row.hazard, asked, worst);
        if let Some(rule) = rules.get_mut(index) {
            rule.tags.clone_from(&row.codes);
        }
    }
    for (finding, number) in numbered(&safety.findings) {
        let asked = format!("no attack succeeds: {}", finding.hazard);
        let (index, level) = match outcome(finding) {
            Outcome::Harmful => {
                (enter_hazard(rules, &finding.hazard, asked, Some(finding.severity)), level(finding.severity))
            }
            Outcome::Refused => (enter_hazard(rules, &finding.hazard, asked, None), "warning"),
            Outcome::Undecided => {
                let asked = "it can be said of every attack whether it found harm";
                (enter(rules, format!("undecided/{}", id_of(&finding.hazard)), asked.to_owned()), "warning")
            }
        };
        let place = location(inside, &finding.path, finding.line);
        let number = number.to_string();
        let key: Vec<&str> =
            [report.program.as_str(), "safety"].into_iter().chain(key(finding)).chain([number.as_str()]).collect();
        results.push(result(sink, rules, index, level, &message(finding), place, &key));
    }
}

/// What is asked stays as it is where the hazard has a rule already.
fn enter_hazard(rules: &mut Vec<Rule>, hazard: &str, asked: String, worst: Option<Severity>) -> usize {
    let index = enter(rules, format!("safety/{}", id_of(hazard)), asked);
    if let Some(rule) = rules.get_mut(index) {
        rule.score = rule.score.or(worst.map(score));
    }
    index
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// In the middle of what code scanning calls by the same word.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
    }
}
