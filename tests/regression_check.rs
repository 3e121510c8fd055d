//! `regression-check` from outside: the real binary on runs of the real `eval-gate`, and on samples made for the purpose.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

#[path = "regression_check/bad_input.rs"]
mod bad_input;
#[path = "regression_check/baseline.rs"]
mod baseline;
#[path = "regression_check/dataset.rs"]
mod dataset;
#[path = "regression_check/ledger.rs"]
mod ledger;
#[path = "regression_check/places.rs"]
mod places;
#[path = "regression_check/quickstart.rs"]
mod quickstart;
#[path = "regression_check/rules.rs"]
mod rules;
#[path = "regression_check/samples.rs"]
mod samples;
