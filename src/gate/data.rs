//! What a metric is computed from: plain numbers, a few bytes a case. What is missing stays in them.

use std::collections::BTreeMap;

use super::Aggregate;
use crate::stats::{Alpha, Count, Interval, Mean, clopper_pearson_lower, clopper_pearson_upper, clustered_mean};
use crate::stats::{float, quantile_interval, wilson};

/// Clusters below which no interval is trusted (research: cluster-robust errors are too small for fewer).
pub const FEWEST_CLUSTERS: u64 = 10;
/// Clusters that must differ from the rest before their spread is believed.
pub(super) const FEWEST_VARIED: usize = 20;

/// The method of a value that another tool has recorded.
pub(super) const RECORDED: &str = "t-recorded";
/// The method of several of them, which have no value together.
pub(super) const SEVERAL: &str = "several-recorded";

/// All samples of one case, as shares from 0 to 1.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Unit {
    /// The group of cases that are no independent evidence; a case alone has a number of its own.
    pub cluster: u64,
    /// Sum over the judged samples.
    pub sum: f64,
    /// Judged samples.
    pub judged: u32,
    /// Samples in error or unscored.
    pub missing: u32,
}

/// The numbers behind one metric.
#[derive(Clone, PartialEq, Debug)]
pub enum Data {
    /// A mean of shares: pass rate, accuracy, a named score.
    Share(Vec<Unit>),
    /// A quantile of a quantity without upper end.
    Quantile {
        /// One value a sample; finite.
        values: Vec<f64>,
        /// Samples in error.
        missing: u64,
        /// 0 to 1.
        q: f64,
    },
    /// A mean of a quantity without upper end.
    Mean {
        /// Sum and number of values, by cluster.
        clusters: BTreeMap<u64, (f64, u64)>,
        /// Samples in error.
        missing: u64,
    },
    /// A sum that is known exactly.
    Total {
        /// The sum; finite.
        value: f64,
        /// Samples in it.
        samples: u64,
        /// Samples whose part is not known.
        missing: u64,
    },
    /// Yes-or-no samples that were counted elsewhere. Made by [`Data::aggregate`].
    Counted {
        /// Samples that hold.
        successes: u64,
        /// Samples that were judged.
        judged: u64,
        /// Samples that should have counted and were not.
        missing: u64,
    },
    /// A value of all samples together: a perplexity, a BLEU score. Made by [`Data::aggregate`].
    Aggregate {
        /// None where the samples have none.
        value: Option<f64>,
        /// Its standard error; above 0.
        standard_error: Option<f64>,
        /// Independent groups of samples.
        groups: u64,
        /// Samples that should have counted and have no parts.
        missing: u64,
        /// Whether the standard error is lm-eval's own, or one over groups.
        method: &'static str,
    },
}

/// What data say at one error rate.
#[derive(Clone, PartialEq, Debug)]
pub struct Estimate {
    /// Over what could be judged; none when nothing could.
    pub value: Option<f64>,
    /// The two-sided interval for display, missing samples counted as the worst below and as the best above.
    pub interval: Option<Interval>,
    /// One-sided bounds, each with the error rate that was asked for.
    pub bounds: Option<Interval>,
    /// How they were made.
    pub method: &'static str,
    /// Independent units.
    pub n: u64,
    /// Samples that could not be judged.
    pub missing: u64,
    /// Successes among trials where the data are independent yes-or-no samples.
    pub count: Option<Count>,
}

impl Data {
    /// Value, display interval at `display`, and decision bounds at `decide`.
    pub fn estimate(&self, display: Alpha, decide: Alpha) -> Estimate {
        match self {
            Data::Share(units) => share(units, display, decide),
            Data::Quantile { values, missing, q } => quantile(values, *missing, *q, display, decide),
            Data::Mean { clusters, missing } => mean(clusters, *missing, display, decide),
            Data::Counted { successes, judged, missing } => proportion(*successes, *judged, *missing, display, decide),
            Data::Aggregate { value, standard_error, groups, missing, method } => {
                let spread = value.zip(*standard_error).filter(|_| *groups > 1);
                let spread = spread.map(|(value, standard_error)| Mean {
                    value,
                    standard_error,
                    freedom: float(groups.saturating_sub(1)),
                });
                // Nothing bounds what a missing sample does to all others together.
                let open = Interval { low: f64::NEG_INFINITY, high: f64::INFINITY };
                let whole = |interval: Interval| if *missing == 0 { interval } else { open };
                Estimate {
                    value: *value,
                    interval: spread.map(|spread| whole(spread.interval(display))),
                    bounds: spread.map(|spread| whole(spread.bounds(decide))),
                    method,
                    n: *groups,
                    missing: *missing,
                    count: None,
                }
            }
            Data::Total { value, samples, missing } => {
                let known = *samples > 0;
                let top = if *missing == 0 { *value } else { f64::INFINITY };
                let exact = Interval { low: *value, high: top };
                Estimate {
                    value: known.then_some(*value),
                    interval: (known && *missing == 0).then_some(exact),
                    bounds: known.then_some(exact),
                    method: "exact",
                    n: *samples,
                    missing: *missing,
                    count: None,
                }
            }
        }
    }
}

