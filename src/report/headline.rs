//! The first line of a report: the verdict, and the number that decided it, short enough for a notification.

use super::Report;
use super::layout::capital;
use super::safety::decided as decided_by;
use super::table::compared_name;
use crate::gate::compare::Compared;
use crate::gate::{Direction, Metric, Unit, Verdict, amount, known_metric};

/// Characters of a headline that is a whole sentence.
const LONGEST: usize = 110;
/// Characters of a clause that can stand alone.
const SHORTEST: usize = 30;

/// What decided, in a few words; and whether the deciding reason says more than they do.
pub(super) struct Headline {
    /// Without the verdict.
    pub(super) text: String,
    /// The deciding sentence, where it is not `text` itself.
    pub(super) sentence: Option<String>,
}

/// The headline of a report.
pub(super) fn headline(report: &Report) -> Headline {
    let Some(decided) = report.reasons.first() else {
        return Headline { text: "no reason was given".to_owned(), sentence: None };
    };
    let sentence = Some(decided.text.clone());
    if let Some(text) = decided_by(report, decided) {
        return Headline { text: capital(&text), sentence };
    }
    let required = |metric: &&Metric| metric.threshold.as_ref().is_some_and(|threshold| threshold.required);
    let rows = report.comparison.iter().flat_map(|comparison| &comparison.rows);
    let rules = report.metrics.iter().filter(required).count() + rows.clone().filter(|row| row.required).count();
    if report.verdict == Verdict::Pass && rules > 1 {
        return Headline { text: format!("All {rules} required rules hold"), sentence };
    }
    let metric = report.metrics.iter().filter(required).find(|metric| metric.reason.as_ref() == Some(&decided.text));
    if let Some(text) = metric.and_then(of_metric) {
        return Headline { text, sentence };
    }
    let row = rows.filter(|row| row.required).find(|row| row.reason == decided.text);
    if let Some(text) = row.and_then(of_comparison) {
        return Headline { text, sentence };
    }
    // A metric's name stays as the policy has it.
    let text = if decided.metric.is_none() { capital(&decided.text) } else { decided.text.clone() };
    match first_clause(&text) {
        Some(clause) => Headline { text: clause.to_owned(), sentence },
        None => Headline { text, sentence: None },
    }
}

/// The beginning of a sentence that is too long for a notification.
fn first_clause(text: &str) -> Option<&str> {
    let long = text.chars().count() > LONGEST;
    let end = text.char_indices().skip(SHORTEST).map(|(at, _)| at);
    let end = end
        .filter(|_| long)
        .find(|at| text.get(*at..).is_some_and(|rest| rest.starts_with(": ") || rest.starts_with("; ")));
    text.get(..end?)
}

fn of_metric(metric: &Metric) -> Option<String> {
    let unit = unit_of(metric.name.as_str());
    let threshold = metric.threshold.as_ref()?;
    let (words, bound) = match metric.direction {
        Direction::Higher => ("at least", threshold.min?),
        Direction::Lower => ("at most", threshold.max?),
    };
    let scope = metric.scope.as_ref().map(|scope| format!(" [{scope}]")).unwrap_or_default();
    let value = amount(metric.value?, unit);
    Some(format!("{}{scope} {value}, required {words} {} (n={})", metric.name, amount(bound, unit), metric.n))
}

fn of_comparison(row: &Compared) -> Option<String> {
    let unit = unit_of(row.name.as_str());
    let (now, before) = (amount(row.candidate?, unit), amount(row.baseline?, unit));
    let words = match row.verdict {
        Verdict::Pass => "not worse beyond the margin",
        Verdict::Fail => "worse",
        Verdict::Inconclusive => "undecided",
        Verdict::Error => "not judged",
    };
    Some(format!("{} {now}, baseline {before}: {words} (n={})", compared_name(row), row.n))
}

fn unit_of(name: &str) -> Unit {
    known_metric(name).map_or(Unit::Share, |known| known.unit)
}
