//! Versions in a folder: the digest of the value. Writers take turns by a lock on one file, which dies with its process.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use futures::future::BoxFuture;

use super::{Cells, Expect, Found, LARGEST_CELL, Removed, Written};
use crate::store::directory::read;
use crate::store::file::{failed, make_folder, write_atomically};
use crate::store::{DirectoryStore, StoreError};
use crate::trust::Digest;

/// The file that writers lock.
const LOCK: &str = ".lock";

impl Cells for DirectoryStore {
    fn read<'a>(&'a self, key: &'a Digest) -> BoxFuture<'a, Result<Option<Found>, StoreError>> {
        Box::pin(async move {
            let place = self.place(key);
            off(move || found(&place)).await
        })
    }

    fn write<'a>(
        &'a self,
        key: &'a Digest,
        value: Vec<u8>,
        expect: &'a Expect,
    ) -> BoxFuture<'a, Result<Written, StoreError>> {
        Box::pin(async move {
            let (folder, place, expect) = (self.folder.clone(), self.place(key), expect.clone());
            off(move || {
                let _lock = lock(&folder)?;
                let there = found(&place)?.map(|(_, version)| version);
                let same = match expect {
                    Expect::Absent => there.is_none(),
                    Expect::Version(version) => there == Some(version),
                };
                if !same {
                    return Ok(Written::Changed);
                }
                if let Some(folder) = place.parent() {
                    make_folder(folder)?;
                }
                write_atomically(&place, &value)?;
                Ok(Written::Version(Digest::of(&value).hex().to_owned()))
            })
            .await
        })
    }

    fn remove<'a>(&'a self, key: &'a Digest, version: &'a str) -> BoxFuture<'a, Result<Removed, StoreError>> {
        Box::pin(async move {
            let (folder, place, version) = (self.folder.clone(), self.place(key), version.to_owned());
            off(move || {
                let _lock = lock(&folder)?;
                match found(&place)? {
                    Some((_, there)) if there == version => {
                        fs::remove_file(&place).map_err(|error| failed(&place, error))?;
                        Ok(Removed::Gone)
                    }
                    Some(_) => Ok(Removed::Changed),
                    None => Ok(Removed::Gone),
                }
            })
            .await
        })
    }
}

/// Large files and a lock that others hold must not stop what else the process does.
async fn off<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(failed(Path::new("checkpoint"), io::Error::other(error))))
}

fn lock(folder: &Path) -> Result<File, StoreError> {
    let place = folder.join(LOCK);
    let file = OpenOptions::new().create(true).write(true).truncate(false).open(&place);
    let file = file.map_err(|error| failed(&place, error))?;
    file.lock().map_err(|error| failed(&place, error))?;
    Ok(file)
}

fn found(place: &Path) -> Result<Option<Found>, StoreError> {
    let value = read(place, LARGEST_CELL)?;
    Ok(value.map(|value| {
        let version = Digest::of(&value).hex().to_owned();
        (value, version)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(written: Written) -> String {
        match written {
            Written::Version(version) => version,
            Written::Changed => panic!("it was refused"),
        }
    }

    #[tokio::test]
    async fn two_writers_never_overwrite_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (DirectoryStore::open(folder.path()).unwrap(), DirectoryStore::open(folder.path()).unwrap());
        let key = Digest::of(b"run");
        assert!(Cells::read(&one, &key).await.unwrap().is_none());
        let first = version(one.write(&key, b"a".to_vec(), &Expect::Absent).await.unwrap());
        assert_eq!(two.write(&key, b"b".to_vec(), &Expect::Absent).await.unwrap(), Written::Changed);
        let second = version(two.write(&key, b"b".to_vec(), &Expect::Version(first.clone())).await.unwrap());
        assert_eq!(one.write(&key, b"c".to_vec(), &Expect::Version(first.clone())).await.unwrap(), Written::Changed);
        assert_eq!(one.remove(&key, &first).await.unwrap(), Removed::Changed);
        assert_eq!(Cells::read(&one, &key).await.unwrap().unwrap(), (b"b".to_vec(), second.clone()));
        assert_eq!(two.remove(&key, &second).await.unwrap(), Removed::Gone);
        assert_eq!(two.remove(&key, &second).await.unwrap(), Removed::Gone);
        assert!(Cells::read(&one, &key).await.unwrap().is_none());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_many_writers_at_once_one_wins_each_turn() {
        let folder = tempfile::tempdir().unwrap();
        let key = Digest::of(b"run");
        let writers = (0..8_u8).map(|number| {
            let (store, key) = (DirectoryStore::open(folder.path()).unwrap(), key.clone());
            tokio::spawn(async move { store.write(&key, vec![number], &Expect::Absent).await.unwrap() })
        });
        let ends = futures::future::join_all(writers.collect::<Vec<_>>()).await;
        assert_eq!(ends.into_iter().filter(|end| *end.as_ref().unwrap() != Written::Changed).count(), 1);
    }
}
