//! The rule itself: pass when the drop is shown to be within the margin, fail when a drop is shown, else neither.

use super::data::{Comparable, Doubt, Scale};
use super::graded::{FEWEST_CHANGED, Graded, graded};
use super::rule::FailWhen;
use crate::gate::FEWEST_CLUSTERS;
use crate::stats::{Alpha, Count, Pairs, clopper_pearson_upper, tango_bounds};

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
    /// What `low` would be with missing samples counted for it: where this passes, nothing fails.
    pub best_low: f64,
}

impl Bounds {
    /// What both say.
    fn and(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
            best_low: self.best_low.max(other.best_low),
        }
    }
}

/// Whether the values of a metric can be anything but yes or no.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Nature {
    /// Passed or not, in error or not.
    YesOrNo,
    /// A score: also where all that were seen are 0 or 1.
    Score,
}

/// The data in the form that bounds are made of, once for any number of error rates.
#[derive(Clone, Debug)]
pub(super) enum Evidence {
    /// Yes-or-no pairs.
    Binary {
        /// With missing samples counted against the candidate.
        against: Pairs,
        /// With missing samples counted for it.
        favour: Pairs,
        /// The same as differences, where what is missing may have been neither yes nor no.
        check: Option<Graded>,
    },
    /// Differences by cluster, and the number of clusters; no differences where something is missing without a bound.
    Graded(Option<Graded>, u64),
}

impl Evidence {
    /// Sums the pairs up.
    pub(super) fn of(data: &Comparable, nature: Nature) -> Self {
        let clusters = data.clusters();
        if data.is_yes_or_no()
            && clusters == data.units.len() as u64
            && let (Some(against), Some(favour)) = (data.counts(Doubt::Against), data.counts(Doubt::For))
        {
            // Else a score that goes missing could change the method, and the method the verdict.
            let check = (nature == Nature::Score && data.missing() > 0).then(|| graded(data)).flatten();
            return Evidence::Binary { against, favour, check };
        }
        Evidence::Graded(graded(data), clusters)
    }

    /// Bounds at the error rates. None where there is too little for any.
    pub(super) fn bounds(&self, levels: Levels) -> Option<Bounds> {
        match self {
            Evidence::Binary { against, favour, check } => {
                let bounds = Bounds {
                    low: tango_bounds(*against, levels.pass).low,
                    high: tango_bounds(*favour, levels.fail).high,
                    best_low: tango_bounds(*favour, levels.pass).low,
                };
                Some(check.map_or(bounds, |check| bounds.and(check.bounds(levels.pass, levels.fail))))
            }
            Evidence::Graded(graded, _) => graded.map(|graded| graded.bounds(levels.pass, levels.fail)),
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
        } else if bounds.high < limit && bounds.best_low <= -margin {
            Decision::Fail
        } else {
            Decision::Open
        }
    }

    /// Independent groups; none for yes-or-no pairs, whose method needs no least number.
    pub(super) fn clusters(&self) -> Option<u64> {
        match self {
            Evidence::Binary { check, .. } => check.map(|check| check.clusters),
            Evidence::Graded(_, clusters) => Some(*clusters),
        }
    }

    /// The variance of one unit's difference, for how many would be needed.
    pub(super) fn variance(&self) -> Option<f64> {
        match self {
            Evidence::Binary { against, favour, check: _ } => {
                let middle = 0.5 * (against.discordant() + favour.discordant());
                Some(not_collapsed(middle, (favour.up() + favour.down(), favour.n())))
            }
            Evidence::Graded(graded, _) => {
                let graded = (*graded)?;
                match graded.scale() {
                    Scale::Share => Some(not_collapsed(graded.spread(), (graded.changed(), graded.clusters))),
                    Scale::Ratio => Some(graded.spread()),
                }
            }
        }
    }

    /// The smallest margin that can pass where the spread is not believed; 0 where it is.
    pub(super) fn least_margin(&self, alpha: Alpha) -> f64 {
        match self {
            Evidence::Graded(Some(graded), _) => graded.least_margin(alpha),
            Evidence::Graded(None, _) | Evidence::Binary { .. } => 0.0,
        }
    }

    /// The clusters that the spread needs to be believed, or not to be needed, at a margin; none where no number would do.
    pub(super) fn clusters_for(&self, margin: f64, alpha: Alpha) -> Option<u64> {
        match self {
            Evidence::Graded(Some(graded), _) => graded.clusters_for(margin, alpha),
            Evidence::Graded(None, clusters) => Some(*clusters),
            Evidence::Binary { .. } => Some(0),
        }
    }

    /// The method's name in reports.
    pub(super) fn method(&self) -> &'static str {
        match self {
            Evidence::Binary { .. } => "tango",
            Evidence::Graded(..) => "t-clustered",
        }
    }
}

/// A variance from few changes says little: no less than the share of changes that so few do not exclude.
fn not_collapsed(variance: f64, (changed, n): (u64, u64)) -> f64 {
    if changed >= FEWEST_CHANGED {
        return variance;
    }
    let possible =
        Count::new(changed, n).zip(Alpha::new(0.05)).map(|(count, alpha)| clopper_pearson_upper(count, alpha));
    variance.max(possible.unwrap_or(1.0))
}
