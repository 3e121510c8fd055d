//! Smuggling: the same text for a person, other characters for a filter; or no visible text at all. Each with its reader.
//! Kept out: notations that a model is openly asked to decode (`encoding`).

mod bidi;
mod hidden;
mod looks;

pub(super) use bidi::BIDI;
pub(super) use hidden::{UNICODE_TAGS, VARIATION_SELECTORS, ZERO_WIDTH};
pub(super) use looks::{FULL_WIDTH, HOMOGLYPH, MATH_ALPHANUMERIC, ZALGO};

use crate::stats::Generator;

use super::Family;
use super::key::KeyKind;
use super::notation::{Asked, Choice, Keeps, Notation, Read, Write};

/// A notation of this family, without a key, in which the seed has something to choose.
const fn smuggling(
    name: &'static str,
    about: &'static str,
    asked: Asked,
    keeps: Keeps,
    write: Write,
    read: Read,
) -> Notation {
    let (family, key, choice) = (Family::Smuggling, KeyKind::None, Choice::Seeded);
    Notation { name, family, about, asked, key, choice, keeps, write, read }
}

/// Writes with a share of 30 to 70 in a hundred characters changed, which the seed chooses; with all of them where that share has
/// left a short text as it was: an attack that is no other text would count as one that the model withstood.
fn by_share(text: &str, generator: &mut Generator, write: fn(&str, usize, &mut Generator) -> String) -> String {
    let share = 30 + generator.index(41);
    let written = write(text, share, generator);
    if written == text { write(text, 100, generator) } else { written }
}
