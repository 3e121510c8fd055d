//! What a comparison is computed from: a few numbers a case and side.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stats::{Count, Pairs, float};

/// What a metric's values are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Shares from 0 to 1, compared by their difference.
    Share,
    /// Positive quantities, compared by their ratio, on logarithms.
    Ratio,
}

/// All attempts of one side at one case, averaged later: a case is one piece of evidence, whatever its repeats.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Attempts {
    /// Sum over the judged attempts, of logarithms on the ratio scale; higher is better.
    pub sum: f64,
    /// Judged attempts.
    pub judged: u32,
    /// Attempts in error or unscored.
    pub missing: u32,
}

impl Attempts {
    /// The mean, with what is missing counted as `missing_is`. None without any attempt.
    pub fn mean(self, missing_is: f64) -> Option<f64> {
        let all = self.judged + self.missing;
        let missing = if self.missing == 0 { 0.0 } else { missing_is * f64::from(self.missing) };
        (all > 0).then(|| (self.sum + missing) / f64::from(all))
    }

    /// The mean of what was judged.
    pub fn seen(self) -> Option<f64> {
        (self.judged > 0).then(|| self.sum / f64::from(self.judged))
    }
}

/// One case on both sides. Values are turned so that higher is better.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PairUnit {
    /// The group of cases that are no independent evidence; a case alone has a number of its own.
    pub cluster: u64,
    /// The baseline's attempts.
    pub baseline: Attempts,
    /// The candidate's attempts.
    pub candidate: Attempts,
}

/// Which way missing samples are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Doubt {
    /// Against the candidate: what a pass must survive.
    Against,
    /// For the candidate: what a failure must survive.
    For,
}

/// The pairs of one metric.
#[derive(Clone, PartialEq, Debug)]
pub struct Comparable {
    /// One entry a case.
    pub units: Vec<PairUnit>,
    /// What the values are.
    pub scale: Scale,
}

impl Comparable {
    /// Attempts that could not be judged, on both sides.
    pub fn missing(&self) -> u64 {
        self.units.iter().map(|unit| u64::from(unit.baseline.missing) + u64::from(unit.candidate.missing)).sum()
    }

    /// Whether every case has one yes-or-no attempt on each side.
    pub(super) fn is_yes_or_no(&self) -> bool {
        let single = |side: Attempts| side.judged + side.missing == 1 && (side.sum == 0.0 || side.sum == 1.0);
        self.scale == Scale::Share && self.units.iter().all(|unit| single(unit.baseline) && single(unit.candidate))
    }

    /// Independent groups of cases.
    pub(super) fn clusters(&self) -> u64 {
        let mut clusters: Vec<u64> = self.units.iter().map(|unit| unit.cluster).collect();
        clusters.sort_unstable();
        clusters.dedup();
        clusters.len() as u64
    }

    /// The difference of each case at its least and at its most, with its cluster: none of a case that is missing on an
    /// unbounded scale.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (u64, Option<(f64, f64)>)> {
        let (worst, best) = match self.scale {
            Scale::Share => (0.0, 1.0),
            Scale::Ratio => (f64::NAN, f64::NAN),
        };
        self.units.iter().map(move |unit| {
            let difference = |candidate: f64, baseline: f64| {
                let difference = unit.candidate.mean(candidate)? - unit.baseline.mean(baseline)?;
                difference.is_finite().then_some(difference)
            };
            (unit.cluster, difference(worst, best).zip(difference(best, worst)))
        })
    }

    /// Counts of yes-or-no pairs. None where they are something else.
    pub(super) fn counts(&self, doubt: Doubt) -> Option<Pairs> {
        let (mut up, mut down) = (0, 0);
        for (_, range) in self.ranges() {
            let (least, most) = range?;
            let difference = if doubt == Doubt::Against { least } else { most };
            up += u64::from(difference > 0.0);
            down += u64::from(difference < 0.0);
        }
        Pairs::new(up, down, self.units.len() as u64)
    }

    /// The mean of one side over the cases that both sides have, on the scale of the sums.
    pub(super) fn side(&self, side: impl Fn(&PairUnit) -> Attempts) -> Option<f64> {
        let seen = self.units.iter().filter_map(|unit| side(unit).seen());
        let (sum, count) = seen.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
        (count > 0).then(|| sum / float(count))
    }

    /// The mean of one side with every missing attempt counted as `missing_is`. None where that has no bound.
    pub(super) fn side_at(&self, side: impl Fn(&PairUnit) -> Attempts, missing_is: f64) -> Option<f64> {
        let missing_is = if self.scale == Scale::Share { missing_is } else { f64::NAN };
        let values = self.units.iter().filter_map(|unit| side(unit).mean(missing_is));
        let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
        (count > 0).then(|| sum / float(count)).filter(|mean| mean.is_finite())
    }
}

/// All that is known of one side when its samples are not: a report's row.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Summary {
    /// The mean, higher is better.
    pub value: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Independent units.
    pub n: u64,
    /// Successes, where the values are yes or no.
    pub count: Option<Count>,
    /// Samples that could not be judged.
    pub missing: u64,
}
