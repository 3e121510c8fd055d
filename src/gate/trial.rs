//! One threshold that is looked at while its run is under way: what each look shows, and the row at the end.

use super::assess::{Assessed, Judgement, Subject, View, assess_rule, bound_of, decides, row};
use super::data::Data;
use super::sequential::{CERTAIN, Claim, Course, LookLevels, SPENDING, Shown, Stage};
use super::words::percent;
use super::{DecideBy, Direction, Metric, Threshold, Verdict};
use crate::stats::{Alpha, BinomialNull, Side, exact_bounds_at, float};

/// What is known of a rule's samples before anything is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// Every case is one yes or no, and evidence of its own.
    YesOrNo,
    /// Repeats, clusters, graded scores, quantities, or scores that only some samples have.
    Other,
    /// A sum over the whole run.
    Total,
}

/// A rule under way.
#[derive(Clone, Debug)]
pub struct Trial {
    subject: Subject,
    threshold: Threshold,
    /// Cases of the rule's part of the suites that each look sees.
    cases: Vec<u64>,
    levels: LookLevels,
    family: u32,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    /// Numbers of good samples: enough to pass, and few enough to fail as one of 1, 2, ... rules.
    Exact { pass: Vec<i64>, fail: Vec<Vec<i64>> },
    /// Bounds at the levels of the looks.
    Bounds,
    /// Only what is certain whatever comes: a rule on exactly the samples of the whole run.
    Certain,
}

impl Trial {
    /// A trial of a threshold that is one of `family` required ones. `cases` holds what each look will see of it, the last
    /// entry being all. None for a threshold whose confidence is none.
    pub fn new(
        subject: Subject,
        threshold: Threshold,
        cases: Vec<u64>,
        expected: Expected,
        family: u32,
    ) -> Option<Self> {
        let alpha = Alpha::new(1.0 - threshold.confidence)?;
        let test = match (threshold.decide_by, bound_of(&threshold), expected) {
            (DecideBy::Point, _, _) | (_, _, Expected::Total) => Test::Certain,
            (DecideBy::Interval, Some((bound, side)), Expected::YesOrNo) if bound > 0.0 && bound < 1.0 => {
                let rate = if side == Direction::Higher { bound } else { 1.0 - bound };
                let bounds = |alpha: Alpha, side: Side| {
                    exact_bounds_at(cases.clone(), BinomialNull { rate, alpha, rho: SPENDING }, side).bounds
                };
                let fail = (1..=family.max(1)).map(|parts| bounds(alpha.split(parts), Side::Fail)).collect();
                Test::Exact { pass: bounds(alpha, Side::Pass), fail }
            }
            (DecideBy::Interval, _, _) => Test::Bounds,
        };
        Some(Self { subject, threshold, cases, levels: LookLevels::new(alpha, family), family, test })
    }

    /// What the rule has to do with the verdict.
    pub fn claim(&self) -> Claim {
        match (self.threshold.required, self.threshold.alone, &self.test) {
            (false, _, _) => Claim::Advisory,
            (true, true, _) | (true, false, Test::Certain) => Claim::Certain,
            (true, false, Test::Exact { .. } | Test::Bounds) => Claim::Tested,
        }
    }

    /// What a look, from 1, shows.
    pub fn look(&self, number: u32, data: &Data) -> Shown {
        match &self.test {
            Test::Exact { pass, fail } => self.exact(number, data, pass, fail),
            Test::Bounds => self.bounds(number, data),
            Test::Certain if self.is_whole(number) => self.whole(data),
            Test::Certain => self.certain(number, data),
        }
    }

    /// Whether the rule's part of the suites is there in full.
    fn is_whole(&self, look: u32) -> bool {
        (look as usize).checked_sub(1).and_then(|at| self.cases.get(at)) == self.cases.last()
    }

    fn whole(&self, data: &Data) -> Shown {
        let Assessed { metric, strength } = assess_rule(&self.subject, data, &self.threshold, self.family);
        let pass = metric.verdict == Some(Verdict::Pass);
        Shown { pass, strength, hopeless: !pass }
    }

