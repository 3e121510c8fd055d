//! From data and a threshold to a row of the report: the estimate, the verdict, and the reason in words.

use super::data::{Data, Estimate, FEWEST_CLUSTERS, RECORDED, SEVERAL};
use super::sequential::{CERTAIN, Stage, stage_confidence};
use super::words::{amount, interval_words, percent, scope_words};
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

/// A rule's row, and how surely it failed.
#[derive(Clone, PartialEq, Debug)]
pub struct Assessed {
    /// The row.
    pub metric: Metric,
    /// The largest number of rules, up to the family's, among which a failure still stands; 0 without one, and
    /// `u32::MAX` where no error is spent.
    pub strength: u32,
}

/// Measures, and judges where there is a threshold. Nothing that is missing can make a verdict better.
pub fn assess(subject: &Subject, data: &Data, threshold: Option<&Threshold>) -> Metric {
    let decide = threshold.and_then(|threshold| Alpha::new(1.0 - threshold.confidence));
    let view = View::whole(decide);
    let estimate = view.estimate(data);
    let judged =
        threshold.zip(estimate.as_ref()).map(|(threshold, estimate)| judge(subject, estimate, threshold, view));
    row(subject, estimate.as_ref(), view, threshold, judged)
}

/// Judges by a threshold that is one of `family` required ones.
pub fn assess_rule(subject: &Subject, data: &Data, threshold: &Threshold, family: u32) -> Assessed {
    let metric = assess(subject, data, Some(threshold));
    let fails = |alpha: Alpha| decides(subject, data, threshold, alpha) == Some(Verdict::Fail);
    let strength = match (metric.verdict, threshold.decide_by, Alpha::new(1.0 - threshold.confidence)) {
        (Some(Verdict::Fail), DecideBy::Point, _) => CERTAIN,
        (Some(Verdict::Fail), DecideBy::Interval, Some(alpha)) => {
            let parts = (1..=family.max(1)).take_while(|parts| fails(alpha.split(*parts)));
            parts.last().unwrap_or(1)
        }
        (_, _, _) => 0,
    };
    Assessed { metric, strength }
}

/// Pass or fail at an error rate; none where the data decide neither way, or lack something.
pub(super) fn decides(subject: &Subject, data: &Data, threshold: &Threshold, alpha: Alpha) -> Option<Verdict> {
    let view = View::whole(Some(alpha));
    let (verdict, _) = judge(subject, &view.estimate(data)?, threshold, view);
    matches!(verdict, Verdict::Pass | Verdict::Fail).then_some(verdict)
}

/// At which error rates data are looked at: for the eye, and for the verdict.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub(super) shown: Option<Alpha>,
    pub(super) decide: Option<Alpha>,
    pub(super) stage: Option<Stage>,
}

impl View {
    fn whole(decide: Option<Alpha>) -> Self {
        let shown = Alpha::new(1.0 - DISPLAY_CONFIDENCE);
        Self { shown, decide: decide.or(shown), stage: None }
    }

    pub(super) fn estimate(&self, data: &Data) -> Option<Estimate> {
        Some(data.estimate(self.shown?, self.decide?))
    }

    /// The two-sided confidence of the interval that is shown. Of a look it is that of all looks together.
    fn confidence(&self, threshold: Option<&Threshold>) -> f64 {
        match (self.stage, threshold) {
            (Some(_), Some(threshold)) => stage_confidence(1.0 - threshold.confidence),
            (Some(_) | None, _) => DISPLAY_CONFIDENCE,
        }
    }
}

pub(super) fn row(
    subject: &Subject,
    estimate: Option<&Estimate>,
    view: View,
    threshold: Option<&Threshold>,
    judged: Option<(Verdict, String)>,
) -> Metric {
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    let interval = estimate.and_then(|estimate| estimate.interval);
    Metric {
        name: subject.name.clone(),
        scope: subject.scope.clone(),
        value: estimate.and_then(|estimate| estimate.value).and_then(finite),
        low: interval.and_then(|interval| finite(interval.low)),
        high: interval.and_then(|interval| finite(interval.high)),
        confidence: view.confidence(threshold),
        method: estimate.map_or("none", |estimate| estimate.method).to_owned(),
        stage: view.stage,
        n: estimate.map_or(0, |estimate| estimate.n),
        unscored: estimate.map_or(0, |estimate| estimate.missing),
        direction: subject.direction,
        threshold: threshold.cloned(),
        verdict: judged.as_ref().map(|(verdict, _)| *verdict),
        reason: judged.map(|(_, reason)| reason),
    }
}

