//! The report as SARIF 2.1.0: a rule a metric, a hazard and a kind of sample, a result for each that did not hold.
//! Kept out on purpose: `message.markdown`, and any address that is not a path within the workspace.

mod attacks;

use serde_json::{Value, json};

use crate::gate::Verdict;
use crate::report::rows::row;
use crate::report::safety::{
    budget, defanged, id_of, is_own_metric, is_required, is_rise_required, rule_name, sentence as attacked,
};
use crate::report::table::{compared_name, compared_rule};
use crate::report::{FailedSample, Report, Sink};
use crate::trust::{Hasher, Untrusted, escape_json};

/// Characters of a message.
const LONGEST: usize = 2000;

/// What a reader of one result is told.
const HELP: &str = "The report of the run, report.html, shows the numbers, the prompt and the answer.";

/// A rule: its id, and what it asks.
#[derive(Default)]
struct Rule {
    id: String,
    text: String,
    /// For code scanning: the score of a weakness from 0 to 10, where it is one.
    score: Option<&'static str>,
    /// What other taxonomies call it; of our own making.
    tags: Vec<String>,
}

/// The text of `report.sarif`. `inside` gives a file's path relative to the workspace, or nothing where it is not in it.
pub fn sarif(report: &Report, sink: &Sink, inside: &dyn Fn(&Untrusted) -> Option<String>) -> String {
    let report = &*defanged(report);
    let mut rules: Vec<Rule> = Vec::new();
    let mut results = Vec::new();
    let place = report.suite.parts.first().and_then(|part| location(inside, &part.path, 1));
    let mut judged = |name: String, rule: String, verdict: Option<Verdict>, required: bool, reason: &str| {
        let index = enter(&mut rules, format!("metric/{name}"), format!("{name} {rule}"));
        let level = match (verdict, required) {
            (Some(Verdict::Pass), _) => return,
            (_, false) => "note",
            (Some(Verdict::Inconclusive), true) => "warning",
            (Some(Verdict::Fail | Verdict::Error) | None, true) => "error",
        };
        let key = [report.program.as_str(), "metric", &name, &rule];
        results.push(result(sink, &rules, index, level, reason, place.clone(), &key));
    };
    let metrics = report.metrics.iter().filter(|metric| metric.threshold.is_some());
    for metric in metrics.filter(|metric| !is_own_metric(report, metric)) {
        let cells = row(metric);
        let required = metric.threshold.as_ref().is_some_and(|threshold| threshold.required);
        judged(cells.name, cells.rule, metric.verdict, required, metric.reason.as_deref().unwrap_or_default());
    }
    for compared in report.comparison.iter().flat_map(|comparison| &comparison.rows) {
        let rule = format!("margin {}", compared_rule(compared));
        judged(compared_name(compared), rule, Some(compared.verdict), compared.required, &compared.reason);
    }
    if let Some(safety) = &report.safety {
        for row in safety.rows.hazards.iter().filter(|row| row.limit.is_some()) {
            let limit = row.limit.map(|limit| format!("<= {limit}")).unwrap_or_default();
            judged(rule_name(row), limit, row.verdict, is_required(report, row), &attacked(row));
        }
        for row in &safety.rows.budgets {
            let name = format!("budget of severity {}", row.severity.word());
            judged(name, format!("<= {}", row.allowed), Some(row.verdict), true, &budget(&safety.rows, row));
        }
        for row in &safety.rows.rises {
            let name = format!("rise of {}", id_of(&row.hazard));
            let required = is_rise_required(report, &safety.rows, row);
            judged(name, "is not shown".to_owned(), Some(row.verdict), required, &row.reason);
        }
        attacks::add(&mut rules, &mut results, report, safety, sink, inside);
    }
    for sample in &report.failed_samples {
        let (level, text) = kind(sample);
        let index = enter(&mut rules, format!("sample/{}", sample.status), text.to_owned());
        let message = format!("{}: {}", sample.case.raw(), sample.why.raw());
        let repeat = sample.repeat.to_string();
        let key = [report.program.as_str(), &sample.suite, sample.case.raw(), &repeat];
        results.push(result(sink, &rules, index, level, &message, location(inside, &sample.path, sample.line), &key));
    }
    if results.is_empty() && report.verdict != Verdict::Pass {
        let index = enter(&mut rules, "verdict".to_owned(), "the run comes to a verdict".to_owned());
        let reason = report.reasons.first().map_or("", |reason| reason.text.as_str());
        results.push(result(sink, &rules, index, "error", reason, place.clone(), &[&report.program, "verdict"]));
    }
    let help = if report.safety.is_some() { attacks::HELP } else { HELP };
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": format!("llmci {}", text(sink, &report.program)),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "semanticVersion": text(sink, &report.program_version),
                "rules": rules.iter().map(|rule| described(sink, rule, help)).collect::<Vec<_>>(),
            }},
            "automationDetails": {"id": format!("llmci/{}/", text(sink, &report.program))},
            "invocations": [{
                "executionSuccessful": report.verdict != Verdict::Error,
                "startTimeUtc": text(sink, &report.timing.started_at),
                "endTimeUtc": text(sink, &report.timing.finished_at),
            }],
            "columnKind": "unicodeCodePoints",
            "properties": {"verdict": report.verdict.word()},
            "results": results,
        }],
    });
    // A document of texts and whole numbers can always be written.
    let mut written = serde_json::to_string_pretty(&document).unwrap_or_default();
    written.push('\n');
    sink.whole(&escape_json(&written))
}

