//! One run a folder: an advisory lock that dies with the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::JournalError;
use crate::store::file::hand_over;

/// Held while a run works in a folder.
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the folder, or says that somebody else has it; never waits.
    pub fn take(folder: &Path) -> Result<Self, JournalError> {
        let place = folder.join(".llmci.lock");
        let options = OpenOptions::new().create(true).write(true).truncate(false).open(&place);
        let file = options.map_err(|source| JournalError::file(&place, source))?;
        hand_over(&file, folder);
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(JournalError::Locked(folder.display().to_string())),
            Err(TryLockError::Error(source)) => Err(JournalError::file(&place, source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_never_taken_twice() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::take(folder.path()).unwrap();
        assert!(matches!(FolderLock::take(folder.path()), Err(JournalError::Locked(_))));
        drop(first);
        assert!(FolderLock::take(folder.path()).is_ok());
    }
}
