//! Evidence about one share, and about the difference of two, from counts alone: valid at every look, in whatever order the
//! requests of both sides came and however the traffic was split.

use super::super::{Alpha, float};
use super::eprocess::{Alternative, geometric, ln_mean_exp};

/// Branches of the search for the worst case; what it has not settled by then is left at its lower bound.
const BRANCHES: usize = 64;

/// How near, in logarithms, the worst case is looked for.
const NEAR: f64 = 0.05;

/// How much of something is bad: a count of requests, or a sum of values that each lie in 0..=1.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Portion {
    bad: f64,
    all: f64,
}

impl Portion {
    /// Checks that there is something, and not more bad than all. None too where one is no number.
    pub fn new(bad: f64, all: f64) -> Option<Self> {
        (all > 0.0 && all.is_finite() && bad >= 0.0 && bad <= all).then_some(Self { bad, all })
    }

    /// Of a count.
    pub fn of(bad: u64, all: u64) -> Option<Self> {
        Self::new(float(bad), float(all))
    }

    /// What is bad.
    pub fn bad(self) -> f64 {
        self.bad
    }

    /// All, above 0.
    pub fn all(self) -> f64 {
        self.all
    }

    /// The share that is bad.
    pub fn share(self) -> f64 {
        self.bad / self.all
    }

    /// The same share of this many times as much.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { bad: self.bad * factor, all: self.all * factor }
    }
}

/// The logarithm of the evidence that the true share lies above (or below) `bound`: the average, over 24 ratios of odds from
/// 1.1 to 20, of the likelihood ratio `r^bad / (1 + (r - 1) bound)^all` (with 1/r for below). Under "the share is at most
/// (least) the bound" the chance that it ever reaches 1/alpha is at most alpha. It only depends on the sums, and grows (falls)
/// with each bad one.
///
/// For values between 0 and 1 it is a lower bound of the capital of a bet on them, since `r^x <= 1 + (r - 1) x`.
/// Source: V. Vovk and R. Wang, E-values, Annals of Statistics 49, 2021 (mixtures); the chord: W. Hoeffding, Probability
/// inequalities for sums of bounded random variables, JASA 58, 1963, lemma 1 and theorem 1.
pub fn portion_log_e_value(portion: Portion, bound: f64, shown: Alternative) -> f64 {
    let each = geometric(1.1, 20.0).map(|ratio| {
        let ratio: f64 = match shown {
            Alternative::Above => ratio,
            Alternative::Below => 1.0 / ratio,
        };
        portion.bad * ratio.ln() - portion.all * ((ratio - 1.0) * bound).ln_1p()
    });
    ln_mean_exp(&each.collect::<Vec<f64>>())
}

/// The evidence of a capital of which half was never bet: at least 1/2.
/// Source: definition; a constant is an e-value, and so is a mean of two.
pub fn hedged(log_e_value: f64) -> f64 {
    ln_mean_exp(&[0.0, log_e_value])
}

/// The logarithm of the evidence that the share of `one` lies above (or below) that of `other` plus `margin`. For every
/// share b that `other` may have, evidence against b is multiplied with evidence against `one` being within the margin of b,
/// both hedged; the least product over all b is at most the one at the truth, so Ville's inequality holds for it. Nothing is
/// assumed about how the traffic is split.
/// Source: the product of two independent test martingales (G. Shafer, Testing by betting, JRSS A 184, 2021), with the
/// unknown share profiled out as in L. Wasserman, A. Ramdas and S. Balakrishnan, Universal inference, PNAS 117, 2020.
pub fn difference_log_e_value(one: Portion, other: Portion, margin: f64, shown: Alternative) -> f64 {
    if !(0.0..1.0).contains(&margin) {
        return f64::NEG_INFINITY;
    }
    let of_one = |b: f64| hedged(portion_log_e_value(one, (b + margin).min(1.0), shown));
    let of_other = |b: f64| match shown {
        Alternative::Above => hedged(portion_log_e_value(other, b, Alternative::Below)),
        Alternative::Below => hedged(portion_log_e_value(other, b, Alternative::Above)),
    };
    // Evidence for "above b" falls with b, evidence for "below b" rises.
    let starts = [other.share(), one.share() - margin];
    match shown {
        Alternative::Above => least_sum(of_other, of_one, 1.0 - margin, &starts),
        Alternative::Below => least_sum(of_one, of_other, 1.0 - margin, &starts),
    }
}

/// A lower bound, near the least, of a rising and a falling function's sum over 0..=`last`.
fn least_sum(rising: impl Fn(f64) -> f64, falling: impl Fn(f64) -> f64, last: f64, starts: &[f64]) -> f64 {
    struct Point {
        at: f64,
        rising: f64,
        falling: f64,
    }
    let point = |at: f64| Point { at, rising: rising(at), falling: falling(at) };
    let mut places: Vec<f64> = starts.iter().copied().filter(|start| *start > 0.0 && *start < last).collect();
    places.extend([0.0, last]);
    places.sort_by(f64::total_cmp);
    let mut points: Vec<Point> = places.into_iter().map(point).collect();
    let mut least = points.iter().map(|point| point.rising + point.falling).fold(f64::INFINITY, f64::min);
    let mut lowest = f64::NEG_INFINITY;
    for _ in 0..BRANCHES {
        let bounds = points.windows(2).enumerate().filter_map(|(index, pair)| match pair {
            [low, high] => Some((index, low.rising + high.falling, 0.5 * (low.at + high.at))),
            _ => None,
        });
        let Some((index, bound, middle)) = bounds.min_by(|one, other| one.1.total_cmp(&other.1)) else { break };
        lowest = bound;
        if least - bound <= NEAR {
            break;
        }
        let middle = point(middle);
        least = least.min(middle.rising + middle.falling);
        points.insert(index + 1, middle);
    }
    lowest
}

/// The logarithm that evidence must reach to be believed with error `alpha` shared by so many claims.
/// Source: Ville's inequality; C. Bonferroni 1936.
pub fn log_level(alpha: Alpha, claims: u64) -> f64 {
    float(claims.max(1)).ln() - alpha.value().ln()
}
