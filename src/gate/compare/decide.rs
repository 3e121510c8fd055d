//! The rule itself: pass when the drop is shown to be within the margin, fail when a drop is shown, else neither.

use std::collections::BTreeMap;

use super::data::{Comparable, Doubt, Scale};
use super::rule::FailWhen;
use crate::gate::FEWEST_CLUSTERS;
use crate::stats::{Alpha, Count, Mean, Pairs, clopper_pearson_upper, clustered_mean, float, tango};

/// Differences that are not 0 below which a spread is not believed.
/// Source: simulation over 40 cells of suites of 30 to 500 cases: false passes fall from up to 55 % to at most 6 %.
const FEWEST_CHANGED: usize = 20;

/// The error rates of one look.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Levels {
    /// Of a false pass.
    pub pass: Alpha,
    /// Of a false failure.
    pub fail: Alpha,
}

/// What the data say at some error rates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// The drop is within the margin.
    Pass,
    /// There is a drop.
    Fail,
    /// Neither is shown.
    Open,
}

/// One-sided bounds of the difference candidate - baseline, higher is better.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Bounds {
    /// With missing samples counted against the candidate.
    pub low: f64,
    /// With missing samples counted for it.
    pub high: f64,
}

/// The data in the form that bounds are made of, once for any number of error rates.
#[derive(Clone, Debug)]
pub(super) enum Evidence {
    /// Yes-or-no pairs: (against the candidate, for it).
    Binary(Pairs, Pairs),
    /// Differences by cluster: (against the candidate, for it); none where something is missing without a bound.
    Graded(Option<Graded>, Option<Graded>),
}

/// Differences, summed up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Graded {
    mean: Mean,
    clusters: u64,
    below: u64,
    above: u64,
    scale: Scale,
}

impl Evidence {
    /// Sums the pairs up.
    pub(super) fn of(data: &Comparable) -> Self {
        if data.is_yes_or_no()
            && data.is_independent()
            && let (Some(against), Some(favour)) = (data.counts(Doubt::Against), data.counts(Doubt::For))
        {
            return Evidence::Binary(against, favour);
        }
        Evidence::Graded(graded(data, Doubt::Against), graded(data, Doubt::For))
    }

    /// Bounds at the error rates. None where there is too little for any.
    pub(super) fn bounds(&self, levels: Levels) -> Option<Bounds> {
        match self {
            Evidence::Binary(against, favour) => {
                let double = |alpha: Alpha| Alpha::double(alpha);
                Some(Bounds {
                    low: tango(*against, double(levels.pass)?).low,
                    high: tango(*favour, double(levels.fail)?).high,
                })
            }
            Evidence::Graded(against, favour) => {
                let low = against.map_or(f64::NEG_INFINITY, |graded| graded.low(levels.pass));
                let high = favour.map_or(f64::INFINITY, |graded| graded.high(levels.fail));
                Some(Bounds { low, high })
            }
        }
    }

    /// The decision at the error rates.
    pub(super) fn decide(&self, margin: f64, fail_when: FailWhen, levels: Levels) -> Decision {
        if self.clusters().is_some_and(|clusters| clusters < FEWEST_CLUSTERS) {
            return Decision::Open;
        }
        let Some(bounds) = self.bounds(levels) else { return Decision::Open };
        let limit = match fail_when {
            FailWhen::Worse => 0.0,
            FailWhen::BelowMargin => -margin,
        };
        if bounds.low > -margin {
            Decision::Pass
        } else if bounds.high < limit {
            Decision::Fail
        } else {
            Decision::Open
        }
    }

    /// Independent groups; none for yes-or-no pairs, whose method needs no least number.
    pub(super) fn clusters(&self) -> Option<u64> {
        match self {
            Evidence::Binary(..) => None,
            Evidence::Graded(against, favour) => Some(against.or(*favour).map_or(0, |graded| graded.clusters)),
        }
    }

    /// The variance of one unit's difference, for how many would be needed.
    pub(super) fn variance(&self) -> Option<f64> {
        match self {
            Evidence::Binary(against, favour) => {
                let changed = |pairs: &Pairs| (pairs.up() + pairs.down(), pairs.n());
                let middle = 0.5 * (against.discordant() + favour.discordant());
                Some(not_collapsed(middle, changed(favour)))
            }
            Evidence::Graded(against, favour) => {
                let graded = against.or(*favour)?;
                let spread = graded.mean.standard_error.powi(2) * float(graded.clusters);
                match graded.scale {
                    Scale::Share => Some(not_collapsed(spread, (graded.below + graded.above, graded.clusters))),
                    Scale::Ratio => Some(spread),
                }
            }
        }
    }

    /// The method's name in reports.
    pub(super) fn method(&self) -> &'static str {
        match self {
            Evidence::Binary(..) => "tango",
            Evidence::Graded(..) => "t-clustered",
        }
    }
}

/// A variance from few changes says little: no less than the share of changes that so few do not exclude.
fn not_collapsed(variance: f64, (changed, n): (u64, u64)) -> f64 {
    if changed >= FEWEST_CHANGED as u64 {
        return variance;
    }
    let possible =
        Count::new(changed, n).zip(Alpha::new(0.05)).map(|(count, alpha)| clopper_pearson_upper(count, alpha));
    variance.max(possible.unwrap_or(1.0))
}

fn graded(data: &Comparable, doubt: Doubt) -> Option<Graded> {
    let mut clusters: BTreeMap<u64, (f64, u64)> = BTreeMap::new();
    for (cluster, difference) in data.differences(doubt) {
        let total = clusters.entry(cluster).or_default();
        *total = (total.0 + difference?, total.1 + 1);
    }
    let totals: Vec<(f64, u64)> = clusters.into_values().collect();
    Some(Graded {
        mean: clustered_mean(&totals)?,
        clusters: totals.len() as u64,
        below: totals.iter().filter(|(sum, _)| *sum < 0.0).count() as u64,
        above: totals.iter().filter(|(sum, _)| *sum > 0.0).count() as u64,
        scale: data.scale,
    })
}

impl Graded {
    fn low(&self, alpha: Alpha) -> f64 {
        let low = self.mean.bounds(alpha).low;
        if self.varied() { low } else { low.min(-self.collapsed(self.below, alpha)) }
    }

    fn high(&self, alpha: Alpha) -> f64 {
        let high = self.mean.bounds(alpha).high;
        if self.varied() { high } else { high.max(self.collapsed(self.above, alpha)) }
    }

    fn varied(&self) -> bool {
        self.below + self.above >= FEWEST_CHANGED as u64
    }

    /// The mean lies no further from 0 than the chance of a change to that side times the whole range: exact where the
    /// spread collapses. Without a range nothing bounds it.
    fn collapsed(&self, changed: u64, alpha: Alpha) -> f64 {
        match (self.scale, Count::new(changed, self.clusters)) {
            (Scale::Share, Some(count)) => clopper_pearson_upper(count, alpha),
            (Scale::Share, None) => 1.0,
            (Scale::Ratio, _) => f64::INFINITY,
        }
    }
}
