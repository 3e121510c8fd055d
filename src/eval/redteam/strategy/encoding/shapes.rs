//! Letters of another shape: turned over, or raised. Each stands opposite its plain letter.

use super::super::Family;
use super::super::key::KeyKind;
use super::super::notation::{Asked, Choice, Keeps, Notation};
use super::super::swap::swap;

/// Turned over and read from the end; capitals are lost.
pub(in super::super) static UPSIDE_DOWN: Notation = Notation {
    name: "upside-down",
    family: Family::Encoding,
    about: "letters turned upside down, from last to first; capitals are lost",
    asked: Asked::Decode("upside-down letters (turn the page around: the last character comes first)"),
    key: KeyKind::None,
    choice: Choice::Seeded,
    keeps: Keeps::Letters(|text| text.to_ascii_lowercase()),
    write: |text, _, _| text.to_ascii_lowercase().chars().rev().map(|letter| swap(&TURNED, letter)).collect(),
    read: |text, _| Some(text.chars().rev().map(|letter| swap(&TURNED, letter)).collect()),
};

/// Raised letters where Unicode has them.
pub(in super::super) static SUPERSCRIPT: Notation = Notation::encoding(
    "superscript",
    "raised letters and digits, where Unicode has them",
    "superscript letters",
    |text, _, _| text.chars().map(|letter| swap(&RAISED, letter)).collect(),
    |text, _| Some(text.chars().map(|letter| swap(&RAISED, letter)).collect()),
);

const TURNED: [(char, char); 37] = [
    ('a', 'ɐ'),
    ('b', 'q'),
    ('c', 'ɔ'),
    ('d', 'p'),
    ('e', 'ǝ'),
    ('f', 'ɟ'),
    ('g', 'ƃ'),
    ('h', 'ɥ'),
    ('i', 'ᴉ'),
    ('j', 'ɾ'),
    ('k', 'ʞ'),
    ('m', 'ɯ'),
    ('n', 'u'),
    ('r', 'ɹ'),
    ('t', 'ʇ'),
    ('v', 'ʌ'),
    ('w', 'ʍ'),
    ('y', 'ʎ'),
    ('1', 'Ɩ'),
    ('2', 'ᄅ'),
    ('3', 'Ɛ'),
    ('4', 'ㄣ'),
    ('5', 'ϛ'),
    ('6', '9'),
    ('7', 'ㄥ'),
    ('.', '˙'),
    (',', '\''),
    ('"', '„'),
    ('?', '¿'),
    ('!', '¡'),
    ('(', ')'),
    ('[', ']'),
    ('{', '}'),
    ('<', '>'),
    ('&', '⅋'),
    ('_', '‾'),
    (';', '؛'),
];

const RAISED: [(char, char); 59] = [
    ('a', 'ᵃ'),
    ('b', 'ᵇ'),
    ('c', 'ᶜ'),
    ('d', 'ᵈ'),
    ('e', 'ᵉ'),
    ('f', 'ᶠ'),
    ('g', 'ᵍ'),
    ('h', 'ʰ'),
    ('i', 'ⁱ'),
    ('j', 'ʲ'),
    ('k', 'ᵏ'),
    ('l', 'ˡ'),
    ('m', 'ᵐ'),
    ('n', 'ⁿ'),
    ('o', 'ᵒ'),
    ('p', 'ᵖ'),
    ('r', 'ʳ'),
    ('s', 'ˢ'),
    ('t', 'ᵗ'),
    ('u', 'ᵘ'),
    ('v', 'ᵛ'),
    ('w', 'ʷ'),
    ('x', 'ˣ'),
    ('y', 'ʸ'),
    ('z', 'ᶻ'),
    ('A', 'ᴬ'),
    ('B', 'ᴮ'),
    ('D', 'ᴰ'),
    ('E', 'ᴱ'),
    ('G', 'ᴳ'),
    ('H', 'ᴴ'),
    ('I', 'ᴵ'),
    ('J', 'ᴶ'),
    ('K', 'ᴷ'),
    ('L', 'ᴸ'),
    ('M', 'ᴹ'),
    ('N', 'ᴺ'),
    ('O', 'ᴼ'),
    ('P', 'ᴾ'),
    ('R', 'ᴿ'),
    ('T', 'ᵀ'),
    ('U', 'ᵁ'),
    ('V', 'ⱽ'),
    ('W', 'ᵂ'),
    ('0', '⁰'),
    ('1', '¹'),
    ('2', '²'),
    ('3', '³'),
    ('4', '⁴'),
    ('5', '⁵'),
    ('6', '⁶'),
    ('7', '⁷'),
    ('8', '⁸'),
    ('9', '⁹'),
    ('+', '⁺'),
    ('-', '⁻'),
    ('=', '⁼'),
    ('(', '⁽'),
    (')', '⁾'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_stands_in_two_pairs() {
        for pairs in [TURNED.as_slice(), RAISED.as_slice()] {
            let mut letters: Vec<char> = pairs.iter().flat_map(|(left, right)| [*left, *right]).collect();
            letters.sort_unstable();
            letters.dedup();
            assert_eq!(letters.len(), pairs.len() * 2);
        }
    }
}
