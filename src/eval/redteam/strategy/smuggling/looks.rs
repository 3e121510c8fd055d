//! Letters that look like letters: from other scripts, wider, bolder, or with marks on them.

use crate::stats::Generator;

use super::super::choose::{chance, pick};
use super::super::notation::{Asked, Choice, Keeps, Notation};
use super::super::swap::moved;
use super::{by_share, smuggling};

/// A share of the letters, which the seed chooses, from the Cyrillic and Greek scripts.
/// Source: the pairs are among the confusables of Unicode Technical Standard 39.
pub(in super::super) static HOMOGLYPH: Notation = smuggling(
    "homoglyph",
    "Cyrillic and Greek letters that look like Latin ones",
    Asked::Silently,
    Keeps::AllButItsOwn(latin),
    |text, _, generator| by_share(text, generator, alike),
    |text, _| Some(latin(text)),
);

/// ASCII as wide as an ideograph. Source: the Unicode block of half-width and full-width forms.
pub(in super::super) static FULL_WIDTH: Notation = Notation {
    choice: Choice::None,
    ..smuggling(
        "full-width",
        "letters as wide as an ideograph",
        Asked::Silently,
        Keeps::Everything,
        |text, _, _| text.chars().map(widened).collect(),
        |text, _| Some(text.chars().map(widened).collect()),
    )
};

/// Letters of formulas, bold, sans-serif or monospaced by the seed.
/// Source: the Unicode block of mathematical alphanumeric symbols.
pub(in super::super) static MATH_ALPHANUMERIC: Notation = smuggling(
    "math-alphanumeric",
    "bold, sans-serif or monospaced letters of formulas",
    Asked::Silently,
    Keeps::AllButItsOwn(without_style),
    |text, _, generator| {
        let style = pick(&STYLES, generator);
        text.chars().map(|letter| styled(letter, style)).collect()
    },
    |text, _| Some(without_style(text)),
);

/// One to three combining marks on letters, of kinds that no common spelling uses.
pub(in super::super) static ZALGO: Notation = smuggling(
    "zalgo",
    "letters with heaps of combining marks",
    Asked::Silently,
    Keeps::AllButItsOwn(without_marks),
    |text, _, generator| by_share(text, generator, with_marks),
    |text, _| Some(without_marks(text)),
);

const ALIKE: [(char, char); 44] = [
    ('a', '\u{430}'),
    ('c', '\u{441}'),
    ('d', '\u{501}'),
    ('e', '\u{435}'),
    ('h', '\u{4bb}'),
    ('i', '\u{456}'),
    ('j', '\u{458}'),
    ('o', '\u{43e}'),
    ('o', '\u{3bf}'),
    ('p', '\u{440}'),
    ('p', '\u{3c1}'),
    ('q', '\u{51b}'),
    ('s', '\u{455}'),
    ('v', '\u{3bd}'),
    ('w', '\u{51d}'),
    ('x', '\u{445}'),
    ('y', '\u{443}'),
    ('A', '\u{410}'),
    ('A', '\u{391}'),
    ('B', '\u{412}'),
    ('B', '\u{392}'),
    ('C', '\u{421}'),
    ('E', '\u{415}'),
    ('E', '\u{395}'),
    ('H', '\u{41d}'),
    ('H', '\u{397}'),
    ('I', '\u{406}'),
    ('I', '\u{399}'),
    ('J', '\u{408}'),
    ('K', '\u{41a}'),
    ('K', '\u{39a}'),
    ('M', '\u{41c}'),
    ('M', '\u{39c}'),
    ('N', '\u{39d}'),
    ('O', '\u{41e}'),
    ('O', '\u{39f}'),
    ('P', '\u{420}'),
    ('P', '\u{3a1}'),
    ('S', '\u{405}'),
    ('T', '\u{422}'),
    ('T', '\u{3a4}'),
    ('X', '\u{425}'),
    ('Y', '\u{3a5}'),
    ('Z', '\u{396}'),
];

