//! Hundreds of seeded schedules of what may go wrong with each request: whatever happens, there is at most one comment and
//! one check run, the number of requests is bounded, and nothing panics.

use std::time::Duration;

use llmci::host::settings::PublishArgs;
use serde_json::json;

use super::publisher::{failed, publish, run, words};
use super::server::{Fault, github};

const SCHEDULES: u64 = 150;

/// The next number of a schedule. Source: Marsaglia, "Xorshift RNGs" (2003).
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn fault(number: u64) -> Option<Fault> {
    let reply = |status, headers, body| Some(Fault::Reply(status, headers, body));
    match number {
        0 => Some(Fault::LoseAnswer),
        1 => Some(Fault::LoseRequest),
        2 => reply(500, "", json!({"message": "Server Error"})),
        3 => reply(502, "", json!("<html>")),
        4 => reply(429, "retry-after: 3\r\n", json!({"message": "slow down"})),
        5 => reply(429, "retry-after: 3600\r\n", json!({"message": "slow down"})),
        6 => reply(429, "retry-after: -1\r\n", json!({})),
        7 => reply(403, "", json!({"message": "You have exceeded a secondary rate limit"})),
        8 => reply(422, "", json!({"message": "Validation Failed", "errors": [{"code": "abuse"}]})),
        9 => reply(403, "", json!({"message": "Resource not accessible by integration"})),
        10 => reply(404, "", json!({"message": "Not Found"})),
        11 => reply(200, "", json!({})),
        12 => reply(200, "", json!("text")),
        13 => reply(301, "location: http://127.0.0.1:9/\r\n", json!({"message": "Moved"})),
        _ => None,
    }
}

#[test]
fn whatever_goes_wrong_there_is_one_comment_one_check_and_an_end() {
    let mut published_whole = 0;
    for seed in 1..=SCHEDULES {
        let name = format!("schedule-{seed}");
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // From one fault in two requests to one in ten.
        let spread = 28 + next(&mut state) % 112;
        github().with(&name, |repository| {
            repository.faults = Some(Box::new(move |_| fault(next(&mut state) % spread)));
        });
        let mut this = run(&name, 10, PublishArgs::default());
        this.base.clone_from(&github().direct);
        let (published, waited) = publish(this, &failed().1);
        assert!(waited < Duration::from_secs(100), "seed {seed}: {waited:?}");
        github().with(&name, |repository| {
            let (comments, checks) = (repository.comments.len(), repository.checks.len());
            assert!(comments <= 1 && checks <= 1, "seed {seed}: {comments} comments, {checks} checks");
            assert!(repository.asked.len() <= 40, "seed {seed}: {} requests", repository.asked.len());
            if published.warnings.is_empty() {
                published_whole += 1;
                let verdict = &repository.checks[0]["conclusion"];
                assert!(comments == 1 && verdict == "failure", "seed {seed}: {:?}", words(&published));
            }
        });
    }
    assert!(published_whole > SCHEDULES / 4, "{published_whole}");
}
