//! From data and a threshold to a row of the report: the estimate, the verdict, and the reason in words.

use super::data::{Data, Estimate, FEWEST_CLUSTERS};
use super::words::{amount, percent, scope_words};
use super::{DecideBy, Direction, Metric, MetricName, Threshold, Unit, Verdict};
use crate::stats::{Alpha, Count, Interval, samples_to_decide};

/// The two-sided confidence of every displayed interval.
pub const DISPLAY_CONFIDENCE: f64 = 0.95;

/// A metric's name, side and unit.
#[derive(Clone, PartialEq, Debug)]
pub struct Subject {
    /// The name.
    pub name: MetricName,
    /// The part of the samples, where it is not all.
    pub scope: Option<String>,
    /// Which way is better.
    pub direction: Direction,
    /// What it is measured in.
    pub unit: Unit,
}

/// Measures, and judges where there is a threshold. Nothing that is missing can make a verdict better.
pub fn assess(subject: &Subject, data: &Data, threshold: Option<&Threshold>) -> Metric {
    let confidence = threshold.map_or(DISPLAY_CONFIDENCE, |threshold| threshold.confidence);
    let fallback = Alpha::new(1.0 - DISPLAY_CONFIDENCE);
    let (display, decide) = (fallback, Alpha::new(1.0 - confidence).or(fallback));
    let estimate = display.zip(decide).map(|(display, decide)| data.estimate(display, decide));
    let judged = threshold.zip(estimate.as_ref()).map(|(threshold, estimate)| judge(subject, estimate, threshold));
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    let interval = estimate.as_ref().and_then(|estimate| estimate.interval);
    Metric {
        name: subject.name.clone(),
        scope: subject.scope.clone(),
        value: estimate.as_ref().and_then(|estimate| estimate.value).and_then(finite),
        low: interval.and_then(|interval| finite(interval.low)),
        high: interval.and_then(|interval| finite(interval.high)),
        confidence: DISPLAY_CONFIDENCE,
        method: estimate.as_ref().map_or("none", |estimate| estimate.method).to_owned(),
        n: estimate.as_ref().map_or(0, |estimate| estimate.n),
        unscored: estimate.as_ref().map_or(0, |estimate| estimate.missing),
        direction: subject.direction,
        threshold: threshold.cloned(),
        verdict: judged.as_ref().map(|(verdict, _)| *verdict),
        reason: judged.map(|(_, reason)| reason),
    }
}

fn judge(subject: &Subject, estimate: &Estimate, threshold: &Threshold) -> (Verdict, String) {
    let name = format!("{}{}", subject.name, scope_words(subject.scope.as_deref()));
    let Some((bound, side)) = bound_of(threshold) else {
        return (Verdict::Error, format!("{name}: the threshold has not exactly one of min and max"));
    };
    if side != subject.direction {
        return (Verdict::Error, format!("{name}: the threshold bounds the wrong side"));
    }
    let Some(value) = estimate.value.filter(|value| value.is_finite()) else {
        let what = if estimate.missing > 0 { "every sample is missing" } else { "there is no sample" };
        return (Verdict::Error, format!("{name} could not be measured: {what}"));
    };
    let judgement = Judgement { subject, estimate, threshold, bound, value, name };
    match threshold.decide_by {
        DecideBy::Point => judgement.by_point(),
        DecideBy::Interval => judgement.by_interval(),
    }
}

fn bound_of(threshold: &Threshold) -> Option<(f64, Direction)> {
    match (threshold.min, threshold.max) {
        (Some(min), None) if min.is_finite() => Some((min, Direction::Higher)),
        (None, Some(max)) if max.is_finite() => Some((max, Direction::Lower)),
        (_, _) => None,
    }
}

struct Judgement<'a> {
    subject: &'a Subject,
    estimate: &'a Estimate,
    threshold: &'a Threshold,
    bound: f64,
    value: f64,
    name: String,
}

