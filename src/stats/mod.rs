//! Pure mathematics of gates: special functions, intervals, and how many samples would decide.
//! Kept out: thresholds and verdicts (`gate`).

mod mean;
mod proportion;
mod quantile;
mod special;

pub use mean::{ClusteredMean, clustered_mean};
pub use proportion::{clopper_pearson_lower, clopper_pearson_upper, samples_to_decide, wilson};
pub use quantile::{quantile_interval, quantile_ranks};
pub use special::{beta_quantile, incomplete_beta, normal_quantile, student_quantile};

/// A one-sided error rate, above 0 and below 0.5.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub struct Alpha(f64);

impl Alpha {
    /// Checks the range.
    pub fn new(alpha: f64) -> Option<Self> {
        (alpha > 0.0 && alpha < 0.5).then_some(Self(alpha))
    }

    /// The rate.
    pub fn value(self) -> f64 {
        self.0
    }

    /// The rate of one side of a two-sided interval of the same error.
    #[must_use]
    pub fn half(self) -> Self {
        Self(self.0 / 2.0)
    }
}

/// Successes among trials; never more successes than trials.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Count {
    successes: u64,
    trials: u64,
}

impl Count {
    /// Checks that there are no more successes than trials, and at least one trial.
    pub fn new(successes: u64, trials: u64) -> Option<Self> {
        (trials > 0 && successes <= trials).then_some(Self { successes, trials })
    }

    /// Successes.
    pub fn successes(self) -> u64 {
        self.successes
    }

    /// Trials, at least 1.
    pub fn trials(self) -> u64 {
        self.trials
    }
}

/// An interval.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end, not below the lower one.
    pub high: f64,
}

#[cfg(test)]
mod tests;
