//! A bucket as a store. Credentials, region and endpoint come from where every AWS tool looks for them.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{DisplayErrorContext, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use futures::future::BoxFuture;

use super::{LARGEST_VALUE, Store, StoreError};
use crate::trust::{Digest, Untrusted};

/// The longest that one call, retries included, may take beside what it carries.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest that a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes a second that a value is given time for, retries included: 500 MiB have nine minutes. It is also what ends an upload that stands
/// still, which the client's own protection against stalled streams does not notice.
const SLOWEST: u64 = 1024 * 1024;

/// How long a call that carries so many bytes may take.
fn time_for(bytes: u64) -> Duration {
    CALL_TIMEOUT + Duration::from_secs(bytes / SLOWEST)
}

/// The settings of a call that carries so many bytes.
pub(super) fn limits(bytes: u64) -> aws_sdk_s3::config::Builder {
    let timeouts = TimeoutConfig::builder().operation_timeout(time_for(bytes)).connect_timeout(CONNECT_TIMEOUT);
    aws_sdk_s3::config::Builder::new().timeout_config(timeouts.build())
}

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
        let timeouts = TimeoutConfig::builder().operation_timeout(CALL_TIMEOUT).connect_timeout(CONNECT_TIMEOUT);
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

    /// A value and its ETag, or none. More than `largest` bytes are an error.
    pub(super) async fn fetch(&self, key: &Digest, largest: u64) -> Result<Option<(Vec<u8>, String)>, StoreError> {
        let object = self.object(key);
        let reply = match self.client.get_object().bucket(&self.bucket).key(&object).send().await {
            Ok(reply) => reply,
            Err(SdkError::ServiceError(error)) if error.err().is_no_such_key() => return Ok(None),
            Err(error) => return Err(self.failed("an object cannot be read", &error)),
        };
        let tag = reply.e_tag().unwrap_or_default().to_owned();
        // The length is checked before the body is read, and again while it arrives.
        let length = reply.content_length().and_then(|length| u64::try_from(length).ok());
        if length.is_some_and(|length| length > largest) {
            return Err(StoreError::TooLarge(object, largest));
        }
        let mut body = reply.body;
        let arrives = async {
            let mut value = Vec::new();
            while let Some(piece) = body.try_next().await.map_err(|error| self.failed("an object broke off", &error))? {
                if (value.len() + piece.len()) as u64 > largest {
                    return Err(StoreError::TooLarge(object, largest));
                }
                value.extend_from_slice(&piece);
            }
            Ok(value)
        };
        // The client's limit of a call ends with the reply's head.
        let arrived = tokio::time::timeout(time_for(length.unwrap_or(largest)), arrives).await;
        let value = arrived.unwrap_or_else(|late| Err(self.failed("an object did not arrive in time", &late)))?;
        Ok(Some((value, tag)))
    }
}

impl Store for S3Store {
    fn get<'a>(&'a self, key: &'a Digest) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async move { Ok(self.fetch(key, LARGEST_VALUE).await?.map(|(value, _)| value)) })
    }

    fn put<'a>(&'a self, key: &'a Digest, value: Vec<u8>) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let limits = limits(value.len() as u64);
            let body = ByteStream::from(value);
            let put = self.client.put_object().bucket(&self.bucket).key(self.object(key)).body(body);
            let sent = put.customize().config_override(limits).send().await;
            sent.map(|_| ()).map_err(|error| self.failed("an object cannot be written", &error))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_value_has_time_to_pass_a_slow_line_and_a_small_one_no_more_than_before() {
        assert_eq!(time_for(1024), CALL_TIMEOUT);
        // 500 MiB at 10 Mbit/s take some 420 seconds.
        assert!(time_for(500 * 1024 * 1024) > Duration::from_secs(500));
    }
}
