//! Where bytes outlive the process: atomic files, and stores that are keyed by content.
//! Kept out: what the bytes mean (`eval::cache`, `report`).

mod cell;
mod directory;
pub mod file;
pub mod registry;
mod s3;

use futures::future::BoxFuture;

use crate::trust::{Digest, Untrusted};

pub use cell::{Cells, Expect, Found, Removed, Written, open_cells};
pub use directory::DirectoryStore;
pub use s3::S3Store;

/// Why a store gave or took nothing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder could not be used.
    #[error("{path}: {source}")]
    File {
        /// The file or folder.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The address is neither a folder nor `s3://bucket/prefix`.
    #[error("{0:?} is no store: give a folder, or s3://bucket/prefix")]
    Address(String),
    /// A bucket could not be used.
    #[error("s3://{bucket}: {what}")]
    Bucket {
        /// The bucket.
        bucket: String,
        /// Which call failed, in our words.
        what: &'static str,
        /// What the service said.
        detail: Untrusted,
    },
    /// More bytes than a value may have.
    #[error("{0}: larger than {1} bytes")]
    TooLarge(String, u64),
}

/// The largest value that is read from a store, in bytes.
pub const LARGEST_VALUE: u64 = 64 * 1024 * 1024;

/// Values under content addresses. A value, once there, never changes.
pub trait Store: Send + Sync {
    /// The value, or none.
    fn get<'a>(&'a self, key: &'a Digest) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>>;

    /// Keeps a value; it is visible whole or not at all.
    fn put<'a>(&'a self, key: &'a Digest, value: Vec<u8>) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// Opens the store behind an address: a folder (made when missing), or `s3://bucket/prefix`.
pub async fn open(address: &str, relative_to: &std::path::Path) -> Result<Box<dyn Store>, StoreError> {
    match address.split_once("://") {
        Some(("s3", rest)) => Ok(Box::new(S3Store::open(rest).await?)),
        Some(_) => Err(StoreError::Address(address.to_owned())),
        None if address.is_empty() => Err(StoreError::Address(address.to_owned())),
        None => Ok(Box::new(DirectoryStore::open(&relative_to.join(address))?)),
    }
}
