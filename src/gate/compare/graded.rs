//! Differences between two sides summed up by cluster. What is missing leaves a range: each bound is the one that holds
//! whatever the missing samples would have been.

use std::collections::BTreeMap;

use super::data::{Comparable, Scale};
use super::decide::Bounds;
use crate::stats::{Alpha, Count, clopper_pearson_lower, clopper_pearson_upper, float, student_quantile};

/// Differences that are not 0 below which a spread is not believed, unless every cluster has changed, and not all alike.
/// Source: simulation over 40 cells of suites of 30 to 500 cases: false passes fall from up to 55 % to at most 6 %.
pub(super) const FEWEST_CHANGED: u64 = 20;

/// Clusters beyond which nobody is told to go.
const MOST_CLUSTERS: u64 = 100_000_000;

/// Sizes of a drop that are counted where the spread is not believed.
const STEPS: [f64; 4] = [0.25, 0.5, 0.75, 1.0];

/// A number at its least and at its most, over everything that the missing samples may have been.
#[derive(Clone, Copy, Default, Debug)]
struct Range<T> {
    least: T,
    most: T,
}

/// Differences, summed up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Graded {
    mean: Range<f64>,
    error: Range<f64>,
    freedom: f64,
    /// Independent groups.
    pub(super) clusters: u64,
    below: Range<u64>,
    above: Range<u64>,
    changed: Range<u64>,
    /// Whether so few clusters are there that each of them must have changed, and they have, by different amounts.
    few_but_varied: bool,
    /// Clusters that surely fell by each of [`STEPS`] or more.
    drops: [u64; STEPS.len()],
    /// The smallest and the largest cluster, in cases, as a multiple of the mean one.
    weight: Range<f64>,
    scale: Scale,
}

/// One cluster: the sum of its differences, and its cases.
#[derive(Clone, Copy, Default)]
struct Cluster {
    sum: Range<f64>,
    cases: u64,
}

impl Cluster {
    fn mean(self) -> Range<f64> {
        let cases = float(self.cases.max(1));
        Range { least: self.sum.least / cases, most: self.sum.most / cases }
    }

    /// The distance from the mean of all cases, whose range is given.
    fn residual(self, mean: Range<f64>) -> Range<f64> {
        let cases = float(self.cases);
        let (low, high) = (self.sum.least - mean.most * cases, self.sum.most - mean.least * cases);
        let least = if low > 0.0 { low } else { (-high).max(0.0) };
        Range { least, most: low.abs().max(high.abs()) }
    }
}

/// Sums up. None where something is missing without a bound, and for fewer than two clusters.
pub(super) fn graded(data: &Comparable) -> Option<Graded> {
    let mut clusters: BTreeMap<u64, Cluster> = BTreeMap::new();
    for (cluster, difference) in data.ranges() {
        let (least, most) = difference?;
        let total = clusters.entry(cluster).or_default();
        total.sum = Range { least: total.sum.least + least, most: total.sum.most + most };
        total.cases += 1;
    }
    let groups = clusters.len() as u64;
    let cases = float(data.units.len() as u64);
    if groups < 2 {
        return None;
    }
    let all = || clusters.values();
    let mean = Range {
        least: all().map(|cluster| cluster.sum.least).sum::<f64>() / cases,
        most: all().map(|cluster| cluster.sum.most).sum::<f64>() / cases,
    };
    // CR1, as in `stats::clustered_mean`, with each residual at its smallest and at its largest.
    let error = |squares: f64| (float(groups) / float(groups - 1) * squares).sqrt() / cases;
    let squares = |side: fn(Range<f64>) -> f64| all().map(|cluster| side(cluster.residual(mean)).powi(2)).sum::<f64>();
    let count = |holds: &dyn Fn(Range<f64>) -> bool| all().filter(|cluster| holds(cluster.mean())).count() as u64;
    let scaled = |cases_of_one: u64| float(cases_of_one) * float(groups) / cases;
    let unchanged = count(&|d| d.least == 0.0 && d.most == 0.0);
    let (sizes_least, sizes_most) =
        all().fold((u64::MAX, 0), |(least, most), cluster| (least.min(cluster.cases), most.max(cluster.cases)));
    let below = Range { least: count(&|d| d.most < 0.0), most: count(&|d| d.least < 0.0) };
    let above = Range { least: count(&|d| d.least > 0.0), most: count(&|d| d.most > 0.0) };
    Some(Graded {
        mean,
        error: Range { least: error(squares(|r| r.least)), most: error(squares(|r| r.most)) },
        freedom: float(groups - 1),
        clusters: groups,
        below,
        above,
        changed: Range { least: below.least + above.least, most: groups - unchanged },
        few_but_varied: groups < FEWEST_CHANGED && unchanged == 0 && varied(all().map(|cluster| cluster.mean())),
        drops: STEPS.map(|step| count(&|d| d.most <= -step)),
        weight: Range { least: scaled(sizes_least), most: scaled(sizes_most) },
        scale: data.scale,
    })
}

