//! Files that are there whole or not at all: written beside their place, synced, then renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, fchown, lchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::StoreError;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A file under construction. Until [`AtomicFile::commit`] whatever stood at its place still stands there.
pub struct AtomicFile {
    writer: BufWriter<File>,
    temporary: PathBuf,
    place: PathBuf,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Open,
    Committed,
}

impl AtomicFile {
    /// Starts a file beside `place`; its folder must exist.
    pub fn create(place: &Path) -> Result<Self, StoreError> {
        let folder = folder_of(place);
        let name = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let temporary = folder.join(format!(".{name}.{}.tmp", unique()));
        let file = OpenOptions::new().write(true).create_new(true).open(&temporary);
        let file = file.map_err(|source| failed(&temporary, source))?;
        hand_over(&file, folder);
        let writer = BufWriter::with_capacity(1 << 18, file);
        Ok(Self { writer, temporary, place: place.to_owned(), state: State::Open })
    }

    /// Syncs the bytes, puts the file in its place, and syncs the folder.
    pub fn commit(mut self) -> Result<(), StoreError> {
        let outcome = self
            .writer
            .flush()
            .and_then(|()| self.writer.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.temporary, &self.place))
            .and_then(|()| sync_folder(folder_of(&self.place)));
        outcome.map_err(|source| failed(&self.place, source))?;
        self.state = State::Committed;
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if self.state == State::Open {
            // Nobody can act on a temporary file that cannot be removed.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Writes a whole file atomically.
pub fn write_atomically(place: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut file = AtomicFile::create(place)?;
    file.write_all(bytes).map_err(|source| failed(place, source))?;
    file.commit()
}

/// Removes a file of an earlier run; that there is none is as good.
pub fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(failed(path, source)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Makes a folder and its parents.
pub fn make_folder(folder: &Path) -> Result<(), StoreError> {
    let missing: Vec<&Path> =
        folder.ancestors().take_while(|part| !part.as_os_str().is_empty() && !part.exists()).collect();
    fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
    for made in missing.into_iter().rev() {
        if let Some((user, group)) = heir(fs::symlink_metadata(made).ok(), folder_of(made)) {
            // As in `hand_over`.
            let _ = lchown(made, Some(user), Some(group));
        }
    }
    Ok(())
}

/// Gives a file that root has just made to the owner of its folder. A container action is root in a workspace of the
/// runner's user, who could not remove what it leaves there.
pub fn hand_over(file: &File, folder: &Path) {
    if let Some((user, group)) = heir(file.metadata().ok(), folder) {
        // A file system that knows no owners refuses; the file is good all the same.
        let _ = fchown(file, Some(user), Some(group));
    }
}

/// Whose a new thing of root's should be; none where it may stay as it is.
fn heir(made: Option<fs::Metadata>, folder: &Path) -> Option<(u32, u32)> {
    let folder = fs::metadata(folder).ok()?;
    (made?.uid() == 0 && folder.uid() != 0).then(|| (folder.uid(), folder.gid()))
}

/// A name's part that no other process has: process ids are no help, since every container's first process is 1.
fn unique() -> String {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let random = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
    format!("{random:016x}.{number}")
}

fn folder_of(place: &Path) -> &Path {
    match place.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

pub(crate) fn failed(path: &Path, source: io::Error) -> StoreError {
    StoreError::File { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_committed_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("report.json");
        write_atomically(&place, b"old").unwrap();
        let mut half = AtomicFile::create(&place).unwrap();
        half.write_all(b"new, but the process dies here").unwrap();
        drop(half);
        assert_eq!(fs::read(&place).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the temporary file is gone");
    }

    #[test]
    fn what_root_makes_belongs_to_the_owner_of_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let owner = |path: &Path| fs::metadata(path).map(|data| (data.uid(), data.gid())).unwrap();
        if owner(folder.path()).0 != 0 {
            return; // Only root can give files away; `tests/image.rs` shows it in a container.
        }
        lchown(folder.path(), Some(1234), Some(1235)).unwrap();
        let place = folder.path().join("a/b/report.json");
        make_folder(place.parent().unwrap()).unwrap();
        write_atomically(&place, b"x").unwrap();
        for made in [folder.path().join("a"), folder.path().join("a/b"), place] {
            assert_eq!(owner(&made), (1234, 1235), "{}", made.display());
        }
    }

    #[test]
    fn a_full_disk_is_an_error_and_not_a_short_file() {
        let full = Path::new("/dev/full");
        let mut writer = File::options().write(true).open(full).unwrap();
        assert!(writer.write_all(b"x").is_err(), "the premise: /dev/full refuses");
        let missing = Path::new("/nonexistent-folder/report.json");
        assert!(matches!(write_atomically(missing, b"x"), Err(StoreError::File { .. })));
    }
}
