//! The thresholds of a gate while its run is under way.

use std::sync::Arc;

use super::schedule::Schedule;
use super::{Part, at_each_look};
use crate::eval::planned::RuleScope;
use crate::eval::reduce::{Drawn, subject_of};
use crate::eval::run::Plan;
use crate::eval::suite::Suite;
use crate::gate::{Courses, Expected, Metric, Next, Shown, Source, Threshold, Trial, settle_failures};

/// All thresholds, and where each stands.
pub struct ThresholdTrial {
    suites: Arc<Vec<Suite>>,
    plan: Arc<Plan>,
    rules: Vec<(Threshold, Trial)>,
    courses: Courses,
}

impl ThresholdTrial {
    /// A trial of all thresholds; none where one of them cannot be looked at, so that none is left out in silence.
    pub fn new(
        suites: Arc<Vec<Suite>>,
        plan: Arc<Plan>,
        thresholds: &[Threshold],
        schedule: &Schedule,
    ) -> Option<Self> {
        let tested = thresholds.iter().filter(|one| one.is_in_family()).count();
        let family = u32::try_from(tested).ok()?.max(1);
        let mut rules = Vec::new();
        for threshold in thresholds {
            let (subject, source) = subject_of(threshold)?;
            let scope = Planned::of(&suites, &plan, schedule, &RuleScope::of_threshold(threshold));
            let expected = scope.expected(source);
            let trial = Trial::new(subject, threshold.clone(), scope.cases, expected, family)?;
            rules.push((threshold.clone(), trial));
        }
        let courses = Courses::new(rules.iter().map(|(_, trial)| trial.claim()));
        Some(Self { suites, plan, rules, courses })
    }

    fn drawn<'a>(&'a self, part: &Part<'a>) -> Drawn<'a> {
        let Part { slots, rows, names } = *part;
        Drawn { suites: &self.suites, plan: &self.plan, rows, names, part: Some(slots) }
    }

    pub(super) fn look(&mut self, number: u32, part: &Part<'_>) -> Next {
        let drawn = self.drawn(part);
        let shown: Vec<Shown> = self
            .rules
            .iter()
            .map(|(threshold, trial)| {
                drawn.measured(threshold).map_or_else(Shown::default, |(_, data)| trial.look(number, &data))
            })
            .collect();
        self.courses.look(number, shown)
    }

    /// The rows of all thresholds at the end, on the samples that the last look saw.
    pub fn judge(&self, part: &Part<'_>) -> Vec<Metric> {
        let drawn = self.drawn(part);
        let last = self.courses.last();
        let each = self.rules.iter().zip(self.courses.rules()).filter_map(|((threshold, trial), course)| {
            Some(trial.conclude(course, last, &drawn.measured(threshold)?.1))
        });
        settle_failures(each.collect())
    }

    /// The last look, from 1; 0 before the first.
    pub fn last(&self) -> u32 {
        self.courses.last()
    }
}

/// The cases of a rule's part of the suites.
struct Planned {
    /// At each look.
    cases: Vec<u64>,
    plain: bool,
}

impl Planned {
    fn of(suites: &[Suite], plan: &Plan, schedule: &Schedule, scope: &RuleScope<'_>) -> Self {
        let mut plain = true;
        let counts = at_each_look(schedule, |slot| {
            let slot = plan.slots().get(slot as usize)?;
            let suite = suites.get(usize::from(slot.suite))?;
            let head = suite.heads().get(slot.case as usize).filter(|head| scope.holds(suite.name(), head))?;
            plain &= head.repeats == 1 && head.cluster.is_none();
            Some(slot.repeat == 0)
        });
        Self { cases: counts, plain }
    }

    fn expected(&self, source: Option<Source>) -> Expected {
        match source {
            Some(Source::Passed | Source::Errors | Source::Unscored) if self.plain => Expected::YesOrNo,
            Some(Source::Cost | Source::PromptTokens | Source::CompletionTokens) => Expected::Total,
            Some(
                Source::Passed
                | Source::Errors
                | Source::Unscored
                | Source::Score
                | Source::LatencyMean
                | Source::Latency(_)
                | Source::FirstTokenMean
                | Source::FirstToken(_)
                | Source::CostPerSample,
            )
            | None => Expected::Other,
        }
    }
}
