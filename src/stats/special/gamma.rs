//! The gamma function's logarithm, and the prefix of the incomplete beta function without cancellation.

#![expect(clippy::excessive_precision, reason = "published coefficients are kept as they were published")]

/// Half of the logarithm of 2 pi.
const HALF_LN_2PI: f64 = 0.918_938_533_204_672_741_78;

/// Error of Stirling's formula for the logarithm of n!, for n >= 0.
/// Source: C. Loader, Fast and Accurate Computation of Binomial Probabilities, 2000 (`stirlerr`); below 15 by ln gamma.
fn stirling_error(n: f64) -> f64 {
    if n <= 15.0 {
        let shape = if n > 0.0 { (n + 0.5) * n.ln() } else { 0.0 };
        return ln_gamma(n + 1.0) - shape + n - HALF_LN_2PI;
    }
    let square = n * n;
    let terms = [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0];
    terms.iter().rev().fold(0.0, |sum, term| sum / square + term) / n
}

/// Logarithm of the gamma function for x > 0.
pub(in crate::stats) fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// Logarithm of the number of ways to choose `k` out of `n`; minus infinity where there is none.
pub(in crate::stats) fn ln_choose(n: f64, k: f64) -> f64 {
    if k < 0.0 || k > n {
        return f64::NEG_INFINITY;
    }
    if k == 0.0 || k == n {
        return 0.0;
    }
    // 1 / ((n + 1) B(k + 1, n - k + 1)), with the beta function as exact as the prefix at any x.
    let (a, b) = (k + 1.0, n - k + 1.0);
    let x = a / (a + b);
    ln_prefix(a, b, x) - a * x.ln() - b * (-x).ln_1p() - (n + 1.0).ln()
}

/// `x ln(x / m) + m - x` without cancellation. Source: Loader 2000 (`bd0`).
fn deviance(x: f64, m: f64) -> f64 {
    if (x - m).abs() < 0.1 * (x + m) {
        let v = (x - m) / (x + m);
        let mut sum = (x - m) * v;
        let mut term = 2.0 * x * v;
        let square = v * v;
        for index in 1_u16..1000 {
            term *= square;
            let next = sum + term / f64::from(2 * index + 1);
            if next == sum {
                return next;
            }
            sum = next;
        }
        return sum;
    }
    if x > 0.0 { x * (x / m).ln() + m - x } else { m }
}

/// Logarithm of `x^a (1-x)^b / B(a, b)`, by Loader's saddle point where both shapes are large enough for it.
pub(in crate::stats) fn ln_prefix(a: f64, b: f64, x: f64) -> f64 {
    let n = a + b;
    if a < 10.0 || b < 10.0 {
        return ln_gamma(n) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p();
    }
    // ln Gamma(z) = (z - 1/2) ln z - z + ln(2 pi)/2 + error(z), with z! = z Gamma(z).
    let log = 0.5 * (a.ln() + b.ln() - n.ln()) - HALF_LN_2PI;
    let errors = stirling_error(n) - stirling_error(a) - stirling_error(b);
    errors + log - deviance(a, n * x) - deviance(b, n * (1.0 - x))
}
