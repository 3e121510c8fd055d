//! The binomial distribution: exact tails, and the tests that are made of them.

use super::special::{incomplete_beta, ln_prefix};
use super::{Count, float};

/// P(X = k) for X of Bin(n, p). Source: C. Loader, Fast and Accurate Computation of Binomial Probabilities, 2000.
pub fn binomial_pmf(k: u64, n: u64, p: f64) -> f64 {
    if k > n {
        return 0.0;
    }
    if p <= 0.0 {
        return if k == 0 { 1.0 } else { 0.0 };
    }
    if p >= 1.0 {
        return if k == n { 1.0 } else { 0.0 };
    }
    let (k, n) = (float(k), float(n));
    // C(n, k) p^k q^(n-k) = p^(k+1) q^(n-k+1) / B(k+1, n-k+1) / ((n+1) p q).
    (ln_prefix(k + 1.0, n - k + 1.0, p) - p.ln() - (-p).ln_1p() - (n + 1.0).ln()).exp()
}

/// P(X <= k). Source: Abramowitz and Stegun 26.5.24.
pub fn binomial_lower_tail(k: u64, n: u64, p: f64) -> f64 {
    if k >= n { 1.0 } else { incomplete_beta(float(n - k), float(k + 1), 1.0 - p) }
}

/// P(X >= k). Source: as [`binomial_lower_tail`].
pub fn binomial_upper_tail(k: u64, n: u64, p: f64) -> f64 {
    match k {
        0 => 1.0,
        k if k > n => 0.0,
        k => incomplete_beta(float(k), float(n - k + 1), p),
    }
}

/// P-values of an exact binomial test.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BinomialTest {
    /// P(X <= k).
    pub less: f64,
    /// P(X >= k).
    pub greater: f64,
    /// All outcomes that are at most as likely as the one seen.
    pub two_sided: f64,
}

/// The exact test of a proportion against `p0`.
/// Source: C. Clopper and E. Pearson 1934; two-sided by the method of small p-values (J. Gibbons and J. Pratt, The American
/// Statistician 29, 1975), as `scipy.stats.binomtest` does it.
pub fn binomial_test(count: Count, p0: f64) -> BinomialTest {
    let (k, n) = (count.successes(), count.trials());
    let (less, greater) = (binomial_lower_tail(k, n, p0), binomial_upper_tail(k, n, p0));
    // Outcomes as likely as the one seen, within the rounding of the probabilities themselves.
    let limit = binomial_pmf(k, n, p0) * (1.0 + 1e-7);
    let mean = p0 * float(n);
    let two_sided = if float(k) == mean {
        1.0
    } else if float(k) < mean {
        // The mirror: the first outcome above the mode that is at most as likely.
        let first = first_holding(mode_above(mean, n), n + 1, |i| binomial_pmf(i, n, p0) <= limit);
        less + binomial_upper_tail(first, n, p0)
    } else {
        let below = first_holding(0, mode_below(mean) + 1, |i| binomial_pmf(i, n, p0) > limit);
        greater + if below == 0 { 0.0 } else { binomial_lower_tail(below - 1, n, p0) }
    };
    BinomialTest { less, greater, two_sided: two_sided.min(1.0) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of a count lies within it")]
fn mode_above(mean: f64, n: u64) -> u64 {
    (mean.ceil() as u64).min(n)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of a count lies within it")]
fn mode_below(mean: f64) -> u64 {
    mean.floor() as u64
}

/// The first of `low..high` that holds, when all behind it hold too; `high` where none does.
pub(super) fn first_holding(mut low: u64, mut high: u64, holds: impl Fn(u64) -> bool) -> u64 {
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    low
}
