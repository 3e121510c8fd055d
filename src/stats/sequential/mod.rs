//! Looking at data more than once: bounds and tests that keep their error however often one looks.
//! Kept out: when to look, and in which order samples come (the runner's business).

mod bets;
mod bounds;
mod confidence;
mod curtail;
mod eprocess;
mod exact;
mod expected;
mod likelihood;
mod portion;

pub use bounds::{group_sequential_bounds, look_counts};
pub use confidence::{asymptotic_sequence, bernoulli_sequence, empirical_bernstein_sequence};
pub use curtail::{Certain, Curtailment, Progress, curtailment};
pub use eprocess::{
    Alternative, ErrorOrigin, Errors, MeanNull, betting_log_capital, error_origin_log_e_value, ln_mean_exp,
    mixture_log_e_value, rejects,
};
pub use exact::{BinomialNull, BinomialPlan, ExactBounds, Side, exact_binomial_bounds, exact_bounds_at};
pub use expected::{Changes, Expected, PairedPlan, expected_binomial, expected_paired};
pub use likelihood::{
    ConditionalPower, FixedTest, Hypotheses, MixtureTest, NormalMixture, RatioTest, TestErrors, WaldDecision,
    conditional_power, generalised_log_ratio, mixture_ratio_test, ratio_test,
};
pub use portion::{Portion, difference_log_e_value, hedged, log_level, portion_log_e_value};
