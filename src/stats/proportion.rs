//! Intervals of a proportion, and how many samples would decide.

use super::special::{beta_quantile, normal_quantile};
use super::{Alpha, Count, Interval};

/// The most samples that [`samples_to_decide`] looks at.
const MOST: u64 = 100_000_000;

#[expect(clippy::cast_precision_loss, reason = "sample counts are far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

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

/// The smallest number of trials at which the one-sided exact bound, at the same rate of successes, would lie on one
/// side of `threshold`. None where the rate is the threshold itself, or where more than 10^8 trials would be needed.
pub fn samples_to_decide(count: Count, threshold: f64, alpha: Alpha) -> Option<u64> {
    let rate = float(count.successes()) / float(count.trials());
    let decides = |trials: u64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count is a count")]
        let successes =
            if rate > threshold { (rate * float(trials)).floor() } else { (rate * float(trials)).ceil() } as u64;
        let Some(count) = Count::new(successes.min(trials), trials) else { return false };
        if rate > threshold {
            clopper_pearson_lower(count, alpha) >= threshold
        } else {
            clopper_pearson_upper(count, alpha) < threshold
        }
    };
    if rate == threshold {
        return None;
    }
    let mut high = 1;
    while !decides(high) {
        high *= 2;
        if high > MOST {
            return None;
        }
    }
    let mut low = high / 2;
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if decides(middle) { high = middle } else { low = middle }
    }
    Some(high)
}
