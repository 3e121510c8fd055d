//! Text stored backwards, with control characters that turn it around on the screen.
//! Source: Unicode Standard Annex 9; N. Boucher and others, Trojan Source, 2021.

use crate::stats::Generator;

use super::super::choose::chance;
use super::super::notation::{Asked, Keeps, Notation};
use super::smuggling;

/// Line by line, since a line's end ends every override.
pub(in super::super) static BIDI: Notation = smuggling(
    "bidi",
    "stored backwards and turned around on the screen by control characters",
    Asked::Silently,
    Keeps::Everything,
    |text, _, generator| {
        let words = chance(50, generator);
        let line = |line: &str| if words { by_words(line, generator) } else { turned(line) };
        text.split('\n').map(line).collect::<Vec<_>>().join("\n")
    },
    |text, _| text.split('\n').map(read_line).collect::<Option<Vec<_>>>().map(|lines| lines.join("\n")),
);

const RIGHT_TO_LEFT: char = '\u{202e}';
const LEFT_TO_RIGHT: char = '\u{202d}';
const POP: char = '\u{202c}';

fn turned(text: &str) -> String {
    let mut line = String::from(RIGHT_TO_LEFT);
    line.extend(text.chars().rev());
    line.push(POP);
    line
}

/// The words in their order, about half of them turned.
fn by_words(text: &str, generator: &mut Generator) -> String {
    let straight = |word: &str| format!("{LEFT_TO_RIGHT}{word}{POP}");
    let word = |word: &str| if chance(50, generator) { turned(word) } else { straight(word) };
    straight(&text.split(' ').map(word).collect::<Vec<_>>().join(" "))
}

fn read_line(line: &str) -> Option<String> {
    if let Some(backwards) = line.strip_prefix(RIGHT_TO_LEFT) {
        return Some(backwards.strip_suffix(POP)?.chars().rev().collect());
    }
    let Some(words) = line.strip_prefix(LEFT_TO_RIGHT) else {
        return Some(line.to_owned());
    };
    let word = |word: &str| match word.strip_prefix(RIGHT_TO_LEFT) {
        Some(backwards) => Some(backwards.strip_suffix(POP)?.chars().rev().collect()),
        None => Some(word.strip_prefix(LEFT_TO_RIGHT)?.strip_suffix(POP)?.to_owned()),
    };
    words.strip_suffix(POP)?.split(' ').map(word).collect::<Option<Vec<String>>>().map(|words| words.join(" "))
}
