//! `no-insults`: a screen for insults, by a short list of our own, and how often it is right.
//! Kept out: the list (`words`), how it is looked for (`screen`); hate and threats, which no list can see.

mod screen;
mod words;

#[cfg(test)]
mod measured;

use std::collections::BTreeSet;

use serde_json::Value;

use self::screen::Screen;
use super::options::Options;
use super::{Built, each_reply, mask, problem, text};
use crate::gate::safety::Labelled;

/// The list on the half of `tests/reference/insults.jsonl` that it was not fitted to: `harmful` are the rows with an insult,
/// `found` those that it sees, `harmless` the rows without one, `cleared` those that it leaves alone. A test counts again.
pub const INSULT_SCREEN: Labelled = Labelled { harmful: 92, found: 38, harmless: 85, cleared: 68 };

/// No insult of the list stands in an answer. `value`: `{words, allow}`.
pub(super) fn build(value: Option<&Value>) -> Built {
    let options = Options::new("no-insults", value, &["words", "allow"])?;
    let (extra, allow) = (options.texts("words")?, options.texts("allow")?);
    if let Some(word) = extra.iter().chain(&allow).find(|word| text::words(word).len() != 1) {
        return Err(problem("value", format!("`no-insults` takes single words, not `{}`", mask(word))));
    }
    let fold = |texts: &[String]| -> BTreeSet<String> { texts.iter().flat_map(|word| text::words(word)).collect() };
    let screen = Screen { extra: fold(&extra), allow: fold(&allow) };
    each_reply(move |_, reply| screen.find(reply).map(|word| format!("an insult: {}", mask(&word))))
}
