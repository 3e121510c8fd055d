//! What one threshold can show with the cases that it has.

use super::planned::Planned;
use super::types::{ExpectedAt, PlannedThreshold};
use super::{LOOKS, POWER, SPENDING, smallest};
use crate::gate::data::FEWEST_VARIED;
use crate::gate::{
    DecideBy, Direction, FEWEST_CLUSTERS, MetricName, Source, Threshold, Unit, known_metric, named_score_unit,
};
use crate::stats::{
    Alpha, BinomialPlan, Count, beta_quantile, clopper_pearson_lower, clopper_pearson_upper, expected_binomial, float,
    quantile_ranks,
};

/// Whether some result of a run passes a threshold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CanPass {
    /// At least one does, as far as is known before the run.
    Yes,
    /// None does.
    Never {
        /// Units that there are.
        units: u64,
        /// Units of which a perfect result passes; none where no number would do.
        needed: Option<u64>,
    },
}

/// What a threshold's numbers are.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Measure {
    /// Yes or no for each sample.
    Rate,
    /// A share from 0 to 1 for each sample.
    Score,
    /// The same, for cases that are known only after the run: at most all of the scope.
    Named,
    /// A quantile of a quantity.
    Quantile(f64),
    /// A mean of a quantity.
    Mean,
    /// A sum.
    Total,
}

fn measure(threshold: &Threshold) -> Measure {
    match known_metric(threshold.metric.as_str()).map(|known| known.source) {
        None => match named_score_unit(threshold.metric.as_str().trim_start_matches("score:")) {
            // A value of all samples together needs as many groups as a mean does.
            Unit::Number => Measure::Mean,
            Unit::Share | Unit::Milliseconds | Unit::Dollars | Unit::Tokens => Measure::Named,
        },
        Some(Source::Passed | Source::Errors | Source::Unscored) => Measure::Rate,
        Some(Source::Score) => Measure::Score,
        Some(Source::Latency(q) | Source::FirstToken(q)) => Measure::Quantile(q),
        Some(Source::LatencyMean | Source::FirstTokenMean | Source::CostPerSample) => Measure::Mean,
        Some(Source::Cost | Source::PromptTokens | Source::CompletionTokens) => Measure::Total,
    }
}

/// A bound with its side.
#[derive(Clone, Copy)]
pub(super) struct Bound {
    value: f64,
    side: Direction,
    alpha: Alpha,
}

impl Bound {
    pub(super) fn of(threshold: &Threshold) -> Option<Self> {
        let alpha = Alpha::new(1.0 - threshold.confidence)?;
        match (threshold.min, threshold.max) {
            (Some(value), None) => Some(Self { value, side: Direction::Higher, alpha }),
            (None, Some(value)) => Some(Self { value, side: Direction::Lower, alpha }),
            (_, _) => None,
        }
    }

    /// The bound, in the metric's unit.
    pub(super) fn value(&self) -> f64 {
        self.value
    }

    /// Its side.
    pub(super) fn side(&self) -> Direction {
        self.side
    }

    /// Whether so many failures among so many units pass, by the exact bound of the gate.
    fn passes(&self, failures: u64, n: u64) -> bool {
        match self.side {
            Direction::Higher => Count::new(n.saturating_sub(failures), n)
                .is_some_and(|count| clopper_pearson_lower(count, self.alpha) >= self.value),
            Direction::Lower => {
                Count::new(failures, n).is_some_and(|count| clopper_pearson_upper(count, self.alpha) <= self.value)
            }
        }
    }

    /// Whether so many failures fail, likewise.
    fn fails(&self, failures: u64, n: u64) -> bool {
        match self.side {
            Direction::Higher => Count::new(n.saturating_sub(failures), n)
                .is_some_and(|count| clopper_pearson_upper(count, self.alpha) < self.value),
            Direction::Lower => {
                Count::new(failures, n).is_some_and(|count| clopper_pearson_lower(count, self.alpha) > self.value)
            }
        }
    }

    /// The bound as a rate of successes.
    fn success(&self) -> f64 {
        self.own(self.value)
    }

    /// A rate of successes in the metric's own unit; the way back is the same.
    fn own(&self, rate: f64) -> f64 {
        if self.side == Direction::Higher { rate } else { 1.0 - rate }
    }
}

/// Whether some result passes with what is planned. What is not known before the run (which cases carry a named score, how
/// many samples are served by a cache) is taken as if it helped: a pass that is possible is never called impossible.
pub fn threshold_can_pass(threshold: &Threshold, planned: &Planned) -> CanPass {
    let Some(bound) = Bound::of(threshold) else { return CanPass::Yes };
    let measure = measure(threshold);
    let units = units(measure, planned);
    if units == 0 {
        return CanPass::Never { units, needed: Some(needed(measure, bound, planned).unwrap_or(1)) };
    }
    if threshold.decide_by == DecideBy::Point || possible(measure, bound, planned) {
        return CanPass::Yes;
    }
    CanPass::Never { units, needed: needed(measure, bound, planned) }
}

fn units(measure: Measure, planned: &Planned) -> u64 {
    match measure {
        Measure::Rate | Measure::Score | Measure::Named | Measure::Mean => planned.groups,
        Measure::Quantile(_) | Measure::Total => planned.samples,
    }
}

