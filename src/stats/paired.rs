//! Two yes-or-no answers to each of n cases: what changed, and by how much.

use super::binomial::{binomial_lower_tail, binomial_pmf, binomial_upper_tail};
use super::proportion::wilson;
use super::special::normal_quantile;
use super::{Alpha, Count, Interval, float};

/// Pairs of a baseline's and a candidate's yes-or-no answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pairs {
    up: u64,
    down: u64,
    n: u64,
}

impl Pairs {
    /// `up` pairs where only the candidate is right, `down` where only the baseline is, of `n` in all, at least one.
    pub fn new(up: u64, down: u64, n: u64) -> Option<Self> {
        (n > 0 && up.checked_add(down)? <= n).then_some(Self { up, down, n })
    }

    /// Pairs where only the candidate is right.
    pub fn up(self) -> u64 {
        self.up
    }

    /// Pairs where only the baseline is right.
    pub fn down(self) -> u64 {
        self.down
    }

    /// All pairs, at least one.
    pub fn n(self) -> u64 {
        self.n
    }

    /// The candidate's rate minus the baseline's.
    pub fn difference(self) -> f64 {
        (float(self.up) - float(self.down)) / float(self.n)
    }

    /// The share of pairs that changed.
    pub fn discordant(self) -> f64 {
        float(self.up + self.down) / float(self.n)
    }

    /// The same pairs with the sides changed.
    #[must_use]
    pub fn mirrored(self) -> Self {
        Self { up: self.down, down: self.up, n: self.n }
    }
}

/// Tango's score statistic of the difference `candidate - baseline` against an assumed `delta` in -1..1: standard normal
/// when `delta` is true. It does not collapse when nothing changed.
/// Source: T. Tango, Equivalence test and confidence interval for the difference in proportions for the paired-sample
/// design, Statistics in Medicine 17, 1998.
pub fn tango_score(pairs: Pairs, delta: f64) -> f64 {
    let (up, down, n) = (float(pairs.up), float(pairs.down), float(pairs.n));
    let a = 2.0 * n;
    let b = -up - down + (2.0 * n - up + down) * delta;
    let c = -down * delta * (1.0 - delta);
    let q = ((b * b - 4.0 * a * c).max(0.0).sqrt() - b) / (2.0 * a);
    let variance = n * (2.0 * q + delta * (1.0 - delta));
    let distance = up - down - n * delta;
    if distance == 0.0 { 0.0 } else { distance / variance.max(0.0).sqrt() }
}

/// The two-sided interval of the difference with error `alpha`; one side of it is a one-sided bound with `alpha / 2`.
/// Source: as [`tango_score`].
pub fn tango(pairs: Pairs, alpha: Alpha) -> Interval {
    tango_bounds(pairs, alpha.half())
}

/// The one-sided bounds of the difference with error `alpha` each.
/// Source: as [`tango_score`].
pub fn tango_bounds(pairs: Pairs, alpha: Alpha) -> Interval {
    let z = normal_quantile(1.0 - alpha.value());
    let high = tango_end(pairs, z);
    let low = -tango_end(pairs.mirrored(), z);
    Interval { low, high }
}

/// The largest difference whose score is not below `-z`. The score falls while the assumed difference rises.
fn tango_end(pairs: Pairs, z: f64) -> f64 {
    let (mut inside, mut outside) = (pairs.difference(), 1.0);
    if tango_score(pairs, outside) >= -z {
        return outside;
    }
    for _ in 0..100 {
        let middle = 0.5 * (inside + outside);
        if middle <= inside || middle >= outside {
            break;
        }
        if tango_score(pairs, middle) >= -z { inside = middle } else { outside = middle }
    }
    0.5 * (inside + outside)
}

/// A whole two-by-two table of pairs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PairedTable {
    /// Both right.
    pub both: u64,
    /// Only the first right.
    pub first: u64,
    /// Only the second right.
    pub second: u64,
    /// Neither right.
    pub neither: u64,
}

/// The interval of the first rate minus the second, and the correlation that it uses. None for an empty table.
/// Source: R. Newcombe, Improved confidence intervals for the difference between binomial proportions based on paired
/// data, Statistics in Medicine 17, 1998, method 10.
pub fn newcombe_paired(table: PairedTable, alpha: Alpha) -> Option<(Interval, f64)> {
    let (a, b, c, d) = (float(table.both), float(table.first), float(table.second), float(table.neither));
    let n = table.both + table.first + table.second + table.neither;
    let first = Count::new(table.both + table.first, n)?;
    let second = Count::new(table.both + table.second, n)?;
    let total = float(n);
    let (p1, p2) = ((a + b) / total, (a + c) / total);
    let (one, two) = (wilson(first, alpha), wilson(second, alpha));
    let product = (a + b) * (c + d) * (a + c) * (b + d);
    let raw = a * d - b * c;
    let corrected = if raw > 0.0 { (raw - total / 2.0).max(0.0) } else { raw };
    let phi = if product > 0.0 { corrected / product.sqrt() } else { 0.0 };
    let side = |x: f64, y: f64| (x * x - 2.0 * phi * x * y + y * y).max(0.0).sqrt();
    let interval = Interval {
        low: p1 - p2 - side(p1 - one.low, two.high - p2),
        high: p1 - p2 + side(one.high - p1, p2 - two.low),
    };
    Some((interval, phi))
}

/// P-values of McNemar's test.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct McNemar {
    /// Exact, for a change either way.
    pub two_sided: f64,
    /// Exact, for the candidate being worse.
    pub worse: f64,
    /// Mid-p, for a change either way.
    pub mid_p: f64,
}

/// The exact test of whether as many cases got better as got worse.
/// Source: Q. McNemar, Psychometrika 12, 1947; mid-p: M. Fagerland, S. Lydersen and P. Laake, BMC Medical Research
/// Methodology 13, 2013.
pub fn mcnemar(pairs: Pairs) -> McNemar {
    let changed = pairs.up + pairs.down;
    let fewer = pairs.up.min(pairs.down);
    let two_sided = (2.0 * binomial_lower_tail(fewer, changed, 0.5)).min(1.0);
    let mid_p =
        if pairs.up == pairs.down { 1.0 } else { (two_sided - binomial_pmf(fewer, changed, 0.5)).clamp(0.0, 1.0) };
    McNemar { two_sided, worse: binomial_upper_tail(pairs.down, changed, 0.5), mid_p }
}

/// P-values of the sign test over paired differences.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SignTest {
    /// Differences above 0.
    pub positive: u64,
    /// Differences below 0.
    pub negative: u64,
    /// For a change either way.
    pub two_sided: f64,
    /// For many negative ones.
    pub worse: f64,
}

/// The exact sign test; differences of 0 are dropped.
/// Source: W. Dixon and A. Mood, The statistical sign test, JASA 41, 1946.
pub fn sign_test(differences: &[f64]) -> SignTest {
    let positive = differences.iter().filter(|d| **d > 0.0).count() as u64;
    let negative = differences.iter().filter(|d| **d < 0.0).count() as u64;
    let test = Pairs::new(positive, negative, positive + negative).map(mcnemar);
    SignTest {
        positive,
        negative,
        two_sided: test.map_or(1.0, |test| test.two_sided),
        worse: test.map_or(1.0, |test| test.worse),
    }
}
