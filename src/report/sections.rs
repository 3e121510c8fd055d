//! One comment that several programs share: a section a program, found again by strict markers. What does not parse is not
//! repaired but replaced: a body that somebody has edited must not smuggle text into ours.

use std::collections::BTreeMap;

use super::markdown::COMMENT_BYTES;

const OPEN: &str = "<!-- llmci-section ";
const CLOSE: &str = "<!-- /llmci-section ";
const END: &str = " -->";
/// Letters of a program's name.
const LONGEST: usize = 40;

/// The sections of a shared body, by program; none where the body is not exactly what [`merge_section`] writes. A host's own
/// marker must have been taken off before.
pub fn sections(body: &str) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut lines = body.lines();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let program = marker(line, OPEN)?;
        let mut section = String::new();
        loop {
            let line = lines.next()?;
            if let Some(closed) = marker(line, CLOSE) {
                if closed != program {
                    return None;
                }
                break;
            }
            if looks_like_marker(line) {
                return None;
            }
            section.push_str(line);
            section.push('\n');
        }
        if found.insert(program.to_owned(), section).is_some() {
            return None;
        }
    }
    (!found.is_empty()).then_some(found)
}

/// The body with this program's section in it, and those of other programs as they were. Over the budget, the others are
/// reduced to their first line, which is their verdict. A body that does not parse is given up.
pub fn merge_section(existing: &str, program: &str, section: &str) -> String {
    let mut all = sections(existing).unwrap_or_default();
    let Some(program) = is_program(program).then_some(program) else { return existing.to_owned() };
    // The renderer writes no marker; a section that holds one all the same loses it.
    let lines = section.lines().filter(|line| !looks_like_marker(line));
    let section: String = lines.flat_map(|line| [line, "\n"]).collect();
    all.insert(program.to_owned(), section);
    let whole = write(&all);
    if whole.len() <= COMMENT_BYTES {
        return whole;
    }
    for (name, text) in &mut all {
        if name != program {
            let verdict = text.trim_start().lines().next().unwrap_or_default();
            *text = format!("{verdict}\n\nIts details were left out for want of room; they are in its run.\n");
        }
    }
    let reduced = write(&all);
    if reduced.len() <= COMMENT_BYTES {
        return reduced;
    }
    all.retain(|name, _| name == program);
    write(&all)
}

fn write(sections: &BTreeMap<String, String>) -> String {
    let mut body = String::new();
    for (program, section) in sections {
        body.push_str(&format!("{OPEN}{program}{END}\n\n{}\n\n{CLOSE}{program}{END}\n\n", section.trim_matches('\n')));
    }
    format!("{}\n", body.trim_end())
}

fn marker<'a>(line: &'a str, kind: &str) -> Option<&'a str> {
    let name = line.strip_prefix(kind)?.strip_suffix(END)?;
    is_program(name).then_some(name)
}

fn is_program(name: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(letters)
}

fn looks_like_marker(line: &str) -> bool {
    line.contains("<!--") || line.contains("-->")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_program_replaces_its_own_section_only() {
        let one = merge_section("", "eval-gate", "### pass\n\ntext\n");
        let two = merge_section(&one, "regression-check", "### fail\n");
        let three = merge_section(&two, "eval-gate", "### error\n");
        let found = sections(&three).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["eval-gate", "regression-check"]);
        assert_eq!(found["eval-gate"].trim(), "### error");
        assert_eq!(found["regression-check"].trim(), "### fail");
        assert_eq!(merge_section(&three, "eval-gate", "### error\n"), three, "the same text gives the same bytes");
    }

    #[test]
    fn a_hostile_body_gives_nothing_to_keep() {
        let good = merge_section("", "eval-gate", "### pass\n");
        let bodies = [
            format!("look at me\n{good}"),
            format!("{good}\nlook at me"),
            format!("{good}{good}"),
            good.replace("/llmci-section eval-gate", "/llmci-section other"),
            good.replace(CLOSE, "<!-- "),
            good.replace("### pass", "<!-- llmci-section x -->\n### pass"),
            good.replace("### pass", "a <!-- hidden"),
            good.replace("### pass", "--> b"),
            good.replace("section eval-gate -->", "section eval-gate --> x"),
            good.replace("eval-gate", "Eval Gate"),
            good.replace("eval-gate", "a/../b"),
            good.replace("eval-gate", &"a".repeat(41)),
            String::new(),
            "\u{feff}".to_owned() + &good,
        ];
        for body in bodies {
            assert_eq!(sections(&body), None, "{body}");
            let merged = merge_section(&body, "canary-promote", "### fail\n");
            assert_eq!(sections(&merged).unwrap().len(), 1, "{merged}");
        }
    }

    #[test]
    fn over_the_budget_others_keep_their_verdict_and_then_go() {
        let long = format!("### fail\n\n{}\n", "x ".repeat(30_000));
        let one = merge_section("", "eval-gate", &long);
        let two = merge_section(&one, "regression-check", &long);
        assert!(two.len() <= COMMENT_BYTES);
        let found = sections(&two).unwrap();
        assert!(found["eval-gate"].trim().starts_with("### fail\n") && found["eval-gate"].len() < 200);
        assert!(found["regression-check"].len() > 60_000);
    }

    proptest! {
        #[test]
        fn whatever_stands_there_the_result_parses_and_holds_ours(body in "(<!-- |-->|/?llmci-section |a\n|\n|b| ){0,30}") {
            let merged = merge_section(&body, "eval-gate", "### pass\n");
            let found = sections(&merged).unwrap();
            prop_assert_eq!(found["eval-gate"].trim(), "### pass");
        }
    }
}
