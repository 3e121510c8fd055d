//! When a request is sent again, and after how long. Pure: time and chance come from outside.

use std::time::{Duration, SystemTime};

/// The first wait, doubled at each attempt.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// How often and how long.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RetryPolicy {
    /// Requests in all, the first among them.
    pub attempts: u32,
    /// The longest wait, whatever the server asks for.
    pub longest_wait: Duration,
}

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answered<'a> {
    /// With this status, and this `Retry-After`.
    Status(u16, Option<&'a str>),
    /// Without a whole reply.
    Broken,
}

/// What follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Asking again would not help, or is not allowed any more.
    GiveUp,
    /// Ask again after this time.
    Wait(Duration),
}

/// Decides after attempt number `attempt` (1-based). `left` is the time until the deadline, `chance` is in 0..1.
pub fn decide(
    policy: &RetryPolicy,
    attempt: u32,
    answered: Answered<'_>,
    left: Duration,
    chance: f64,
    now: SystemTime,
) -> Decision {
    let asked = match answered {
        Answered::Broken => None,
        Answered::Status(408 | 409 | 425 | 429 | 500..=599, after) => after.and_then(|text| retry_after(text, now)),
        Answered::Status(..) => return Decision::GiveUp,
    };
    if attempt >= policy.attempts {
        return Decision::GiveUp;
    }
    let exponential =
        FIRST_WAIT.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1).min(16)).unwrap_or(u32::MAX));
    // Full jitter: many clients that failed together do not come back together.
    let chance = if chance.is_finite() { chance.clamp(0.0, 1.0) } else { 1.0 };
    let jittered = exponential.min(policy.longest_wait).mul_f64(chance);
    let wait = asked.map_or(jittered, |asked| asked.max(jittered)).min(policy.longest_wait);
    if wait >= left { Decision::GiveUp } else { Decision::Wait(wait) }
}

/// Seconds or an HTTP date. What is neither, or lies in the past, asks for nothing. Source: RFC 9110, section 10.2.3.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok().or((seconds > 0.0).then_some(Duration::MAX));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    date.duration_since(now).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy { attempts: 5, longest_wait: Duration::from_secs(20) };
    const HOUR: Duration = Duration::from_secs(3600);

    fn after(status: u16, header: Option<&str>) -> Decision {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        decide(&POLICY, 1, Answered::Status(status, header), HOUR, 0.5, now)
    }

    #[test]
    fn what_would_fail_again_is_not_asked_again() {
        for status in [200, 301, 400, 401, 403, 404, 413, 422] {
            assert_eq!(after(status, Some("1")), Decision::GiveUp, "{status}");
        }
    }

    #[test]
    fn retry_after_is_honoured_within_its_cap() {
        let seconds = |n| Decision::Wait(Duration::from_secs(n));
        assert_eq!(after(429, Some("7")), seconds(7));
        assert_eq!(after(429, Some("3600")), seconds(20));
        assert_eq!(after(503, Some("1e18")), seconds(20));
        assert_eq!(after(429, Some("1e308")), seconds(20));
        assert_eq!(after(429, Some("Tue, 14 Nov 2023 22:13:25 GMT")), seconds(5));
        let jitter = Decision::Wait(Duration::from_millis(250));
        for useless in ["-5", "soon", "", "NaN", "Mon, 01 Jan 2001 00:00:00 GMT"] {
            assert_eq!(after(429, Some(useless)), jitter, "{useless}");
        }
    }

    #[test]
    fn requests_and_waits_are_bounded_whatever_the_server_says() {
        for attempt in 1..100 {
            for left in [Duration::ZERO, Duration::from_millis(1), HOUR] {
                for chance in [0.0, 0.5, 1.0, f64::NAN] {
                    match decide(&POLICY, attempt, Answered::Broken, left, chance, SystemTime::UNIX_EPOCH) {
                        Decision::GiveUp => {}
                        Decision::Wait(wait) => assert!(attempt < 5 && wait < left && wait <= POLICY.longest_wait),
                    }
                }
            }
        }
    }
}
