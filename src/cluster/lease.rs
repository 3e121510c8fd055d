//! A lock in the cluster: one Lease, one holder. It is renewed while it is held, and taken over only after it has been seen
//! unchanged for its whole time by our own clock, whatever the clocks of others say.
//! Kept out: what the lock protects (`deliver`).

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Cluster, ClusterError, Place};

/// Where a lease keeps the page of its holder's run.
const URL_ANNOTATION: &str = "llmci.dev/run-url";
/// A lease of somebody else is looked at so often in its time.
const LOOKS: u32 = 4;
/// The time of the API: exactly six decimals (k8s.io/apimachinery, `RFC3339Micro`).
const MICRO_TIME: &[time::format_description::BorrowedFormatItem<'_>] =
    time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// Who holds a lock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Unique to the process, or to the job whose post step goes on.
    pub identity: String,
    /// A page that shows the run.
    pub url: Option<String>,
}

/// What came of asking for a lock.
pub enum Locked {
    /// It is ours.
    Ours(Lock),
    /// Somebody holds it, and is alive.
    Held(Holder),
}

/// A lock that is held. It is renewed until it is released or dropped.
pub struct Lock {
    cluster: Cluster,
    place: Place,
    holder: Holder,
    lost: CancellationToken,
    renewing: JoinHandle<()>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

/// What a waiter remembers of somebody else's lease.
struct Seen {
    what: (Value, Value),
    since: Instant,
}

impl Lock {
    /// Takes the lock, waiting at most its whole time to see whether its holder is alive.
    pub async fn take(
        cluster: &Cluster,
        place: &Place,
        holder: &Holder,
        lasts: Duration,
        cancel: &CancellationToken,
    ) -> Result<Locked, ClusterError> {
        let mut seen: Option<Seen> = None;
        loop {
            let found = cluster.find(place).await?;
            let taken = match found {
                None => cluster.create(place, &lease(place, holder, lasts, cluster, None)).await,
                Some(object) if free(&object) || holder_of(&object).identity == holder.identity => {
                    cluster.replace(place, &lease(place, holder, lasts, cluster, Some(&object))).await
                }
                Some(object) => {
                    let part = |pointer| object.pointer(pointer).cloned().unwrap_or_default();
                    let what = (part("/spec"), part("/metadata/resourceVersion"));
                    let known = seen.take_if(|seen| seen.what == what);
                    let Some(known) = known else {
                        // Renewed since: whoever holds it is alive.
                        if seen.is_some() {
                            return Ok(Locked::Held(holder_of(&object)));
                        }
                        seen = Some(Seen { what, since: Instant::now() });
                        pause(time_of(&object, lasts) / LOOKS, cancel).await?;
                        continue;
                    };
                    if known.since.elapsed() < time_of(&object, lasts) {
                        seen = Some(known);
                        pause(time_of(&object, lasts) / LOOKS, cancel).await?;
                        continue;
                    }
                    cluster.replace(place, &lease(place, holder, lasts, cluster, Some(&object))).await
                }
            };
            match taken {
                Ok(object) if holder_of(&object).identity == holder.identity => {
                    return Ok(Locked::Ours(Self::hold(cluster, place, holder, lasts)));
                }
                Ok(_) | Err(ClusterError::Conflict(_) | ClusterError::Exists(_) | ClusterError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
            pause(Duration::from_millis(50), cancel).await?;
        }
    }

    fn hold(cluster: &Cluster, place: &Place, holder: &Holder, lasts: Duration) -> Self {
        let lost = CancellationToken::new();
        let renewing = tokio::spawn(renew(cluster.clone(), place.clone(), holder.clone(), lasts, lost.clone()));
        Self { cluster: cluster.clone(), place: place.clone(), holder: holder.clone(), lost, renewing }
    }

    /// Fires when somebody else has the lock, or may have it: nothing may be changed from then on.
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Gives the lock back, so that the next one need not wait for its time.
    pub async fn release(self) -> Result<(), ClusterError> {
        self.renewing.abort();
        let Some(object) = self.cluster.find(&self.place).await? else { return Ok(()) };
        if holder_of(&object).identity != self.holder.identity {
            return Ok(());
        }
        let mut object = object;
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
            spec.insert("holderIdentity".to_owned(), json!(""));
        }
        match self.cluster.replace(&self.place, &object).await {
            Ok(_) | Err(ClusterError::Conflict(_) | ClusterError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Renews until somebody else has it, or until nothing could be renewed for its whole time.
async fn renew(cluster: Cluster, place: Place, holder: Holder, lasts: Duration, lost: CancellationToken) {
    let mut renewed = Instant::now();
    let every = lasts / 3;
    loop {
        tokio::time::sleep(every).await;
        let before = Instant::now();
        // A call that hangs must not outlast the lock.
        let left = lasts.saturating_sub(renewed.elapsed());
        match tokio::time::timeout(left, once(&cluster, &place, &holder, lasts)).await {
            Ok(Ok(true)) => renewed = before,
            Ok(Ok(false)) => break,
            Ok(Err(_)) | Err(_) if renewed.elapsed() >= lasts => break,
            Ok(Err(_)) | Err(_) => {}
        }
    }
    lost.cancel();
}

/// One renewal: false when somebody else has it.
async fn once(cluster: &Cluster, place: &Place, holder: &Holder, lasts: Duration) -> Result<bool, ClusterError> {
    let Some(object) = cluster.find(place).await? else { return Ok(false) };
    if holder_of(&object).identity != holder.identity {
        return Ok(false);
    }
    match cluster.replace(place, &lease(place, holder, lasts, cluster, Some(&object))).await {
        Ok(object) => Ok(holder_of(&object).identity == holder.identity),
        Err(error) => Err(error),
    }
}

async fn pause(wait: Duration, cancel: &CancellationToken) -> Result<(), ClusterError> {
    tokio::select! {
        () = cancel.cancelled() => Err(ClusterError::Unreachable("stopped while the lock was waited for".into())),
        () = tokio::time::sleep(wait) => Ok(()),
    }
}

/// Whether nobody holds it.
fn free(object: &Value) -> bool {
    holder_of(object).identity.is_empty()
}

fn holder_of(object: &Value) -> Holder {
    let identity = object.pointer("/spec/holderIdentity").and_then(Value::as_str).unwrap_or_default().to_owned();
    let annotations = object.pointer("/metadata/annotations");
    let url = annotations.and_then(|all| all.get(URL_ANNOTATION)).and_then(Value::as_str).map(str::to_owned);
    Holder { identity, url }
}

/// How long a lease lasts: what its holder said, within a day.
fn time_of(object: &Value, otherwise: Duration) -> Duration {
    let seconds = object.pointer("/spec/leaseDurationSeconds").and_then(Value::as_u64);
    seconds.map_or(otherwise, |seconds| Duration::from_secs(seconds.clamp(1, 86_400)))
}

/// The lease as its holder writes it, over the one that is there.
fn lease(place: &Place, holder: &Holder, lasts: Duration, cluster: &Cluster, before: Option<&Value>) -> Value {
    let now = cluster.server_time().and_then(|time| {
        let time = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(time) * 1_000_000).ok()?;
        time.format(MICRO_TIME).ok()
    });
    let same = before.is_some_and(|before| holder_of(before).identity == holder.identity);
    let spec = before.and_then(|before| before.get("spec"));
    let transitions = spec.and_then(|spec| spec.get("leaseTransitions")).and_then(Value::as_u64).unwrap_or(0);
    let acquired = spec.filter(|_| same).and_then(|spec| spec.get("acquireTime")).cloned();
    let mut metadata = serde_json::Map::new();
    metadata.insert("name".to_owned(), json!(place.name));
    metadata.insert("namespace".to_owned(), json!(place.namespace));
    if let Some(version) = before.and_then(|before| before.pointer("/metadata/resourceVersion")) {
        metadata.insert("resourceVersion".to_owned(), version.clone());
    }
    if let Some(url) = &holder.url {
        metadata.insert("annotations".to_owned(), json!({URL_ANNOTATION: url}));
    }
    json!({
        "apiVersion": place.resource.api_version(), "kind": place.resource.kind, "metadata": metadata,
        "spec": {
            "holderIdentity": holder.identity, "leaseDurationSeconds": lasts.as_secs().max(1),
            "acquireTime": acquired.or_else(|| now.clone().map(Value::from)), "renewTime": now,
            "leaseTransitions": if same || before.is_none() { transitions } else { transitions + 1 },
        },
    })
}
