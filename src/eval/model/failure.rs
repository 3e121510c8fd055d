//! Every way in which a request to an endpoint can fail, in the words of the retry rules and of samples.

use super::ModelError;
use super::courier::error_text;
use crate::net::{Answered, NetError};
use crate::trust::Untrusted;

/// One failed request.
#[derive(Debug)]
pub(super) enum Failure {
    /// No whole reply.
    Broken(Untrusted),
    /// A status other than 200.
    Status { status: u16, after: Option<String>, text: Untrusted },
    /// A reply that is not of the protocol's form; asked again, since proxies make such replies when they are busy.
    Malformed(Untrusted),
    /// The endpoint cannot do what was asked.
    Unsupported(Untrusted),
}

impl Failure {
    pub(super) fn of_body(error: &NetError) -> Self {
        match error {
            NetError::TooLarge(_) | NetError::Refused(_) => Failure::Unsupported(error_text(error)),
            NetError::Broken(_) | NetError::File { .. } | NetError::Certificates(_) | NetError::Build(_) => {
                Failure::Broken(error_text(error))
            }
        }
    }

    /// The failure in the words of the retry rules.
    pub(super) fn answered(&self) -> Answered<'_> {
        match self {
            Failure::Broken(_) | Failure::Malformed(_) => Answered::Broken,
            Failure::Status { status, after, .. } => Answered::Status(*status, after.as_deref()),
            Failure::Unsupported(_) => Answered::Status(400, None),
        }
    }

    /// The failure as the sample's error.
    pub(super) fn error(self) -> ModelError {
        match self {
            Failure::Broken(text) => ModelError::Unreachable(text),
            Failure::Malformed(text) => ModelError::Malformed(text),
            Failure::Unsupported(text) => ModelError::Unsupported(text),
            Failure::Status { status, text, .. } => {
                let text = Untrusted::new(format!("HTTP {status}: {}", text.raw()));
                match status {
                    429 => ModelError::RateLimited(text),
                    500..=599 => ModelError::Server(text),
                    408 => ModelError::Timeout(text),
                    _ => ModelError::Refused(text),
                }
            }
        }
    }
}
