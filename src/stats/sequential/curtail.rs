//! Stopping when the rest of a run cannot change its verdict: without any cost in error.

use super::super::binomial::first_holding;
use super::super::{Alpha, Count, clopper_pearson_lower, clopper_pearson_upper};

/// The verdict that a run will have, whatever its remaining samples say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Certain {
    /// The lower bound will reach the threshold.
    Pass,
    /// The upper bound will stay below the threshold.
    Fail,
    /// Neither can happen any more.
    Inconclusive,
}

/// How far a run has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Successes so far.
    pub successes: u64,
    /// Samples still to come.
    pub remaining: u64,
}

/// How many successes of a whole run decide.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Curtailment {
    /// The fewest successes that pass; none where not even a perfect run would.
    pub pass_from: Option<u64>,
    /// The most successes that fail; none where not even a run without any would.
    pub fail_to: Option<u64>,
}

/// The deciding numbers for a run of `n` samples against "the rate is at least `threshold`", judged by the one-sided
/// exact bounds. Source: the bounds of C. Clopper and E. Pearson 1934, searched.
pub fn curtailment(n: u64, threshold: f64, alpha: Alpha) -> Curtailment {
    let passes = |k| Count::new(k, n).is_some_and(|count| clopper_pearson_lower(count, alpha) >= threshold);
    let fails = |k| Count::new(k, n).is_some_and(|count| clopper_pearson_upper(count, alpha) < threshold);
    let first = first_holding(0, n + 1, passes);
    Curtailment {
        pass_from: (first <= n).then_some(first),
        fail_to: first_holding(0, n + 1, |k| !fails(k)).checked_sub(1),
    }
}

impl Curtailment {
    /// The verdict of all completions, where they all have the same.
    /// Source: exact; every completion ends with between `successes` and `successes + remaining` successes.
    pub fn certain(&self, progress: Progress) -> Option<Certain> {
        let (least, most) = (progress.successes, progress.successes + progress.remaining);
        let reaches = |k: u64| self.pass_from.is_some_and(|from| k >= from);
        let stays = |k: u64| self.fail_to.is_some_and(|to| k <= to);
        match () {
            () if reaches(least) => Some(Certain::Pass),
            () if stays(most) => Some(Certain::Fail),
            () if !reaches(most) && !stays(least) => Some(Certain::Inconclusive),
            () => None,
        }
    }
}
