//! Intervals of one proportion.

use super::special::{beta_quantile, normal_quantile};
use super::{Alpha, Count, Interval, float};

/// The two-sided Wilson score interval with error `alpha`, without continuity correction.
/// Source: E. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22, 1927.
pub fn wilson(count: Count, alpha: Alpha) -> Interval {
    let (k, n) = (float(count.successes()), float(count.trials()));
    let z = normal_quantile(1.0 - alpha.half().value());
    let p = k / n;
    let scale = 1.0 + z * z / n;
    let centre = (p + z * z / (2.0 * n)) / scale;
    let half = z / scale * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let low = if count.successes() == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if count.successes() == count.trials() { 1.0 } else { (centre + half).min(1.0) };
    Interval { low, high }
}

/// The exact one-sided lower bound of a proportion: its chance of lying above the truth is at most `alpha`.
/// Source: C. Clopper and E. Pearson, Biometrika 26, 1934.
pub fn clopper_pearson_lower(count: Count, alpha: Alpha) -> f64 {
    let (k, n) = (count.successes(), count.trials());
    if k == 0 { 0.0 } else { beta_quantile(alpha.value(), float(k), float(n - k + 1)) }
}

/// The exact one-sided upper bound of a proportion. Source: as [`clopper_pearson_lower`].
pub fn clopper_pearson_upper(count: Count, alpha: Alpha) -> f64 {
    let (k, n) = (count.successes(), count.trials());
    if k == n { 1.0 } else { beta_quantile(1.0 - alpha.value(), float(k + 1), float(n - k)) }
}

/// The two-sided exact interval with error `alpha`. Source: as [`clopper_pearson_lower`].
pub fn clopper_pearson(count: Count, alpha: Alpha) -> Interval {
    let side = alpha.half();
    Interval { low: clopper_pearson_lower(count, side), high: clopper_pearson_upper(count, side) }
}

/// The two-sided equal-tailed Jeffreys interval with error `alpha`, closed at 0 and 1 where nothing or everything succeeded.
/// Source: L. Brown, T. Cai and A. DasGupta, Statistical Science 16, 2001.
pub fn jeffreys(count: Count, alpha: Alpha) -> Interval {
    let (k, n) = (count.successes(), count.trials());
    let (a, b) = (float(k) + 0.5, float(n - k) + 0.5);
    let side = alpha.half().value();
    Interval {
        low: if k == 0 { 0.0 } else { beta_quantile(side, a, b) },
        high: if k == n { 1.0 } else { beta_quantile(1.0 - side, a, b) },
    }
}
