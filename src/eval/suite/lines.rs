//! The cases of a file of JSON lines: where each stands, and its bytes again when it is drawn.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::spec::CaseSpec;
use crate::document::{self, Problem, Spot};

/// Where a line stands, and what it held when it was checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) line: u32,
    pub(super) hash: u64,
}

/// An open file of cases.
pub(super) struct Lines {
    pub(super) file: File,
    pub(super) shown: Arc<str>,
    pub(super) places: Vec<At>,
}

impl Lines {
    /// The file as the user named it.
    pub(super) fn shown(&self) -> &Arc<str> {
        &self.shown
    }

    /// Reads one case again. A line that is no longer the one that was checked is a problem.
    pub(super) fn read(&self, index: usize) -> Result<(CaseSpec, u32), Problem> {
        let gone = || Problem::of_file(&self.shown, format!("the file has no case number {index}"));
        let at = self.places.get(index).ok_or_else(gone)?;
        let spot = Spot { line: at.line, column: 1 };
        let changed = || Problem::new(&self.shown, spot, "the line has changed since the run began");
        let mut bytes = vec![0; at.length as usize];
        self.file.read_exact_at(&mut bytes, at.offset).map_err(|_| changed())?;
        if hash_of(&bytes) != at.hash {
            return Err(changed());
        }
        serde_json::from_slice(&bytes).map(|spec| (spec, at.line)).map_err(|_| changed())
    }
}

/// A hash that only this process compares.
pub(super) fn hash_of(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// One case of a line, or all that is wrong with the line.
pub(super) fn parse(shown: &str, line: u32, text: &str) -> Result<CaseSpec, document::Problems> {
    match serde_json::from_str::<CaseSpec>(text) {
        Ok(spec) if document::check_duplicate_keys(text).is_ok() => Ok(spec),
        Ok(_) | Err(_) => {
            let parsed = document::parse_json_line(shown, line, text)?;
            document::decode(&parsed)
        }
    }
}
