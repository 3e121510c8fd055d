//! How many samples would decide, and what a given number can see.

use super::binomial::{binomial_lower_tail, first_holding};
use super::proportion::{clopper_pearson_lower, clopper_pearson_upper};
use super::special::normal_quantile;
use super::{Alpha, Count, float};

/// The most samples that these functions look at.
const MOST: u64 = 100_000_000;

/// The smallest number of samples of which up to `failures` bad ones show a rate below `limit` with error `alpha`. None
/// where more than 10^8 would be needed. Source: exact; D. Wilson's tables restate it as n = ln(alpha) / ln(1 - p) for 0.
pub fn samples_to_certify(limit: f64, failures: u64, alpha: Alpha) -> Option<u64> {
    let shows = |n: u64| binomial_lower_tail(failures, n, limit) <= alpha.value();
    (limit > 0.0 && limit < 1.0 && shows(MOST)).then(|| first_holding(failures + 1, MOST, shows))
}

/// The smallest number of trials at which the one-sided exact bound, at the same rate of successes, would lie on one
/// side of `threshold`. None where the rate is the threshold itself, or where more than 10^8 trials would be needed.
/// Source: the bounds of C. Clopper and E. Pearson 1934, searched.
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
    Some(first_holding(high / 2 + 1, high, decides))
}

/// Pairs needed to show, with error `alpha` and chance `power`, that a candidate whose true difference is `difference` is not
/// worse by `margin`, when a share `discordant` of pairs changes. None where no number would do.
/// Source: J. Liu and others, Tests for equivalence or non-inferiority for paired binary data, Statistics in Medicine 21, 2002.
pub fn pairs_needed(discordant: f64, difference: f64, margin: f64, alpha: Alpha, power: f64) -> Option<u64> {
    let z = normal_quantile(1.0 - alpha.value()) + normal_quantile(power);
    let reach = difference + margin;
    if reach <= 0.0 || z.is_nan() {
        return None;
    }
    let n = (z * z * (discordant - difference * difference).max(0.0) / (reach * reach)).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and bounded before")]
    (n <= float(MOST)).then_some((n as u64).max(1))
}

/// The smallest margin that `n` pairs can show with error `alpha` and chance `power` when nothing has changed on average and
/// the differences have the variance `variance` (for yes-or-no answers the discordant share).
/// Source: as [`pairs_needed`], solved for the margin.
pub fn smallest_margin(variance: f64, n: u64, alpha: Alpha, power: f64) -> f64 {
    let z = normal_quantile(1.0 - alpha.value()) + normal_quantile(power);
    z * (variance / float(n.max(1))).sqrt()
}
