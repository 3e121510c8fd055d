//! Reads an interrupted run's journal back. Only the last line may be torn: it was being written when the process died.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Header, JournalError, LONGEST_LINE, Span, place};
use crate::eval::sample::Sample;

/// What an earlier run left.
#[derive(Debug)]
pub enum Recovered {
    /// No journal: a fresh start.
    Nothing,
    /// A journal of another run: other model, suite, filter or seed. It is kept aside, not lost.
    OtherRun,
    /// A journal of this run; its samples went to the caller one by one.
    Continued {
        /// Where the next line goes.
        end: u64,
        /// Where each slot's sample stands.
        spans: Vec<Span>,
    },
}

#[derive(Deserialize)]
struct Line<'a> {
    slot: u32,
    #[serde(borrow)]
    sample: &'a RawValue,
}

/// Reads the journal of `folder`, gives every sample in it to `each`, and cuts a torn last line off.
pub fn recover(folder: &Path, header: &Header, mut each: impl FnMut(u32, Sample)) -> Result<Recovered, JournalError> {
    let path = place(folder);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Recovered::Nothing),
        Err(error) => return Err(JournalError::file(&path, error)),
    };
    let length = file.metadata().map_err(|error| JournalError::file(&path, error))?.len();
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut line = Vec::new();
    let mut next_line = |line: &mut Vec<u8>| -> Result<usize, JournalError> {
        line.clear();
        (&mut reader).take(LONGEST_LINE).read_until(b'\n', line).map_err(|error| JournalError::file(&path, error))
    };

    let read = next_line(&mut line)?;
    if read == 0 || line.last() != Some(&b'\n') {
        // Killed before the header was whole: nothing had been asked yet.
        return Ok(Recovered::Nothing);
    }
    match serde_json::from_slice::<Header>(&line) {
        Ok(found) if found == *header => {}
        Ok(_) | Err(_) => return Ok(Recovered::OtherRun),
    }

    let mut spans = vec![Span::ABSENT; usize::try_from(header.slots).unwrap_or(0)];
    let mut end = read as u64;
    let mut number = 1;
    loop {
        let read = next_line(&mut line)?;
        if read == 0 {
            break;
        }
        number += 1;
        let damaged = |what| JournalError::Damaged { path: path.display().to_string(), line: number, what };
        let whole = line.last() == Some(&b'\n');
        match parse(&line, end, &mut spans) {
            Ok((slot, sample)) if whole => each(slot, sample),
            // A line without its newline, or the last one with it but unreadable: torn by the kill or the power loss.
            Ok(_) => break,
            Err(_) if end + read as u64 == length => break,
            Err(what) => return Err(damaged(what)),
        }
        end += read as u64;
    }
    if end < length {
        let file = OpenOptions::new().write(true).open(&path).map_err(|error| JournalError::file(&path, error))?;
        file.set_len(end).map_err(|error| JournalError::file(&path, error))?;
        // A span of the torn line may have been noted.
        for span in &mut spans {
            if span.offset >= end {
                *span = Span::ABSENT;
            }
        }
    }
    Ok(Recovered::Continued { end, spans })
}

fn parse(line: &[u8], offset: u64, spans: &mut [Span]) -> Result<(u32, Sample), &'static str> {
    let text = std::str::from_utf8(line).map_err(|_| "not UTF-8")?;
    let parsed: Line<'_> = serde_json::from_str(text).map_err(|_| "not a line of a journal")?;
    let sample: Sample = serde_json::from_str(parsed.sample.get()).map_err(|_| "not a sample")?;
    let span = spans.get_mut(parsed.slot as usize).ok_or("a sample that the run does not have")?;
    if *span != Span::ABSENT {
        return Err("a sample that is there twice");
    }
    // The raw value is a slice of the line, so its place in the file follows from its place in the line.
    let start = parsed.sample.get().as_ptr() as usize - text.as_ptr() as usize;
    let length = u32::try_from(parsed.sample.get().len()).map_err(|_| "a sample that is too long")?;
    *span = Span { offset: offset + start as u64, length };
    Ok((parsed.slot, sample))
}
