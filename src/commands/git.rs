//! Questions to git: files of other commits. Nothing is checked out, and no hook runs.

use std::path::Path;
use std::process::{Command, Stdio};

/// What git prints in a folder; none where it refuses. The checkout may belong to somebody else than a container's user,
/// which git would take for an attack by its configuration; these questions run nothing of it.
pub(super) fn git(folder: &Path, arguments: &[&str]) -> Result<Option<Vec<u8>>, String> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let output = Command::new("git")
        .args(["-c", "safe.directory=*"])
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|error| format!("git could not be started: {error}"))?;
    Ok(output.status.success().then_some(output.stdout))
}

/// Whether a commit is in this checkout.
pub(super) fn has_commit(folder: &Path, commit: &str) -> Result<bool, String> {
    Ok(git(folder, &["cat-file", "-e", &format!("{commit}^{{commit}}")])?.is_some())
}

/// A file of a commit; its path is relative to the folder.
pub(super) fn file_of(folder: &Path, commit: &str, path: &str) -> Result<Option<Vec<u8>>, String> {
    git(folder, &["cat-file", "blob", &format!("{commit}:./{path}")])
}

/// The files of a commit below a path, relative to the folder; none where the commit has none there.
pub(super) fn files_below(folder: &Path, commit: &str, path: &str) -> Result<Option<Vec<String>>, String> {
    let below = if path.is_empty() { "." } else { path };
    let names = git(folder, &["ls-tree", "-r", "-z", "--name-only", commit, "--", below])?;
    Ok(names.map(|names| {
        let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }))
}
