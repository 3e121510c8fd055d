//! Two independent samples by their ranks.

use super::float;
use super::special::normal_upper;

/// Above this product of sizes the exact distribution is not counted out.
const EXACT_PAIRS: usize = 400;

/// What ranks say of `x` against `y`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MannWhitney {
    /// Pairs in which x is larger, ties counted half.
    pub u: f64,
    /// Asymptotic, for a difference either way.
    pub two_sided: f64,
    /// Asymptotic, for larger x.
    pub greater: f64,
    /// Asymptotic, for smaller x.
    pub less: f64,
    /// Exact two-sided; none with ties or too many pairs.
    pub exact: Option<f64>,
    /// The median of all pairwise differences x - y.
    pub hodges_lehmann: f64,
}

/// The rank-sum test with correction for ties and for continuity. None for an empty sample.
/// Source: H. Mann and D. Whitney, Annals of Mathematical Statistics 18, 1947; shift: J. Hodges and E. Lehmann 1963.
pub fn mann_whitney(x: &[f64], y: &[f64]) -> Option<MannWhitney> {
    if x.is_empty() || y.is_empty() {
        return None;
    }
    let mut all: Vec<(f64, bool)> = x.iter().map(|value| (*value, true)).collect();
    all.extend(y.iter().map(|value| (*value, false)));
    all.sort_by(|one, two| one.0.total_cmp(&two.0));
    let (mut ranks, mut ties, mut before) = (0.0, 0.0, 0.0);
    for group in all.chunk_by(|one, two| one.0 == two.0) {
        let size = float(group.len() as u64);
        let middle = before + (size + 1.0) / 2.0;
        ranks += middle * float(group.iter().filter(|(_, ours)| *ours).count() as u64);
        ties += size * size * size - size;
        before += size;
    }
    let (n1, n2) = (float(x.len() as u64), float(y.len() as u64));
    let (n, u) = (n1 + n2, ranks - n1 * (n1 + 1.0) / 2.0);
    let middle = n1 * n2 / 2.0;
    let deviation = (n1 * n2 / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)))).max(0.0).sqrt();
    let tail = |u: f64| if deviation > 0.0 { normal_upper((u - middle - 0.5) / deviation) } else { 1.0 };
    let (greater, less) = (tail(u), tail(n1 * n2 - u));
    let exact = (ties == 0.0 && x.len() * y.len() <= EXACT_PAIRS).then(|| exact(x.len(), y.len(), u));
    let two_sided = (2.0 * greater.min(less)).min(1.0);
    Some(MannWhitney { u, two_sided, greater, less, exact, hodges_lehmann: shift(x, y) })
}

/// Twice the smaller tail of U's own distribution, counted by the recurrence over sizes.
fn exact(n1: usize, n2: usize, u: f64) -> f64 {
    // ways[j][u]: arrangements of i of x and j of y with statistic u; i grows in the outer loop.
    let most = n1 * n2;
    let mut ways = vec![vec![0.0_f64; most + 1]; n2 + 1];
    for row in &mut ways {
        if let Some(first) = row.first_mut() {
            *first = 1.0;
        }
    }
    for _ in 1..=n1 {
        let mut next = vec![vec![0.0_f64; most + 1]; n2 + 1];
        for j in 0..=n2 {
            for value in 0..=most {
                // The largest of all is of y, which adds nothing, or of x, which beats all j of y.
                let of_y = if j > 0 { next.get(j - 1).and_then(|row| row.get(value)).copied() } else { None };
                let of_x = value.checked_sub(j).and_then(|rest| ways.get(j).and_then(|row| row.get(rest))).copied();
                if let Some(cell) = next.get_mut(j).and_then(|row| row.get_mut(value)) {
                    *cell = of_y.unwrap_or(0.0) + of_x.unwrap_or(0.0);
                }
            }
        }
        ways = next;
    }
    let counts = ways.pop().unwrap_or_default();
    let total: f64 = counts.iter().sum();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "without ties U is a count")]
    let small = u.min(float(most as u64) - u) as usize;
    let tail: f64 = counts.iter().take(small + 1).sum();
    (2.0 * tail / total).min(1.0)
}

fn shift(x: &[f64], y: &[f64]) -> f64 {
    let mut differences: Vec<f64> = x.iter().flat_map(|a| y.iter().map(move |b| a - b)).collect();
    let half = differences.len() / 2;
    let (below, middle, _) = differences.select_nth_unstable_by(half, f64::total_cmp);
    let upper = *middle;
    if below.len() == half && (x.len() * y.len()).is_multiple_of(2) {
        let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        return 0.5 * (lower + upper);
    }
    upper
}
