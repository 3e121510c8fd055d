//! Several attempts at one case.

use super::float;
use super::mean::moments;
use super::special::ln_choose;

/// The chance that at least one of `k` attempts succeeds, estimated without bias from `successes` of `attempts`. None for
/// fewer attempts than `k`, or `k` of 0. Source: M. Chen and others, Evaluating large language models trained on code, 2021.
pub fn pass_at_k(successes: u64, attempts: u64, k: u64) -> Option<f64> {
    if k == 0 || k > attempts || successes > attempts {
        return None;
    }
    let failures = attempts - successes;
    if failures < k {
        return Some(1.0);
    }
    Some(-(ln_choose(float(failures), float(k)) - ln_choose(float(attempts), float(k))).exp_m1())
}

/// The chance that all of `k` attempts succeed, likewise. Source: S. Yao and others, tau-bench, 2024.
pub fn pass_hat_k(successes: u64, attempts: u64, k: u64) -> Option<f64> {
    if k == 0 || k > attempts || successes > attempts {
        return None;
    }
    if successes < k {
        return Some(0.0);
    }
    Some((ln_choose(float(successes), float(k)) - ln_choose(float(attempts), float(k))).exp())
}

/// Where the variance of a mean over cases comes from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Variance {
    /// Mean over cases.
    pub mean: f64,
    /// Mean variance of the repeats of one case.
    pub within: f64,
    /// Variance of the cases' true means, not below 0.
    pub between: f64,
    /// Standard error of the mean as it was drawn.
    pub standard_error: f64,
    /// Cases whose repeats do not agree.
    pub flaky: u64,
    cases: f64,
}

/// Splits the variance of `cases`, each with the same number of repeats, at least two. None otherwise, or for fewer than
/// two cases. Source: one-way random effects, S. Searle, G. Casella and C. McCulloch, Variance Components, 1992, chapter 3.
pub fn variance_of_repeats(cases: &[Vec<f64>]) -> Option<Variance> {
    let repeats = cases.first()?.len();
    if repeats < 2 || cases.iter().any(|case| case.len() != repeats) {
        return None;
    }
    let each: Vec<(f64, f64)> = cases.iter().filter_map(|case| moments(case)).collect();
    let means: Vec<f64> = each.iter().map(|(mean, _)| *mean).collect();
    let (mean, spread) = moments(&means)?;
    let n = float(cases.len() as u64);
    let within = each.iter().map(|(_, variance)| variance).sum::<f64>() / n;
    let between = (spread - within / float(repeats as u64)).max(0.0);
    let flaky = cases.iter().filter(|case| case.iter().any(|value| case.first() != Some(value))).count() as u64;
    Some(Variance { mean, within, between, standard_error: (spread / n).sqrt(), flaky, cases: n })
}

impl Variance {
    /// The standard error that `repeats` of each case would give, at least one.
    pub fn standard_error_at(&self, repeats: u64) -> f64 {
        ((self.between + self.within / float(repeats.max(1))) / self.cases).sqrt()
    }
}
