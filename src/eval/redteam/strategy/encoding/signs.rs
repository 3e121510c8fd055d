//! Signs for letters: Morse, braille, and the words of the radio alphabet.

use super::super::Family;
use super::super::key::KeyKind;
use super::super::notation::{Asked, Choice, Keeps, Notation};

/// Source: ITU-R M.1677-1. Characters without a code stand for themselves; capitals are lost.
pub(in super::super) static MORSE: Notation = Notation {
    name: "morse",
    family: Family::Encoding,
    about: "Morse code; capitals are lost",
    asked: Asked::Decode("Morse code (a slash stands between words; characters without a code stand for themselves)"),
    key: KeyKind::None,
    choice: Choice::Seeded,
    keeps: Keeps::Letters(|text| text.to_ascii_lowercase()),
    write: |text, _, _| text.chars().map(to_morse).collect::<Vec<_>>().join(" "),
    read: |text, _| text.split(' ').map(from_morse).collect(),
};

/// Source: the six-dot patterns U+2800 to U+283F, uncontracted: a capital and a digit have their signs before them.
pub(in super::super) static BRAILLE: Notation = Notation::encoding(
    "braille",
    "uncontracted braille",
    "uncontracted braille (⠠ before a capital, ⠼ before each digit)",
    |text, _, _| text.chars().map(to_braille).collect(),
    |text, _| read_braille(text),
);

/// Source: ICAO Annex 10, volume II, 5.2.1.3. A capital word is a capital letter.
pub(in super::super) static NATO: Notation = Notation::encoding(
    "nato",
    "the words of the radio alphabet",
    "the NATO spelling alphabet (a capitalised word is a capital letter; other characters stand for themselves)",
    |text, _, _| text.chars().map(to_word).collect::<Vec<_>>().join(" "),
    |text, _| text.split(' ').map(from_word).collect(),
);

const MORSE_CODES: [(char, &str); 54] = [
    ('a', ".-"),
    ('b', "-..."),
    ('c', "-.-."),
    ('d', "-.."),
    ('e', "."),
    ('f', "..-."),
    ('g', "--."),
    ('h', "...."),
    ('i', ".."),
    ('j', ".---"),
    ('k', "-.-"),
    ('l', ".-.."),
    ('m', "--"),
    ('n', "-."),
    ('o', "---"),
    ('p', ".--."),
    ('q', "--.-"),
    ('r', ".-."),
    ('s', "..."),
    ('t', "-"),
    ('u', "..-"),
    ('v', "...-"),
    ('w', ".--"),
    ('x', "-..-"),
    ('y', "-.--"),
    ('z', "--.."),
    ('0', "-----"),
    ('1', ".----"),
    ('2', "..---"),
    ('3', "...--"),
    ('4', "....-"),
    ('5', "....."),
    ('6', "-...."),
    ('7', "--..."),
    ('8', "---.."),
    ('9', "----."),
    ('.', ".-.-.-"),
    (',', "--..--"),
    ('?', "..--.."),
    ('\'', ".----."),
    ('!', "-.-.--"),
    ('/', "-..-."),
    ('(', "-.--."),
    (')', "-.--.-"),
    ('&', ".-..."),
    (':', "---..."),
    (';', "-.-.-."),
    ('=', "-...-"),
    ('+', ".-.-."),
    ('-', "-....-"),
    ('_', "..--.-"),
    ('"', ".-..-."),
    ('$', "...-..-"),
    ('@', ".--.-."),
];

fn to_morse(letter: char) -> String {
    let letter = letter.to_ascii_lowercase();
    match MORSE_CODES.iter().find(|(known, _)| *known == letter) {
        Some((_, code)) => (*code).to_owned(),
        None if letter == ' ' => "/".to_owned(),
        None => letter.to_string(),
    }
}

fn from_morse(token: &str) -> Option<String> {
    if token == "/" {
        return Some(" ".to_owned());
    }
    if token.is_empty() || token.contains(|letter| letter != '.' && letter != '-') {
        return Some(token.to_owned());
    }
    MORSE_CODES.iter().find(|(_, code)| *code == token).map(|(letter, _)| letter.to_string())
}

