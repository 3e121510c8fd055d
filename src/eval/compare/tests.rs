//! Sides as they are read, put together and found again.

use std::sync::Arc;

use super::*;

fn line(suite: &str, case: &str, repeat: u32, prompt: &str, passed: bool) -> String {
    let (status, score) = if passed { ("passed", 1.0) } else { ("failed", 0.0) };
    serde_json::json!({
        "suite": suite, "case": case, "repeat": repeat, "level": "evaluation", "tags": [suite], "prompt_digest": prompt,
        "expected_digest": "e", "status": status, "score": score, "cluster": "group", "latency_ms": 12.25,
        "assertions": [{"metric": "style", "score": 0.5}, {"metric": "wit", "score": null}], "answer": {"deep": [1, {"x": "y"}]}
    })
    .to_string()
}

fn side(lines: &[String]) -> Result<Side, SideError> {
    Side::read(lines.join("\n").as_bytes())
}

#[test]
fn a_case_is_found_again_with_all_its_numbers() {
    // The repeats of `a` do not stand together, and both suites have a case of that name.
    let lines = [("s", "a", 1), ("s", "b", 0), ("t", "a", 0), ("s", "a", 0)];
    let side = side(&lines.map(|(suite, case, repeat)| line(suite, case, repeat, "p", repeat == 0))).unwrap();
    assert_eq!((side.len(), side.samples), (3, 4));
    let key = |suite: &str, case: &str| CaseKey { suite: Arc::from(suite), case: case.into() };
    let found = side.find(&key("s", "a")).unwrap();
    assert_eq!((found.suite(), found.id(), found.tags()), ("s", "a", ["s".to_owned()].as_slice()));
    assert_eq!(found.attempts().len(), 2);
    let attempt = found.attempts().next().unwrap();
    assert_eq!((attempt.latency_ms(), attempt.ttft_ms(), attempt.cost_usd()), (Some(12.25), None, None));
    assert!(attempt.cluster().is_some());
    let named = |name: &str| {
        let number = side.names.find(&crate::gate::MetricName::new(name).unwrap()).unwrap();
        attempt.named(number)
    };
    assert_eq!((named("style"), named("wit")), (Some(Some(0.5)), Some(None)));
    assert_eq!(side.find(&key("t", "a")).unwrap().attempts().len(), 1);
    assert!(side.find(&key("s", "c")).is_none() && side.find(&key("u", "a")).is_none());
}

#[test]
fn names_that_run_together_stay_apart() {
    let side =
        side(&[line("ab", "c", 0, "p", true), line("a", "bc", 0, "p", true), line("c", "ab", 0, "p", true)]).unwrap();
    assert_eq!(side.len(), 3);
}

#[test]
fn what_is_there_twice_is_refused_at_the_later_line() {
    let twice = side(&[line("s", "a", 0, "p", true), line("s", "b", 0, "p", true), line("s", "a", 0, "p", false)]);
    assert_eq!(twice.unwrap_err().line, 3);
    let neighbours = side(&[line("s", "a", 0, "p", true), line("s", "a", 0, "p", true)]);
    assert_eq!(neighbours.unwrap_err().line, 2);
    let prompts = side(&[line("s", "a", 0, "p", true), line("s", "b", 0, "p", true), line("s", "a", 1, "q", true)]);
    assert!(prompts.unwrap_err().what.contains("not the same prompt"));
}

#[test]
fn prints_tell_digests_apart_wherever_they_differ() {
    let hex = |place: usize| -> String { (0..64).map(|at| if at == place { '1' } else { '0' }).collect() };
    let prints: Vec<Print> = (0..64).map(|place| Print::of_text(&format!("sha256:{}", hex(place)))).collect();
    let nothing = Print::of_text(&format!("sha256:{}", "0".repeat(64)));
    assert!(prints.iter().all(|print| *print != nothing));
    assert_ne!(Print::of_text("one"), Print::of_text("two"));
    let digest = crate::trust::Digest::of(b"x");
    assert_eq!(Print::of(&digest), Print::of_text(&digest.to_string()));
}
