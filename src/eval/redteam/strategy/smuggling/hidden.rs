//! Characters without a shape: between the letters, or instead of them.

use crate::stats::Generator;

use super::super::choose::chance;
use super::super::notation::{Asked, Keeps, Notation};
use super::super::swap::moved;
use super::{by_share, smuggling};

/// Behind letters and digits that the seed chooses. Joiners are not among them: they belong to emoji and to several scripts.
pub(in super::super) static ZERO_WIDTH: Notation = smuggling(
    "zero-width",
    "characters of no width between letters",
    Asked::Silently,
    Keeps::AllButItsOwn(without_zero_width),
    |text, _, generator| by_share(text, generator, with_zero_width),
    |text, _| Some(without_zero_width(text)),
);

/// ASCII in the block of tags, which no font shows; other characters stay in sight.
/// Source: the Unicode Standard, chapter 23.9, tag characters.
pub(in super::super) static UNICODE_TAGS: Notation = smuggling(
    "unicode-tags",
    "ASCII written in the invisible block of tags, behind a sign",
    Asked::Hidden,
    Keeps::Everything,
    |text, _, _| text.chars().map(tagged).collect(),
    |text, _| Some(text.chars().map(tagged).collect()),
);

/// Each byte of UTF-8 is one of the 256 variation selectors.
/// Source: the Unicode Standard, chapter 23.4, variation selectors.
pub(in super::super) static VARIATION_SELECTORS: Notation = smuggling(
    "variation-selectors",
    "each byte as an invisible variation selector behind a sign",
    Asked::Hidden,
    Keeps::Everything,
    |text, _, _| text.bytes().map(selector).collect(),
    |text, _| String::from_utf8(text.chars().filter_map(selected).collect()).ok(),
);

const ZERO_WIDTH_SPACE: char = '\u{200b}';
const WORD_JOINER: char = '\u{2060}';

fn with_zero_width(text: &str, share: usize, generator: &mut Generator) -> String {
    let mut written = String::new();
    for letter in text.chars() {
        written.push(letter);
        if letter.is_ascii_alphanumeric() && chance(share, generator) {
            written.push(if chance(50, generator) { ZERO_WIDTH_SPACE } else { WORD_JOINER });
        }
    }
    written
}

fn without_zero_width(text: &str) -> String {
    text.chars().filter(|letter| *letter != ZERO_WIDTH_SPACE && *letter != WORD_JOINER).collect()
}

/// A letter's tag, and a tag's letter: writing twice is reading.
fn tagged(letter: char) -> char {
    match letter {
        '\0'..='\u{7f}' => moved(letter, 0, 0xe_0000),
        '\u{e0000}'..='\u{e007f}' => moved(letter, 0xe_0000, 0),
        _ => letter,
    }
}

fn selector(byte: u8) -> char {
    let byte = u32::from(byte);
    char::from_u32(if byte < 16 { 0xfe00 + byte } else { 0xe_0100 + byte - 16 }).unwrap_or_default()
}

fn selected(selector: char) -> Option<u8> {
    let byte = match selector {
        '\u{fe00}'..='\u{fe0f}' => u32::from(selector) - 0xfe00,
        '\u{e0100}'..='\u{e01ef}' => u32::from(selector) - 0xe_0100 + 16,
        _ => return None,
    };
    u8::try_from(byte).ok()
}