impl Judgement<'_> {
    fn holds(&self, value: f64) -> bool {
        match self.subject.direction {
            Direction::Higher => value >= self.bound,
            Direction::Lower => value <= self.bound,
        }
    }

    fn rule(&self) -> String {
        let word = if self.subject.direction == Direction::Higher { "at least" } else { "at most" };
        format!("{word} {}", amount(self.bound, self.subject.unit))
    }

    fn measured(&self) -> String {
        let shown = amount(self.value, self.subject.unit);
        let unscored = match self.estimate.missing {
            0 => String::new(),
            missing => format!(", {missing} unscored or in error"),
        };
        match self.estimate.interval.filter(|interval| interval.low.is_finite() && interval.high.is_finite()) {
            Some(Interval { low, high }) if self.estimate.method != "exact" => format!(
                "{} {shown} ({} interval {} to {}, n={}{unscored})",
                self.name,
                percent(DISPLAY_CONFIDENCE),
                amount(low, self.subject.unit),
                amount(high, self.subject.unit),
                self.estimate.n
            ),
            Some(_) | None => format!("{} {shown} (n={}{unscored})", self.name, self.estimate.n),
        }
    }

    /// The point estimate with every missing sample counted as the worst.
    fn by_point(&self) -> (Verdict, String) {
        let measured = self.measured();
        let rule = self.rule();
        let missing = self.estimate.missing;
        if !self.holds(self.value) {
            return (Verdict::Fail, format!("{measured} is not {rule} (decided by the point estimate)"));
        }
        if missing > 0 {
            let text = format!("{measured} would be {rule}, but {missing} samples are missing from it");
            return (Verdict::Inconclusive, text);
        }
        (Verdict::Pass, format!("{measured} is {rule} (decided by the point estimate, without a guarantee)"))
    }

    fn by_interval(&self) -> (Verdict, String) {
        let (measured, rule) = (self.measured(), self.rule());
        let sure = percent(self.threshold.confidence);
        let clustered = self.estimate.method == "t-clustered";
        if clustered && self.estimate.n < FEWEST_CLUSTERS {
            let text = format!(
                "{measured} rests on {} independent groups: at least {FEWEST_CLUSTERS} are needed",
                self.estimate.n
            );
            return (Verdict::Inconclusive, text);
        }
        let Some(Interval { low, high }) = self.estimate.bounds else {
            return (Verdict::Inconclusive, format!("{measured} has no interval: more samples are needed"));
        };
        let (worst, best) = match self.subject.direction {
            Direction::Higher => (low, high),
            Direction::Lower => (high, low),
        };
        if self.holds(worst) {
            let text = format!("{measured} is {rule}: the {sure} bound is {}", amount(worst, self.subject.unit));
            return (Verdict::Pass, text);
        }
        if !self.holds(best) {
            let text =
                format!("{measured} is not {rule}: even the {sure} bound {} is not", amount(best, self.subject.unit));
            return (Verdict::Fail, text);
        }
        let text =
            format!("{measured} decides neither way whether it is {rule} at {sure} confidence: {}", self.needed());
        (Verdict::Inconclusive, text)
    }

    /// How many samples would decide it, or why none would.
    fn needed(&self) -> String {
        let more = || match self.estimate.missing {
            0 => "more samples are needed".to_owned(),
            missing => format!("{missing} samples are missing, which may have gone either way"),
        };
        let (Some(count), Some(alpha)) = (self.estimate.count, Alpha::new(1.0 - self.threshold.confidence)) else {
            return more();
        };
        // "At most x" of successes is "at least 1 - x" of the rest.
        let (count, bound) = match self.subject.direction {
            Direction::Higher => (Some(count), self.bound),
            Direction::Lower => (Count::new(count.trials() - count.successes(), count.trials()), 1.0 - self.bound),
        };
        let Some(count) = count else { return more() };
        let perfect = Count::new(count.trials(), count.trials());
        let smallest = perfect.and_then(|perfect| samples_to_decide(perfect, bound, alpha));
        match smallest {
            Some(smallest) if smallest > count.trials() => {
                return format!(
                    "even a perfect result of {} samples could not show it, {smallest} are needed",
                    count.trials()
                );
            }
            Some(_) | None => {}
        }
        match samples_to_decide(count, bound, alpha) {
            Some(needed) if needed > count.trials() => format!("at this rate about {needed} samples would decide"),
            Some(_) => more(),
            None => "at this rate no number of samples would: it is too close to the bound".to_owned(),
        }
    }
}
