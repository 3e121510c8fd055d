//! Reading a user's small files whole: regular files only, within a size, so that a pipe or a device is never waited for.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::document::{LARGEST_FILE, Problem};

/// Opening a pipe without a writer would wait for one. Source: open(2), `O_NONBLOCK` on Linux.
const NONBLOCKING: i32 = 0o4000;

/// Opens a file for reading without waiting; what it is must be looked at next.
pub(super) fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).custom_flags(NONBLOCKING).open(path)
}

/// The text of a file; `what` says what it is, for the problem.
pub(super) fn read(path: &Path, shown: &str, what: &str) -> Result<String, Problem> {
    let unreadable = |error: std::io::Error| Problem::of_file(shown, format!("the {what} cannot be read: {error}"));
    let file = open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(Problem::of_file(shown, format!("the {what} cannot be read: not a regular file")));
    }
    let mut bytes = Vec::new();
    // One byte more than may be there shows that there are more; the reader of the form says so.
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| Problem::of_file(shown, format!("the {what} cannot be read: not UTF-8")))
}
