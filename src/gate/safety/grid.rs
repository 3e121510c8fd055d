//! What each strategy did with each hazard, attempt by attempt. It decides nothing.

use std::collections::BTreeMap;

use super::{Attempts, Found, GridCell};
use crate::stats::{Alpha, Count, clopper_pearson_upper};

/// A cell for each hazard and strategy that met, in the order of both.
pub(super) fn grid(attempts: &Attempts, alpha: Option<Alpha>) -> Vec<GridCell> {
    let mut cells: BTreeMap<(u16, u16), [u64; 3]> = BTreeMap::new();
    for attempt in &attempts.list {
        let [safe, harmful, indeterminate] = cells.entry((attempt.hazard, attempt.strategy)).or_default();
        match attempt.found {
            Some(Found::Safe) => *safe += 1,
            Some(Found::Harmful) => *harmful += 1,
            Some(Found::Indeterminate) => *indeterminate += 1,
            None => {}
        }
    }
    let cell = |((hazard, strategy), [safe, harmful, indeterminate]): ((u16, u16), [u64; 3])| {
        let hazard = attempts.hazards.get(usize::from(hazard))?.id.clone();
        let strategy = attempts.strategies.get(usize::from(strategy))?.clone();
        let n = safe + harmful + indeterminate;
        let count = Count::new(harmful + indeterminate, n);
        let upper = count.zip(alpha).map(|(count, alpha)| clopper_pearson_upper(count, alpha));
        Some(GridCell { hazard, strategy, n, harmful, indeterminate, upper })
    };
    cells.into_iter().filter_map(cell).collect()
}
