//! From the bytes of a store to a journal in its place. Nothing of it is believed before all of it has been read.

use std::path::Path;

use super::form;
use crate::eval::journal::{self, Header, Recovered, Span};
use crate::store::file::{make_folder, write_atomically};
use crate::trust::Digest;

/// A folder in the folder of the journal, for what has not been looked at yet.
const UNREAD: &str = ".checkpoint";

/// Looks at what was kept, and puts it in its place where it holds more than `local` samples. Gives samples and bytes.
pub(super) fn take(
    value: &[u8],
    key: &Digest,
    folder: &Path,
    header: &Header,
    local: usize,
) -> Result<Option<(usize, u64)>, String> {
    let journal = form::open(value, key)?;
    let unread = folder.join(UNREAD);
    let trouble = |error: &dyn std::error::Error| format!("it cannot be laid down: {}", crate::net::chain_of(error));
    make_folder(&unread).map_err(|error| trouble(&error))?;
    let place = journal::place(&unread);
    write_atomically(&place, journal).map_err(|error| trouble(&error))?;
    let found = journal::recover(&unread, header, |_, _| {});
    let taken = match found {
        Ok(Recovered::OtherRun) => Err("it is another run's".to_owned()),
        Ok(Recovered::Nothing) => Err("there is nothing in it".to_owned()),
        Ok(Recovered::Continued { end, spans }) if end == journal.len() as u64 => {
            let there = count(&spans);
            if there > local { adopt(folder, &place).map(|()| Some((there, end))) } else { Ok(None) }
        }
        Ok(Recovered::Continued { .. }) => Err("its end is torn".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    // An empty folder that stays behind harms nobody.
    let _ = std::fs::remove_dir_all(&unread);
    taken
}

fn adopt(folder: &Path, journal: &Path) -> Result<(), String> {
    let place = journal::place(folder);
    let moved = |error: std::io::Error| format!("it cannot be laid down: {error}");
    if place.exists() {
        std::fs::rename(&place, folder.join("journal.previous.jsonl")).map_err(moved)?;
    }
    std::fs::rename(journal, &place).map_err(moved)
}

/// Samples of a journal that was read.
pub(super) fn samples(found: &Recovered) -> usize {
    match found {
        Recovered::Continued { end: _, spans } => count(spans),
        Recovered::Nothing | Recovered::OtherRun => 0,
    }
}

fn count(spans: &[Span]) -> usize {
    spans.iter().filter(|span| **span != Span::ABSENT).count()
}
