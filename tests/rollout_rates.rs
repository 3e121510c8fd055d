//! The rates that docs/measurements/rollouts.md promises, with few rollouts and bounds for so few.

#[path = "../benches/support/rollouts.rs"]
#[expect(dead_code, unreachable_pub, clippy::unwrap_used, reason = "shared with the benchmark")]
mod rollouts;

use rollouts::{Latency, Service, latencies, latency_plan, plan, sequential, threshold};

const SEED: u64 = 7;

#[test]
fn a_version_as_good_as_stable_is_brought_back_by_evidence_in_at_most_one_of_a_hundred_rollouts() {
    // At 1 % by design, the chance of more than four in a hundred is below 0.4 %; the seed is fixed.
    let service = Service { rate: 50, stable: 0.005, canary: 0.005 };
    let outcome = sequential(&plan(), service, 100, SEED);
    assert!(outcome.failed <= 4, "{outcome:?}");
}

#[test]
fn a_version_that_fails_five_percent_is_never_promoted_and_is_found_in_minutes() {
    for rate in [5, 50, 500] {
        let outcome = sequential(&plan(), Service { rate, stable: 0.005, canary: 0.05 }, 40, SEED);
        assert_eq!(outcome.promoted, 0, "{rate}: {outcome:?}");
        let most = if rate == 5 { 1800 } else { 180 };
        assert!(outcome.failed == 40 && outcome.median() <= most, "{rate}: {outcome:?}");
    }
}

#[test]
fn a_version_that_is_worse_than_allowed_is_promoted_in_at_most_the_rate_that_was_asked_for() {
    let outcome = sequential(&plan(), Service { rate: 50, stable: 0.005, canary: 0.02 }, 60, SEED);
    assert_eq!(outcome.promoted, 0, "{outcome:?}");
}

#[test]
fn a_fixed_threshold_tosses_a_coin_over_the_same_versions() {
    // Few requests: a good version meets one error in 30 requests, and is brought back for it.
    let good = threshold(Service { rate: 5, stable: 0.005, canary: 0.005 }, 400, SEED);
    assert!(good.failed > 100, "{good:?}");
    let bad = threshold(Service { rate: 5, stable: 0.005, canary: 0.01 }, 400, SEED);
    assert!(bad.promoted > 10, "{bad:?}");
}

#[test]
fn a_latency_within_the_tolerance_is_not_brought_back_and_one_that_doubles_is_never_promoted() {
    let of = |times| latencies(&latency_plan(), Latency { rate: 50, bucket: 1.3, times }, 30, SEED);
    let (same, allowed, double) = (of(1.0), of(1.2), of(2.0));
    assert!(same.failed <= 2 && same.promoted >= 28, "{same:?}");
    assert!(allowed.failed <= 2, "{allowed:?}");
    assert!(double.promoted == 0 && double.failed == 30, "{double:?}");
}
