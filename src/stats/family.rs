//! Several p-values at once.

use super::float;

/// Bonferroni's adjusted p-values, in the order given. Source: O. Dunn, JASA 56, 1961.
pub fn bonferroni(p: &[f64]) -> Vec<f64> {
    let m = float(p.len() as u64);
    p.iter().map(|p| (p * m).min(1.0)).collect()
}

/// Sidak's adjusted p-values, in the order given. Source: Z. Sidak, JASA 62, 1967.
pub fn sidak(p: &[f64]) -> Vec<f64> {
    let m = float(p.len() as u64);
    p.iter().map(|p| -(m * (-p).ln_1p()).exp_m1()).collect()
}

/// Holm's adjusted p-values, in the order given: the chance of any false rejection stays below the level, whatever the
/// dependence. Source: S. Holm, Scandinavian Journal of Statistics 6, 1979.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![1.0; p.len()];
    let mut largest = 0.0_f64;
    for (rank, index) in ascending(p).into_iter().enumerate() {
        let (Some(value), Some(place)) = (p.get(index), adjusted.get_mut(index)) else { continue };
        largest = largest.max(value * float((p.len() - rank) as u64)).min(1.0);
        *place = largest;
    }
    adjusted
}

/// Benjamini and Hochberg's adjusted p-values, in the order given: the expected share of false rejections. For
/// exploratory tables only. Source: Y. Benjamini and Y. Hochberg, JRSS B 57, 1995.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let m = float(p.len() as u64);
    let mut adjusted = vec![1.0; p.len()];
    let mut smallest = 1.0_f64;
    for (rank, index) in ascending(p).into_iter().enumerate().rev() {
        let (Some(value), Some(place)) = (p.get(index), adjusted.get_mut(index)) else { continue };
        smallest = smallest.min(value * m / float(rank as u64 + 1));
        *place = smallest;
    }
    adjusted
}

fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    let key = |index: usize| p.get(index).copied().unwrap_or(1.0);
    order.sort_by(|one, two| key(*one).total_cmp(&key(*two)));
    order
}
