//! Versions in a folder: the digest of the value. Writers take turns by a lock on one file, which dies with its process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use futures::future::BoxFuture;

use super::{Cells, Expect, LARGEST_CELL, Written};
use crate::store::file::{failed, make_folder, write_atomically};
use crate::store::{DirectoryStore, StoreError};
use crate::trust::Digest;

/// The file that writers lock.
const LOCK: &str = ".lock";

impl Cells for DirectoryStore {
    fn read<'a>(&'a self, key: &'a Digest) -> BoxFuture<'a, Result<Option<(Vec<u8>, String)>, StoreError>> {
        Box::pin(async move {
            let place = self.place(key);
            off(move || read(&place)).await
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
                let there = read(&place)?.map(|(_, version)| version);
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

    fn remove<'a>(&'a self, key: &'a Digest, version: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let (folder, place, version) = (self.folder.clone(), self.place(key), version.to_owned());
            off(move || {
                let _lock = lock(&folder)?;
                match read(&place)? {
                    Some((_, there)) if there == version => {
                        fs::remove_file(&place).map_err(|error| failed(&place, error))
                    }
                    Some(_) | None => Ok(()),
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

fn read(place: &Path) -> Result<Option<(Vec<u8>, String)>, StoreError> {
    let file = match File::open(place) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(place, error)),
    };
    let mut value = Vec::new();
    file.take(LARGEST_CELL + 1).read_to_end(&mut value).map_err(|error| failed(place, error))?;
    if value.len() as u64 > LARGEST_CELL {
        return Err(StoreError::TooLarge(place.display().to_string(), LARGEST_CELL));
    }
    let version = Digest::of(&value).hex().to_owned();
    Ok(Some((value, version)))
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
        one.remove(&key, &first).await.unwrap();
        assert_eq!(Cells::read(&one, &key).await.unwrap().unwrap(), (b"b".to_vec(), second.clone()));
        two.remove(&key, &second).await.unwrap();
        two.remove(&key, &second).await.unwrap();
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
