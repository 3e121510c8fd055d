//! The incomplete beta function and its inverse, to 1e-9 relative: the crates that offer them are wrong by up to 1e-3 in
//! the tails that gates need.

use super::gamma::ln_prefix;

/// The regularised incomplete beta function I_x(a, b), for a, b > 0 and x in 0..=1.
/// Source: the continued fraction of Abramowitz and Stegun 26.5.8, by Lentz' method (Thompson and Barnett 1986).
pub fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - lower_tail(b, a, 1.0 - x);
    }
    lower_tail(a, b, x)
}

fn lower_tail(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let floor = |value: f64| if value.abs() < TINY { TINY } else { value };
    let (sum, above, below) = (a + b, a + 1.0, a - 1.0);
    let mut c = 1.0;
    let mut d = 1.0 / floor(1.0 - sum * x / above);
    let mut fraction = d;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bound on iterations, not a value")]
    let most = 300 + (20.0 * a.max(b).sqrt()).min(1e8) as u32;
    for index in 1..=most {
        let m = f64::from(index);
        let even = m * (b - m) * x / ((below + 2.0 * m) * (a + 2.0 * m));
        d = 1.0 / floor(1.0 + even * d);
        c = floor(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (sum + m) * x / ((a + 2.0 * m) * (above + 2.0 * m));
        d = 1.0 / floor(1.0 + odd * d);
        c = floor(1.0 + odd / c);
        let step = d * c;
        fraction *= step;
        if (step - 1.0).abs() < 1e-16 {
            break;
        }
    }
    (ln_prefix(a, b, x).exp() * fraction / a).clamp(0.0, 1.0)
}

/// The x with I_x(a, b) = p, by bisection on the side where the result is relatively exact.
pub fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    if p <= 0.0 {
        return 0.0;
    }
    if p >= 1.0 {
        return 1.0;
    }
    // On a logarithmic scale near 0, so that a bound of 1e-6 has as many digits as one of 0.5.
    let (mut low, mut high) = (f64::MIN_POSITIVE.ln(), 0.0_f64);
    if incomplete_beta(a, b, 0.5) < p {
        return 1.0 - beta_quantile_above(p, a, b);
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if incomplete_beta(a, b, middle.exp()) < p { low = middle } else { high = middle }
    }
    (0.5 * (low + high)).exp()
}

/// `1 - x` for an x above one half: the same bisection on the complement.
fn beta_quantile_above(p: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (f64::MIN_POSITIVE.ln(), 0.0_f64);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        // 1 - I_{1-y}(a, b) = I_y(b, a): the tail is compared as it is, not as one minus nearly one.
        let tail = incomplete_beta(b, a, middle.exp());
        if tail > 1.0 - p { high = middle } else { low = middle }
    }
    (0.5 * (low + high)).exp()
}