impl Data {
    /// The value of all samples together, each with the group that it belongs to. The interval is Student's t with one degree of
    /// freedom fewer than there are groups, over lm-eval's own standard error (`t-bootstrap`) where every sample is a group of its
    /// own and lm-eval has one, else over the jackknife of the groups (`t-jackknife`). Samples that are all alike say nothing of
    /// what others would be: a standard error of 0 is none. What another tool has recorded is taken with its own standard error
    /// and number of samples (`t-recorded`), and what it has counted is a proportion.
    pub fn aggregate(aggregate: Aggregate, samples: &[(u64, &[f64])], missing: u64) -> Self {
        match aggregate {
            Aggregate::Counted => return counted(samples, missing),
            Aggregate::Recorded => return recorded(samples, missing),
            Aggregate::Mean
            | Aggregate::Median
            | Aggregate::Perplexity
            | Aggregate::WeightedPerplexity
            | Aggregate::BitsPerByte
            | Aggregate::F1
            | Aggregate::Mcc
            | Aggregate::Bleu
            | Aggregate::Chrf
            | Aggregate::Ter => {}
        }
        let parts: Vec<&[f64]> = samples.iter().map(|(_, parts)| *parts).collect();
        let groups = samples.iter().map(|(group, _)| *group).collect::<std::collections::BTreeSet<u64>>().len();
        let own = if groups == samples.len() { aggregate.stderr(&parts) } else { None };
        let (standard_error, method) = match own {
            Some(own) => (Some(own), "t-bootstrap"),
            None => (aggregate.jackknife(samples), "t-jackknife"),
        };
        let value = aggregate.combine(&parts);
        let standard_error = standard_error.filter(|error| says_something(*error, value));
        Data::Aggregate { value, standard_error, groups: groups as u64, missing, method }
    }

    /// The sum over the means of judged cases, and their number; none for anything but shares.
    pub(super) fn sum_of_shares(&self) -> Option<(f64, u64)> {
        let Data::Share(units) = self else { return None };
        let judged = || units.iter().filter(|unit| unit.judged > 0);
        Some((judged().map(|unit| unit.sum / f64::from(unit.judged)).sum(), judged().count() as u64))
    }
}

/// What rounding leaves of nothing is nothing.
fn says_something(standard_error: f64, value: Option<f64>) -> bool {
    standard_error.is_finite() && standard_error > 1e-12 * value.unwrap_or_default().abs()
}

fn counted(samples: &[(u64, &[f64])], missing: u64) -> Data {
    let (mut successes, mut judged) = (0, 0_u64);
    for (_, parts) in samples {
        let [held, of] = parts else { continue };
        successes += count_of(*held);
        judged = judged.saturating_add(count_of(*of));
    }
    Data::Counted { successes, judged, missing }
}

/// One record; several have no value together, and say so by their method.
fn recorded(samples: &[(u64, &[f64])], missing: u64) -> Data {
    match samples {
        [(_, [value, of, more @ ..])] => {
            let standard_error = more.first().copied().filter(|error| says_something(*error, Some(*value)));
            let (value, groups) = (Some(*value), count_of(*of));
            Data::Aggregate { value, standard_error, groups, missing, method: RECORDED }
        }
        _ => {
            let missing = missing + samples.len() as u64;
            Data::Aggregate { value: None, standard_error: None, groups: 0, missing, method: SEVERAL }
        }
    }
}

/// A number that was checked to be a count.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number from 0 to 2^53")]
fn count_of(number: f64) -> u64 {
    number as u64
}

fn share(units: &[Unit], display: Alpha, decide: Alpha) -> Estimate {
    let judged: u64 = units.iter().map(|unit| u64::from(unit.judged)).sum();
    let missing: u64 = units.iter().map(|unit| u64::from(unit.missing)).sum();
    let clusters: std::collections::BTreeSet<u64> = units.iter().map(|unit| unit.cluster).collect();
    let single = |unit: &Unit| unit.judged + unit.missing == 1 && (unit.sum == 0.0 || unit.sum == 1.0);
    if clusters.len() == units.len() && units.iter().all(single) {
        return proportion(
            units.iter().filter(|unit| unit.sum == 1.0).count() as u64,
            judged,
            missing,
            display,
            decide,
        );
    }
    // A case is worth one, whatever its repeats; what is missing of it is counted as nothing, or as everything.
    let by_cluster = |missing_is: f64| {
        let mut totals: BTreeMap<u64, (f64, u64)> = BTreeMap::new();
        for unit in units.iter().filter(|unit| unit.judged + unit.missing > 0) {
            let value = (unit.sum + missing_is * f64::from(unit.missing)) / f64::from(unit.judged + unit.missing);
            let total = totals.entry(unit.cluster).or_default();
            *total = (total.0 + value, total.1 + 1);
        }
        totals.into_values().collect::<Vec<_>>()
    };
    let (worst, best) = (by_cluster(0.0), by_cluster(1.0));
    let means: Vec<f64> =
        units.iter().filter(|unit| unit.judged > 0).map(|unit| unit.sum / f64::from(unit.judged)).collect();
    let span = |alpha: Alpha| -> Option<Interval> {
        let (low, high) = (clustered_mean(&worst)?.bounds(alpha).low, clustered_mean(&best)?.bounds(alpha).high);
        let low = if varied(&worst) { low } else { low.min(floor_of(&worst, alpha)) };
        let high = if varied(&best) { high } else { high.max(ceiling_of(&best, alpha)) };
        Some(Interval { low: low.clamp(0.0, 1.0), high: high.clamp(0.0, 1.0) })
    };
    Estimate {
        value: average(&means),
        interval: span(display.half()),
        bounds: span(decide),
        method: "t-clustered",
        n: worst.len() as u64,
        missing,
        count: None,
    }
}

