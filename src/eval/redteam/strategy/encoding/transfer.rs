//! Notations of mail, the web and source code: every byte or character as an escape.

use crate::stats::Generator;

use super::super::choose::chance;
use super::super::notation::Notation;
use super::{hex_byte, utf8};

/// Source: RFC 3986, section 2.1; only unreserved characters stay.
pub(in super::super) static URL: Notation = Notation::encoding(
    "url",
    "percent-encoding",
    "percent-encoding, as in a URL",
    |text, _, _| {
        let escape = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        text.bytes().map(escape).collect()
    },
    |text, _| read_escapes(text, b'%'),
);

/// Letters that the seed chooses are escaped too, which the standard allows: else plain English would stay plain English.
/// Source: RFC 2045, section 6.7.
pub(in super::super) static QUOTED_PRINTABLE: Notation = Notation::encoding(
    "quoted-printable",
    "quoted-printable, as in mail, with letters escaped that need not be",
    "quoted-printable, as in e-mail",
    |text, _, generator| quoted_printable(text.as_bytes(), 30 + generator.index(41), generator),
    |text, _| read_escapes(&text.replace("=\r\n", "").replace("=\n", ""), b'='),
);

/// Source: POSIX.1-2024, uuencode, historical algorithm.
pub(in super::super) static UUENCODE: Notation = Notation::encoding(
    "uuencode",
    "uuencode",
    "uuencode",
    |text, _, _| {
        let mut lines = vec!["begin 644 text".to_owned()];
        lines.extend(text.as_bytes().chunks(45).map(uuencode_line));
        lines.extend(["`".to_owned(), "end".to_owned()]);
        lines.join("\n")
    },
    |text, _| utf8(read_uuencode(text)?),
);

/// Source: the WHATWG HTML standard, numeric character references.
pub(in super::super) static HTML_ENTITIES: Notation = Notation::encoding(
    "html-entities",
    "each character as its number in HTML",
    "HTML character references",
    |text, _, _| text.chars().map(|letter| format!("&#{};", u32::from(letter))).collect(),
    |text, _| read_entities(text),
);

/// Source: RFC 8259, section 7: UTF-16 units.
pub(in super::super) static UNICODE_ESCAPES: Notation = Notation::encoding(
    "unicode-escapes",
    "each UTF-16 unit as `\\uXXXX`",
    "\\uXXXX escapes, as in JSON",
    |text, _, _| text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect(),
    |text, _| {
        let mut units = Vec::new();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            if let Some(escape) = rest.strip_prefix("\\u") {
                units.push(u16::from_str_radix(escape.get(..4)?, 16).ok()?);
                rest = escape.get(4..)?;
            } else {
                units.extend(letter.encode_utf16(&mut [0; 2]).iter());
                rest = rest.get(letter.len_utf8()..)?;
            }
        }
        String::from_utf16(&units).ok()
    },
);

/// Bytes as they are, but for a mark with two hexadecimal digits behind it.
fn read_escapes(text: &str, mark: u8) -> Option<String> {
    let mut from = text.bytes();
    let mut bytes = Vec::new();
    while let Some(byte) = from.next() {
        bytes.push(if byte == mark { hex_byte(from.next()?, from.next()?)? } else { byte });
    }
    utf8(bytes)
}

/// The longest line, without the `=` of a soft break.
const LONGEST_LINE: usize = 75;

fn quoted_printable(bytes: &[u8], share: usize, generator: &mut Generator) -> String {
    let (mut text, mut line) = (String::new(), 0);
    let mut rest = bytes.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte == b'\n' {
            text.push('\n');
            line = 0;
            continue;
        }
        let at_line_end = rest.peek().is_none_or(|next| *next == b'\n');
        let plain = matches!(byte, b'!'..=b'<' | b'>'..=b'~') || (matches!(byte, b' ' | b'\t') && !at_line_end);
        let plain = plain && !(byte.is_ascii_alphanumeric() && chance(share, generator));
        let token = if plain { char::from(byte).to_string() } else { format!("={byte:02X}") };
        if line + token.len() > LONGEST_LINE {
            text.push_str("=\n");
            line = 0;
        }
        line += token.len();
        text.push_str(&token);
    }
    text
}

fn uuencode_sign(value: u8) -> char {
    char::from(if value == 0 { b'`' } else { value + 32 })
}

fn uuencode_line(bytes: &[u8]) -> String {
    let mut line = String::from(uuencode_sign(u8::try_from(bytes.len()).unwrap_or(0)));
    for group in bytes.chunks(3) {
        let at = |place: usize| group.get(place).copied().unwrap_or(0);
        let (a, b, c) = (at(0), at(1), at(2));
        line.extend([a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63].map(uuencode_sign));
    }
    line
}

fn read_uuencode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let value = |sign: u8| sign.checked_sub(32).map(|value| value & 63);
    for line in text.lines().skip_while(|line| !line.starts_with("begin ")).skip(1) {
        let (count, signs) = line.as_bytes().split_first()?;
        let count = usize::from(value(*count)?);
        if count == 0 {
            break;
        }
        let mut found = Vec::new();
        for group in signs.chunks(4) {
            let at = |place: usize| group.get(place).copied().map_or(Some(0), value);
            let (a, b, c, d) = (at(0)?, at(1)?, at(2)?, at(3)?);
            found.extend([a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
        }
        bytes.extend(found.into_iter().take(count));
    }
    Some(bytes)
}

fn read_entities(text: &str) -> Option<String> {
    let mut read = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        read.push_str(before);
        let (name, behind) = after.split_once(';')?;
        read.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let number = number.strip_prefix('#')?;
                let hex = number.strip_prefix(['x', 'X']).map(|digits| u32::from_str_radix(digits, 16));
                char::from_u32(hex.unwrap_or_else(|| number.parse()).ok()?)?
            }
        });
        rest = behind;
    }
    read.push_str(rest);
    Some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_needless_escapes_mail_is_what_cpython_writes() {
        let written = |text: &str| quoted_printable(text.as_bytes(), 0, &mut Generator::new(1));
        assert_eq!(written("a=b é \nc"), "a=3Db =C3=A9=20\nc");
        assert_eq!(written(&"x".repeat(80)), format!("{}=\n{}", "x".repeat(75), "x".repeat(5)));
    }
}
