//! Versions in a bucket: the object's ETag, by conditional writes. A server that does not know them lets the last writer win.
//! Source: AWS, "How to prevent object overwrites with conditional writes".

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use futures::future::BoxFuture;

use super::{Cells, Expect, LARGEST_CELL, Written};
use crate::store::{S3Store, StoreError};
use crate::trust::Digest;

/// Whether a call was refused since something else is there than was expected.
fn has_changed<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    // 409: another writer was under way at the same moment. 404: what was expected is gone.
    matches!(error.code(), Some("PreconditionFailed" | "ConditionalRequestConflict" | "NoSuchKey"))
}

impl Cells for S3Store {
    fn read<'a>(&'a self, key: &'a Digest) -> BoxFuture<'a, Result<Option<(Vec<u8>, String)>, StoreError>> {
        Box::pin(async move {
            let object = self.object(key);
            let reply = match self.client.get_object().bucket(&self.bucket).key(&object).send().await {
                Ok(reply) => reply,
                Err(SdkError::ServiceError(error)) if error.err().is_no_such_key() => return Ok(None),
                Err(error) => return Err(self.failed("an object cannot be read", &error)),
            };
            let version = reply.e_tag().unwrap_or_default().to_owned();
            let mut body = reply.body;
            let mut value = Vec::new();
            while let Some(piece) = body.try_next().await.map_err(|error| self.failed("an object broke off", &error))? {
                if (value.len() + piece.len()) as u64 > LARGEST_CELL {
                    return Err(StoreError::TooLarge(object, LARGEST_CELL));
                }
                value.extend_from_slice(&piece);
            }
            Ok(Some((value, version)))
        })
    }

    fn write<'a>(
        &'a self,
        key: &'a Digest,
        value: Vec<u8>,
        expect: &'a Expect,
    ) -> BoxFuture<'a, Result<Written, StoreError>> {
        Box::pin(async move {
            let put = self.client.put_object().bucket(&self.bucket).key(self.object(key));
            let put = match expect {
                Expect::Absent => put.if_none_match("*"),
                Expect::Version(version) => put.if_match(version),
            };
            match put.body(ByteStream::from(value)).send().await {
                Ok(reply) => Ok(Written::Version(reply.e_tag().unwrap_or_default().to_owned())),
                Err(error) if has_changed(&error) => Ok(Written::Changed),
                Err(error) => Err(self.failed("an object cannot be written", &error)),
            }
        })
    }

    fn remove<'a>(&'a self, key: &'a Digest, version: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let delete = self.client.delete_object().bucket(&self.bucket).key(self.object(key)).if_match(version);
            match delete.send().await {
                Ok(_) => Ok(()),
                Err(error) if has_changed(&error) => Ok(()),
                Err(error) => Err(self.failed("an object cannot be removed", &error)),
            }
        })
    }
}
