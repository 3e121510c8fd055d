//! Several rules at once: all must pass, and each extra one must not make a false failure likelier.

use crate::gate::Verdict;

/// Which failures stand when each rule may claim one with the error rate divided by up to `strengths[i]` (0: it does not
/// fail at all): Holm's procedure, asked of decisions instead of p-values.
/// Source: S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979.
pub fn holm_over(strengths: &[u32]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..strengths.len()).collect();
    let strength = |index: &usize| strengths.get(*index).copied().unwrap_or(0);
    order.sort_by_key(|index| std::cmp::Reverse(strength(index)));
    let mut stands = vec![false; strengths.len()];
    for (rank, index) in order.iter().enumerate() {
        if (strength(index) as usize) < strengths.len() - rank {
            break;
        }
        if let Some(place) = stands.get_mut(*index) {
            *place = true;
        }
    }
    stands
}

/// A rule's verdict after the others have been looked at, and what to add to its reason.
pub fn settle(alone: Verdict, stands: bool, family: usize) -> (Verdict, Option<String>) {
    if alone == Verdict::Fail && !stands {
        let text = format!(
            "; alone it would fail, but among {family} rules one such result is likely by chance (Holm), so it is undecided"
        );
        return (Verdict::Inconclusive, Some(text));
    }
    (alone, None)
}
