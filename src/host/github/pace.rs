//! When the next write may be sent, and how long publishing may wait in all. The clock can be moved by hand.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// The least time between two writes. Source: GitHub docs, "Best practices for using the REST API".
pub(super) const BETWEEN_WRITES: Duration = Duration::from_secs(1);
/// All that publishing waits because the server asks for it. Who asks for more is given up.
pub(super) const LONGEST_WAITS: Duration = Duration::from_secs(60);

/// Time, real or moved by hand.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's.
    Real(Instant),
    /// A test's: waiting moves it on at once.
    ByHand(Arc<Mutex<Duration>>),
}

impl Clock {
    /// The machine's clock, from now on.
    pub fn real() -> Self {
        Self::Real(Instant::now())
    }

    /// A clock that stands still until somebody waits.
    pub fn by_hand() -> Self {
        Self::ByHand(Arc::default())
    }

    /// The time since it began.
    pub fn now(&self) -> Duration {
        match self {
            Clock::Real(began) => began.elapsed(),
            Clock::ByHand(time) => time.lock().map(|time| *time).unwrap_or_default(),
        }
    }

    async fn sleep(&self, time: Duration) {
        match self {
            Clock::Real(_) => tokio::time::sleep(time).await,
            Clock::ByHand(now) => {
                if let Ok(mut now) = now.lock() {
                    *now += time;
                }
            }
        }
    }
}

/// The one queue of writes, and the budget of waits.
pub(super) struct Pace {
    clock: Clock,
    interrupted: CancellationToken,
    next_write: Mutex<Duration>,
    waited: Mutex<Duration>,
}

impl Pace {
    pub(super) fn new(clock: Clock, interrupted: CancellationToken) -> Self {
        Self { clock, interrupted, next_write: Mutex::default(), waited: Mutex::default() }
    }

    /// Whether the process was asked to stop: there is no time for anything but one last request.
    pub(super) fn is_over(&self) -> bool {
        self.interrupted.is_cancelled()
    }

    /// Waits until the process is asked to stop.
    pub(super) async fn over(&self) {
        self.interrupted.cancelled().await;
    }

    /// Waits for the next place in the queue.
    pub(super) async fn write(&self) {
        let now = self.clock.now();
        let wait = match self.next_write.lock() {
            Ok(mut next) => {
                let at = now.max(*next);
                *next = at + BETWEEN_WRITES;
                at.saturating_sub(now)
            }
            Err(_) => BETWEEN_WRITES,
        };
        if !wait.is_zero() {
            self.sleep(wait).await;
        }
    }

    /// Waits as the server asks. False where that is more than is left, or the process is to end.
    pub(super) async fn wait(&self, asked: Duration) -> bool {
        let allowed = match self.waited.lock() {
            Ok(mut waited) if *waited + asked <= LONGEST_WAITS => {
                *waited += asked;
                true
            }
            Ok(_) | Err(_) => false,
        };
        allowed && {
            self.sleep(asked).await;
            !self.is_over()
        }
    }

    async fn sleep(&self, time: Duration) {
        tokio::select! {
            () = self.clock.sleep(time) => {}
            () = self.interrupted.cancelled() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn writes_are_a_second_apart_and_waits_have_an_end() {
        let clock = Clock::by_hand();
        let pace = Pace::new(clock.clone(), CancellationToken::new());
        for second in 0..4 {
            pace.write().await;
            assert_eq!(clock.now(), Duration::from_secs(second));
        }
        assert!(pace.wait(Duration::from_secs(59)).await);
        assert!(!pace.wait(Duration::from_secs(2)).await);
        assert!(!pace.wait(Duration::MAX / 2).await);
        assert_eq!(clock.now(), Duration::from_secs(62));
    }
}