fn proportion(successes: u64, judged: u64, missing: u64, display: Alpha, decide: Alpha) -> Estimate {
    let total = judged + missing;
    let (worst, best) = (Count::new(successes, total), Count::new(successes + missing, total));
    let pair = |low: &dyn Fn(Count) -> f64, high: &dyn Fn(Count) -> f64| {
        Some(Interval { low: low(worst?), high: high(best?) })
    };
    Estimate {
        value: Count::new(successes, judged).map(|count| float(count.successes()) / float(count.trials())),
        interval: pair(&|count| wilson(count, display).low, &|count| wilson(count, display).high),
        bounds: pair(&|count| clopper_pearson_lower(count, decide), &|count| clopper_pearson_upper(count, decide)),
        method: "wilson",
        n: total,
        missing,
        count: Count::new(successes, total),
    }
}

/// Whether enough clusters differ from the middle one for the spread to mean something.
fn varied(clusters: &[(f64, u64)]) -> bool {
    let mut means: Vec<f64> = clusters.iter().map(|(sum, count)| sum / float(*count)).collect();
    means.sort_by(f64::total_cmp);
    let middle = means.get(means.len() / 2).copied().unwrap_or_default();
    means.iter().filter(|mean| (**mean - middle).abs() > 1e-12).count() >= FEWEST_VARIED
}

/// The mean of a share is at least the chance of a full one: an exact bound where the spread collapses.
fn floor_of(clusters: &[(f64, u64)], alpha: Alpha) -> f64 {
    let full = clusters.iter().filter(|(sum, count)| *sum >= float(*count)).count() as u64;
    Count::new(full, clusters.len() as u64).map_or(0.0, |count| clopper_pearson_lower(count, alpha))
}

/// And at most the chance of one that is not empty.
fn ceiling_of(clusters: &[(f64, u64)], alpha: Alpha) -> f64 {
    let some = clusters.iter().filter(|(sum, _)| *sum > 0.0).count() as u64;
    Count::new(some, clusters.len() as u64).map_or(1.0, |count| clopper_pearson_upper(count, alpha))
}

fn quantile(values: &[f64], missing: u64, q: f64, display: Alpha, decide: Alpha) -> Estimate {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank within the length of the values"
    )]
    let rank = ((q * float(sorted.len() as u64)).ceil() as usize).clamp(1, sorted.len().max(1));
    let extra = usize::try_from(missing).unwrap_or(0);
    // A missing sample may have been the slowest of all, or the fastest.
    let slow: Vec<f64> = sorted.iter().copied().chain(std::iter::repeat_n(f64::INFINITY, extra)).collect();
    let fast: Vec<f64> = std::iter::repeat_n(0.0, extra).chain(sorted.iter().copied()).collect();
    let span = |alpha: Alpha| Interval {
        low: quantile_interval(&fast, q, alpha).low.max(0.0),
        high: quantile_interval(&slow, q, alpha).high,
    };
    let both = Alpha::new(2.0 * decide.value()).unwrap_or(decide);
    let shown = span(display);
    Estimate {
        value: sorted.get(rank - 1).copied(),
        interval: (!sorted.is_empty()).then_some(shown),
        bounds: (!sorted.is_empty()).then(|| span(both)),
        method: "order-statistics",
        n: sorted.len() as u64 + missing,
        missing,
        count: None,
    }
}

fn mean(clusters: &BTreeMap<u64, (f64, u64)>, missing: u64, display: Alpha, decide: Alpha) -> Estimate {
    let totals: Vec<(f64, u64)> = clusters.values().copied().collect();
    let (sum, count) = totals.iter().fold((0.0, 0), |(sum, count), (s, c)| (sum + s, count + c));
    let spread: Option<Mean> = clustered_mean(&totals);
    let span = |interval: Interval| Interval {
        // Nothing bounds what is missing from above.
        high: if missing == 0 { interval.high } else { f64::INFINITY },
        low: if missing == 0 { interval.low } else { 0.0 },
    };
    Estimate {
        value: (count > 0).then(|| sum / float(count)),
        interval: spread.map(|spread| span(spread.interval(display))),
        bounds: spread.map(|spread| span(spread.bounds(decide))),
        method: "t-clustered",
        n: totals.len() as u64,
        missing,
        count: None,
    }
}

fn average(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / float(values.len() as u64))
}