    fn bounds(&self, look: u32, data: &Data) -> Shown {
        let at = |alpha: Alpha| decides(&self.subject, data, &self.threshold, alpha);
        match self.levels.at(look, 1).and_then(at) {
            Some(Verdict::Pass) => Shown { pass: true, ..Shown::default() },
            Some(Verdict::Fail) => {
                let strength = self.levels.strength(look, |alpha| at(alpha) == Some(Verdict::Fail));
                Shown { strength, ..Shown::default() }
            }
            Some(Verdict::Inconclusive | Verdict::Error) | None => Shown::default(),
        }
    }

    fn exact(&self, look: u32, data: &Data, pass: &[i64], fail: &[Vec<i64>]) -> Shown {
        let open = Shown::default();
        let Some(alpha) = self.levels.at(look, 1) else { return open };
        let estimate = data.estimate(alpha, alpha);
        let (Some(count), Some(at)) = (estimate.count, (look as usize).checked_sub(1)) else { return open };
        let Some(cases) = self.cases.get(at).filter(|cases| **cases == count.trials()) else { return open };
        // A missing sample is a bad one for a pass, and a good one for a failure.
        let counted = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (ones, missing) = (counted(count.successes()), counted(estimate.missing));
        let (worst, best) = match self.subject.direction {
            Direction::Higher => (ones, ones + missing),
            Direction::Lower => (counted(*cases) - ones - missing, counted(*cases) - ones),
        };
        let passes = pass.get(at).is_some_and(|bound| worst >= *bound);
        let fails = |bounds: &&Vec<i64>| bounds.get(at).is_some_and(|bound| best <= *bound);
        let strength = fail.iter().take_while(fails).count();
        let later = || self.cases.iter().enumerate().skip(at + 1);
        let more = |seen: u64| counted(seen.saturating_sub(*cases));
        let may_pass = later().any(|(look, seen)| pass.get(look).is_some_and(|bound| best + more(*seen) >= *bound));
        let may_fail = later()
            .any(|(look, _)| fail.first().and_then(|bounds| bounds.get(look)).is_some_and(|bound| worst <= *bound));
        Shown {
            pass: passes,
            strength: u32::try_from(strength).unwrap_or(u32::MAX),
            hopeless: !passes && !may_pass && !may_fail,
        }
    }

    /// A rule on samples that are not all there: broken once even the best rest could not mend it.
    fn certain(&self, look: u32, data: &Data) -> Shown {
        let Some((bound, side)) = bound_of(&self.threshold) else { return Shown::default() };
        let seen = (look as usize).checked_sub(1).and_then(|at| self.cases.get(at)).copied().unwrap_or(0);
        let rest = float(self.cases.last().copied().unwrap_or(0).saturating_sub(seen));
        let broken = match (data, data.sum_of_shares(), side) {
            (_, Some((sum, cases)), Direction::Higher) => (sum + rest) / (float(cases) + rest) < bound,
            (_, Some((sum, cases)), Direction::Lower) => sum / (float(cases) + rest) > bound,
            // A total only grows.
            (Data::Total { value, .. }, None, Direction::Lower) => *value > bound,
            (_, None, _) => false,
        };
        Shown { pass: false, strength: if broken { CERTAIN } else { 0 }, hopeless: false }
    }

    /// The row at the end of a run whose last look was `last`.
    pub fn conclude(&self, course: Course, last: u32, data: &Data) -> Assessed {
        let of = u32::try_from(self.cases.len()).unwrap_or(u32::MAX);
        if matches!(self.test, Test::Certain) {
            let mut assessed = assess_rule(&self.subject, data, &self.threshold, self.family);
            self.not_all_drawn(&mut assessed.metric, last);
            return assessed;
        }
        let decided_at = course.passed_at.or(course.failed_at);
        let level = self.levels.at(last, 1);
        let stage = Stage { look: decided_at.unwrap_or(last), of };
        let view = View { shown: level.and_then(Alpha::double), decide: level, stage: Some(stage) };
        let estimate = view.estimate(data);
        let judged = estimate.as_ref().map(|estimate| {
            Judgement::of(&self.subject, estimate, &self.threshold, view)
                .map(|judgement| self.words(&judgement, course, stage))
                .unwrap_or_else(|broken| broken)
        });
        let strength =
            if judged.as_ref().is_some_and(|(verdict, _)| *verdict == Verdict::Fail) { course.strength } else { 0 };
        let mut metric = row(&self.subject, estimate.as_ref(), view, Some(&self.threshold), judged);
        if metric.value.is_none() {
            self.not_all_drawn(&mut metric, last);
        }
        Assessed { metric, strength }
    }

