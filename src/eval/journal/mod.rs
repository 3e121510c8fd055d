//! The journal: each finished sample is on disk before the next one of its worker begins, so that a killed run goes on
//! where it was. One line a sample behind one header line; nothing is ever rewritten.
//! Kept out: what a sample means.

mod lock;
mod read;
mod write;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::sample::Sample;
use crate::trust::{Digest, escape_json};

pub use lock::FolderLock;
pub use read::{Recovered, recover};
pub use write::{Entry, Journal};

/// The journal's own version.
const VERSION: u32 = 1;
/// The longest line that is read back, in bytes.
const LONGEST_LINE: u64 = 64 * 1024 * 1024;

/// The first line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    journal: u32,
    run: Digest,
    slots: u64,
}

impl Header {
    /// Names the run by its key and its number of samples.
    pub fn new(run: &Digest, slots: usize) -> Self {
        Self { journal: VERSION, run: run.clone(), slots: slots as u64 }
    }
}

/// Where a sample's JSON stands in the journal, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// First byte.
    pub offset: u64,
    /// Number of bytes; 0 means that the sample is not there.
    pub length: u32,
}

impl Span {
    /// No sample.
    pub const ABSENT: Span = Span { offset: 0, length: 0 };
}

/// Why a journal could not be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A line inside the journal is damaged: going on would lose or repeat samples.
    #[error("{path}:{line}: the journal is damaged ({what}); start again without --resume, or with another --out")]
    Damaged {
        /// The journal.
        path: String,
        /// 1-based.
        line: u64,
        /// In our words.
        what: &'static str,
    },
    /// Another run works in the same folder.
    #[error("{0}: another run works in this folder; wait for it, or give another --out")]
    Locked(String),
    /// A sample that JSON cannot hold.
    #[error("a sample could not be written as JSON: {0}")]
    Encode(String),
}

impl JournalError {
    pub(super) fn file(path: &Path, source: std::io::Error) -> Self {
        JournalError::File { path: path.display().to_string(), source }
    }
}

/// The journal's place in an output folder.
pub fn place(folder: &Path) -> PathBuf {
    folder.join("journal.jsonl")
}

/// One line for one sample, and where in it the sample's JSON begins.
pub fn encode(slot: u32, sample: &Sample) -> Result<(Vec<u8>, usize), JournalError> {
    let mut line = format!("{{\"slot\":{slot},\"sample\":");
    let start = line.len();
    let sample = serde_json::to_string(sample).map_err(|error| JournalError::Encode(error.to_string()))?;
    line.push_str(&escape_json(&sample));
    line.push_str("}\n");
    Ok((line.into_bytes(), start))
}
