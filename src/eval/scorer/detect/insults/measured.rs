//! The list against the labelled set, and what the page on detectors says of it.

use super::INSULT_SCREEN;
use super::screen::Screen;
use crate::eval::scorer::detect::measured::{Half, Set, assert_page_states};

const SET: Set = Set {
    path: "tests/reference/insults.jsonl",
    harmful: "insult",
    harmless: "clean",
    flags: |text| Screen::default().find(text).is_some(),
};

#[test]
fn dev_misses() {
    println!("{:?}", SET.measured(Half::Seen));
    for row in SET.half(Half::Seen) {
        if (SET.flags)(&row.text) != (row.label == "insult") {
            println!("{:8} {:12} {}", row.label, row.kind, row.text);
        }
    }
}
