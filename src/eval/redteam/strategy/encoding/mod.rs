//! Encodings: another alphabet or notation, with the request to read it. Each with its reader.
//! Kept out: how the model is asked (`notation`), and letters that only look the same (`smuggling`).

mod base;
mod letters;
mod play;
mod shapes;
mod signs;
mod transfer;

pub(super) use base::{BASE32, BASE64, BASE64URL, BASE85, BINARY, HEX};
pub(super) use letters::{ATBASH, CAESAR, ROT13, VIGENERE};
pub(super) use play::{CHAR_SPACING, LEETSPEAK, PIG_LATIN, REVERSED};
pub(super) use shapes::{SUPERSCRIPT, UPSIDE_DOWN};
pub(super) use signs::{BRAILLE, MORSE, NATO};
pub(super) use transfer::{HTML_ENTITIES, QUOTED_PRINTABLE, UNICODE_ESCAPES, URL, UUENCODE};

/// Bytes as text.
fn utf8(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok()
}

/// A hexadecimal pair as a byte.
fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? * 16 + digit(low)?)
}
