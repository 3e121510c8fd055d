//! One side of an unpaired comparison: a row of its report, or what another tool has recorded without its samples.

use super::metric::inside;
use super::pair::Paired;
use super::side::{CaseNumbers, Side};
use crate::eval::sample::Status;
use crate::gate::compare::{RegressionRule, Scale, Summary};
use crate::gate::{Aggregate, Direction, Metric, Subject, Unit, is_compared_by_ratio, known_metric};
use crate::stats::{Count, float, normal_quantile};

/// How the values of a metric are compared where only they are known.
pub fn scale_of(subject: &Subject) -> Scale {
    if is_compared_by_ratio(subject.name.as_str()) { Scale::Ratio } else { Scale::Share }
}

/// A report's row. None for a metric of our own that is not a share, or was not measured.
pub fn summary(metric: &Metric) -> Option<Summary> {
    let (value, low, high) = (metric.value?, metric.low?, metric.high?);
    let known = known_metric(metric.name.as_str());
    if known.is_some_and(|known| known.unit != Unit::Share) {
        return None;
    }
    let width = (high - low) / (2.0 * normal_quantile(0.5 + metric.confidence / 2.0));
    let judged = metric.n.saturating_sub(metric.unscored);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count is a count")]
    let count = |share: f64| Count::new((share * float(judged)).round() as u64, judged);
    let scale = if is_compared_by_ratio(metric.name.as_str()) { Scale::Ratio } else { Scale::Share };
    let one = One { value, standard_error: width, n: metric.n, missing: metric.unscored };
    one.turned(scale, metric.direction, (metric.method == "wilson").then_some(&count))
}

/// What another tool has recorded of a metric, within a rule's part of the samples: one value, or counts of any number of tasks.
/// A sample that has the metric in another form, or without a number, or that ended in an error, is missing from it.
pub fn recorded_summary(rule: &RegressionRule, subject: &Subject, side: &Side) -> Option<Summary> {
    let number = side.names.find(&subject.name)?;
    let mut parts: Vec<(Aggregate, Vec<f64>)> = Vec::new();
    let mut missing = 0;
    for attempt in side.cases().filter(|case| inside(rule, *case)).flat_map(CaseNumbers::attempts) {
        match attempt.part(number) {
            Some(part) => parts.push(part),
            None => missing += u64::from(attempt.named(number).is_some() || attempt.status() == Status::Error),
        }
    }
    let scale = scale_of(subject);
    match parts.as_slice() {
        [(Aggregate::Recorded, parts)] => {
            let [value, samples, standard_error] = parts.as_slice() else { return None };
            // A standard error of 0 says nothing of what other samples would be.
            let standard_error = Some(*standard_error).filter(|error| *error > 0.0)?;
            let one = One { value: *value, standard_error, n: count_of(*samples), missing };
            one.turned(scale, subject.direction, None)
        }
        all => {
            let (mut held, mut of) = (0.0, 0.0);
            for (aggregate, parts) in all {
                let [one, samples] = parts.as_slice() else { return None };
                if *aggregate != Aggregate::Counted {
                    return None;
                }
                (held, of) = (held + one, of + samples);
            }
            let (held, of) = (count_of(held), count_of(of));
            let value = float(held) / float(of.max(1));
            let one = One { value, standard_error: 0.0, n: of, missing };
            let count = |share: f64| Count::new(count_of((share * float(of)).round()), of);
            (of > 0).then(|| one.turned(Scale::Share, subject.direction, Some(&count))).flatten()
        }
    }
}

/// How many cases have the metric on one side and not, or not as the same case, on the other. Recorded values are of all cases of
/// a side: with any of these they are of two things.
pub fn one_sided(
    rule: &RegressionRule,
    subject: &Subject,
    paired: &Paired<'_>,
    [baseline, candidate]: [&Side; 2],
) -> u64 {
    let has = |side: &Side, case: CaseNumbers<'_>| {
        let number = side.names.find(&subject.name).filter(|_| inside(rule, case));
        let named = |number| case.attempts().any(|one| one.part(number).is_some() || one.named(number).is_some());
        number.is_some_and(named)
    };
    let all = |side: &Side| side.cases().filter(|case| has(side, *case)).count() as u64;
    let both =
        paired.pairs().filter(|pair| has(baseline, pair.baseline) && has(candidate, pair.candidate)).count() as u64;
    (all(baseline) + all(candidate)).saturating_sub(2 * both)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number from 0 to 2^53")]
fn count_of(number: f64) -> u64 {
    number.max(0.0) as u64
}

/// A value as it was measured.
struct One {
    value: f64,
    standard_error: f64,
    n: u64,
    missing: u64,
}

type Counted<'a> = &'a dyn Fn(f64) -> Option<Count>;

impl One {
    /// The same on the scale on which higher is better; none where it has no logarithm.
    fn turned(self, scale: Scale, direction: Direction, count: Option<Counted<'_>>) -> Option<Summary> {
        let One { value, standard_error, n, missing } = self;
        let (value, standard_error) = match (scale, direction) {
            (Scale::Share, Direction::Higher) => (value, standard_error),
            (Scale::Share, Direction::Lower) => (1.0 - value, standard_error),
            // The delta method.
            (Scale::Ratio, Direction::Higher) => (value.ln(), standard_error / value),
            (Scale::Ratio, Direction::Lower) => (-value.ln(), standard_error / value),
        };
        let count = count.and_then(|count| count(value));
        let standard_error = match count {
            Some(count) => (value * (1.0 - value) / float(count.trials())).sqrt(),
            None => standard_error,
        };
        let whole = value.is_finite() && standard_error.is_finite();
        whole.then_some(Summary { value, standard_error, n, count, missing })
    }
}
