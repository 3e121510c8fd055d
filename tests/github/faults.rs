//! What GitHub and the way to it do wrong: lost answers, limits, refusals. Each result is there once.

use std::time::Duration;

use llmci::host::settings::PublishArgs;
use serde_json::json;

use super::publisher::{failed, publish, run, words};
use super::server::{Fault, github};

/// Loses the answer of the first request of this kind.
pub fn lose_first(name: &str, method: &'static str, part: &'static str) {
    once(name, method, part, Fault::LoseAnswer);
}

fn once(name: &str, method: &'static str, part: &'static str, fault: Fault) {
    let mut fault = Some(fault);
    github().with(name, |repository| {
        repository.faults = Some(Box::new(move |asked| {
            let meant = asked.method == method && asked.path.contains(part);
            if meant { fault.take() } else { None }
        }));
    });
}

#[test]
fn whatever_answer_is_lost_there_is_one_comment_and_one_check() {
    for (name, method, part) in [
        ("lost-check", "POST", "check-runs"),
        ("lost-close", "PATCH", "check-runs"),
        ("lost-comment", "POST", "comments"),
        ("lost-list", "GET", "comments"),
    ] {
        lose_first(name, method, part);
        let (published, _) = publish(run(name, 10, PublishArgs::default()), &failed().1);
        assert!(published.warnings.is_empty(), "{name} {:?}", words(&published));
        github().with(name, |repository| {
            assert_eq!((repository.comments.len(), repository.checks.len()), (1, 1), "{name}");
            assert_eq!(repository.checks[0]["conclusion"], "failure", "{name}");
            // It was found by its marker or its external id, and not written again.
            if method == "POST" {
                assert_eq!(repository.count("POST", part), 1, "{name}");
            }
        });
        assert_eq!(github().violations(name), Vec::<String>::new());
    }
}

#[test]
fn limits_are_waited_for_and_the_write_is_done_once() {
    let secondary = json!({"message": "You have exceeded a secondary rate limit. Please wait."});
    let abuse = json!({"message": "Validation Failed", "errors": [{"resource": "IssueComment", "code": "abuse"}],
        "documentation_url": "https://docs.github.com"});
    for (name, status, headers, body, waited) in [
        ("limit-429", 429, "retry-after: 7\r\n", json!({"message": "slow down"}), 7),
        ("limit-403", 403, "retry-after: 5\r\n", secondary, 5),
        ("limit-422", 422, "", abuse, 60),
    ] {
        once(name, "POST", "comments", Fault::Reply(status, headers, body));
        let args = PublishArgs { check: false, ..PublishArgs::default() };
        let (published, all) = publish(run(name, 10, args), &failed().1);
        assert!(published.warnings.is_empty(), "{name} {:?}", words(&published));
        assert_eq!(all, Duration::from_secs(waited), "{name}");
        github().with(name, |repository| assert_eq!(repository.comments.len(), 1, "{name}"));
        assert_eq!(github().violations(name), Vec::<String>::new());
    }
}

#[test]
fn a_limit_that_ends_too_late_is_given_up_for_the_next_rung() {
    let name = "limit-3600";
    github().with(name, |repository| {
        repository.faults = Some(Box::new(|asked| {
            let check = asked.path.contains("check-runs");
            check.then(|| Fault::Reply(429, "retry-after: 3600\r\n", json!({"message": "slow down"})))
        }));
    });
    let (published, waited) = publish(run(name, 10, PublishArgs::default()), &failed().1);
    assert!(words(&published)[0].contains("GitHub's limit of requests is reached"), "{:?}", words(&published));
    assert!(waited < Duration::from_secs(60), "{waited:?}");
    github().with(name, |repository| {
        assert_eq!((repository.comments.len(), repository.statuses.len()), (1, 2));
        assert_eq!(repository.count("POST", "check-runs"), 1);
    });
    assert_eq!(github().violations(name), Vec::<String>::new());
}

#[test]
fn a_server_that_is_always_broken_is_asked_a_bounded_number_of_times() {
    let name = "always-broken";
    github().with(name, |repository| {
        repository.faults = Some(Box::new(|_| Some(Fault::LoseAnswer)));
    });
    let (published, _) = publish(run(name, 10, PublishArgs::default()), &failed().1);
    assert!(!published.annotated && published.warnings.len() >= 2, "{:?}", words(&published));
    github().with(name, |repository| {
        assert!(repository.asked.len() < 30, "{}", repository.asked.len());
        assert!(repository.comments.len() <= 1 && repository.checks.len() <= 1);
    });
}

#[test]
fn the_judge_refuses_what_the_description_forbids() {
    let answer = github().forbidden("judge");
    assert!(answer.starts_with("HTTP/1.1 422"), "{answer}");
    github().with("judge", |repository| assert!(repository.asked.is_empty()));
    assert_eq!(github().violations("judge").len(), 1, "{:?}", github().violations("judge"));
}
