//! Sequential tests by likelihood ratios, and by the chance of the final verdict.

use super::super::binomial::{binomial_upper_tail, first_holding};
use super::super::{Alpha, Count, Pairs, float};
use super::curtail::Progress;

/// Two values of one parameter.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Hypotheses {
    /// Under the null hypothesis.
    pub null: f64,
    /// Under the alternative.
    pub alternative: f64,
}

/// Errors of both kinds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TestErrors {
    /// The chance to reject a true null hypothesis.
    pub first: Alpha,
    /// The chance to keep a false one.
    pub second: Alpha,
}

/// What a sequential test says so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaldDecision {
    /// The null hypothesis is accepted.
    Null,
    /// The alternative is accepted.
    Alternative,
    /// More samples are needed.
    Continue,
}

/// A likelihood ratio between two limits.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RatioTest {
    /// The logarithm of the likelihood ratio of the alternative to the null hypothesis.
    pub log_ratio: f64,
    /// At or below: the null hypothesis.
    pub lower: f64,
    /// At or above: the alternative.
    pub upper: f64,
}

impl RatioTest {
    /// What the ratio says.
    pub fn decision(&self) -> WaldDecision {
        if self.log_ratio >= self.upper {
            WaldDecision::Alternative
        } else if self.log_ratio <= self.lower {
            WaldDecision::Null
        } else {
            WaldDecision::Continue
        }
    }
}

/// The sequential probability ratio test of a rate.
/// Source: A. Wald, Sequential tests of statistical hypotheses, Annals of Mathematical Statistics 16, 1945.
pub fn ratio_test(count: Count, rates: Hypotheses, errors: TestErrors) -> RatioTest {
    let (k, failures) = (float(count.successes()), float(count.trials() - count.successes()));
    let (alpha, beta) = (errors.first.value(), errors.second.value());
    // A count of 0 adds nothing, even where its logarithm is endless.
    let part = |count: f64, ratio: f64| if count > 0.0 { count * ratio.ln() } else { 0.0 };
    RatioTest {
        log_ratio: part(k, rates.alternative / rates.null)
            + part(failures, (1.0 - rates.alternative) / (1.0 - rates.null)),
        lower: (beta / (1.0 - alpha)).ln(),
        upper: ((1.0 - beta) / alpha).ln(),
    }
}

/// The logarithm of the approximate likelihood ratio of two mean differences, with the variance of the pairs themselves;
/// 0 where the pairs do not vary. Source: M. Van den Bergh, A practical introduction to the GSPRT, 2015.
pub fn generalised_log_ratio(pairs: Pairs, differences: Hypotheses) -> f64 {
    let mean = pairs.difference();
    let variance = pairs.discordant() - mean * mean;
    let (null, alternative) = (differences.null, differences.alternative);
    if variance <= 0.0 {
        return 0.0;
    }
    float(pairs.n()) * (alternative - null) * (2.0 * mean - null - alternative) / (2.0 * variance)
}

/// A normal mean under test, with a normal mixture of alternatives.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct NormalMixture {
    /// The mean under the null hypothesis.
    pub mean: f64,
    /// The known variance of a value.
    pub variance: f64,
    /// The variance of the alternatives around the mean.
    pub spread: f64,
}

/// The result of a mixture test.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MixtureTest {
    /// The logarithm of the last mixture likelihood ratio.
    pub log_ratio: f64,
    /// The always-valid p-value: 1 over the largest ratio so far, at most 1.
    pub p_value: f64,
}

/// The mixture sequential probability ratio test of a normal mean.
/// Source: R. Johari, P. Koomen, L. Pekelis and D. Walsh, Always valid inference, Operations Research 70, 2022.
pub fn mixture_ratio_test(values: &[f64], null: NormalMixture) -> MixtureTest {
    let (mut sum, mut log_ratio, mut largest) = (0.0, 0.0, 0.0_f64);
    for (value, n) in values.iter().zip(1_u64..) {
        sum += value - null.mean;
        let total = null.variance + float(n) * null.spread;
        log_ratio = 0.5 * (null.variance / total).ln() + null.spread * sum * sum / (2.0 * null.variance * total);
        largest = largest.max(log_ratio);
    }
    MixtureTest { log_ratio, p_value: (-largest).exp() }
}

/// A test with a fixed number of samples that may be stopped when its end is likely enough.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct FixedTest {
    /// Samples in all.
    pub n: u64,
    /// The rate under the null hypothesis that it is at most so large.
    pub rate: f64,
    /// The error with stopping.
    pub alpha: Alpha,
    /// It stops when the chance to reject at the end, under the null hypothesis, is at least this.
    pub certainty: f64,
}

/// How likely the end is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ConditionalPower {
    /// The successes that reject at the end; more than there are samples where none do.
    pub critical: u64,
    /// The chance, under the null hypothesis, to have them at the end.
    pub chance: f64,
    /// Whether that is enough to stop.
    pub stop: bool,
}

/// The chance of rejection at the end given what was seen, under the null hypothesis itself: a martingale, so that stopping
/// on it keeps the error when the final test spends `alpha * certainty`.
/// Source: K. Lan, R. Simon and M. Halperin, Stochastically curtailed tests in long-term clinical trials, Communications in
/// Statistics C 1, 1982.
pub fn conditional_power(test: FixedTest, progress: Progress) -> ConditionalPower {
    let level = test.alpha.value() * test.certainty;
    let critical = first_holding(0, test.n + 1, |k| binomial_upper_tail(k, test.n, test.rate) <= level);
    let missing = critical.saturating_sub(progress.successes);
    let chance = binomial_upper_tail(missing, progress.remaining, test.rate);
    ConditionalPower { critical, chance, stop: chance >= test.certainty }
}
