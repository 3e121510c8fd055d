//! Word play: what people do with letters for fun.

use super::super::Family;
use super::super::key::KeyKind;
use super::super::notation::{Asked, Choice, Keeps, Notation};

/// Digits for letters; capitals are lost, and digits of the text are read as the letters that they look like.
pub(in super::super) static LEETSPEAK: Notation = Notation {
    name: "leetspeak",
    family: Family::Encoding,
    about: "digits that look like letters; capitals are lost, and 0 1 3 4 5 7 of the text are read as letters",
    asked: Asked::Decode("leetspeak (4 is a, 3 is e, 1 is i, 0 is o, 5 is s, 7 is t)"),
    key: KeyKind::None,
    choice: Choice::Seeded,
    keeps: Keeps::Letters(|text| without_leet(&text.to_ascii_lowercase())),
    write: |text, _, _| text.to_ascii_lowercase().chars().map(to_leet).collect(),
    read: |text, _| Some(without_leet(text)),
};

/// With a hyphen before what was moved, so that it can be read back; the text's own hyphens are doubled.
pub(in super::super) static PIG_LATIN: Notation = Notation::encoding(
    "pig-latin",
    "Pig Latin with a hyphen before what was moved",
    "hyphenated Pig Latin (the first consonants stand behind a hyphen, then `ay`; a hyphen of the text is doubled)",
    |text, _, _| pig_latin(text),
    |text, _| Some(read_pig_latin(text)),
);

/// By character, not by grapheme: a combined emoji comes apart, and comes together again when it is read.
pub(in super::super) static REVERSED: Notation = Notation::encoding(
    "reversed",
    "the characters from last to first",
    "reverse (from the last character to the first)",
    |text, _, _| text.chars().rev().collect(),
    |text, _| Some(text.chars().rev().collect()),
);

/// A blank behind every character but the last.
pub(in super::super) static CHAR_SPACING: Notation = Notation::encoding(
    "char-spacing",
    "a blank between any two characters",
    "spaced-out letters (there is a blank between any two characters)",
    |text, _, _| {
        let mut spaced = String::new();
        for (place, letter) in text.chars().enumerate() {
            if place > 0 {
                spaced.push(' ');
            }
            spaced.push(letter);
        }
        spaced
    },
    |text, _| {
        let blanks = text.chars().skip(1).step_by(2).all(|letter| letter == ' ');
        blanks.then(|| text.chars().step_by(2).collect())
    },
);

const LEET: [(char, char); 6] = [('a', '4'), ('e', '3'), ('i', '1'), ('o', '0'), ('s', '5'), ('t', '7')];

fn to_leet(letter: char) -> char {
    LEET.iter().find(|(from, _)| *from == letter).map_or(letter, |(_, to)| *to)
}

fn without_leet(text: &str) -> String {
    let letter = |letter: char| LEET.iter().find(|(_, to)| *to == letter).map_or(letter, |(from, _)| *from);
    text.chars().map(letter).collect()
}

/// Cuts off the ASCII letters at the beginning.
fn word(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(text.len());
    text.split_at(end)
}

fn pig_latin(text: &str) -> String {
    let mut written = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let (found, behind) = word(rest);
        if found.is_empty() {
            written.push_str(if letter == '-' { "--" } else { "" });
            written.extend((letter != '-').then_some(letter));
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            continue;
        }
        // Where there is no vowel the whole word is moved.
        let vowel = found.find(|letter: char| "aeiouAEIOU".contains(letter)).unwrap_or(found.len());
        let (moved, kept) = found.split_at(vowel);
        written.push_str(&format!("{kept}-{moved}ay"));
        rest = behind;
    }
    written
}

fn read_pig_latin(text: &str) -> String {
    let mut read = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix("--") {
            read.push('-');
            rest = behind;
            continue;
        }
        let (kept, behind) = word(rest);
        let moved = behind.strip_prefix('-').map(word).and_then(|(end, next)| Some((end.strip_suffix("ay")?, next)));
        if let Some((moved, next)) = moved {
            read.push_str(moved);
            read.push_str(kept);
            rest = next;
        } else if kept.is_empty() {
            read.push(letter);
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        } else {
            read.push_str(kept);
            rest = behind;
        }
    }
    read
}
