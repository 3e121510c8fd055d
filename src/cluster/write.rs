//! Writes. One whose answer was lost is never blindly repeated: the object is read and looked at, and the write is sent again only
//! where it is not there and nobody else wrote.
//! Kept out: what a write says (`client`).

use serde_json::Value;

use super::error::Asked;
use super::rights::Right;
use super::transport::{Failure, Fate, Request, Transport};
use super::{ClusterError, Place};
use crate::trust::Untrusted;

/// What a write stands on.
pub(super) enum Basis<'a> {
    /// That there is no such object.
    Absent,
    /// That the object has this resourceVersion. The server compares it, so that at most one of many attempts is done.
    Version(&'a str),
    /// Nothing: doing it twice is doing it once.
    Anything,
}

/// What shows that a write was done.
pub(super) enum Done<'a> {
    /// The object is as this says.
    Looks(&'a (dyn Fn(&Value) -> bool + Sync)),
    /// The object is gone, or going.
    Gone,
}

/// A write.
pub(super) struct Write<'a> {
    pub(super) request: Request<'a>,
    pub(super) place: &'a Place,
    pub(super) basis: Basis<'a>,
    pub(super) done: Done<'a>,
}

/// What is there after an answer was lost.
enum Seen {
    Done(Value),
    /// The write is not there, and could still be.
    NotDone,
    /// Somebody else was first.
    Beaten,
    /// It cannot be read.
    Unknown,
}

impl Transport {
    /// Writes, once. Ok: it is done. Any error but [`ClusterError::Unreachable`] and [`ClusterError::Other`]: it is not.
    pub(super) async fn write(&self, write: &Write<'_>) -> Result<Value, ClusterError> {
        let end = self.end();
        let (mut attempt, mut unsure) = (1, false);
        loop {
            let Failure { error, fate } = match self.send(&write.request).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            match &fate {
                // The refusal may be of the repetition: the first one was done.
                Fate::Refused if unsure => {
                    return match self.look(write).await {
                        Seen::Done(object) => Ok(object),
                        Seen::NotDone | Seen::Beaten => Err(error),
                        Seen::Unknown => Err(write.unknown(&error)),
                    };
                }
                Fate::Refused => return Err(error),
                Fate::TurnedAway(_) => {}
                Fate::Unsure(..) | Fate::Lost => {
                    unsure = true;
                    match self.look(write).await {
                        Seen::Done(object) => return Ok(object),
                        Seen::Beaten => return Err(write.beaten()),
                        Seen::Unknown => return Err(write.unknown(&error)),
                        // 500 is the server's, or a webhook's, no: it would be said again.
                        Seen::NotDone if matches!(fate, Fate::Unsure(500, _)) => return Err(error),
                        Seen::NotDone => {}
                    }
                }
            }
            if !self.pause(attempt, &fate, end).await {
                return Err(if unsure { write.unknown(&error) } else { error });
            }
            attempt += 1;
        }
    }

    async fn look(&self, write: &Write<'_>) -> Seen {
        let right = Right::new("get", write.place.resource).named(&write.place.name);
        let asked = Asked { right, place: write.place.words() };
        let found = match self.read(&Request { method: "GET", path: write.place.path(), body: None, asked }).await {
            Ok(object) => Some(object),
            Err(ClusterError::NotFound(_)) => None,
            Err(_) => return Seen::Unknown,
        };
        match (&write.done, found) {
            (Done::Gone, None) => Seen::Done(Value::Null),
            (Done::Gone, Some(object)) if object.pointer("/metadata/deletionTimestamp").is_some() => Seen::Done(object),
            (Done::Gone, Some(_)) => Seen::NotDone,
            (Done::Looks(looks), Some(object)) if looks(&object) => Seen::Done(object),
            (Done::Looks(_), found) => match (&write.basis, found) {
                (Basis::Absent, Some(_)) | (Basis::Version(_), None) => Seen::Beaten,
                (Basis::Version(version), Some(object)) if version_of(&object) != Some(version) => Seen::Beaten,
                (Basis::Absent | Basis::Version(_) | Basis::Anything, _) => Seen::NotDone,
            },
        }
    }
}

impl Write<'_> {
    fn beaten(&self) -> ClusterError {
        let text = self.request.asked.says("the answer was lost, and somebody else wrote in the meantime");
        match self.basis {
            Basis::Absent => ClusterError::Exists(text),
            Basis::Version(_) | Basis::Anything => ClusterError::Conflict(text),
        }
    }

    fn unknown(&self, error: &ClusterError) -> ClusterError {
        let text = format!("{}; whether it was done is not known", error.text().raw());
        ClusterError::Unreachable(Untrusted::new(text))
    }
}

/// The version that a compare-and-swap compares.
pub(super) fn version_of(object: &Value) -> Option<&str> {
    object.pointer("/metadata/resourceVersion").and_then(Value::as_str)
}