    /// What a rule cannot say when another one has stopped the run: it neither passes, nor is anything missing by fault.
    fn not_all_drawn(&self, metric: &mut Metric, last: u32) {
        let open = matches!(metric.verdict, Some(Verdict::Pass | Verdict::Error));
        if open && !self.is_whole(last) {
            let reason = metric.reason.take().unwrap_or_default();
            metric.reason = Some(format!("{reason}; the run stopped before all of its samples were drawn"));
            metric.verdict = Some(Verdict::Inconclusive);
        }
    }

    fn words(&self, judgement: &Judgement<'_>, course: Course, stage: Stage) -> (Verdict, String) {
        let (measured, rule) = (judgement.measured(), judgement.rule());
        let sure = percent(self.threshold.confidence);
        let Stage { look, of } = stage;
        if course.passed_at.is_some() {
            return (
                Verdict::Pass,
                format!("{measured} is {rule}: decided at look {look} of {of} at {sure} confidence"),
            );
        }
        if course.failed_at.is_some() {
            return (
                Verdict::Fail,
                format!("{measured} is not {rule}: decided at look {look} of {of} at {sure} confidence"),
            );
        }
        let text = format!(
            "{measured} decides neither way whether it is {rule} at {sure} confidence, after look {look} of {of}"
        );
        (Verdict::Inconclusive, text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CaseUnit, Courses, MetricName, Next, Unit};
    use super::*;
    use crate::stats::{Generator, look_counts};

    const N: u64 = 1000;

    fn trial(rule: &str, expected: Expected, n: u64) -> Trial {
        let threshold: Threshold = serde_json::from_str(rule).unwrap();
        let direction = if threshold.min.is_some() { Direction::Higher } else { Direction::Lower };
        let subject =
            Subject { name: MetricName::new("pass_rate").unwrap(), scope: None, direction, unit: Unit::Share };
        Trial::new(subject, threshold, look_counts(n, 20), expected, 1).unwrap()
    }

    fn unit(cluster: u64, sum: f64, judged: u32) -> CaseUnit {
        CaseUnit { cluster, sum, judged, missing: 1 - judged }
    }

    /// The verdict of one run, and its share of samples.
    fn run(trial: &Trial, units: &[CaseUnit]) -> (Verdict, f64) {
        let mut courses = Courses::new([trial.claim()]);
        let mut last = (0, Data::Share(Vec::new()));
        for (look, seen) in (1_u32..).zip(look_counts(units.len() as u64, 20)) {
            last = (look, Data::Share(units[..usize::try_from(seen).unwrap()].to_vec()));
            if courses.look(look, [trial.look(look, &last.1)]) == Next::Stop {
                break;
            }
        }
        let course = courses.rules().next().unwrap();
        let verdict = trial.conclude(course, last.0, &last.1).metric.verdict.unwrap();
        (verdict, f64::from(last.0) / 20.0)
    }

    /// Shares of pass, of fail and of samples over many runs at a true rate.
    fn rates(trial: &Trial, n: u64, rate: f64, runs: u32) -> (f64, f64, f64) {
        let mut random = Generator::new(20_260_902);
        let (mut pass, mut fail, mut used) = (0.0, 0.0, 0.0);
        for _ in 0..runs {
            let mut success = || if random.unit() < rate { 1.0 } else { 0.0 };
            let units: Vec<CaseUnit> = (0..n).map(|number| unit(number, success(), 1)).collect();
            let (verdict, share) = run(trial, &units);
            pass += f64::from(u8::from(verdict == Verdict::Pass));
            fail += f64::from(u8::from(verdict == Verdict::Fail));
            used += share;
        }
        let runs = f64::from(runs);
        (pass / runs, fail / runs, used / runs)
    }

    /// Source: simulation of the exact group-sequential test with 1,000 samples and a threshold of 0.75.
    #[test]
    fn samples_used_by_true_rate_are_those_of_the_exact_test() {
        let trial = trial(r#"{"metric": "pass_rate", "min": 0.75}"#, Expected::YesOrNo, N);
        let Test::Exact { pass, fail } = &trial.test else { panic!("the test is exact") };
        let mut random = Generator::new(20_260_902);
        for (rate, wanted) in [(0.65, 0.23), (0.70, 0.52), (0.75, 0.97), (0.80, 0.49), (0.85, 0.20)] {
            let mut looks = 0;
            for _ in 0..4000 {
                let mut good = 0;
                for (pass, fail) in pass.iter().zip(&fail[0]) {
                    good += (0..N / 20).filter(|_| random.unit() < rate).count() as i64;
                    looks += 1;
                    if good >= *pass || good <= *fail {
                        break;
                    }
                }
            }
            let used = f64::from(looks) / (4000.0 * 20.0);
            assert!((used - wanted).abs() < 0.015, "{rate}: {used} instead of {wanted}");
        }
    }

    #[test]
    fn looking_twenty_times_keeps_both_errors() {
        for (expected, runs) in [(Expected::YesOrNo, 400), (Expected::Other, 200)] {
            let trial = trial(r#"{"metric": "pass_rate", "min": 0.75}"#, expected, 200);
            let (pass, fail, _) = rates(&trial, 200, 0.75, runs);
            // 5 % each; three standard errors of the simulation are at most 4.6 points.
            assert!(pass < 0.096 && fail < 0.096, "{expected:?}: {pass} pass, {fail} fail");
        }
    }

    #[test]
    fn a_missing_sample_is_against_a_pass_and_for_a_failure() {
        let trial = trial(r#"{"metric": "pass_rate", "min": 0.9}"#, Expected::YesOrNo, N);
        let units = |rest: CaseUnit| -> Vec<CaseUnit> {
            (0..N)
                .map(|number| if number % 8 == 0 { CaseUnit { cluster: number, ..rest } } else { unit(number, 1.0, 1) })
                .collect()
        };
        assert_eq!(run(&trial, &units(unit(0, 1.0, 1))).0, Verdict::Pass);
        assert_eq!(run(&trial, &units(unit(0, 0.0, 1))).0, Verdict::Fail);
        assert_eq!(run(&trial, &units(unit(0, 0.0, 0))).0, Verdict::Inconclusive);
    }

    #[test]
    fn an_upper_bound_is_the_mirror_of_a_lower_one() {
        let low = trial(r#"{"metric": "pass_rate", "min": 0.9}"#, Expected::YesOrNo, N);
        let high = trial(r#"{"metric": "error_rate", "max": 0.1}"#, Expected::YesOrNo, N);
        for bad in [0, 40, 80, 100, 120, 200] {
            let one = |bad_is: f64| -> Vec<CaseUnit> {
                let value = |number: u64| if number * 7919 % N < bad { bad_is } else { 1.0 - bad_is };
                (0..N).map(|number| unit(number, value(number), 1)).collect()
            };
            assert_eq!(run(&low, &one(0.0)), run(&high, &one(1.0)), "{bad}");
        }
    }

    #[test]
    fn a_rate_that_no_sample_can_show_is_given_up_and_never_passes() {
        let trial = trial(r#"{"metric": "error_rate", "max": 0.001}"#, Expected::YesOrNo, N);
        let clean: Vec<CaseUnit> = (0..N).map(|number| unit(number, 0.0, 1)).collect();
        let (verdict, used) = run(&trial, &clean);
        assert_eq!(verdict, Verdict::Inconclusive, "0 of 1,000 show no rate of 0.001");
        assert!(used <= 1.0);
    }
}
