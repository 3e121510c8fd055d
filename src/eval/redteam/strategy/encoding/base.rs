//! Notations of bytes in some base: a text's UTF-8, in 64, 32, 85, 16 or 2 signs.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::super::notation::Notation;
use super::{hex_byte, utf8};

/// Source: RFC 4648, section 4.
pub(in super::super) static BASE64: Notation = Notation::encoding(
    "base64",
    "Base64 of the text's UTF-8",
    "Base64",
    |text, _, _| STANDARD.encode(text),
    |text, _| utf8(STANDARD.decode(without_blanks(text)).ok()?),
);

/// Source: RFC 4648, section 5, without padding.
pub(in super::super) static BASE64URL: Notation = Notation::encoding(
    "base64url",
    "Base64 with `-` and `_`, unpadded",
    "URL-safe Base64 without padding",
    |text, _, _| URL_SAFE_NO_PAD.encode(text),
    |text, _| utf8(URL_SAFE_NO_PAD.decode(without_blanks(text).trim_end_matches('=')).ok()?),
);

/// Source: RFC 4648, section 8 (base 16), in lower case.
pub(in super::super) static HEX: Notation = Notation::encoding(
    "hex",
    "two hexadecimal digits a byte",
    "hexadecimal (two digits for each byte of UTF-8)",
    |text, _, _| text.bytes().map(|byte| format!("{byte:02x}")).collect(),
    |text, _| {
        let digits = without_blanks(text).into_bytes();
        let pair = |pair: &[u8]| match pair {
            [high, low] => hex_byte(*high, *low),
            _ => None,
        };
        utf8(digits.chunks(2).map(pair).collect::<Option<Vec<u8>>>()?)
    },
);

/// Source: RFC 4648, section 6.
pub(in super::super) static BASE32: Notation = Notation::encoding(
    "base32",
    "Base32 of the text's UTF-8",
    "Base32",
    |text, _, _| base32(text.as_bytes()),
    |text, _| utf8(read_base32(&without_blanks(text))?),
);

/// Source: Adobe, PostScript Language Reference, 3rd edition, ASCII85Encode filter.
pub(in super::super) static BASE85: Notation = Notation::encoding(
    "base85",
    "Ascii85, as Adobe writes it",
    "Ascii85 (Base85)",
    |text, _, _| base85(text.as_bytes()),
    |text, _| utf8(read_base85(&without_blanks(text))?),
);

/// Eight digits a byte.
pub(in super::super) static BINARY: Notation = Notation::encoding(
    "binary",
    "eight binary digits a byte",
    "binary (eight digits for each byte of UTF-8)",
    |text, _, _| text.bytes().map(|byte| format!("{byte:08b}")).collect::<Vec<_>>().join(" "),
    |text, _| {
        let byte = |digits: &str| u8::from_str_radix(digits, 2).ok().filter(|_| digits.len() == 8);
        utf8(text.split_ascii_whitespace().map(byte).collect::<Option<Vec<u8>>>()?)
    },
);

fn without_blanks(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_ascii_whitespace()).collect()
}

const SIGNS_32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(5) {
        let value = group.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte)) << (8 * (5 - group.len()));
        let signs = (group.len() * 8).div_ceil(5);
        for place in 0..8 {
            let digit = usize::try_from(value >> (35 - 5 * place) & 31).unwrap_or(0);
            let sign = SIGNS_32.get(digit).copied().unwrap_or(b'=');
            text.push(char::from(if place < signs { sign } else { b'=' }));
        }
    }
    text
}

fn read_base32(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for sign in text.trim_end_matches('=').bytes() {
        let value = SIGNS_32.iter().position(|known| *known == sign.to_ascii_uppercase())?;
        held = (held << 5 | u32::try_from(value).ok()?) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).ok()?);
        }
    }
    Some(bytes)
}

fn base85(bytes: &[u8]) -> String {
    let mut text = String::from("<~");
    for group in bytes.chunks(4) {
        let value = group.iter().fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
        let value = value << (8 * (4 - group.len()));
        if value == 0 && group.len() == 4 {
            text.push('z');
            continue;
        }
        let digit = |place: u32| value / 85_u32.pow(4 - place) % 85;
        text.extend((0..5).take(group.len() + 1).filter_map(|place| char::from_u32(digit(place) + 33)));
    }
    text.push_str("~>");
    text
}

fn read_base85(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix("<~").unwrap_or(text);
    let text = text.strip_suffix("~>").unwrap_or(text).replace('z', "!!!!!");
    let mut bytes = Vec::new();
    for group in text.as_bytes().chunks(5) {
        if group.len() == 1 {
            return None;
        }
        let mut value = 0_u32;
        for place in 0..5 {
            let digit = group.get(place).copied().unwrap_or(b'u').checked_sub(33).filter(|digit| *digit < 85)?;
            value = value.checked_mul(85)?.checked_add(u32::from(digit))?;
        }
        bytes.extend(value.to_be_bytes().into_iter().take(group.len() - 1));
    }
    Some(bytes)
}
