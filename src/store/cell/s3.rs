//! Versions in a bucket: the object's ETag, by conditional writes. A server that does not know them lets the last writer win.
//! Source: AWS, "How to prevent object overwrites with conditional writes".

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use futures::future::BoxFuture;

use super::{Cells, Expect, Found, LARGEST_CELL, Removed, Written};
use crate::store::s3::limits;
use crate::store::{S3Store, StoreError};
use crate::trust::Digest;

/// Whether a call was refused since something else is there than was expected.
fn has_changed<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    // 409: another writer was under way at the same moment. 404: what was expected is gone.
    matches!(error.code(), Some("PreconditionFailed" | "ConditionalRequestConflict" | "NoSuchKey"))
}

impl Cells for S3Store {
    fn read<'a>(&'a self, key: &'a Digest) -> BoxFuture<'a, Result<Option<Found>, StoreError>> {
        Box::pin(self.fetch(key, LARGEST_CELL))
    }

    fn write<'a>(
        &'a self,
        key: &'a Digest,
        value: Vec<u8>,
        expect: &'a Expect,
    ) -> BoxFuture<'a, Result<Written, StoreError>> {
        Box::pin(async move {
            let limits = limits(value.len() as u64);
            let put = self.client.put_object().bucket(&self.bucket).key(self.object(key));
            let put = match expect {
                Expect::Absent => put.if_none_match("*"),
                Expect::Version(version) => put.if_match(version),
            };
            match put.body(ByteStream::from(value)).customize().config_override(limits).send().await {
                Ok(reply) => Ok(Written::Version(reply.e_tag().unwrap_or_default().to_owned())),
                Err(error) if has_changed(&error) => Ok(Written::Changed),
                Err(error) => Err(self.failed("an object cannot be written", &error)),
            }
        })
    }

    fn remove<'a>(&'a self, key: &'a Digest, version: &'a str) -> BoxFuture<'a, Result<Removed, StoreError>> {
        Box::pin(async move {
            let delete = self.client.delete_object().bucket(&self.bucket).key(self.object(key)).if_match(version);
            match delete.send().await {
                Ok(_) => Ok(Removed::Gone),
                Err(error) if error.code() == Some("NoSuchKey") => Ok(Removed::Gone),
                Err(error) if has_changed(&error) => Ok(Removed::Changed),
                Err(error) => Err(self.failed("an object cannot be removed", &error)),
            }
        })
    }
}
