//! A comment that several programs share: a section for each, between lines that only we write.

use std::collections::BTreeMap;

use super::{Marker, RunNumber};
use crate::report::COMMENT_BYTES;

/// One program's part of a shared comment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// The marker of the program's own result; it ends the section.
    pub marker: Marker,
    /// The text above it.
    pub text: String,
}

/// What stands between two sections for a reader.
const RULE: &str = "\n\n---\n\n";

/// The sections of a comment's text, in their order. What stands in no section is left out.
fn read(text: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        match Marker::parse(line.trim_end()) {
            Some(marker) => {
                let text = lines.join("\n").trim().trim_start_matches("---").trim_start().to_owned();
                sections.push(Section { marker, text });
                lines.clear();
            }
            None => lines.push(line.trim_end_matches('\r')),
        }
    }
    sections
}

/// The text of a shared comment with one section put in, in the order of the programs' names; of two sections of a program
/// the newer one counts. The run of the newer section where this program's is there already. Over the room of a comment,
/// the others keep their first line, which is their verdict.
pub fn with_section(above: &str, section: Section) -> Result<String, RunNumber> {
    let mut sections: BTreeMap<String, Section> = BTreeMap::new();
    for known in read(above) {
        let newer = sections.get(&known.marker.action).is_none_or(|other| other.marker.run <= known.marker.run);
        if newer {
            sections.insert(known.marker.action.clone(), known);
        }
    }
    let action = section.marker.action.clone();
    if let Some(old) = sections.get(&action).filter(|old| old.marker.run > section.marker.run) {
        return Err(old.marker.run);
    }
    sections.insert(action.clone(), section);
    let whole = write(&sections);
    if whole.len() <= COMMENT_BYTES {
        return Ok(whole);
    }
    for (_, other) in sections.iter_mut().filter(|(name, _)| **name != action) {
        let verdict = other.text.lines().next().unwrap_or_default();
        other.text = format!("{verdict}\n\nIts details are left out for want of room: they are in its run.");
    }
    Ok(write(&sections))
}

fn write(sections: &BTreeMap<String, Section>) -> String {
    let shown = sections.values().map(|section| section.marker.under(&section.text).trim_end().to_owned());
    shown.collect::<Vec<_>>().join(RULE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(action: &str, run: u64, text: &str) -> Section {
        let marker = Marker {
            action: action.to_owned(),
            id: "default".to_owned(),
            sha: "9f8e7d6".to_owned(),
            run: RunNumber { run, attempt: 1 },
            body: Marker::digest(text),
        };
        Section { marker, text: text.to_owned() }
    }

    #[test]
    fn programs_keep_each_others_sections_and_replace_their_own() {
        let one = with_section("", section("regression-check", 1, "### no\n\nworse")).unwrap();
        let two = with_section(&one, section("eval-gate", 1, "### yes")).unwrap();
        assert_eq!(read(&two), [section("eval-gate", 1, "### yes"), section("regression-check", 1, "### no\n\nworse")]);
        let three = with_section(&two.replace('\n', "\r\n"), section("regression-check", 2, "### better")).unwrap();
        assert_eq!(read(&three), [section("eval-gate", 1, "### yes"), section("regression-check", 2, "### better")]);
        assert!(!three.contains("worse") && three.matches("---\n").count() == 1, "{three}");
    }

    #[test]
    fn a_section_of_a_newer_run_stays() {
        let there = with_section("", section("eval-gate", 5, "new")).unwrap();
        assert_eq!(with_section(&there, section("eval-gate", 4, "old")), Err(RunNumber { run: 5, attempt: 1 }));
    }

    #[test]
    fn over_the_room_of_a_comment_the_others_keep_their_verdict() {
        let long = |verdict: &str| format!("### {verdict}\n\n{}", "x ".repeat(20_000));
        let one = with_section("", section("eval-gate", 1, &long("fail"))).unwrap();
        let two = with_section(&one, section("regression-check", 1, &long("pass"))).unwrap();
        assert!(two.len() <= COMMENT_BYTES && two.starts_with("### fail\n\nIts details"), "{}", &two[..200]);
        assert_eq!(read(&two)[1].text, long("pass").trim_end());
    }

    #[test]
    fn of_two_sections_of_a_program_the_newer_one_counts() {
        let old = with_section("", section("eval-gate", 4, "old")).unwrap();
        let new = with_section("", section("eval-gate", 5, "new")).unwrap();
        for both in [format!("{old}\n\n{new}"), format!("{new}\n\n{old}")] {
            let merged = with_section(&both, section("regression-check", 1, "x")).unwrap();
            assert_eq!(read(&merged), [section("eval-gate", 5, "new"), section("regression-check", 1, "x")]);
        }
    }
}
