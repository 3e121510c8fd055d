//! What a text says once it is decoded: base64, base32, hex, per cent signs, rot13, from behind.
//! Kept out: what is looked for in it (`needles`, `copying`).

use std::borrow::Cow;

/// The forms that a text may hide in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Form {
    /// As it is; upper and lower case are alike.
    Raw,
    /// With other characters between its letters, or look-alikes in their place.
    Disguised,
    /// From behind.
    Reversed,
    /// Thirteen letters on.
    Rot13,
    /// Base64, of either alphabet.
    Base64,
    /// Base32, in either case.
    Base32,
    /// Hexadecimal.
    Hex,
    /// With per cent signs, as in a URL.
    Url,
}

impl Form {
    /// For a `why`.
    pub(super) fn words(self) -> &'static str {
        match self {
            Form::Raw => "as it is",
            Form::Disguised => "with changed letters or others between them",
            Form::Reversed => "backwards",
            Form::Rot13 => "in rot13",
            Form::Base64 => "in base64",
            Form::Base32 => "in base32",
            Form::Hex => "in hexadecimal",
            Form::Url => "in URL encoding",
        }
    }
}

/// Each letter thirteen places on.
pub(super) fn rot13(text: &str) -> String {
    let turn = |letter: char, base: u8| char::from(base + (letter as u8 - base + 13) % 26);
    text.chars()
        .map(|letter| match letter {
            'a'..='z' => turn(letter, b'a'),
            'A'..='Z' => turn(letter, b'A'),
            other => other,
        })
        .collect()
}

/// `%41` as `A`; none when nothing is encoded so.
pub(super) fn percent(text: &str) -> Option<String> {
    if !text.contains('%') {
        return None;
    }
    let digit =
        |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let bytes = text.as_bytes();
    let (mut decoded, mut index) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(index) {
        match (byte, digit(bytes.get(index + 1)), digit(bytes.get(index + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high * 16 + low);
                index += 3;
            }
            _ => {
                decoded.push(*byte);
                index += 1;
            }
        }
    }
    Some(String::from_utf8_lossy(&decoded).into_owned())
}

/// Everything that might be base64 in a text, decoded at all four places where a group may begin and in both alphabets:
/// whatever stands between the digits, and wherever the encoded part begins, it is in one of them. Mostly noise.
pub(super) fn base64(text: &str) -> impl Iterator<Item = Vec<u8>> + use<> {
    let alphabets: &[(u8, u8)] =
        if text.contains(['-', '_']) { &[(b'+', b'/'), (b'-', b'_')] } else { &[(b'+', b'/')] };
    let digits: Vec<Vec<u8>> = alphabets
        .iter()
        .map(|(plus, slash)| text.bytes().filter_map(|byte| six_bits(byte, *plus, *slash)).collect())
        .collect();
    digits.into_iter().flat_map(|digits| (0..4).map(move |skip| join(digits.get(skip..).unwrap_or_default())))
}

fn six_bits(byte: u8, plus: u8, slash: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        _ if byte == plus => Some(62),
        _ if byte == slash => Some(63),
        _ => None,
    }
}

fn join(digits: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4 + 3);
    for group in digits.chunks(4) {
        let bits =
            group.iter().enumerate().fold(0_u32, |bits, (place, digit)| bits | (u32::from(*digit) << (18 - 6 * place)));
        let [_, a, b, c] = bits.to_be_bytes();
        let whole = (group.len() * 6) / 8;
        bytes.extend([a, b, c].into_iter().take(whole));
    }
    bytes
}

/// As [`base64`], for base32: eight places where a group may begin.
pub(super) fn base32(text: &str) -> impl Iterator<Item = Vec<u8>> + use<> {
    let digits: Vec<u8> = text
        .bytes()
        .filter_map(|byte| match byte.to_ascii_uppercase() {
            letter @ b'A'..=b'Z' => Some(letter - b'A'),
            digit @ b'2'..=b'7' => Some(digit - b'2' + 26),
            _ => None,
        })
        .collect();
    (0..8).map(move |skip| {
        let groups = digits.get(skip..).unwrap_or_default().chunks(8);
        let bytes = groups.flat_map(|group| {
            let places = group.iter().enumerate();
            let bits = places.fold(0_u64, |bits, (place, digit)| bits | (u64::from(*digit) << (59 - 5 * place)));
            bits.to_be_bytes().into_iter().take(group.len() * 5 / 8)
        });
        bytes.collect()
    })
}

/// Everything that might be hexadecimal, at both places where a byte may begin, with and without the signs (`0x`, `\x`)
/// before each byte. Mostly noise.
pub(super) fn hex(text: &str) -> impl Iterator<Item = Vec<u8>> + use<> {
    let mut texts = vec![Cow::Borrowed(text)];
    if text.contains("0x") || text.contains("0X") {
        texts.push(Cow::Owned(text.replace("0x", " ").replace("0X", " ")));
    }
    let digits: Vec<Vec<u8>> = texts.iter().map(|text| text.bytes().filter_map(four_bits).collect()).collect();
    digits.into_iter().flat_map(|digits| {
        (0..2).map(move |skip| {
            let pairs = digits.get(skip..).unwrap_or_default().chunks_exact(2);
            pairs.map(|pair| pair.iter().fold(0, |byte: u8, digit| (byte << 4) | digit)).collect()
        })
    })
}

fn four_bits(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The stretches of decoded bytes that read as text: at least `shortest` bytes of printable ASCII or longer UTF-8.
pub(super) fn legible(bytes: &[u8], shortest: usize) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.split(|letter: char| letter == char::REPLACEMENT_CHARACTER || (letter.is_control() && !letter.is_whitespace()))
        .filter(|part| part.len() >= shortest)
        .map(str::to_owned)
        .collect()
}
