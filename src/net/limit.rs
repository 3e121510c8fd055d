//! Requests and tokens a minute: who would exceed them waits, until a deadline.

use std::num::NonZeroU32;
use std::time::Instant;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// Both limits of an endpoint; either may be absent.
#[derive(Default)]
pub struct Limiter {
    requests: Option<DefaultDirectRateLimiter>,
    tokens: Option<(DefaultDirectRateLimiter, NonZeroU32)>,
}

impl Limiter {
    /// Limits a minute. A burst of one second's worth is let through at once.
    pub fn new(requests_per_minute: Option<u32>, tokens_per_minute: Option<u32>) -> Self {
        let requests = requests_per_minute.and_then(NonZeroU32::new).map(|per_minute| {
            let burst = NonZeroU32::new(per_minute.get().div_ceil(60)).unwrap_or(NonZeroU32::MIN);
            RateLimiter::direct(Quota::per_minute(per_minute).allow_burst(burst))
        });
        let tokens = tokens_per_minute.and_then(NonZeroU32::new);
        let tokens = tokens.map(|per_minute| (RateLimiter::direct(Quota::per_minute(per_minute)), per_minute));
        Self { requests, tokens }
    }

    /// Waits until one request of so many tokens fits. False when it would not before the deadline.
    pub async fn pass(&self, tokens: u32, deadline: Instant) -> bool {
        if let Some(requests) = &self.requests
            && !wait(requests, NonZeroU32::MIN, deadline).await
        {
            return false;
        }
        match &self.tokens {
            // A request larger than the whole minute takes the whole minute: it could never pass otherwise.
            Some((limiter, most)) => {
                let wanted = NonZeroU32::new(tokens.min(most.get())).unwrap_or(NonZeroU32::MIN);
                wait(limiter, wanted, deadline).await
            }
            None => true,
        }
    }
}

async fn wait(limiter: &DefaultDirectRateLimiter, cells: NonZeroU32, deadline: Instant) -> bool {
    let clock = DefaultClock::default();
    loop {
        match limiter.check_n(cells) {
            Ok(Ok(())) => return true,
            Ok(Err(until)) => {
                let wait = until.wait_time_from(clock.now());
                if Instant::now() + wait >= deadline {
                    return false;
                }
                tokio::time::sleep(wait).await;
            }
            // More than the limiter can ever hold: checked before.
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn a_request_over_the_limit_does_not_wait_past_its_deadline() {
        let limiter = Limiter::new(Some(60), None);
        let soon = Instant::now() + Duration::from_millis(50);
        assert!(limiter.pass(1, soon).await);
        assert!(!limiter.pass(1, soon).await, "one a second: the second one is a second away");
    }

    #[tokio::test]
    async fn a_request_larger_than_a_minute_of_tokens_still_passes() {
        let limiter = Limiter::new(None, Some(1000));
        assert!(limiter.pass(5000, Instant::now() + Duration::from_secs(1)).await);
        assert!(!limiter.pass(1, Instant::now() + Duration::from_millis(10)).await);
    }
}