/// a to z.
const PATTERNS: &str = "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵";
const CAPITAL: char = '⠠';
const NUMBER: char = '⠼';
/// Stands before a pattern that is in the text itself.
const ITSELF: char = '⠈';

fn to_braille(letter: char) -> String {
    let pattern = |place: u8| PATTERNS.chars().nth(usize::from(place)).unwrap_or(letter);
    match u8::try_from(letter) {
        Ok(byte @ b'a'..=b'z') => pattern(byte - b'a').to_string(),
        Ok(byte @ b'A'..=b'Z') => format!("{CAPITAL}{}", pattern(byte - b'A')),
        // 1 to 9 and 0 are a to j.
        Ok(byte @ b'0'..=b'9') => format!("{NUMBER}{}", pattern((byte - b'0' + 9) % 10)),
        Ok(_) | Err(_) if ('\u{2800}'..='\u{28ff}').contains(&letter) => format!("{ITSELF}{letter}"),
        Ok(_) | Err(_) => letter.to_string(),
    }
}

fn read_braille(text: &str) -> Option<String> {
    let place = |pattern: char| PATTERNS.chars().position(|known| known == pattern);
    let letter = |pattern: char, first: u8| Some(char::from(first + u8::try_from(place(pattern)?).ok()?));
    let mut from = text.chars();
    let mut read = String::new();
    while let Some(sign) = from.next() {
        read.push(match sign {
            ITSELF => from.next()?,
            CAPITAL => letter(from.next()?, b'A')?,
            NUMBER => {
                char::from(b'0' + u8::try_from((place(from.next()?).filter(|place| *place < 10)? + 1) % 10).ok()?)
            }
            _ => letter(sign, b'a').unwrap_or(sign),
        });
    }
    Some(read)
}

const WORDS: [(char, &str); 36] = [
    ('a', "alfa"),
    ('b', "bravo"),
    ('c', "charlie"),
    ('d', "delta"),
    ('e', "echo"),
    ('f', "foxtrot"),
    ('g', "golf"),
    ('h', "hotel"),
    ('i', "india"),
    ('j', "juliett"),
    ('k', "kilo"),
    ('l', "lima"),
    ('m', "mike"),
    ('n', "november"),
    ('o', "oscar"),
    ('p', "papa"),
    ('q', "quebec"),
    ('r', "romeo"),
    ('s', "sierra"),
    ('t', "tango"),
    ('u', "uniform"),
    ('v', "victor"),
    ('w', "whiskey"),
    ('x', "xray"),
    ('y', "yankee"),
    ('z', "zulu"),
    ('0', "zero"),
    ('1', "one"),
    ('2', "two"),
    ('3', "three"),
    ('4', "four"),
    ('5', "five"),
    ('6', "six"),
    ('7', "seven"),
    ('8', "eight"),
    ('9', "nine"),
];
const SPACE: &str = "(space)";

fn to_word(letter: char) -> String {
    let known = WORDS.iter().find(|(known, _)| *known == letter.to_ascii_lowercase()).map(|(_, word)| *word);
    match known {
        Some(word) if letter.is_ascii_uppercase() => {
            word.chars().take(1).map(|first| first.to_ascii_uppercase()).chain(word.chars().skip(1)).collect()
        }
        Some(word) => word.to_owned(),
        None if letter == ' ' => SPACE.to_owned(),
        None => letter.to_string(),
    }
}

fn from_word(token: &str) -> Option<String> {
    let mut letters = token.chars();
    if letters.next().is_none() || letters.next().is_none() {
        return Some(token.to_owned());
    }
    if token == SPACE {
        return Some(" ".to_owned());
    }
    let (letter, _) = WORDS.iter().find(|(_, word)| word.eq_ignore_ascii_case(token))?;
    let capital = token.starts_with(|first: char| first.is_ascii_uppercase());
    Some(if capital { letter.to_ascii_uppercase() } else { *letter }.to_string())
}