fn alike(text: &str, share: usize, generator: &mut Generator) -> String {
    let mut written = String::new();
    for letter in text.chars() {
        let alike: Vec<char> = ALIKE.iter().filter(|(from, _)| *from == letter).map(|(_, to)| *to).collect();
        let replaced = !alike.is_empty() && chance(share, generator);
        written.push(if replaced { pick(&alike, generator) } else { letter });
    }
    written
}

fn latin(text: &str) -> String {
    text.chars().map(|letter| ALIKE.iter().find(|(_, to)| *to == letter).map_or(letter, |(from, _)| *from)).collect()
}

/// Writing twice is reading.
fn widened(letter: char) -> char {
    match letter {
        ' ' => '\u{3000}',
        '\u{3000}' => ' ',
        '!'..='~' => moved(letter, 0x21, 0xff01),
        '\u{ff01}'..='\u{ff5e}' => moved(letter, 0xff01, 0x21),
        _ => letter,
    }
}

/// Where `A`, `a` and `0` of a style stand: bold, sans-serif bold, monospaced.
const STYLES: [(u32, u32, u32); 3] =
    [(0x1_d400, 0x1_d41a, 0x1_d7ce), (0x1_d5d4, 0x1_d5ee, 0x1_d7ec), (0x1_d670, 0x1_d68a, 0x1_d7f6)];

fn styled(letter: char, (capital, small, digit): (u32, u32, u32)) -> char {
    match letter {
        'A'..='Z' => moved(letter, u32::from('A'), capital),
        'a'..='z' => moved(letter, u32::from('a'), small),
        '0'..='9' => moved(letter, u32::from('0'), digit),
        _ => letter,
    }
}

fn without_style(text: &str) -> String {
    let plain = |letter: char| {
        let rows = STYLES
            .iter()
            .flat_map(|(capital, small, digit)| [(*capital, 26, 'A'), (*small, 26, 'a'), (*digit, 10, '0')]);
        let mut rows = rows.filter(|(first, count, _)| (*first..first + count).contains(&u32::from(letter)));
        rows.next().map_or(letter, |(first, _, plain)| moved(letter, first, u32::from(plain)))
    };
    text.chars().map(plain).collect()
}

const MARKS: [char; 20] = [
    '\u{310}', '\u{315}', '\u{316}', '\u{317}', '\u{318}', '\u{319}', '\u{31c}', '\u{31d}', '\u{31e}', '\u{31f}',
    '\u{320}', '\u{32a}', '\u{32b}', '\u{33a}', '\u{33b}', '\u{33c}', '\u{33f}', '\u{34a}', '\u{34b}', '\u{34c}',
];

fn with_marks(text: &str, share: usize, generator: &mut Generator) -> String {
    let mut written = String::new();
    for letter in text.chars() {
        written.push(letter);
        if letter.is_ascii_alphanumeric() && chance(share, generator) {
            for _ in 0..=generator.index(3) {
                written.push(pick(&MARKS, generator));
            }
        }
    }
    written
}

fn without_marks(text: &str) -> String {
    text.chars().filter(|letter| !MARKS.contains(letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lookalike_stands_for_one_letter_only() {
        let mut found: Vec<char> = ALIKE.iter().map(|(_, to)| *to).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), ALIKE.len());
        assert!(ALIKE.iter().all(|(from, to)| from.is_ascii() && !to.is_ascii()));
    }

    #[test]
    fn letters_of_formulas_are_those_of_the_unicode_chart() {
        let row =
            |style| ['A', 'Z', 'a', 'z', '0', '9'].map(|letter| styled(letter, style)).into_iter().collect::<String>();
        assert_eq!(STYLES.map(row), ["𝐀𝐙𝐚𝐳𝟎𝟗", "𝗔𝗭𝗮𝘇𝟬𝟵", "𝙰𝚉𝚊𝚣𝟶𝟿"]);
    }
}
