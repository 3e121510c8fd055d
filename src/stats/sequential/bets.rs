//! How much the next value is worth a bet: from the values before it only, so that it could be placed in advance.

use super::super::{Alpha, float};

/// The bets `sqrt(2 ln(1/alpha) / (v t ln(1 + t)))`, where v is the variance of the values before the t-th, helped by one
/// imagined value of mean 1/2 and variance 1/4.
/// Source: I. Waudby-Smith and A. Ramdas, Estimating means of bounded random variables by betting, JRSS B 86, 2024.
pub(super) fn bets(values: &[f64], alpha: Alpha) -> impl Iterator<Item = f64> {
    let reach = -2.0 * alpha.value().ln();
    let (mut sum, mut squares, mut variance) = (0.5, 0.25, 0.25);
    values.iter().zip(1_u64..).map(move |(value, t)| {
        let t = float(t);
        let bet = (reach / (t * t.ln_1p() * variance)).sqrt();
        sum += value;
        let mean = (sum / (t + 1.0)).min(1.0);
        squares += (value - mean).powi(2);
        variance = squares / (t + 1.0);
        bet
    })
}
