//! The lock of a rollout: a Lease (coordination.k8s.io/v1) that is renewed while its holder lives. Of many racers exactly one wins,
//! since every write is a compare-and-swap. Whether a holder is gone is judged by our own monotonic clock alone.
//! Kept out: what is locked (`deliver`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::write::version_of;
use super::{Cluster, ClusterError, Place};
use crate::trust::Untrusted;

/// Where the holder can be looked at.
const URL: &str = "llmci.dev/holder-url";
/// Which process holds it: two processes may give themselves the same name.
const PROCESS: &str = "llmci.dev/process";

/// Who wants a lock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// The Lease.
    pub place: Place,
    /// Such as the run's id; for people.
    pub holder: String,
    /// Where the holder can be looked at.
    pub url: Option<String>,
    /// How long a holder that does not renew keeps it: whole seconds, at least 3.
    pub duration: Duration,
    /// Labels and `ownerReferences` of the Lease, where it is made anew; null for none.
    pub metadata: Value,
}

/// Somebody else, who holds the lock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// Its name for itself.
    pub holder: Untrusted,
    /// Since when (RFC 3339), by its own clock.
    pub since: Untrusted,
    /// Where it can be looked at.
    pub url: Option<Untrusted>,
}

/// What one attempt came to.
#[derive(Debug)]
pub enum Turn {
    /// It is ours, until the guard is released or lost.
    Mine(Guard),
    /// It is not ours.
    Theirs(Held),
}

/// Someone who tries to get a lock, and remembers what it saw.
pub struct Contender {
    cluster: Cluster,
    claim: Claim,
    process: String,
    /// What was seen, and since when it has not changed.
    seen: Option<(Value, Instant)>,
}

impl Contender {
    /// Nothing is asked yet.
    pub fn new(cluster: &Cluster, claim: Claim) -> Self {
        let random = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
        Self { cluster: cluster.clone(), claim, process: format!("{random:016x}"), seen: None }
    }

    /// Tries once. A Lease that is held is taken over only when it was seen unchanged for its whole duration.
    pub async fn attempt(&mut self) -> Result<Turn, ClusterError> {
        // Before the request: the time until its answer counts for the holder.
        let asked_at = Instant::now();
        let Some(found) = self.cluster.find(&self.claim.place).await? else {
            return match self.cluster.create(&self.claim.place, &self.first()).await {
                Ok(lease) => Ok(Turn::Mine(self.guard(lease, asked_at))),
                Err(ClusterError::Exists(_)) => Ok(Turn::Theirs(held(&self.claim_seen().await?))),
                Err(error) => Err(error),
            };
        };
        if !is_free(&found) && !self.is_expired(&found, Instant::now()) {
            return Ok(Turn::Theirs(held(&found)));
        }
        let asked_at = Instant::now();
        match self.cluster.replace(&self.claim.place, &self.taken(&found)).await {
            Ok(lease) => Ok(Turn::Mine(self.guard(lease, asked_at))),
            Err(ClusterError::Conflict(_)) => Ok(Turn::Theirs(held(&self.claim_seen().await?))),
            Err(error) => Err(error),
        }
    }

