//! Intervals and tests by drawing again from the data. Cross-checks of a report: nothing is decided by them.

use super::random::Generator;
use super::special::{normal_cdf, normal_quantile};
use super::{Alpha, Interval, float};

/// Sign patterns up to which all of them are tried.
const EXACT_VALUES: usize = 20;

/// The two-sided bias-corrected and accelerated bootstrap interval of a mean, with error `alpha`. None without values; a
/// point where nothing varies. `resamples` should be 9,999 or more.
/// Source: B. Efron, Better bootstrap confidence intervals, JASA 82, 1987.
pub fn bootstrap_mean(values: &[f64], alpha: Alpha, resamples: usize, seed: u64) -> Option<Interval> {
    let first = *values.first()?;
    if values.iter().all(|value| *value == first) {
        return Some(Interval { low: first, high: first });
    }
    let n = float(values.len() as u64);
    let total: f64 = values.iter().sum();
    let mean = total / n;
    let mut generator = Generator::new(seed);
    let mut means: Vec<f64> = (0..resamples.max(1))
        .map(|_| {
            let drawn = (0..values.len()).map(|_| values.get(generator.index(values.len())).copied().unwrap_or(mean));
            drawn.sum::<f64>() / n
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let count = float(means.len() as u64);
    let below = float(means.partition_point(|drawn| *drawn < mean) as u64);
    let equal = float(means.partition_point(|drawn| *drawn <= mean) as u64) - below;
    // Ties with the estimate count half; the correction stays finite.
    let share = ((below + 0.5 * equal) / count).clamp(0.5 / count, 1.0 - 0.5 / count);
    let bias = normal_quantile(share);
    // The jackknife of a mean: leaving x out moves it by (mean - x) / (n - 1).
    let (squares, cubes) =
        values.iter().map(|value| mean - value).fold((0.0, 0.0), |(s, c), d| (s + d * d, c - d * d * d));
    let acceleration = if squares > 0.0 { cubes / (6.0 * squares.powf(1.5)) } else { 0.0 };
    let end = |p: f64| {
        let z = bias + normal_quantile(p);
        let level = normal_cdf(bias + z / (1.0 - acceleration * z));
        quantile_of_sorted(&means, level)
    };
    let side = alpha.half().value();
    Some(Interval { low: end(side), high: end(1.0 - side) })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a position within the values")]
fn quantile_of_sorted(sorted: &[f64], level: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let place = level.clamp(0.0, 1.0) * float(last as u64);
    let index = (place.floor() as usize).min(last);
    let low = sorted.get(index).copied().unwrap_or(f64::NAN);
    let high = sorted.get((index + 1).min(last)).copied().unwrap_or(low);
    low + (place - place.floor()) * (high - low)
}

/// P-values of a sign-flip test.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SignFlip {
    /// For a small sum.
    pub worse: f64,
    /// For a sum far from 0 either way.
    pub two_sided: f64,
}

/// The permutation test of paired differences under exchangeable signs: all patterns of up to 20 differences that are not
/// 0, else `draws` random ones (the data's own pattern counted among them).
/// Source: R. Fisher, The Design of Experiments, 1935, section 21; random patterns: B. Phipson and G. Smyth 2010.
pub fn sign_flip(differences: &[f64], draws: usize, seed: u64) -> SignFlip {
    // A difference of 0 doubles every count, and changes no share.
    let values: Vec<f64> = differences.iter().copied().filter(|value| *value != 0.0).collect();
    let seen: f64 = values.iter().sum();
    let slack = 1e-9;
    let (mut worse, mut extreme, mut all) = (0_u64, 0_u64, 0_u64);
    let mut look = |sum: f64| {
        all += 1;
        worse += u64::from(sum <= seen + slack);
        extreme += u64::from(sum.abs() >= seen.abs() - slack);
    };
    if values.len() <= EXACT_VALUES {
        for pattern in 0_u32..1 << values.len() {
            let signed = values.iter().enumerate().map(|(bit, v)| if pattern >> bit & 1 == 1 { -v } else { *v });
            look(signed.sum());
        }
    } else {
        look(seen);
        let mut generator = Generator::new(seed);
        for _ in 0..draws {
            let mut bits = 0_u64;
            let signed = values.iter().enumerate().map(|(index, value)| {
                if index % 64 == 0 {
                    bits = generator.next_bits();
                }
                let sign = bits & 1;
                bits >>= 1;
                if sign == 1 { -value } else { *value }
            });
            look(signed.sum());
        }
    }
    SignFlip { worse: float(worse) / float(all), two_sided: float(extreme) / float(all) }
}
