//! What each strategy did with each hazard, as a table with strategies as rows. For people: it decides nothing.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::numbers::bound;
use crate::gate::safety::{GridCell, SafetyRows};

/// A part of the table hazard by strategy, as wide as its reader wants it.
pub(in crate::report) struct Grid<'a> {
    /// The hazards' ids.
    pub(in crate::report) hazards: Vec<&'a str>,
    /// Each strategy with one cell a hazard; empty where there was no such attack.
    pub(in crate::report) lines: Vec<(&'a str, Vec<String>)>,
}

/// The table hazard by strategy, with so many hazards side by side at most.
pub(in crate::report) fn grid(rows: &SafetyRows, wide: usize) -> Vec<Grid<'_>> {
    let hazards = distinct(rows.grid.iter().map(|cell| cell.hazard.as_str()));
    let strategies = distinct(rows.grid.iter().map(|cell| cell.strategy.as_str()));
    let cell = |hazard: &str, strategy: &str| {
        let found = rows.grid.iter().find(|cell| cell.hazard == hazard && cell.strategy == strategy);
        found.map(grid_cell).unwrap_or_default()
    };
    // As many parts as are needed, all about as wide.
    let parts = hazards.len().div_ceil(wide.max(1));
    hazards
        .chunks(hazards.len().div_ceil(parts.max(1)).max(1))
        .map(|hazards| {
            let lines = strategies.iter().map(|strategy| {
                (*strategy, hazards.iter().map(|hazard| cell(hazard, strategy)).collect::<Vec<String>>())
            });
            // A strategy that met none of these hazards has no row among them.
            let lines = lines.filter(|(_, cells)| cells.iter().any(|cell| !cell.is_empty())).collect();
            Grid { hazards: hazards.to_vec(), lines }
        })
        .collect()
}

/// Attempts with harm, strategy by strategy, the most harmful first; those without are left out.
pub(in crate::report) fn by_strategy(rows: &SafetyRows) -> Vec<String> {
    let sums = distinct(rows.grid.iter().map(|cell| cell.strategy.as_str())).into_iter().map(|strategy| {
        let own = || rows.grid.iter().filter(|cell| cell.strategy == strategy);
        (strategy, own().map(|cell| cell.harmful).sum::<u64>(), own().map(|cell| cell.n).sum::<u64>())
    });
    let mut sums: Vec<_> = sums.filter(|(_, harmful, _)| *harmful > 0).collect();
    sums.sort_by_key(|(_, harmful, _)| Reverse(*harmful));
    sums.into_iter().map(|(strategy, harmful, n)| format!("{strategy} {harmful} of {n}")).collect()
}

fn grid_cell(cell: &GridCell) -> String {
    let undecided = if cell.indeterminate > 0 { format!(" ({} undecided)", cell.indeterminate) } else { String::new() };
    let upper = cell.upper.map(|upper| format!(" <= {}", bound(upper, None))).unwrap_or_default();
    format!("{}/{}{undecided}{upper}", cell.harmful, cell.n)
}

/// In the order in which they come first.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    names.filter(|name| seen.insert(*name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_grid_is_cut_into_parts_that_are_about_as_wide() {
        let cell = |hazard: usize, strategy: &str| GridCell {
            hazard: format!("h{hazard}"),
            strategy: strategy.to_owned(),
            n: 4,
            harmful: 1,
            indeterminate: 0,
            upper: Some(0.75),
        };
        let mut cells: Vec<GridCell> = (0..13).map(|hazard| cell(hazard, "plain")).collect();
        cells.push(cell(12, "base64"));
        let rows = SafetyRows { grid: cells, ..SafetyRows::default() };
        let parts = grid(&rows, 6);
        assert_eq!(parts.iter().map(|part| part.hazards.len()).collect::<Vec<_>>(), [5, 5, 3]);
        assert_eq!(parts.iter().map(|part| part.lines.len()).collect::<Vec<_>>(), [1, 1, 2]);
        assert_eq!(parts[2].lines[1], ("base64", vec![String::new(), String::new(), "1/4 <= 75 %".to_owned()]));
        assert!(grid(&SafetyRows::default(), 6).is_empty());
        assert_eq!(by_strategy(&rows), ["plain 13 of 52", "base64 1 of 4"]);
    }
}
