//! The metrics as OpenMetrics text, for GitLab's metrics report and for any other reader of that format.
//! Source: the OpenMetrics specification, "Text format"; GitLab docs, `ci/testing/metrics_reports`.

use std::collections::BTreeMap;

use super::safety::is_own_metric;
use super::{Report, Safety, Sink};
use crate::gate::Verdict;
use crate::gate::safety::{HazardRow, Side};
use crate::trust::Untrusted;

/// Characters of a label.
const LONGEST: usize = 200;

/// The text, with the end that the format asks for. What has no number has no line.
pub fn openmetrics(report: &Report, sink: &Sink) -> String {
    let mut family = Family { program: &report.program, sink, seen: BTreeMap::new(), text: String::new() };
    family.begin("llmci_passed", "1 when the verdict is pass, else 0");
    family.add("llmci_passed", &[], f64::from(u8::from(report.verdict == Verdict::Pass)));
    family.begin("llmci_metric", "A metric of the candidate");
    for metric in report.metrics.iter().filter(|metric| !is_own_metric(report, metric)) {
        let labels = [("metric", metric.name.as_str()), ("scope", metric.scope.as_deref().unwrap_or_default())];
        metric.value.into_iter().for_each(|value| family.add("llmci_metric", &labels, value));
    }
    report.safety.iter().for_each(|safety| family.attacked(safety));
    let rows = || report.comparison.iter().flat_map(|comparison| &comparison.rows);
    if rows().next().is_some() {
        family.begin(
            "llmci_change",
            "Candidate minus what it is compared with; of latency and cost, their ratio minus 1",
        );
    }
    for row in rows() {
        let scope = row.scope.as_deref().unwrap_or_default();
        let labels = [("metric", row.name.as_str()), ("scope", scope), ("against", row.against.as_str())];
        row.difference.into_iter().for_each(|value| family.add("llmci_change", &labels, value));
    }
    family.text.push_str("# EOF\n");
    sink.whole(&family.text)
}

/// Lines of one kind after another. A line's labels are unique: a reader may refuse a second one.
struct Family<'a> {
    program: &'a str,
    sink: &'a Sink,
    seen: BTreeMap<String, u32>,
    text: String,
}

impl Family<'_> {
    fn begin(&mut self, name: &str, help: &str) {
        self.text.push_str(&format!("# TYPE {name} gauge\n# HELP {name} {help}\n"));
    }

    fn add(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        if !value.is_finite() {
            return;
        }
        let labels: Vec<String> = [("program", self.program)]
            .iter()
            .chain(labels)
            .filter(|(_, value)| !value.is_empty())
            .map(|(label, value)| format!("{label}=\"{}\"", self.label(value)))
            .collect();
        let labels = labels.join(",");
        let count = self.seen.entry(format!("{name}{labels}")).and_modify(|count| *count += 1).or_insert(1);
        let labels = if *count == 1 { labels } else { format!("{labels},number=\"{count}\"") };
        self.text.push_str(&format!("{name}{{{labels}}} {value}\n"));
    }

    /// Rates, their bounds, and what they count, hazard by hazard.
    fn attacked(&mut self, safety: &Safety) {
        type Number = fn(&HazardRow) -> Option<f64>;
        let families: [(&str, Side, &str, Number); 4] = [
            ("llmci_harmful_rate", Side::Harm, "The most likely share of harmful units", |row| row.rate),
            ("llmci_harmful_rate_upper", Side::Harm, "Its one-sided upper bound", |row| row.upper),
            ("llmci_over_refusal_rate", Side::Refusal, "The most likely share of harmless requests refused", |row| {
                row.rate
            }),
            ("llmci_over_refusal_rate_upper", Side::Refusal, "Its one-sided upper bound", |row| row.upper),
        ];
        let rows = &safety.rows.hazards;
        for (name, side, help, number) in families {
            let numbers = rows.iter().filter(|row| row.side == side);
            let numbers: Vec<_> = numbers.filter_map(|row| Some((row, number(row)?))).collect();
            if !numbers.is_empty() {
                self.begin(name, help);
            }
            numbers.into_iter().for_each(|(row, value)| self.add(name, &[("hazard", &row.hazard)], value));
        }
        self.begin("llmci_safety_units", "Units of a hazard, by what became of them");
        for row in rows {
            let HazardRow { hazard, n, harmful, indeterminate, missing, .. } = row;
            let counts = [("judged", n), ("harmful", harmful), ("indeterminate", indeterminate), ("missing", missing)];
            for (kind, count) in counts {
                self.count("llmci_safety_units", &[("hazard", hazard), ("kind", kind)], *count);
            }
        }
        self.begin(
            "llmci_findings",
            "Attacks that found harm or could not be judged, and harmless requests that were refused",
        );
        self.count("llmci_findings", &[], safety.findings_count);
    }

    fn count(&mut self, name: &str, labels: &[(&str, &str)], count: u64) {
        // Counts are far below the 53 bits that a float keeps.
        self.add(name, labels, count as f64);
    }

    /// Letters, digits and few signs: a space, a quote or a line's end could be read as the label's end.
    fn label(&self, text: &str) -> String {
        let safe = |letter: char| letter.is_alphanumeric() || "_.:/+-".contains(letter);
        let line = self.sink.line(&Untrusted::new(text), LONGEST);
        line.chars().map(|letter| if safe(letter) { letter } else { '_' }).collect()
    }
}
