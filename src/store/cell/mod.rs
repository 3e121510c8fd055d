//! Values that change: each has a version, and is written only where it still is what the writer has seen. Two writers of one
//! value never overwrite each other.
//! Kept out: values that never change ([`super::Store`]).

mod directory;
mod s3;

use std::path::Path;

use futures::future::BoxFuture;

use super::{DirectoryStore, S3Store, StoreError};
use crate::trust::Digest;

/// The largest value, in bytes.
pub(super) const LARGEST_CELL: u64 = 512 * 1024 * 1024;

/// What must be there for a write to happen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expect {
    /// Nothing.
    Absent,
    /// The value of this version, as [`Cells::read`] or [`Written::Version`] gave it.
    Version(String),
}

/// What has come of a write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Written {
    /// It is there, as this version.
    Version(String),
    /// Something else is there than was expected: nothing was written.
    Changed,
}

/// What has come of a removal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removed {
    /// Nothing is there now.
    Gone,
    /// Something else is there than was expected: it was left alone.
    Changed,
}

/// A value and its version.
pub type Found = (Vec<u8>, String);

/// Values under content addresses, with versions.
pub trait Cells: Send + Sync {
    /// The value and its version, or none.
    fn read<'a>(&'a self, key: &'a Digest) -> BoxFuture<'a, Result<Option<Found>, StoreError>>;

    /// Writes a value where what is there is what was expected; it is visible whole or not at all.
    fn write<'a>(
        &'a self,
        key: &'a Digest,
        value: Vec<u8>,
        expect: &'a Expect,
    ) -> BoxFuture<'a, Result<Written, StoreError>>;

    /// Removes a value that is still of this version; one that is gone or has changed is left alone.
    fn remove<'a>(&'a self, key: &'a Digest, version: &'a str) -> BoxFuture<'a, Result<Removed, StoreError>>;
}

/// Opens the values behind an address: a folder (made when missing), or `s3://bucket/prefix`.
pub async fn open_cells(address: &str, relative_to: &Path) -> Result<Box<dyn Cells>, StoreError> {
    match address.split_once("://") {
        Some(("s3", rest)) => Ok(Box::new(S3Store::open(rest).await?)),
        Some(_) => Err(StoreError::Address(address.to_owned())),
        None if address.is_empty() => Err(StoreError::Address(address.to_owned())),
        None => Ok(Box::new(DirectoryStore::open(&relative_to.join(address))?)),
    }
}
