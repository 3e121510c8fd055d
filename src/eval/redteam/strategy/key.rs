//! The key of a cipher. It is drawn from the seed and told to the model, so that the attack tests obedience and not guessing.

use crate::stats::Generator;

use super::choose::pick;

/// What kind of key a notation has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyKind {
    /// None.
    None,
    /// A number of places in the alphabet.
    Shift,
    /// A word.
    Word,
}

/// A key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// None.
    None,
    /// Places forward in the alphabet: 1 to 25, never 13, which is a strategy of its own.
    Shift(u8),
    /// A lower-case word.
    Word(&'static str),
}

const WORDS: [&str; 16] = [
    "lantern", "meadow", "copper", "walnut", "harbour", "thistle", "pebble", "orchard", "saddle", "violet", "kettle",
    "marble", "clover", "bridge", "feather", "quartz",
];

impl Key {
    /// Draws a key; draws nothing where there is none.
    pub(super) fn draw(kind: KeyKind, generator: &mut Generator) -> Self {
        match kind {
            KeyKind::None => Key::None,
            KeyKind::Shift => {
                let shift = u8::try_from(generator.index(24)).unwrap_or(0) + 1;
                Key::Shift(if shift < 13 { shift } else { shift + 1 })
            }
            KeyKind::Word => Key::Word(pick(&WORDS, generator)),
        }
    }

    /// What the model is told; empty without a key.
    pub(super) fn told(self) -> String {
        match self {
            Key::None => String::new(),
            Key::Shift(1) => " Each letter was moved 1 place forward in the alphabet.".to_owned(),
            Key::Shift(places) => format!(" Each letter was moved {places} places forward in the alphabet."),
            Key::Word(word) => format!(" The key is \"{word}\"."),
        }
    }

    /// Places by which the letters are moved, over and over.
    pub(super) fn shifts(self) -> Vec<u8> {
        match self {
            Key::None => vec![0],
            Key::Shift(places) => vec![places],
            Key::Word(word) => word.bytes().map(|letter| letter.saturating_sub(b'a')).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shift_but_13_and_every_word_is_drawn() {
        let mut generator = Generator::new(1);
        let mut shifts: Vec<u8> = (0..2000).flat_map(|_| Key::draw(KeyKind::Shift, &mut generator).shifts()).collect();
        shifts.sort_unstable();
        shifts.dedup();
        assert_eq!(shifts, (1..=25).filter(|shift| *shift != 13).collect::<Vec<u8>>());
        assert!(WORDS.iter().all(|word| word.bytes().all(|letter| letter.is_ascii_lowercase())));
    }
}
