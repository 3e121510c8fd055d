//! Nobody runs again until it is green.

use crate::samples::{Found, check, folder, policy, run};

#[test]
fn the_same_question_gets_the_same_answer_again() {
    let folder = folder(&run(0, 200), &run(3, 200));
    let first = check(folder.path(), &[]);
    assert_eq!(first.code, 1, "{}", first.text);
    let again = check(folder.path(), &[]);
    assert_eq!(again.code, 1);
    assert_eq!(first.report["comparison"]["rows"], again.report["comparison"]["rows"]);
    assert!(again.text.contains("are not judged twice"), "{}", again.text);
    assert_eq!(again.report["timing"]["finished_at"], first.report["timing"]["finished_at"]);
}

#[test]
fn a_kept_pass_says_so_as_well() {
    let folder = folder(&run(0, 200), &run(0, 200));
    assert_eq!(check(folder.path(), &[]).code, 0);
    let again = check(folder.path(), &[]);
    assert_eq!(again.code, 0);
    assert!(again.text.contains("are not judged twice"), "{}", again.text);
}

#[test]
fn a_fresh_verdict_costs_half_the_error_each_time() {
    // T(0) = -1.73: below -1.645, not below -1.96.
    let folder = folder(&run(0, 200), &run(3, 200));
    assert_eq!(check(folder.path(), &[]).code, 1);
    let second = check(folder.path(), &["--fresh"]);
    assert_eq!(second.code, 3, "{}", second.text);
    let alpha = |found: &Found| found.row()["alpha"].as_f64().unwrap();
    assert!((alpha(&second) - 0.025).abs() < 1e-9);
    assert_eq!(second.report["comparison"]["earlier_verdicts"], 1);
    assert!(second.text.contains("97.5 % confidence"), "{}", second.text);
    let third = check(folder.path(), &["--fresh"]);
    assert!((alpha(&third) - 0.0125).abs() < 1e-9);
    // Without the flag the last verdict counts.
    let kept = check(folder.path(), &[]);
    assert_eq!((kept.code, alpha(&kept)), (3, alpha(&third)));
}

#[test]
fn other_rules_other_samples_and_another_store_are_other_questions() {
    let folder = folder(&run(0, 200), &run(3, 200));
    assert_eq!(check(folder.path(), &[]).code, 1);
    let rules = policy(folder.path(), "  rules:\n    - {metric: pass_rate, margin: 0.1}\n");
    assert_eq!(check(folder.path(), &rules).code, 0, "another margin");
    let elsewhere = check(folder.path(), &["--verdicts", "elsewhere"]);
    assert!(!elsewhere.text.contains("are not judged twice"), "{}", elsewhere.text);
    crate::support::write(folder.path(), "cand/samples.jsonl", &crate::samples::lines(&run(0, 200)));
    assert_eq!(check(folder.path(), &[]).code, 0, "other samples without a report are another candidate");
}

#[test]
fn a_kept_verdict_that_cannot_be_read_is_no_verdict() {
    let folder = folder(&run(0, 200), &run(3, 200));
    assert_eq!(check(folder.path(), &[]).code, 1);
    let mut stack = vec![folder.path().join(".llmci/verdicts")];
    let mut broken = 0;
    while let Some(path) = stack.pop() {
        if path.is_dir() {
            stack.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            std::fs::File::create(path).unwrap();
            broken += 1;
        }
    }
    assert!(broken > 0);
    let found = check(folder.path(), &[]);
    assert!(found.code != 0 && !found.text.contains("panicked"), "{}", found.text);
}
