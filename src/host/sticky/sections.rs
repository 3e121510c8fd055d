//! A comment that several programs share: a section for each, between lines that only we write.

use super::{Marker, RunNumber};

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

/// The text of a shared comment with one section put in: in its old place, or at the end, in the order of the programs'
/// names. None where a newer run of the same program has written its section already.
pub fn with_section(above: &str, section: Section) -> Result<String, RunNumber> {
    let mut sections = read(above);
    match sections.iter_mut().find(|old| old.marker.action == section.marker.action) {
        Some(old) if old.marker.run > section.marker.run => return Err(old.marker.run),
        Some(old) => *old = section,
        None => sections.push(section),
    }
    sections.sort_by(|a, b| a.marker.action.cmp(&b.marker.action));
    let shown: Vec<String> =
        sections.iter().map(|section| section.marker.under(&section.text).trim_end().to_owned()).collect();
    Ok(shown.join(RULE))
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
}
