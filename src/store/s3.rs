//! A bucket as a store. Credentials, region and endpoint come from where every AWS tool looks for them.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{DisplayErrorContext, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use futures::future::BoxFuture;

use super::{LARGEST_VALUE, Store, StoreError};
use crate::trust::{Digest, Untrusted};

/// The longest that one call, retries included, may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Values as objects `PREFIX/ab/cdef...` of a bucket.
pub struct S3Store {
    pub(super) client: aws_sdk_s3::Client,
    pub(super) bucket: String,
    prefix: String,
}

impl S3Store {
    /// Opens `bucket/prefix`; nothing is sent before the first value.
    pub async fn open(address: &str) -> Result<Self, StoreError> {
        let (bucket, prefix) = address.split_once('/').unwrap_or((address, ""));
        if bucket.is_empty() {
            return Err(StoreError::Address(format!("s3://{address}")));
        }
        let timeouts =
            TimeoutConfig::builder().operation_timeout(CALL_TIMEOUT).connect_timeout(Duration::from_secs(10));
        let shared =
            aws_config::defaults(aws_config::BehaviorVersion::latest()).timeout_config(timeouts.build()).load();
        let shared = shared.await;
        // Servers other than AWS's are addressed by path: bucket names are no host names there.
        let path_style = shared.endpoint_url().is_some();
        let config = aws_sdk_s3::config::Builder::from(&shared).force_path_style(path_style).build();
        Ok(Self {
            client: aws_sdk_s3::Client::from_conf(config),
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
        })
    }

    /// Asks whether the bucket is there and may be used; for `doctor`.
    pub async fn probe(&self) -> Result<(), StoreError> {
        match self.client.head_bucket().bucket(&self.bucket).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failed("the bucket cannot be used", &error)),
        }
    }

    pub(super) fn object(&self, key: &Digest) -> String {
        let (head, tail) = key.hex().split_at_checked(2).unwrap_or(("", key.hex()));
        if self.prefix.is_empty() { format!("{head}/{tail}") } else { format!("{}/{head}/{tail}", self.prefix) }
    }

    pub(super) fn failed<E: std::error::Error + Send + Sync + 'static>(
        &self,
        what: &'static str,
        error: &E,
    ) -> StoreError {
        let detail = Untrusted::new(DisplayErrorContext(error).to_string());
        StoreError::Bucket { bucket: self.bucket.clone(), what, detail }
    }

    async fn read(&self, key: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let object = self.object(key);
        let reply = match self.client.get_object().bucket(&self.bucket).key(&object).send().await {
            Ok(reply) => reply,
            Err(SdkError::ServiceError(error)) if error.err().is_no_such_key() => return Ok(None),
            Err(error) => return Err(self.failed("an object cannot be read", &error)),
        };
        // The length is checked before the body is read, and again while it arrives.
        if reply.content_length().is_some_and(|length| u64::try_from(length).is_ok_and(|length| length > LARGEST_VALUE))
        {
            return Err(StoreError::TooLarge(object, LARGEST_VALUE));
        }
        let mut body = reply.body;
        let mut value = Vec::new();
        while let Some(piece) = body.try_next().await.map_err(|error| self.failed("an object broke off", &error))? {
            if (value.len() + piece.len()) as u64 > LARGEST_VALUE {
                return Err(StoreError::TooLarge(object, LARGEST_VALUE));
            }
            value.extend_from_slice(&piece);
        }
        Ok(Some(value))
    }
}

impl Store for S3Store {
    fn get<'a>(&'a self, key: &'a Digest) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(self.read(key))
    }

    fn put<'a>(&'a self, key: &'a Digest, value: Vec<u8>) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let body = ByteStream::from(value);
            let put = self.client.put_object().bucket(&self.bucket).key(self.object(key)).body(body);
            put.send().await.map(|_| ()).map_err(|error| self.failed("an object cannot be written", &error))
        })
    }
}