    /// Tries until the lock is ours, the patience is over, or the process is to end.
    pub async fn acquire(&mut self, patience: Duration, cancel: &CancellationToken) -> Result<Turn, ClusterError> {
        let end = Instant::now() + patience;
        loop {
            let turn = self.attempt().await?;
            let next =
                Instant::now() + (self.claim.duration / 6).clamp(Duration::from_millis(50), Duration::from_secs(2));
            if matches!(turn, Turn::Mine(_)) || next > end || cancel.is_cancelled() {
                return Ok(turn);
            }
            tokio::select! {
                () = cancel.cancelled() => return Ok(turn),
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    async fn claim_seen(&mut self) -> Result<Value, ClusterError> {
        let found = self.cluster.find(&self.claim.place).await?.unwrap_or_default();
        self.is_expired(&found, Instant::now());
        Ok(found)
    }

    /// Whether this very version was seen for as long as its holder asked for, or we do, whichever is longer.
    fn is_expired(&mut self, found: &Value, now: Instant) -> bool {
        let asked = found.pointer("/spec/leaseDurationSeconds").and_then(Value::as_u64).map(Duration::from_secs);
        let duration = asked.unwrap_or_default().max(self.claim.duration);
        match &self.seen {
            Some((seen, since)) if seen == found => now.saturating_duration_since(*since) > duration,
            Some(_) | None => {
                self.seen = Some((found.clone(), now));
                false
            }
        }
    }

    fn first(&self) -> Value {
        let mut metadata = self.claim.metadata.as_object().cloned().unwrap_or_default();
        metadata.insert("name".to_owned(), json!(self.claim.place.name));
        metadata.insert("namespace".to_owned(), json!(self.claim.place.namespace));
        let lease = json!({
            "apiVersion": self.claim.place.resource.api_version(),
            "kind": self.claim.place.resource.kind,
            "metadata": metadata,
            "spec": {"leaseTransitions": 0},
        });
        self.written(lease, 0)
    }

    fn taken(&self, found: &Value) -> Value {
        let before = found.pointer("/spec/leaseTransitions").and_then(Value::as_i64).unwrap_or(0);
        self.written(found.clone(), before.saturating_add(1))
    }

    fn written(&self, mut lease: Value, transitions: i64) -> Value {
        let now = micro_time(SystemTime::now());
        let spec = json!({
            "holderIdentity": self.claim.holder,
            "leaseDurationSeconds": self.claim.duration.as_secs().max(1),
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": transitions,
        });
        if let Some(map) = lease.as_object_mut() {
            map.insert("spec".to_owned(), spec);
        }
        let metadata = lease.get_mut("metadata").and_then(Value::as_object_mut);
        let annotations = metadata.map(|map| map.entry("annotations").or_insert_with(|| json!({})));
        if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
            annotations.insert(PROCESS.to_owned(), json!(self.process));
            annotations.shift_remove(URL);
            annotations.extend(self.claim.url.as_ref().map(|url| (URL.to_owned(), json!(url))));
        }
        lease
    }

    fn guard(&self, lease: Value, renewed: Instant) -> Guard {
        // As client-go's 10 s of 15 s: whoever cannot renew stops before anybody else may begin.
        let trust = self.claim.duration - self.claim.duration / 3;
        let shared = Arc::new(Shared {
            cluster: self.cluster.clone(),
            place: self.claim.place.clone(),
            process: self.process.clone(),
            every: self.claim.duration / 3,
            trust,
            lease: Mutex::new((lease, renewed)),
            lost: CancellationToken::new(),
            over: CancellationToken::new(),
        });
        let task = tokio::spawn(keep(Arc::clone(&shared)));
        Guard { shared, task: Some(task) }
    }
}

struct Shared {
    cluster: Cluster,
    place: Place,
    process: String,
    every: Duration,
    /// How long we believe that it is ours after a renewal.
    trust: Duration,
    /// The Lease as we left it, and when we asked for that.
    lease: Mutex<(Value, Instant)>,
    lost: CancellationToken,
    over: CancellationToken,
}

impl Shared {
    fn last(&self) -> (Value, Instant) {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A lock that is ours. Dropped without [`Guard::release`], it is renewed no more, and free after its duration.
pub struct Guard {
    shared: Arc<Shared>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("place", &self.shared.place).field("holds", &self.holds()).finish()
    }
}

impl Guard {
    /// Cancelled when the lock is lost: whoever works under it stops at once.
    pub fn lost(&self) -> CancellationToken {
        self.shared.lost.clone()
    }

    /// Whether it is ours now, by the clock: to be asked before every write, since a process may have been asleep.
    pub fn holds(&self) -> bool {
        !self.shared.lost.is_cancelled() && self.shared.last().1.elapsed() < self.shared.trust
    }

    /// Ends the renewals and frees the lock, so that the next one need not wait. One that is lost is left alone.
    pub async fn release(mut self) -> Result<(), ClusterError> {
        self.shared.over.cancel();
        if let Some(task) = self.task.take() {
            // It ends by itself; a renewal on its way is waited for, since it changes the version.
            let _ = task.await;
        }
        if self.shared.lost.is_cancelled() {
            return Ok(());
        }
        let (mut lease, _) = self.shared.last();
        if let Some(spec) = lease.get_mut("spec").and_then(Value::as_object_mut) {
            spec.shift_remove("holderIdentity");
            spec.insert("renewTime".to_owned(), json!(micro_time(SystemTime::now())));
        }
        match self.shared.cluster.replace(&self.shared.place, &lease).await {
            Ok(_) | Err(ClusterError::Conflict(_) | ClusterError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.over.cancel();
    }
}

/// Renews until it is over or lost.
async fn keep(shared: Arc<Shared>) {
    loop {
        let end = shared.last().1 + shared.trust;
        let next = (shared.last().1 + shared.every).max(Instant::now() + shared.every / 20);
        tokio::select! {
            () = shared.over.cancelled() => return,
            () = tokio::time::sleep_until(next.min(end)) => {}
        }
        let asked_at = Instant::now();
        match tokio::time::timeout_at(end, renew(&shared)).await {
            Ok(Ok(lease)) => *shared.lease.lock().unwrap_or_else(PoisonError::into_inner) = (lease, asked_at),
            Ok(Err(Renewal::Gone)) => return shared.lost.cancel(),
            Ok(Err(Renewal::Failed)) if Instant::now() < end => {}
            Ok(Err(Renewal::Failed)) | Err(_) => return shared.lost.cancel(),
        }
    }
}

enum Renewal {
    /// It is somebody else's now.
    Gone,
    /// It may be ours still.
    Failed,
}

async fn renew(shared: &Shared) -> Result<Value, Renewal> {
    let (mut lease, _) = shared.last();
    for _ in 0..3 {
        if let Some(spec) = lease.get_mut("spec").and_then(Value::as_object_mut) {
            spec.insert("renewTime".to_owned(), json!(micro_time(SystemTime::now())));
        }
        match shared.cluster.replace(&shared.place, &lease).await {
            Ok(lease) => return Ok(lease),
            Err(ClusterError::NotFound(_)) => return Err(Renewal::Gone),
            Err(ClusterError::Conflict(_)) => {}
            Err(_) => return Err(Renewal::Failed),
        }
        // Somebody wrote: it is ours still if only something beside the holder was changed.
        lease = match shared.cluster.find(&shared.place).await {
            Ok(Some(found)) if process_of(&found) == Some(&shared.process) && !is_free(&found) => found,
            Ok(_) => return Err(Renewal::Gone),
            Err(_) => return Err(Renewal::Failed),
        };
    }
    Err(Renewal::Failed)
}

fn process_of(lease: &Value) -> Option<&str> {
    lease.get("metadata")?.get("annotations")?.get(PROCESS)?.as_str()
}

fn is_free(lease: &Value) -> bool {
    version_of(lease).is_some()
        && lease.pointer("/spec/holderIdentity").and_then(Value::as_str).unwrap_or_default().is_empty()
}

fn held(lease: &Value) -> Held {
    let text = |pointer: &str| Untrusted::new(lease.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
    let url = lease.get("metadata").and_then(|metadata| metadata.get("annotations")?.get(URL)?.as_str());
    Held { holder: text("/spec/holderIdentity"), since: text("/spec/acquireTime"), url: url.map(Untrusted::from) }
}

/// `2006-01-02T15:04:05.000000Z`: the API server takes exactly six decimals (recorded from Kubernetes 1.36).
pub(super) fn micro_time(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    let (date, micros) = (time.date(), time.microsecond());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}
