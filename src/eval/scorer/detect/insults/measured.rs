//! The list against the labelled set, and what the page on detectors says of it.

use super::INSULT_SCREEN;
use super::screen::Screen;
use crate::eval::scorer::detect::measured::{Half, Row, Set, assert_page_states};
use crate::gate::safety::Labelled;

const SET: Set = Set {
    path: "tests/reference/insults.jsonl",
    harmful: "insult",
    harmless: "clean",
    flags: |text| Screen::default().find(text).is_some(),
};

#[test]
fn the_constant_is_what_the_held_out_half_says() {
    assert_eq!(SET.measured(Half::HeldOut), INSULT_SCREEN);
    assert!(SET.rows().len() >= 300);
}

#[test]
fn the_page_states_sensitivity_and_specificity_as_measured() {
    let mut lines = SET.page_lines(INSULT_SCREEN, "insults found", "clean texts left alone").to_vec();
    let mut kinds: Vec<(String, Vec<Row>)> = Vec::new();
    for row in SET.half(Half::HeldOut) {
        let name = format!("{}, {}", row.label, row.kind);
        match kinds.iter_mut().find(|(known, _)| *known == name) {
            Some((_, rows)) => rows.push(row),
            None => kinds.push((name, vec![row])),
        }
    }
    let line = |(name, rows): &(String, Vec<Row>)| {
        let Labelled { harmful, found, harmless, cleared } = SET.counted(rows);
        format!("| {name} | {} of {} |", found + cleared, harmful + harmless)
    };
    lines.extend(kinds.iter().map(line));
    assert_page_states(&lines);
}

#[test]
fn every_pattern_is_understood() {
    assert!(super::screen::is_whole());
}