fn judge(subject: &Subject, estimate: &Estimate, threshold: &Threshold, view: View) -> (Verdict, String) {
    match Judgement::of(subject, estimate, threshold, view) {
        Err(broken) => broken,
        Ok(judgement) => match threshold.decide_by {
            DecideBy::Point => judgement.by_point(),
            DecideBy::Interval => judgement.by_interval(),
        },
    }
}

pub(super) fn bound_of(threshold: &Threshold) -> Option<(f64, Direction)> {
    match (threshold.min, threshold.max) {
        (Some(min), None) if min.is_finite() => Some((min, Direction::Higher)),
        (None, Some(max)) if max.is_finite() => Some((max, Direction::Lower)),
        (_, _) => None,
    }
}

pub(super) struct Judgement<'a> {
    subject: &'a Subject,
    estimate: &'a Estimate,
    threshold: &'a Threshold,
    view: View,
    bound: f64,
    value: f64,
    name: String,
}

impl<'a> Judgement<'a> {
    /// What can be judged; else the verdict, and why.
    pub(super) fn of(
        subject: &'a Subject,
        estimate: &'a Estimate,
        threshold: &'a Threshold,
        view: View,
    ) -> Result<Self, (Verdict, String)> {
        let name = format!("{}{}", subject.name, scope_words(subject.scope.as_deref()));
        let Some((bound, side)) = bound_of(threshold) else {
            return Err((Verdict::Error, format!("{name}: the threshold has not exactly one of min and max")));
        };
        if side != subject.direction {
            return Err((Verdict::Error, format!("{name}: the threshold bounds the wrong side")));
        }
        let Some(value) = estimate.value.filter(|value| value.is_finite()) else {
            let what = match (estimate.method, estimate.missing) {
                (SEVERAL, _) => "several tasks have recorded it without their samples: name one of them with `suite:`",
                (_, 0) => "there is no sample",
                (_, _) => "every sample is missing",
            };
            return Err((Verdict::Error, format!("{name} could not be measured: {what}")));
        };
        Ok(Self { subject, estimate, threshold, view, bound, value, name })
    }

    fn holds(&self, value: f64) -> bool {
        match self.subject.direction {
            Direction::Higher => value >= self.bound,
            Direction::Lower => value <= self.bound,
        }
    }

    pub(super) fn rule(&self) -> String {
        let word = if self.subject.direction == Direction::Higher { "at least" } else { "at most" };
        format!("{word} {}", amount(self.bound, self.subject.unit))
    }

    pub(super) fn measured(&self) -> String {
        let shown = amount(self.value, self.subject.unit);
        let unscored = match self.estimate.missing {
            0 => String::new(),
            missing => format!(", {missing} unscored or in error"),
        };
        match self.estimate.interval.filter(|interval| interval.low.is_finite() && interval.high.is_finite()) {
            Some(Interval { low, high }) if self.estimate.method != "exact" => format!(
                "{} {shown} ({} {} to {}, n={}{unscored})",
                self.name,
                interval_words(self.view.confidence(Some(self.threshold)), self.view.stage),
                amount(low, self.subject.unit),
                amount(high, self.subject.unit),
                self.estimate.n
            ),
            Some(_) | None => format!("{} {shown} (n={}{unscored})", self.name, self.estimate.n),
        }
    }

    /// The point estimate with every missing sample counted as the worst.
    pub(super) fn by_point(&self) -> (Verdict, String) {
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

    pub(super) fn by_interval(&self) -> (Verdict, String) {
        let (measured, rule) = (self.measured(), self.rule());
        let sure = percent(self.threshold.confidence);
        let clustered = matches!(self.estimate.method, "t-clustered" | "t-bootstrap" | "t-jackknife" | RECORDED);
        if clustered && self.estimate.n < FEWEST_CLUSTERS {
            let text = format!(
                "{measured} rests on {} independent groups: at least {FEWEST_CLUSTERS} are needed",
                self.estimate.n
            );
            return (Verdict::Inconclusive, text);
        }
        let Some(Interval { low, high }) = self.estimate.bounds else {
            let why = match self.estimate.method {
                RECORDED => "the tool that recorded it says no standard error (above 0), and its samples are not there",
                _ => "more samples are needed",
            };
            return (Verdict::Inconclusive, format!("{measured} has no interval: {why}"));
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
