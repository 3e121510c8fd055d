//! Evidence that may be looked at after every sample: e-values. Under the null hypothesis the chance that one ever
//! reaches 1 / alpha is at most alpha (J. Ville, Etude critique de la notion de collectif, 1939).

use super::super::{Alpha, float};
use super::bets::bets;

/// Strengths of bet that a mixture averages over.
const STRENGTHS: u32 = 24;

/// Which way a mean may be wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alternative {
    /// The null hypothesis says that the mean is at most the bound.
    Above,
    /// The null hypothesis says that the mean is at least the bound.
    Below,
}

/// A null hypothesis about the mean of values that lie in `low..=high`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MeanNull {
    /// The bound of the mean.
    pub bound: f64,
    /// The smallest value that can come.
    pub low: f64,
    /// The largest value that can come.
    pub high: f64,
    /// What a large e-value shows.
    pub alternative: Alternative,
}

/// Whether evidence, given as the logarithm of an e-value, rejects the null hypothesis with error `alpha`; never where it
/// is no number. Source: Ville's inequality.
pub fn rejects(log_e_value: f64, alpha: Alpha) -> bool {
    log_e_value >= -alpha.value().ln()
}

/// The logarithm of the average, over 24 strengths from 0.01 to 0.95 of the largest safe bet, of the capital that bets of
/// that strength have made of 1. The order of the values does not matter. None where the bound leaves no room for a loss,
/// so that no bet has a largest size; not a number where a value lies far outside of the range.
/// Source: V. Vovk and R. Wang, E-values, Annals of Statistics 49, 2021 (mixtures); I. Waudby-Smith and A. Ramdas 2024
/// (betting on bounded means).
pub fn mixture_log_e_value(values: &[f64], null: MeanNull) -> Option<f64> {
    let (sign, worst) = match null.alternative {
        Alternative::Above => (1.0, null.bound - null.low),
        Alternative::Below => (-1.0, null.high - null.bound),
    };
    let capital = |strength: f64| {
        let bet = sign * strength / worst;
        values.iter().map(|value| (bet * (value - null.bound)).ln_1p()).sum()
    };
    (worst > 0.0).then(|| ln_mean_exp(&geometric(0.01, 0.95).map(capital).collect::<Vec<f64>>()))
}

/// How traffic is split, and the null hypothesis about its errors.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ErrorOrigin {
    /// The share of the traffic that the canary gets, between 0 and 1.
    pub share: f64,
    /// The canary's error rate is at most this many times that of stable.
    pub ratio: f64,
}

/// Errors of both sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Errors {
    /// Of the canary.
    pub canary: u64,
    /// Of stable.
    pub stable: u64,
}

impl ErrorOrigin {
    /// The largest chance, under the null hypothesis, that an error comes from the canary.
    pub fn chance(&self) -> f64 {
        self.chance_at(self.ratio)
    }

    fn chance_at(&self, ratio: f64) -> f64 {
        let canary = self.share * ratio;
        canary / (canary + 1.0 - self.share)
    }
}

/// The logarithm of the e-value of where errors came from: an average of likelihood ratios over 24 ratios from 1.1 to 20
/// times the one assumed. It needs no denominators, and swings of the traffic do not matter.
/// Source: as [`mixture_log_e_value`]; counts by their origin: J. Przyborowski and H. Wilenski, Biometrika 31, 1940.
pub fn error_origin_log_e_value(origin: ErrorOrigin, errors: Errors) -> f64 {
    let null = origin.chance();
    let (canary, stable) = (float(errors.canary), float(errors.stable));
    let ratios = geometric(1.1, 20.0).map(|times| {
        let chance = origin.chance_at(origin.ratio * times);
        canary * (chance / null).ln() + stable * ((1.0 - chance) / (1.0 - null)).ln()
    });
    ln_mean_exp(&ratios.collect::<Vec<f64>>())
}

/// The logarithm of the larger of two halves of a capital of 1, of which one has bet on values in 0..=1 to be above `mean`
/// and one on them to be below: evidence against `mean` as their mean, to be judged with error `alpha`.
/// Source: I. Waudby-Smith and A. Ramdas, Estimating means of bounded random variables by betting, JRSS B 86, 2024, the
/// hedged capital with bets cut at half of the largest safe ones.
pub fn betting_log_capital(values: &[f64], mean: f64, alpha: Alpha) -> f64 {
    let (most_up, most_down) = (0.5 / mean, 0.5 / (1.0 - mean));
    let (mut up, mut down) = (0.0, 0.0);
    for (value, bet) in values.iter().zip(bets(values, alpha.half())) {
        up += (bet.min(most_up) * (value - mean)).ln_1p();
        down += (-bet.min(most_down) * (value - mean)).ln_1p();
    }
    f64::max(up, down) - std::f64::consts::LN_2
}

pub(super) fn geometric(first: f64, last: f64) -> impl Iterator<Item = f64> {
    (0..STRENGTHS).map(move |step| first * (last / first).powf(f64::from(step) / f64::from(STRENGTHS - 1)))
}

/// The logarithm of the mean of numbers given by their logarithms, without overflow.
pub fn ln_mean_exp(logs: &[f64]) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    let sum: f64 = logs.iter().map(|log| (log - largest).exp()).sum();
    largest + (sum / float(logs.len() as u64)).ln()
}
