//! The writer: appends whole lines, many at a time when many wait; its owner has them synced about once a second.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Header, JournalError, Span, place};
use crate::store::file::hand_over;

/// How often the bytes are forced to the disk. A killed process loses nothing in between; a power failure may.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Bytes of the journal that are read at once when it is copied.
const WINDOW: u64 = 1024 * 1024;

/// One finished sample on its way to the disk.
#[derive(Debug)]
pub struct Entry {
    /// The sample's number in the plan.
    pub slot: u32,
    /// The whole line, newline included.
    pub line: Vec<u8>,
    /// Where in `line` the sample's JSON begins; it ends two bytes before the line does.
    pub start: usize,
}

/// An open journal.
pub struct Journal {
    file: File,
    path: PathBuf,
    end: u64,
    spans: Vec<Span>,
    batch: Vec<u8>,
    synced: Instant,
}

impl Journal {
    /// Starts a journal. An older one moves aside to `journal.previous.jsonl`.
    pub fn create(folder: &Path, header: &Header) -> Result<Self, JournalError> {
        let path = place(folder);
        if path.exists() {
            let aside = folder.join("journal.previous.jsonl");
            std::fs::rename(&path, &aside).map_err(|error| JournalError::file(&path, error))?;
        }
        let mut file = File::create_new(&path).map_err(|error| JournalError::file(&path, error))?;
        hand_over(&file, folder);
        let mut line = serde_json::to_vec(header).map_err(|error| JournalError::Encode(error.to_string()))?;
        line.push(b'\n');
        file.write_all(&line).and_then(|()| file.sync_all()).map_err(|error| JournalError::file(&path, error))?;
        let slots = usize::try_from(header.slots).unwrap_or(0);
        Ok(Self::at(file, path, line.len() as u64, vec![Span::ABSENT; slots]))
    }

    /// Goes on with a journal that [`super::recover`] has read.
    pub fn resume(folder: &Path, end: u64, spans: Vec<Span>) -> Result<Self, JournalError> {
        let path = place(folder);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let mut file = file.map_err(|error| JournalError::file(&path, error))?;
        file.seek(SeekFrom::Start(end)).map_err(|error| JournalError::file(&path, error))?;
        Ok(Self::at(file, path, end, spans))
    }

    fn at(file: File, path: PathBuf, end: u64, spans: Vec<Span>) -> Self {
        Self { file, path, end, spans, batch: Vec::new(), synced: Instant::now() }
    }

    /// Appends entries with one write.
    pub fn append(&mut self, entries: &[Entry]) -> Result<(), JournalError> {
        self.batch.clear();
        for entry in entries {
            let offset = self.end + self.batch.len() as u64 + entry.start as u64;
            let length = entry.line.len().saturating_sub(entry.start + 2);
            let length =
                u32::try_from(length).map_err(|_| JournalError::Encode("a sample of over 4 GiB".to_owned()))?;
            if let Some(span) = self.spans.get_mut(entry.slot as usize) {
                *span = Span { offset, length };
            }
            self.batch.extend_from_slice(&entry.line);
        }
        self.file.write_all(&self.batch).map_err(|error| JournalError::file(&self.path, error))?;
        self.end += self.batch.len() as u64;
        Ok(())
    }

    /// Whether it is time for [`Journal::sync`].
    pub fn is_due(&self) -> bool {
        self.synced.elapsed() >= SYNC_EVERY
    }

    /// Forces everything to the disk.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.synced = Instant::now();
        self.file.sync_data().map_err(|error| JournalError::file(&self.path, error))
    }

    /// The journal's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where each slot's sample stands.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Copies the samples that are there and `wanted` to `sink`, one line each, in the order of the plan. Samples finish
    /// nearly in that order, so a window of the file serves many of them.
    pub fn copy_in_order(&self, sink: &mut impl Write, wanted: impl Fn(u32) -> bool) -> Result<(), JournalError> {
        use std::os::unix::fs::FileExt;
        let reader = File::open(&self.path).map_err(|error| JournalError::file(&self.path, error))?;
        let mut window = Vec::new();
        let mut start = 0_u64;
        let there = (0_u32..).zip(&self.spans).filter(|(slot, span)| span.length > 0 && wanted(*slot));
        for (_, span) in there {
            let end = span.offset + u64::from(span.length);
            if span.offset < start || end > start + window.len() as u64 {
                start = span.offset.saturating_sub(WINDOW / 4);
                let wanted = (self.end - start).min(WINDOW.max(end - start));
                window.resize(usize::try_from(wanted).unwrap_or(usize::MAX), 0);
                reader.read_exact_at(&mut window, start).map_err(|error| JournalError::file(&self.path, error))?;
            }
            let from = usize::try_from(span.offset - start).unwrap_or(usize::MAX);
            let sample = window.get(from..from + span.length as usize).unwrap_or_default();
            sink.write_all(sample)
                .and_then(|()| sink.write_all(b"\n"))
                .map_err(|error| JournalError::file(&self.path, error))?;
        }
        Ok(())
    }
}
