//! Special functions. Kept out: tests and intervals.

mod beta;
mod gamma;
mod normal;
mod student;

pub use beta::{beta_quantile, incomplete_beta};
pub(in crate::stats) use gamma::{ln_choose, ln_gamma, ln_prefix};
pub use normal::{normal_cdf, normal_quantile, normal_upper};
pub use student::{student_quantile, student_upper};
