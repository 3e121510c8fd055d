//! Smuggling: the same text for a person, other characters for a filter; or no visible text at all. Each with its reader.
//! Kept out: notations that a model is openly asked to decode (`encoding`).

mod bidi;
mod hidden;
mod looks;

pub(super) use bidi::BIDI;
pub(super) use hidden::{UNICODE_TAGS, VARIATION_SELECTORS, ZERO_WIDTH};
pub(super) use looks::{FULL_WIDTH, HOMOGLYPH, MATH_ALPHANUMERIC, ZALGO};

use super::Family;
use super::key::KeyKind;
use super::notation::{Asked, Keeps, Notation, Read, Write};

/// A notation of this family, without a key.
const fn smuggling(
    name: &'static str,
    about: &'static str,
    asked: Asked,
    keeps: Keeps,
    write: Write,
    read: Read,
) -> Notation {
    Notation { name, family: Family::Smuggling, about, asked, key: KeyKind::None, keeps, write, read }
}
