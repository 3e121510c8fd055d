//! Confidence sequences: intervals that hold at every time at once.

use super::super::special::ln_gamma;
use super::super::{Alpha, Count, Interval, float};
use super::bets::bets;

/// Bets of the empirical Bernstein sequence are cut here.
const LARGEST_BET: f64 = 0.5;

/// The two-sided interval of a rate by a mixture over beta-binomial likelihoods, with error `alpha` over all times; it is
/// narrowest near `best_at` samples.
/// Source: S. Howard, A. Ramdas, J. McAuliffe and J. Sekhon, Time-uniform, nonparametric, nonasymptotic confidence
/// sequences, Annals of Statistics 49, 2021, proposition 7, tuned at an error of 0.05.
pub fn bernoulli_sequence(count: Count, alpha: Alpha, best_at: f64) -> Interval {
    let (k, n) = (float(count.successes()), float(count.trials()));
    let reach = -2.0 * 0.05_f64.ln();
    let weight = (best_at / (reach + reach.ln_1p()) - 1.0).max(1e-3);
    // The mixture's Beta has the mean p, and the weight of so many imagined samples.
    let evidence = |p: f64| {
        let (a, b) = (weight * p, weight * (1.0 - p));
        ln_beta(a + k, b + n - k) - ln_beta(a, b) - k * p.ln() - (n - k) * (-p).ln_1p()
    };
    let end = |mut inside: f64, mut outside: f64| {
        for _ in 0..100 {
            let middle = 0.5 * (inside + outside);
            if evidence(middle) <= -alpha.value().ln() { inside = middle } else { outside = middle }
        }
        0.5 * (inside + outside)
    };
    Interval {
        low: if count.successes() == 0 { 0.0 } else { end(k / n, 0.0) },
        high: if count.successes() == count.trials() { 1.0 } else { end(k / n, 1.0) },
    }
}

fn ln_beta(a: f64, b: f64) -> f64 {
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)
}

/// The two-sided intervals of the mean of values in 0..=1, one after each value, with error `alpha` over all of them; not
/// intersected with the earlier ones.
/// Source: I. Waudby-Smith and A. Ramdas, Estimating means of bounded random variables by betting, JRSS B 86, 2024,
/// theorem 2 (predictable mixture, empirical Bernstein).
pub fn empirical_bernstein_sequence(values: &[f64], alpha: Alpha) -> Vec<Interval> {
    let mirrored: Vec<f64> = values.iter().map(|value| 1.0 - value).collect();
    let (low, high) = (lower_sequence(values, alpha.half()), lower_sequence(&mirrored, alpha.half()));
    low.into_iter().zip(high).map(|(low, high)| Interval { low, high: 1.0 - high }).collect()
}

fn lower_sequence(values: &[f64], alpha: Alpha) -> Vec<f64> {
    let (mut weights, mut weighted, mut sum) = (0.0, 0.0, 0.0);
    let mut margin = -alpha.value().ln();
    let each = values.iter().zip(bets(values, alpha)).zip(0_u64..);
    each.map(|((value, bet), before)| {
        let bet = bet.min(LARGEST_BET);
        let mean = if before == 0 { 0.0 } else { sum / float(before) };
        margin += (value - mean).powi(2) * (-(-bet).ln_1p() - bet);
        weights += bet;
        weighted += bet * value;
        sum += value;
        ((weighted - margin) / weights).max(0.0)
    })
    .collect()
}

/// The two-sided interval of a mean with error `alpha` over all times, once there are enough values for their mean to be
/// nearly normal; `rho_squared` says where it is narrowest. None without values.
/// Source: I. Waudby-Smith, D. Arbour, R. Sinha, E. Kennedy and A. Ramdas, Time-uniform central limit theory and
/// asymptotic confidence sequences, Annals of Statistics 52, 2024, theorem 2.2.
pub fn asymptotic_sequence(values: &[f64], alpha: Alpha, rho_squared: f64) -> Option<Interval> {
    if values.is_empty() {
        return None;
    }
    let n = float(values.len() as u64);
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
    let grown = n * rho_squared + 1.0;
    let half = (variance * 2.0 * grown / (n * n * rho_squared) * (grown.sqrt() / alpha.value()).ln()).sqrt();
    Some(Interval { low: mean - half, high: mean + half })
}
