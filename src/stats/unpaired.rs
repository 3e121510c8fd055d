//! The difference of two independent proportions: for a baseline of which only counts are known.

use super::proportion::wilson;
use super::special::normal_quantile;
use super::{Alpha, Count, Interval, float};

fn rate(count: Count) -> f64 {
    float(count.successes()) / float(count.trials())
}

/// The two-sided interval of p1 - p2 from the Wilson intervals of both, with error `alpha`.
/// Source: R. Newcombe, Interval estimation for the difference between independent proportions, Statistics in Medicine 17,
/// 1998, method 10.
pub fn newcombe_unpaired(first: Count, second: Count, alpha: Alpha) -> Interval {
    let (p1, p2) = (rate(first), rate(second));
    let (one, two) = (wilson(first, alpha), wilson(second, alpha));
    Interval { low: p1 - p2 - (p1 - one.low).hypot(two.high - p2), high: p1 - p2 + (one.high - p1).hypot(p2 - two.low) }
}

/// The simple normal interval of p1 - p2, for comparison only: it collapses where nothing varies.
/// Source: any textbook; Wald's form.
pub fn wald_unpaired(first: Count, second: Count, alpha: Alpha) -> Interval {
    let (p1, p2) = (rate(first), rate(second));
    let variance = p1 * (1.0 - p1) / float(first.trials()) + p2 * (1.0 - p2) / float(second.trials());
    let half = normal_quantile(1.0 - alpha.half().value()) * variance.sqrt();
    Interval { low: (p1 - p2 - half).max(-1.0), high: (p1 - p2 + half).min(1.0) }
}

/// The two-sided score interval of p1 - p2 with the variance at each difference by restricted maximum likelihood, and the
/// factor N / (N - 1). Source: O. Miettinen and M. Nurminen, Comparative analysis of two rates, Statistics in Medicine 4, 1985.
pub fn miettinen_nurminen(first: Count, second: Count, alpha: Alpha) -> Interval {
    let z = normal_quantile(1.0 - alpha.half().value());
    let difference = rate(first) - rate(second);
    // The statistic falls while the assumed difference rises.
    let end = |mut inside: f64, mut outside: f64| {
        for _ in 0..100 {
            let middle = 0.5 * (inside + outside);
            if score(first, second, middle).abs() <= z { inside = middle } else { outside = middle }
        }
        0.5 * (inside + outside)
    };
    let low = if score(first, second, -1.0).abs() <= z { -1.0 } else { end(difference, -1.0) };
    let high = if score(first, second, 1.0).abs() <= z { 1.0 } else { end(difference, 1.0) };
    Interval { low, high }
}

fn score(first: Count, second: Count, delta: f64) -> f64 {
    let (x1, n1, x2, n2) =
        (float(first.successes()), float(first.trials()), float(second.successes()), float(second.trials()));
    let n = n1 + n2;
    // The cubic of the restricted estimate of p2, solved by trigonometry (Miettinen and Nurminen 1985, appendix I).
    let l3 = n;
    let l2 = (n1 + 2.0 * n2) * delta - n - x1 - x2;
    let l1 = (n2 * delta - n - 2.0 * x2) * delta + x1 + x2;
    let l0 = x2 * delta * (1.0 - delta);
    let q = (l2 / (3.0 * l3)).powi(3) - l1 * l2 / (6.0 * l3 * l3) + l0 / (2.0 * l3);
    let root = ((l2 / (3.0 * l3)).powi(2) - l1 / (3.0 * l3)).max(0.0).sqrt();
    let p = if q >= 0.0 { root } else { -root };
    let cosine = if p == 0.0 { 0.0 } else { (q / p.powi(3)).clamp(-1.0, 1.0) };
    let angle = (std::f64::consts::PI + cosine.acos()) / 3.0;
    let r2 = (2.0 * p * angle.cos() - l2 / (3.0 * l3)).clamp(0.0, 1.0);
    let r1 = (r2 + delta).clamp(0.0, 1.0);
    let variance = (r1 * (1.0 - r1) / n1 + r2 * (1.0 - r2) / n2) * n / (n - 1.0);
    let distance = rate(first) - rate(second) - delta;
    if distance == 0.0 { 0.0 } else { distance / variance.max(0.0).sqrt() }
}
