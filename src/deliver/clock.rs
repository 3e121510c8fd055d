//! Time as a rollout sees it: instants by the API server's clock, waits by a monotonic one. A rehearsal and the tests move it
//! by hand.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::state::Moment;

/// A clock.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

enum Inner {
    /// The API server's time at some instant of the monotonic clock; it only moves forward.
    Real(Mutex<(i64, Instant)>),
    /// Moved by whoever waits.
    ByHand(AtomicI64),
}

impl Clock {
    /// A real clock that begins at this moment of the API server.
    pub fn real(now: Moment) -> Self {
        Self(Arc::new(Inner::Real(Mutex::new((now.0, Instant::now())))))
    }

    /// A clock that stands still until somebody waits.
    pub fn by_hand(now: Moment) -> Self {
        Self(Arc::new(Inner::ByHand(AtomicI64::new(now.0))))
    }

    /// The moment.
    pub fn now(&self) -> Moment {
        match &*self.0 {
            Inner::Real(base) => {
                let (start, since) = *base.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                Moment(start.saturating_add(i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX)))
            }
            Inner::ByHand(now) => Moment(now.load(Ordering::SeqCst)),
        }
    }

    /// Waits; true when the wait was cut short by the end of the process.
    pub async fn wait(&self, seconds: f64, cancel: &CancellationToken) -> bool {
        match &*self.0 {
            Inner::Real(_) => {
                let wait = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::from_secs(3600));
                tokio::select! {
                    () = cancel.cancelled() => true,
                    () = tokio::time::sleep(wait) => false,
                }
            }
            Inner::ByHand(now) => {
                now.store(Moment(now.load(Ordering::SeqCst)).after(seconds.max(0.0)).0, Ordering::SeqCst);
                tokio::task::yield_now().await;
                cancel.is_cancelled()
            }
        }
    }
}
