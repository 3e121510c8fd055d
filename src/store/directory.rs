//! A folder as a store: two levels, so that no folder grows without bound; several processes may share it.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use futures::future::BoxFuture;

use super::file::{failed, make_folder, write_atomically};
use super::{LARGEST_VALUE, Store, StoreError};
use crate::trust::Digest;

/// Values as files `ab/cdef...` under a folder.
pub struct DirectoryStore {
    pub(super) folder: PathBuf,
}

impl DirectoryStore {
    /// Makes the folder when it is missing.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        make_folder(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    pub(super) fn place(&self, key: &Digest) -> PathBuf {
        let (head, tail) = key.hex().split_at_checked(2).unwrap_or(("", key.hex()));
        self.folder.join(head).join(tail)
    }
}

/// A file's bytes, or none where there is no file. More than `largest` are an error.
pub(super) fn read(place: &Path, largest: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let file = match fs::File::open(place) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(place, error)),
    };
    let mut value = Vec::new();
    file.take(largest + 1).read_to_end(&mut value).map_err(|error| failed(place, error))?;
    if value.len() as u64 > largest {
        return Err(StoreError::TooLarge(place.display().to_string(), largest));
    }
    Ok(Some(value))
}

impl Store for DirectoryStore {
    fn get<'a>(&'a self, key: &'a Digest) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async move { read(&self.place(key), LARGEST_VALUE) })
    }

    fn put<'a>(&'a self, key: &'a Digest, value: Vec<u8>) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let place = self.place(key);
            if let Some(folder) = place.parent() {
                make_folder(folder)?;
            }
            write_atomically(&place, &value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_put_is_got_and_what_is_not_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = DirectoryStore::open(folder.path()).unwrap();
        let key = Digest::of(b"key");
        assert!(store.get(&key).await.unwrap().is_none());
        store.put(&key, b"value".to_vec()).await.unwrap();
        let again = DirectoryStore::open(folder.path()).unwrap();
        assert_eq!(again.get(&key).await.unwrap().as_deref(), Some(&b"value"[..]));
    }
}