fn possible(measure: Measure, bound: Bound, planned: &Planned) -> bool {
    let enough = planned.is_single() || planned.groups >= FEWEST_CLUSTERS;
    match measure {
        Measure::Rate => enough && (bound.passes(0, planned.groups) || beyond_perfect(bound, planned)),
        Measure::Score => enough && (bound.passes(0, planned.groups) || is_spread(planned)),
        // The cases that carry it may be single where others are not.
        Measure::Named => bound.passes(0, planned.groups) || is_spread(planned),
        Measure::Quantile(q) => bounded(q, bound.alpha, planned.samples),
        Measure::Mean => planned.groups >= FEWEST_CLUSTERS,
        Measure::Total => true,
    }
}

/// Whether there are enough groups for their spread to be believed: graded results close to perfect then show more than
/// perfect ones, whose spread says nothing.
fn is_spread(planned: &Planned) -> bool {
    planned.groups > FEWEST_VARIED as u64
}

/// The same for repeats and clusters of yes-or-no results: at least 20 groups must miss a part to be believed, and that
/// caps the mean, hence the bound.
fn beyond_perfect(bound: Bound, planned: &Planned) -> bool {
    if planned.is_single() || !is_spread(planned) {
        return false;
    }
    let missing = (planned.groups / 2 + 1).min(FEWEST_VARIED as u64);
    let part = 1.0 / f64::from(planned.most_repeats.max(1));
    bound.success() <= 1.0 - float(missing) * part / float(planned.cases)
}

/// Whether so many samples bound the quantile from above at all.
fn bounded(q: f64, alpha: Alpha, samples: u64) -> bool {
    let both = Alpha::new(2.0 * alpha.value()).unwrap_or(alpha);
    let n = usize::try_from(samples).unwrap_or(usize::MAX);
    n > 0 && quantile_ranks(n, q, both).1 <= n
}

/// Units of which a perfect result passes.
fn needed(measure: Measure, bound: Bound, planned: &Planned) -> Option<u64> {
    match measure {
        Measure::Rate | Measure::Score | Measure::Named => {
            let least = if planned.is_single() { 1 } else { FEWEST_CLUSTERS };
            smallest(|n| bound.passes(0, n)).map(|n| n.max(least))
        }
        Measure::Quantile(q) => smallest(|n| bounded(q, bound.alpha, n)),
        Measure::Mean => Some(FEWEST_CLUSTERS),
        Measure::Total => Some(1),
    }
}

/// A metric's name as reports have it: a policy may write `score:` before a named score.
pub(super) fn plain_name(metric: &MetricName) -> MetricName {
    let plain = metric.as_str().strip_prefix("score:").and_then(|name| MetricName::new(name).ok());
    plain.unwrap_or_else(|| metric.clone())
}

/// Everything that can be said of a threshold before the run. None for one that has not exactly one bound.
pub fn plan_threshold(threshold: &Threshold, scope: Option<String>, planned: Planned) -> Option<PlannedThreshold> {
    let bound = Bound::of(threshold)?;
    let measure = measure(threshold);
    let n = units(measure, &planned);
    let mut plan = PlannedThreshold {
        metric: plain_name(&threshold.metric),
        scope,
        bound: bound.value,
        direction: bound.side,
        confidence: threshold.confidence,
        decide_by: threshold.decide_by,
        required: threshold.required,
        planned,
        units: n,
        possible: threshold_can_pass(threshold, &planned) == CanPass::Yes,
        needed: needed(measure, bound, &planned),
        failures_allowed: None,
        passes_at: None,
        fails_at: None,
        early: Vec::new(),
    };
    let yes_or_no = matches!(measure, Measure::Rate | Measure::Score | Measure::Named) && planned.is_single() && n > 0;
    if yes_or_no && threshold.decide_by == DecideBy::Interval {
        chances(&mut plan, bound, n);
    }
    Some(plan)
}

fn chances(plan: &mut PlannedThreshold, bound: Bound, n: u64) {
    let first = |holds: &dyn Fn(u64) -> bool| {
        let (mut low, mut high) = (0, n + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(middle) { high = middle } else { low = middle + 1 }
        }
        low
    };
    let allowed = first(&|failures| !bound.passes(failures, n)).checked_sub(1);
    let failing = Some(first(&|failures| bound.fails(failures, n))).filter(|failures| *failures <= n);
    // P(at most f failures) = I_p(n - f, f + 1) for a rate p of successes.
    let passes_at = allowed.filter(|f| *f < n).map(|f| beta_quantile(POWER, float(n - f), float(f + 1)));
    let fails_at = failing.filter(|g| *g > 0).map(|g| beta_quantile(1.0 - POWER, float(n - g + 1), float(g)));
    plan.failures_allowed = allowed;
    plan.passes_at = passes_at.map(|rate| bound.own(rate));
    plan.fails_at = fails_at.map(|rate| bound.own(rate));
    let test = BinomialPlan { n, looks: LOOKS, rate: bound.success(), alpha: bound.alpha, rho: SPENDING };
    let rates = [fails_at, Some(bound.success()), passes_at, Some(1.0)];
    plan.early = rates
        .into_iter()
        .flatten()
        .filter_map(|rate| {
            let expected = expected_binomial(test, rate)?;
            Some(ExpectedAt {
                rate: bound.own(rate),
                pass: expected.pass,
                fail: expected.fail,
                inconclusive: expected.open(),
                share: expected.share,
                units: expected.share * float(n),
            })
        })
        .collect();
}
