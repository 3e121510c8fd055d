//! The numbers of one metric out of pairs, turned so that higher is better.

use super::pair::{Pair, Paired};
use super::side::{Attempt, CaseNumbers, Side};
use super::together::{How, how};
use crate::eval::planned::RuleScope;
use crate::eval::run::cluster_number;
use crate::eval::sample::Status;
use crate::gate::compare::{Attempts, Comparable, PairUnit, RegressionRule, Scale};
use crate::gate::{Direction, MetricName, Source, Subject, known_metric, named_score_direction, named_score_unit};

/// Why a metric cannot be compared.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MetricProblem {
    /// Its direction is not known.
    #[error(
        "`{0}` is no metric of its own, so its direction is not known: add `direction: higher` or `direction: lower`"
    )]
    NoDirection(String),
    /// It has no value for each sample.
    #[error("`{0}` has no value for each sample, so runs cannot be paired by it; compare `{1}` instead")]
    NotPaired(String, &'static str),
    /// It is made of all samples together.
    #[error("`{0}` is a value of all samples together, and no mean of theirs")]
    NotEach(String),
    /// The policy says the opposite of what the metric is.
    #[error("the direction of {0} is the opposite")]
    Opposite(String),
}

/// What a rule's metric is: name, scope, direction, unit, and what it is made of (none for a named score).
pub fn subject_of(rule: &RegressionRule) -> Result<(Subject, Option<Source>), MetricProblem> {
    let name = rule.metric.as_str();
    let plain = name.strip_prefix("score:").unwrap_or(name);
    let known = known_metric(name);
    let own = known.map(|known| known.direction).or_else(|| named_score_direction(plain));
    let direction = match (own, rule.direction) {
        (Some(own), Some(given)) if own != given => return Err(MetricProblem::Opposite(name.to_owned())),
        (Some(own), _) => own,
        (None, Some(given)) => given,
        (None, None) => return Err(MetricProblem::NoDirection(name.to_owned())),
    };
    if let Some(instead) = known.and_then(|known| instead(known.source)) {
        return Err(MetricProblem::NotPaired(name.to_owned(), instead));
    }
    let subject = Subject {
        name: MetricName::new(plain).unwrap_or_else(|_| rule.metric.clone()),
        scope: RuleScope::of_rule(rule).words(),
        direction,
        unit: known.map_or_else(|| named_score_unit(plain), |known| known.unit),
    };
    Ok((subject, known.map(|known| known.source)))
}

/// The metric to compare in the place of one that has no value for each sample.
fn instead(source: Source) -> Option<&'static str> {
    match source {
        Source::Passed
        | Source::Score
        | Source::Errors
        | Source::Unscored
        | Source::LatencyMean
        | Source::FirstTokenMean
        | Source::CostPerSample => None,
        Source::Latency(_) => Some("latency_mean_ms"),
        Source::FirstToken(_) => Some("ttft_mean_ms"),
        Source::Cost | Source::PromptTokens | Source::CompletionTokens => Some("cost_per_sample_usd"),
    }
}

/// What a rule compares, and how many of its cases had nothing to compare on one side.
pub fn comparable(
    rule: &RegressionRule,
    paired: &Paired<'_>,
    baseline: &Side,
    candidate: &Side,
) -> Result<(Subject, Comparable, u64), MetricProblem> {
    let (subject, source) = subject_of(rule)?;
    if how(rule, &subject, [baseline, candidate]) != How::Each {
        return Err(MetricProblem::NotEach(subject.name.to_string()));
    }
    let reader = |side: &Side| Reader { source, direction: subject.direction, number: side.names.find(&subject.name) };
    let (theirs, ours) = (reader(baseline), reader(candidate));
    let mut units = Vec::new();
    let mut one_sided = 0;
    for (index, pair) in paired.pairs().enumerate().filter(|(_, pair)| inside(rule, pair.candidate)) {
        let (before, after) = (theirs.attempts(pair.baseline), ours.attempts(pair.candidate));
        match (before.found, after.found) {
            (Found::Something, Found::Something | Found::OnlyErrors)
            | (Found::OnlyErrors, Found::Something | Found::OnlyErrors) => {
                let cluster = cluster(index, &pair);
                units.push(PairUnit { cluster, baseline: before.attempts, candidate: after.attempts });
            }
            (Found::Something, Found::Nothing) | (Found::Nothing, Found::Something) => one_sided += 1,
            // Nobody has it: an attempt in error does not say that the case would have had it.
            (Found::Nothing, Found::OnlyErrors | Found::Nothing) | (Found::OnlyErrors, Found::Nothing) => {}
        }
    }
    let scale = if ours.is_ratio() { Scale::Ratio } else { Scale::Share };
    Ok((subject, Comparable { units, scale }, one_sided))
}