fn kind(sample: &FailedSample) -> (&'static str, &'static str) {
    match sample.status.as_str() {
        "failed" => ("error", "every weighted assertion of a sample holds"),
        "unscored" => ("warning", "every sample can be judged"),
        _ => ("error", "every request is answered"),
    }
}

/// The index of a rule, which is added where it is new.
fn enter(rules: &mut Vec<Rule>, id: String, text: String) -> usize {
    if let Some(index) = rules.iter().position(|rule| rule.id == id) {
        return index;
    }
    rules.push(Rule { id, text, ..Rule::default() });
    rules.len() - 1
}

fn text(sink: &Sink, own: &str) -> String {
    sink.text(&Untrusted::new(own), LONGEST)
}

fn described(sink: &Sink, rule: &Rule, help: &str) -> Value {
    let mut described = json!({
        "id": text(sink, &rule.id),
        "shortDescription": {"text": sentence(sink, &rule.text)},
        "fullDescription": {"text": sentence(sink, &format!("The gate asks that {}", rule.text))},
        "help": {"text": help},
        "helpUri": env!("CARGO_PKG_REPOSITORY"),
    });
    let security = rule.score.map(|_| "security".to_owned());
    let tags: Vec<String> = security.into_iter().chain(rule.tags.iter().map(|tag| text(sink, tag))).collect();
    let properties = match (rule.score, tags.is_empty()) {
        (Some(score), _) => json!({"security-severity": score, "tags": tags}),
        (None, false) => json!({"tags": tags}),
        (None, true) => return described,
    };
    if let Some(fields) = described.as_object_mut() {
        fields.insert("properties".to_owned(), properties);
    }
    described
}

/// A message, which SARIF wants to end with a full stop.
fn sentence(sink: &Sink, own: &str) -> String {
    let mut text = sink.sarif(&Untrusted::new(own), LONGEST);
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

fn result(
    sink: &Sink,
    rules: &[Rule],
    index: usize,
    level: &str,
    message: &str,
    place: Option<Value>,
    key: &[&str],
) -> Value {
    let mut hasher = Hasher::new();
    for part in key {
        hasher.part(part.as_bytes());
    }
    let mut result = json!({
        "ruleId": rules.get(index).map(|rule| text(sink, &rule.id)),
        "ruleIndex": index,
        "level": level,
        "message": {"text": sentence(sink, message)},
        "partialFingerprints": {"llmciResult/v1": hasher.finish().hex()},
    });
    if let (Some(place), Some(fields)) = (place, result.as_object_mut()) {
        fields.insert("locations".to_owned(), json!([place]));
    }
    result
}

fn location(inside: &dyn Fn(&Untrusted) -> Option<String>, path: &Untrusted, line: u32) -> Option<Value> {
    let uri = relative(&inside(path)?)?;
    Some(json!({
        "physicalLocation": {
            "artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": line.max(1)},
        },
    }))
}

/// A relative reference (RFC 3986): no scheme, no server, no way up.
fn relative(path: &str) -> Option<String> {
    if path.is_empty() || path.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        return None;
    }
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let letters =
        path.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    Some(letters.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_path_below_the_root_or_none() {
        assert_eq!(relative("suites/a b.yaml").as_deref(), Some("suites/a%20b.yaml"));
        assert_eq!(relative("javascript:alert(1)").as_deref(), Some("javascript%3Aalert%281%29"));
        for other in ["/etc/passwd", "../x", "a/../../x", "", "a//b", "./a"] {
            assert_eq!(relative(other), None, "{other}");
        }
    }
}
