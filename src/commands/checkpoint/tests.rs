//! What is left in the store when a run has come to its end.

use std::io::Write;

use futures::future::BoxFuture;

use super::*;
use crate::store::{DirectoryStore, Found};

/// A folder whose answers to writes are lost on their way back.
struct Lost(DirectoryStore);

impl Cells for Lost {
    fn read<'a>(&'a self, key: &'a Digest) -> BoxFuture<'a, Result<Option<Found>, StoreError>> {
        Cells::read(&self.0, key)
    }

    fn write<'a>(
        &'a self,
        key: &'a Digest,
        value: Vec<u8>,
        expect: &'a Expect,
    ) -> BoxFuture<'a, Result<Written, StoreError>> {
        Box::pin(async move {
            self.0.write(key, value, expect).await?;
            Err(StoreError::Address("the answer is lost".to_owned()))
        })
    }

    fn remove<'a>(&'a self, key: &'a Digest, version: &'a str) -> BoxFuture<'a, Result<Removed, StoreError>> {
        self.0.remove(key, version)
    }
}

fn store(folder: &Path) -> DirectoryStore {
    DirectoryStore::open(folder).unwrap()
}

fn checkpoint(cells: impl Cells + 'static, expect: Option<Expect>) -> Checkpoint {
    let state = Mutex::new(State { expect, sent: 0 });
    Checkpoint {
        cells: Box::new(cells),
        key: Digest::of(b"run"),
        owner: "me".to_owned(),
        address: String::new(),
        state,
    }
}

/// A folder with a journal of one sample.
fn journal() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut file = std::fs::File::create(journal::place(folder.path())).unwrap();
    file.write_all(b"{\"journal\":1}\n{\"slot\":0}\n").unwrap();
    folder
}

async fn there(folder: &Path) -> Option<String> {
    let found = Cells::read(&store(folder), &Digest::of(b"run")).await.unwrap();
    found.map(|(value, _)| form::owner(&value).unwrap())
}

#[tokio::test]
async fn a_run_that_is_done_takes_away_what_it_has_written() {
    let (folder, run) = (tempfile::tempdir().unwrap(), journal());
    let own = checkpoint(store(folder.path()), Some(Expect::Absent));
    assert_eq!(own.keep(run.path()).await, Kept::There);
    assert_eq!(there(folder.path()).await.as_deref(), Some("me"));
    own.done().await;
    assert_eq!(there(folder.path()).await, None);
    own.done().await;
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_taken_away_too() {
    let (folder, run) = (tempfile::tempdir().unwrap(), journal());
    let earlier = form::seal(&Digest::of(b"run"), "somebody", b"{}\n");
    let Written::Version(version) =
        store(folder.path()).write(&Digest::of(b"run"), earlier, &Expect::Absent).await.unwrap()
    else {
        panic!("it was refused")
    };
    let own = checkpoint(Lost(store(folder.path())), Some(Expect::Version(version)));
    assert!(matches!(own.keep(run.path()).await, Kept::Not(_)));
    assert_eq!(there(folder.path()).await.as_deref(), Some("me"));
    own.done().await;
    assert_eq!(there(folder.path()).await, None);
}

#[tokio::test]
async fn what_another_run_has_written_is_left_alone() {
    for expect in [None, Some(Expect::Absent), Some(Expect::Version("an earlier one".to_owned()))] {
        let folder = tempfile::tempdir().unwrap();
        let theirs = form::seal(&Digest::of(b"run"), "somebody", b"{}\n");
        store(folder.path()).write(&Digest::of(b"run"), theirs, &Expect::Absent).await.unwrap();
        checkpoint(store(folder.path()), expect).done().await;
        assert_eq!(there(folder.path()).await.as_deref(), Some("somebody"));
    }
}
