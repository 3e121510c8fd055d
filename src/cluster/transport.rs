//! One request and its answer, and reads, which are asked again. Every wait has an end.
//! Kept out: writes whose answer was lost (`write`), and what is asked (`client`).

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use serde_json::Value;
use tokio::time::Instant;

use super::ClusterError;
use super::connection::{Connection, Open};
use super::error::Asked;
use crate::net::{Answered, Decision, RetryPolicy, chain_of, decide};
use crate::trust::Secret;

/// The longest that one call may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest that all attempts of one call may take together, the last one not counted.
const LONGEST_SPAN: Duration = Duration::from_secs(15);
/// Few and short: whoever calls looks again soon.
const POLICY: RetryPolicy = RetryPolicy { attempts: 4, longest_wait: Duration::from_secs(3) };
/// A cluster's objects are small (etcd takes 1.5 MiB), its lists are not.
const LARGEST_REPLY: usize = 16 * 1024 * 1024;

/// One request.
pub(super) struct Request<'a> {
    pub(super) method: &'static str,
    pub(super) path: String,
    /// Media type and value.
    pub(super) body: Option<(&'static str, &'a Value)>,
    pub(super) asked: Asked,
}

/// What became of a request that failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It was refused: nothing was done, and it would be refused again.
    Refused,
    /// It was turned away before anything was done (429), with `Retry-After`.
    TurnedAway(Option<String>),
    /// A status that does not say whether it was done, with `Retry-After`.
    Unsure(u16, Option<String>),
    /// No whole answer came.
    Lost,
}

/// A request that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: ClusterError,
    pub(super) fate: Fate,
}

/// The way to the API server.
pub(super) struct Transport {
    connection: Connection,
    client: Mutex<kube::Client>,
    pub(super) namespace: String,
    pub(super) secrets: Vec<Secret>,
    pub(super) policy: RetryPolicy,
    patience: Duration,
    /// What the server's clock said last, in milliseconds since 1970; 0 before its first answer.
    server_time: AtomicI64,
}

impl Transport {
    pub(super) async fn open(connection: &Connection) -> Result<Self, ClusterError> {
        let Open { client, namespace, secrets } = connection.open(PATIENCE).await?;
        Ok(Self {
            connection: connection.clone(),
            client: Mutex::new(client),
            namespace,
            secrets,
            policy: POLICY,
            patience: PATIENCE,
            server_time: AtomicI64::new(0),
        })
    }

    pub(super) fn server_time(&self) -> Option<i64> {
        Some(self.server_time.load(Ordering::SeqCst)).filter(|time| *time > 0)
    }

    /// Asks, and asks again while that may help. Only for what changes nothing.
    pub(super) async fn read(&self, request: &Request<'_>) -> Result<Value, ClusterError> {
        let end = Instant::now() + LONGEST_SPAN;
        let mut attempt = 1;
        loop {
            let failure = match self.send(request).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            if !self.pause(attempt, &failure.fate, end).await {
                return Err(failure.error);
            }
            attempt += 1;
        }
    }

    /// Waits before the next attempt; false where there is none.
    pub(super) async fn pause(&self, attempt: u32, fate: &Fate, end: Instant) -> bool {
        let answered = match fate {
            Fate::Refused => return false,
            Fate::TurnedAway(after) => Answered::Status(429, after.as_deref()),
            Fate::Unsure(status, after) => Answered::Status(*status, after.as_deref()),
            Fate::Lost => Answered::Broken,
        };
        let left = end.saturating_duration_since(Instant::now());
        let mut byte = [0_u8; 1];
        let chance = getrandom::fill(&mut byte).map_or(1.0, |()| f64::from(u8::from_ne_bytes(byte)) / 255.0);
        match decide(&self.policy, attempt, answered, left, chance, SystemTime::now()) {
            Decision::GiveUp => false,
            Decision::Wait(wait) => {
                tokio::time::sleep(wait).await;
                true
            }
        }
    }

    /// When the attempts of a call that begins now are over.
    pub(super) fn end(&self) -> Instant {
        Instant::now() + LONGEST_SPAN
    }

    /// One request. After a 401, which is answered before anything is done, the credentials are read anew (files, `exec`),
    /// and it is sent once more.
    pub(super) async fn send(&self, request: &Request<'_>) -> Result<Value, Failure> {
        match self.send_once(request).await {
            Err(Failure { error: ClusterError::Unauthorized(text), fate }) => {
                let Ok(open) = self.connection.open(self.patience).await else {
                    return Err(Failure { error: ClusterError::Unauthorized(text), fate });
                };
                *self.client.lock().unwrap_or_else(PoisonError::into_inner) = open.client;
                self.send_once(request).await
            }
            other => other,
        }
    }

    async fn send_once(&self, request: &Request<'_>) -> Result<Value, Failure> {
        let asked = &request.asked;
        let lost = |text: &str| Failure { error: ClusterError::Unreachable(asked.says(text)), fate: Fate::Lost };
        let mut http = http::Request::builder().method(request.method).uri(&request.path);
        http = http.header("accept", "application/json");
        let mut bytes = Vec::new();
        if let Some((kind, value)) = request.body {
            http = http.header("content-type", kind);
            bytes = value.to_string().into_bytes();
        }
        let http = http.body(Body::from(bytes)).map_err(|error| Failure {
            error: ClusterError::Invalid(asked.says(&chain_of(&error))),
            fate: Fate::Refused,
        })?;
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let answer = tokio::time::timeout(self.patience, client.send(http)).await;
        let answer = answer.map_err(|_| lost("no answer in 10 s"))?.map_err(|error| lost(&chain_of(&error)))?;
        self.note_time(&answer);
        let status = answer.status().as_u16();
        let after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = Limited::new(answer.into_body(), LARGEST_REPLY).collect();
        let body = tokio::time::timeout(self.patience, body).await.map_err(|_| lost("half an answer in 10 s"))?;
        let bytes = body.map_err(|error| lost(&format!("half an answer: {error}")))?.to_bytes();
        if (200..300).contains(&status) {
            return serde_json::from_slice(&bytes).map_err(|_| lost("an answer that is not JSON"));
        }
        let error = asked.refusal(status, &bytes, request.body.map(|(kind, _)| kind));
        let fate = match (status, &error) {
            (_, ClusterError::Invalid(_)) => Fate::Refused,
            (429, _) => Fate::TurnedAway(after),
            (408 | 500..=599, _) => Fate::Unsure(status, after),
            _ => Fate::Refused,
        };
        Err(Failure { error, fate })
    }

    fn note_time(&self, answer: &http::Response<Body>) {
        let date = answer.headers().get("date").and_then(|value| value.to_str().ok());
        let date = date.and_then(|text| httpdate::parse_http_date(text).ok());
        let since = date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok());
        if let Some(time) = since.and_then(|since| i64::try_from(since.as_millis()).ok()) {
            self.server_time.fetch_max(time, Ordering::SeqCst);
        }
    }
}
