//! How stacks are read, and that a stack gives its payload back as its parts do.

use std::collections::BTreeSet;

use super::*;
use crate::eval::redteam::{Family, default_strategies, groups, strategies_table};

#[test]
fn names_are_unique_and_of_one_form() {
    let mut names = BTreeSet::new();
    for strategy in STRATEGIES {
        let form = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        assert!(strategy.name.bytes().all(form) && names.insert(strategy.name), "{}", strategy.name);
        assert!(!strategy.about.is_empty() && !strategy.about.contains('\n'));
        assert_eq!(stack(strategy.name).name(), strategy.name);
        assert_eq!(stack(strategy.name).family(), strategy.family);
    }
    assert_eq!(STRATEGIES[0].name, "plain");
    assert_eq!(Stack::plain(), stack("plain"));
}

#[test]
fn a_stack_is_read_and_named_alike() {
    for name in ["base64", "role-play+base64", "base64+role-play+split-turns", "homoglyph+json+hex", "rot13+pair"] {
        assert_eq!(stack(name).name(), name);
    }
    assert_eq!(stack(" role-play + base64 ").name(), "role-play+base64");
}

#[test]
fn a_wrong_stack_says_what_is_wrong_and_what_to_do() {
    let cases = [
        ("", "a strategy without a name", "name one"),
        ("base64+", "a strategy without a name", "name one"),
        ("bas64", "unknown strategy `bas64`", "did you mean `base64`?"),
        ("roleplay+base64", "unknown strategy `roleplay`", "did you mean `role-play`?"),
        ("zzzzzzzz", "unknown strategy `zzzzzzzz`", "docs/how-to/attacks.md"),
        ("encodings", "is a group", "a group stands by itself"),
        ("hex+base64+rot13+url", "4 strategies in one stack", "at most 3"),
        ("hex+base64+hex", "`hex` twice", "once"),
        ("plain+base64", "`plain` in a stack", "alone"),
        ("base64+plain", "`plain` in a stack", "alone"),
        ("crescendo-script+base64", "behind `crescendo-script`", "`base64+crescendo-script`"),
        ("pair+role-play", "behind `pair`", "`role-play+pair`"),
        ("split-turns+pair", "behind `split-turns`", "one conversation"),
        ("base64+morse", "`morse` behind `base64`", "`morse+base64`"),
        ("homoglyph+role-play+leetspeak", "`leetspeak` behind `homoglyph`", "`leetspeak+homoglyph`"),
        ("morse+leetspeak", "`leetspeak` behind `morse`", "use one of the two"),
    ];
    for (text, message, help) in cases {
        let problem = Stack::parse(text).unwrap_err();
        assert!(problem.message.contains(message) && problem.help.contains(help), "{text}: {problem:?}");
    }
    let long = Stack::parse(&"x".repeat(10_000)).unwrap_err();
    assert!(long.message.len() < 200);
}

#[test]
fn what_a_problem_proposes_is_a_stack() {
    for first in STRATEGIES {
        for second in STRATEGIES {
            let Err(problem) = Stack::parse(&format!("{}+{}", first.name, second.name)) else { continue };
            let proposed = problem.help.split('`').nth(1).filter(|text| text.contains('+'));
            assert!(proposed.is_none_or(|text| Stack::parse(text).is_ok()), "{problem:?}");
        }
    }
}

#[test]
fn an_encoding_behind_a_frame_encodes_the_frame_too() {
    let framed = stack("role-play").apply(SIMPLE, 5).turns.concat();
    let both = stack("role-play+base64");
    let attack = both.apply(SIMPLE, 5).turns.concat();
    assert!(!attack.contains("kestrel"));
    assert_eq!(both.decode(&attack, 5), Some(framed));

    let other = stack("base64+role-play").apply(SIMPLE, 5).turns.concat();
    assert!(other.contains("-----BEGIN TEXT-----") && !other.contains("kestrel"));
}

#[test]
fn no_pair_of_strategies_loses_the_payload() {
    let mut tried = 0;
    for first in STRATEGIES {
        for second in STRATEGIES {
            let Ok(stack) = Stack::parse(&format!("{}+{}", first.name, second.name)) else { continue };
            tried += 1;
            let alone = super::stack(first.name).apply(SIMPLE, 11).turns.concat();
            let attacked = stack.apply(SIMPLE, 11);
            let whole = attacked.turns.concat();
            let kept = match (first.apply, second.apply) {
                (Apply::Write(_), Apply::Write(_)) => stack.decode(&whole, 11).as_deref() == Some(SIMPLE),
                (_, Apply::Write(notation)) => stack.decode(&whole, 11) == Some(notation.kept(&alone)),
                (_, Apply::Frame(frame)) => frame.wordings.iter().any(|(hold, _)| whole.contains(&hold.held(&alone))),
                (_, Apply::Adaptive(method)) => attacked.adaptive == Some(method) && whole == alone,
                // How these put text together is in the tests of their own; it is all there.
                (_, Apply::Text(_) | Apply::Turns(_)) => whole.len() > alone.len(),
            };
            assert!(kept, "{}: {whole}", stack.name());
        }
    }
    assert!(tried > 2000, "{tried}");
}

#[test]
fn three_notations_are_read_back_to_the_payload() {
    for name in ["leetspeak+zalgo+hex", "morse+base85+homoglyph", "bidi+unicode-tags+base64", "caesar+vigenere+url"] {
        let attack = stack(name).apply(SIMPLE, 77).turns.concat();
        assert_eq!(stack(name).decode(&attack, 77).as_deref(), Some(SIMPLE), "{name}");
    }
}

#[test]
fn groups_hold_whole_families_and_all_needs_no_other_model() {
    let names = |family: Family| -> Vec<&str> {
        STRATEGIES.iter().filter(|strategy| strategy.family == family).map(|strategy| strategy.name).collect()
    };
    assert_eq!(groups("encodings").unwrap(), names(Family::Encoding));
    assert_eq!(groups("smuggling").unwrap(), names(Family::Smuggling));
    assert_eq!(groups("framing").unwrap(), names(Family::Framing));
    assert_eq!(groups("scripts").unwrap(), names(Family::Script));
    let all = groups("all").unwrap();
    assert_eq!(all.len(), STRATEGIES.len() - names(Family::Adaptive).len());
    assert!(all.contains(&"plain") && !all.contains(&"pair"));
    assert_eq!(groups("base64"), None);
    assert_eq!(groups("everything"), None);
}

#[test]
fn the_default_begins_with_plain_and_covers_every_family_that_needs_no_other_model() {
    let families: Vec<Family> = default_strategies().iter().map(|name| stack(name).family()).collect();
    assert_eq!(default_strategies()[0], "plain");
    for family in [Family::Plain, Family::Encoding, Family::Smuggling, Family::Framing, Family::Script] {
        assert!(families.contains(&family), "{family:?}");
    }
    assert!(!families.contains(&Family::Adaptive));
    let unique: BTreeSet<&&str> = default_strategies().iter().collect();
    assert_eq!(unique.len(), default_strategies().len());
}

#[test]
fn the_table_has_a_row_for_every_strategy_and_five_cells_in_each() {
    let table = strategies_table();
    assert!(table.contains("| `plain` | - | the payload as it is | yes | 100 |"), "{table}");
    assert_eq!(table.lines().count(), STRATEGIES.len() + 2);
    assert!(table.lines().all(|line| line.replace("\\|", "").matches('|').count() == 6), "{table}");
}
