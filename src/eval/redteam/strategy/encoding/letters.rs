//! Ciphers that move the 26 letters and leave everything else alone.

use super::super::Family;
use super::super::key::{Key, KeyKind};
use super::super::notation::{Asked, Choice, Keeps, Notation};

/// Half of the alphabet: writing twice is reading.
pub(in super::super) static ROT13: Notation = Notation::encoding(
    "rot13",
    "letters moved by 13 places",
    "ROT13",
    |text, _, _| shifted(text, &[13]),
    |text, _| Some(shifted(text, &[13])),
);

/// The alphabet turned around: writing twice is reading.
pub(in super::super) static ATBASH: Notation = Notation::encoding(
    "atbash",
    "the alphabet turned around",
    "Atbash (A stands for Z, B for Y, and so on)",
    |text, _, _| text.chars().map(mirrored).collect(),
    |text, _| Some(text.chars().map(mirrored).collect()),
);

/// A number of places that the seed chooses.
pub(in super::super) static CAESAR: Notation = ciphered(
    "caesar",
    "letters moved by a number of places that the seed chooses and the request tells",
    "a Caesar cipher",
    KeyKind::Shift,
);

/// A word that the seed chooses. Letters only: other characters use up no letter of the key.
pub(in super::super) static VIGENERE: Notation = ciphered(
    "vigenere",
    "letters moved by a word that the seed chooses and the request tells",
    "a Vigenère cipher (only letters are enciphered and use up the key)",
    KeyKind::Word,
);

const fn ciphered(name: &'static str, about: &'static str, called: &'static str, key: KeyKind) -> Notation {
    Notation {
        name,
        family: Family::Encoding,
        about,
        asked: Asked::Decode(called),
        key,
        choice: Choice::Seeded,
        keeps: Keeps::Everything,
        write: |text, key, _| shifted(text, &key.shifts()),
        read: |text, key| Some(shifted(text, &back(key))),
    }
}

fn back(key: Key) -> Vec<u8> {
    key.shifts().into_iter().map(|places| 26 - places % 26).collect()
}

fn shifted(text: &str, places: &[u8]) -> String {
    let mut places = places.iter().cycle();
    let mut shift = |letter: char, first: u8| {
        let offset = u8::try_from(letter).unwrap_or(first) - first;
        char::from(first + (offset + places.next().unwrap_or(&0)) % 26)
    };
    let letter = |letter: char| match letter {
        'a'..='z' => shift(letter, b'a'),
        'A'..='Z' => shift(letter, b'A'),
        _ => letter,
    };
    text.chars().map(letter).collect()
}

fn mirrored(letter: char) -> char {
    match u8::try_from(letter) {
        Ok(byte @ b'a'..=b'z') => char::from(b'a' + b'z' - byte),
        Ok(byte @ b'A'..=b'Z') => char::from(b'A' + b'Z' - byte),
        Ok(_) | Err(_) => letter,
    }
}