/// Whether a rule is about a case.
pub(super) fn inside(rule: &RegressionRule, case: CaseNumbers<'_>) -> bool {
    rule.suite.as_deref().is_none_or(|name| name == case.suite())
        && rule.level.as_deref().is_none_or(|level| case.level().is_some_and(|known| known.word() == level))
        && (rule.tags.is_empty() || rule.tags.iter().any(|tag| case.tags().contains(tag)))
}

/// A named cluster by its hash and its suite's, a case alone by its position; the two never meet.
pub(super) fn cluster(index: usize, pair: &Pair<'_>) -> u64 {
    let named = |case: CaseNumbers<'_>| case.attempts().find_map(Attempt::cluster);
    match named(pair.candidate).or_else(|| named(pair.baseline)) {
        Some(hash) => (hash ^ cluster_number(pair.candidate.suite())) | (1 << 63),
        None => index as u64,
    }
}

/// Reads one metric out of one side.
struct Reader {
    source: Option<Source>,
    direction: Direction,
    number: Option<u16>,
}

/// One attempt's value.
enum Value {
    Judged(f64),
    Missing,
    /// The metric is not about this attempt.
    Absent,
}

/// What one side has of a metric at one case.
struct Seen {
    attempts: Attempts,
    found: Found,
}

/// Whether the metric is about a case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It is.
    Something,
    /// Every attempt is in error, so that nobody knows.
    OnlyErrors,
    /// It is not.
    Nothing,
}

impl Reader {
    fn is_ratio(&self) -> bool {
        matches!(self.source, Some(Source::LatencyMean | Source::FirstTokenMean | Source::CostPerSample))
    }

    fn attempts(&self, case: CaseNumbers<'_>) -> Seen {
        let mut attempts = Attempts::default();
        let mut found = Found::Nothing;
        for attempt in case.attempts() {
            match self.value(attempt) {
                Value::Judged(value) => {
                    attempts.sum += self.turned(value);
                    attempts.judged += 1;
                    found = Found::Something;
                }
                Value::Missing => {
                    attempts.missing += 1;
                    if attempt.status() != Status::Error {
                        found = Found::Something;
                    } else if found == Found::Nothing {
                        found = Found::OnlyErrors;
                    }
                }
                Value::Absent => {}
            }
        }
        Seen { attempts, found }
    }

    fn turned(&self, value: f64) -> f64 {
        match (self.is_ratio(), self.direction) {
            (false, Direction::Higher) => value,
            (false, Direction::Lower) => 1.0 - value,
            (true, Direction::Higher) => value.ln(),
            (true, Direction::Lower) => -value.ln(),
        }
    }

    fn value(&self, row: Attempt<'_>) -> Value {
        let share = |holds: bool| Value::Judged(if holds { 1.0 } else { 0.0 });
        let positive = |value: Option<f64>| match value {
            Some(value) if value > 0.0 => Value::Judged(value),
            Some(_) => Value::Missing,
            None if row.status() == Status::Error => Value::Missing,
            None => Value::Absent,
        };
        // Neither right nor wrong: only measured for a metric of all samples together.
        let is_only_measured = row.status() == Status::Passed && row.score().is_none();
        match self.source {
            Some(Source::Passed | Source::Score) if is_only_measured => Value::Absent,
            Some(Source::Passed) => match row.status() {
                Status::Passed => share(true),
                Status::Failed => share(false),
                Status::Unscored | Status::Error => Value::Missing,
            },
            Some(Source::Score) => row.score().map_or(Value::Missing, Value::Judged),
            Some(Source::Errors) => share(row.status() == Status::Error),
            Some(Source::Unscored) => share(row.status() == Status::Unscored),
            Some(Source::LatencyMean) => positive(row.latency_ms()),
            Some(Source::FirstTokenMean) => positive(row.ttft_ms()),
            Some(Source::CostPerSample) => positive(row.cost_usd()),
            // Refused before: they have no value for each sample.
            Some(
                Source::Latency(_)
                | Source::FirstToken(_)
                | Source::Cost
                | Source::PromptTokens
                | Source::CompletionTokens,
            ) => Value::Absent,
            None => match self.number.and_then(|number| row.named(number)) {
                Some(Some(score)) => Value::Judged(score),
                Some(None) => Value::Missing,
                // A model without an answer has no named score either: that is no reason to leave the case out.
                None if row.status() == Status::Error => Value::Missing,
                None => Value::Absent,
            },
        }
    }
}
