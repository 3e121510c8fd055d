//! Pure mathematics of gates: special functions, intervals, and how many samples would decide.
//! Kept out: thresholds and verdicts (`gate`).

mod agreement;
mod binomial;
mod family;
mod mean;
mod mersenne;
mod paired;
mod power;
mod proportion;
mod quantile;
mod random;
mod rank;
mod repeat;
mod resample;
mod sequential;
mod special;
mod unpaired;

pub use agreement::{Helped, Kappa, Weights, cohen_kappa, ppi_mean, rogan_gladen};
pub use binomial::{BinomialTest, binomial_lower_tail, binomial_pmf, binomial_test, binomial_upper_tail};
pub use family::{benjamini_hochberg, bonferroni, holm, sidak};
pub use mean::{Mean, clustered_mean, mean, welch, welch_of};
pub use mersenne::Mersenne;
pub use paired::{
    McNemar, PairedTable, Pairs, SignTest, mcnemar, newcombe_paired, sign_test, tango, tango_bounds, tango_score,
};
pub use power::{pairs_needed, samples_to_certify, samples_to_decide, smallest_margin};
pub use proportion::{clopper_pearson, clopper_pearson_lower, clopper_pearson_upper, jeffreys, wilson};
pub use quantile::{quantile_interval, quantile_ranks};
pub use random::Generator;
pub use rank::{MannWhitney, mann_whitney};
pub use repeat::{Variance, pass_at_k, pass_hat_k, variance_of_repeats};
pub use resample::{SignFlip, bootstrap_mean, sign_flip};
pub use sequential::{
    Alternative, BinomialNull, BinomialPlan, Certain, Changes, ConditionalPower, Curtailment, ErrorOrigin, Errors,
    ExactBounds, Expected, FixedTest, Hypotheses, MeanNull, MixtureTest, NormalMixture, PairedPlan, Portion, Progress,
    RatioTest, Side, TestErrors, WaldDecision, asymptotic_sequence, bernoulli_sequence, betting_log_capital,
    conditional_power, curtailment, difference_log_e_value, empirical_bernstein_sequence, error_origin_log_e_value,
    exact_binomial_bounds, exact_bounds_at, expected_binomial, expected_paired, generalised_log_ratio,
    group_sequential_bounds, hedged, ln_mean_exp, log_level, look_counts, mixture_log_e_value, mixture_ratio_test,
    portion_log_e_value, ratio_test, rejects,
};
pub use special::{
    beta_quantile, incomplete_beta, normal_cdf, normal_quantile, normal_upper, student_quantile, student_upper,
};
pub use unpaired::{miettinen_nurminen, newcombe_unpaired, wald_unpaired};

/// A count as a number: counts of samples are far below 2^53, above which this would round.
#[expect(clippy::cast_precision_loss, reason = "sample counts are far below 2^53")]
pub fn float(count: u64) -> f64 {
    count as f64
}

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

    /// The two-sided error of an interval whose sides have this one each. None at 0.25 and above.
    #[must_use]
    pub fn double(self) -> Option<Self> {
        Self::new(2.0 * self.0)
    }

    /// A share of the rate, for several claims or looks: `parts` is at least 1.
    #[must_use]
    pub fn split(self, parts: u32) -> Self {
        Self(self.0 / f64::from(parts.max(1)))
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
