//! Student's t distribution.

use super::beta::{beta_quantile, incomplete_beta};

/// P(T >= t) with `freedom` > 0 degrees. Source: Abramowitz and Stegun 26.7.1.
pub fn student_upper(t: f64, freedom: f64) -> f64 {
    if t.is_infinite() {
        return if t > 0.0 { 0.0 } else { 1.0 };
    }
    let tail = 0.5 * incomplete_beta(freedom / 2.0, 0.5, freedom / (freedom + t * t));
    if t >= 0.0 { tail } else { 1.0 - tail }
}

/// The quantile of Student's t with `freedom` > 0 degrees, through the incomplete beta function.
/// Source: Abramowitz and Stegun 26.7.1.
pub fn student_quantile(p: f64, freedom: f64) -> f64 {
    if p == 0.5 {
        return 0.0;
    }
    let tail = 2.0 * p.min(1.0 - p);
    let x = beta_quantile(tail, freedom / 2.0, 0.5);
    // x = freedom / (freedom + t^2); near 1 the complement keeps the digits.
    let rest = if x > 0.5 { beta_quantile_complement(tail, freedom) } else { 1.0 - x };
    let value = (freedom * rest / (1.0 - rest)).sqrt();
    if p < 0.5 { -value } else { value }
}

fn beta_quantile_complement(tail: f64, freedom: f64) -> f64 {
    beta_quantile(1.0 - tail, 0.5, freedom / 2.0)
}
