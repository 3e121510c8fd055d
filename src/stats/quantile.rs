//! Intervals of a quantile by order statistics: no assumption about the distribution.

use super::binomial::binomial_lower_tail;
use super::{Alpha, Interval};

/// The two-sided interval of the `q`-quantile of sorted values, with error `alpha`. An end that so few values cannot
/// bound is infinite.
pub fn quantile_interval(sorted: &[f64], q: f64, alpha: Alpha) -> Interval {
    let (lower, upper) = quantile_ranks(sorted.len(), q, alpha);
    let value = |rank: usize| rank.checked_sub(1).and_then(|index| sorted.get(index)).copied();
    Interval { low: value(lower).unwrap_or(f64::NEG_INFINITY), high: value(upper).unwrap_or(f64::INFINITY) }
}

/// The ranks (1-based) of the values that bound the `q`-quantile of `n` values; 0 or n + 1 where none does.
/// Source: H. David and H. Nagaraja, Order Statistics, 2003, section 7.1.
pub fn quantile_ranks(n: usize, q: f64, alpha: Alpha) -> (usize, usize) {
    let side = alpha.half().value();
    // P(Bin(n, q) <= k): how likely at most k values lie below the quantile.
    let at_most = |k: usize| binomial_lower_tail(k as u64, n as u64, q);
    // The largest l with P(Bin <= l - 1) <= side, and the smallest u with P(Bin <= u - 1) >= 1 - side.
    let lower = partition(n + 1, |l| l == 0 || at_most(l - 1) <= side).saturating_sub(1);
    let upper = partition(n + 1, |u| u == 0 || at_most(u - 1) < 1.0 - side);
    (lower, upper)
}

/// How many of `0..count` hold, when those that hold come first.
fn partition(count: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { low = middle + 1 } else { high = middle }
    }
    low
}