/// Whether nothing is missing, and at least half of the values are not the middle one: else what would widen the spread has
/// perhaps only not been seen.
fn varied(means: impl Iterator<Item = Range<f64>>) -> bool {
    let means: Vec<Range<f64>> = means.collect();
    let mut values: Vec<f64> = means.iter().map(|mean| mean.least).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.get(values.len() / 2).copied().unwrap_or_default();
    let apart = values.iter().filter(|value| (**value - middle).abs() > 1e-9).count();
    means.iter().all(|mean| mean.least == mean.most) && 2 * apart >= values.len()
}

impl Graded {
    /// The bounds at the error rates.
    pub(super) fn bounds(&self, pass: Alpha, fail: Alpha) -> Bounds {
        let few = FEWEST_CHANGED.min(self.clusters);
        Bounds {
            low: self.low(pass, self.mean.least, self.error.most, self.below.most, self.is_believed()),
            high: self.high(fail),
            best_low: self.low(pass, self.mean.most, self.error.least, self.below.least, self.changed.most >= few),
        }
    }

    /// The variance of one cluster's difference.
    pub(super) fn spread(&self) -> f64 {
        self.error.most.powi(2) * float(self.clusters)
    }

    /// The smallest margin that can pass while the spread is not believed; 0 where it is.
    pub(super) fn least_margin(&self, alpha: Alpha) -> f64 {
        if self.is_believed() { 0.0 } else { self.at_most(self.below.most, alpha) }
    }

    /// So many clusters of such sizes, with no more drops, could pass by a margin; none where no number would do. At least
    /// the number that there is where the spread is believed.
    pub(super) fn clusters_for(&self, margin: f64, alpha: Alpha) -> Option<u64> {
        if self.is_believed() {
            return Some(self.clusters);
        }
        let enough = |clusters: u64| Graded { clusters, ..*self }.at_most(self.below.most, alpha) < margin;
        let mut high = self.clusters.max(1);
        while !enough(high) {
            high = high.checked_mul(2).filter(|high| *high <= MOST_CLUSTERS)?;
        }
        let mut low = high / 2;
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if enough(middle) { high = middle } else { low = middle }
        }
        Some(high)
    }

    /// Clusters that may have changed.
    pub(super) fn changed(&self) -> u64 {
        self.changed.most
    }

    /// What the values are.
    pub(super) fn scale(&self) -> Scale {
        self.scale
    }

    fn low(&self, alpha: Alpha, mean: f64, error: f64, below: u64, believed: bool) -> f64 {
        let low = mean - student_quantile(1.0 - alpha.value(), self.freedom) * error;
        if believed { low } else { low.min(-self.at_most(below, alpha)) }
    }

    fn high(&self, alpha: Alpha) -> f64 {
        let high = self.mean.most + student_quantile(1.0 - alpha.value(), self.freedom) * self.error.most;
        if self.is_believed() {
            return high;
        }
        // Half of the error for what rose, half for what fell: exact, and below 0 only where large drops are common.
        let half = alpha.half();
        let rise = self.at_most(self.above.most, half);
        high.max(rise - self.fallen(half))
    }

    fn is_believed(&self) -> bool {
        self.changed.least >= FEWEST_CHANGED || self.few_but_varied
    }

    /// The mean lies no further from 0 than the chance of a change to that side times the whole range: exact where the
    /// spread collapses. Without a range nothing bounds it.
    fn at_most(&self, changed: u64, alpha: Alpha) -> f64 {
        match (self.scale, Count::new(changed, self.clusters)) {
            (Scale::Share, Some(count)) => (self.weight.most * clopper_pearson_upper(count, alpha)).min(1.0),
            (Scale::Share, None) => 1.0,
            (Scale::Ratio, _) => f64::INFINITY,
        }
    }

    /// What the mean has fallen at least by the clusters that fell: a sum over the steps, each with its part of the error.
    fn fallen(&self, alpha: Alpha) -> f64 {
        let [step, ..] = STEPS;
        let each = alpha.split(u32::try_from(STEPS.len()).unwrap_or(u32::MAX));
        let counts = self.drops.iter().filter_map(|drops| Count::new(*drops, self.clusters));
        counts.map(|count| step * self.weight.least * clopper_pearson_lower(count, each)).sum()
    }
}
