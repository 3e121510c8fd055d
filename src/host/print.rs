//! The two streams. A reader that went away is no reason to fail: the verdict is in the exit code and the files.

use std::io::Write;

/// Writes to stdout.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    // A closed pipe or a full disk behind stdout changes no verdict.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes to stderr.
pub fn print_error(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
