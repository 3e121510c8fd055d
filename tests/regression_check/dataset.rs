//! What the two runs must have in common: never a silent intersection.

use serde_json::{Value, json};

use crate::samples::{check, folder, policy, run, sample};

fn other_prompt(sample: &mut Value) {
    sample["prompt_digest"] = json!(format!("sha256:{:064x}", 77));
}

fn other_expected(sample: &mut Value) {
    sample["expected_digest"] = json!(format!("sha256:{:064x}", 78));
}

#[test]
fn changed_cases_beyond_five_per_cent_leave_the_verdict_open() {
    for (change, words) in [
        (other_prompt as fn(&mut Value), "10 have another prompt or expected answer"),
        (other_expected, "10 have another prompt or expected answer"),
    ] {
        for failed in [0, 150] {
            let mut candidate = run(failed, 200);
            candidate.iter_mut().rev().take(10).for_each(change);
            assert_eq!(check(folder(&run(0, 200), &candidate).path(), &[]).code, i32::from(failed > 0), "5 % may");
            candidate.iter_mut().rev().skip(10).take(1).for_each(change);
            let found = check(folder(&run(0, 200), &candidate).path(), &[]);
            assert_eq!((found.code, &found.report["verdict"]), (3, &json!("inconclusive")), "{}", found.text);
            assert!(found.reason().starts_with("the dataset changed: 189 of 200 cases"), "{}", found.reason());
            assert!(found.reason().contains(&words.replace("10", "11")), "{}", found.reason());
        }
    }
}

#[test]
fn cases_that_are_on_one_side_only_are_counted_on_both_sides() {
    let less = run(0, 150);
    for (baseline, candidate, words) in [
        (run(0, 200), less.clone(), "50 are only in the baseline, 0 only in the candidate"),
        (less, run(0, 200), "0 are only in the baseline, 50 only in the candidate"),
    ] {
        let found = check(folder(&baseline, &candidate).path(), &[]);
        assert_eq!(found.code, 3, "{}", found.text);
        assert!(found.reason().contains(words), "{}", found.reason());
    }
}

#[test]
fn the_baseline_of_another_suite_is_no_baseline() {
    let mut other = run(0, 200);
    other.iter_mut().for_each(|sample| sample["suite"] = json!("another"));
    let found = check(folder(&other, &run(0, 200)).path(), &[]);
    assert_eq!(found.code, 3, "{}", found.text);
    assert!(found.reason().contains("0 of 400 cases are the same"), "{}", found.reason());
}

#[test]
fn the_share_that_must_be_the_same_is_the_policys() {
    let mut candidate = run(0, 200);
    candidate.iter_mut().take(40).for_each(other_prompt);
    let folder = folder(&run(0, 200), &candidate);
    let loose = policy(folder.path(), "  coverage: 0.8\n");
    assert_eq!(check(folder.path(), &loose).code, 0);
    let strict = policy(folder.path(), "  coverage: 0.81\n");
    assert_eq!(check(folder.path(), &strict).code, 3);
}

#[test]
fn the_order_of_lines_and_where_repeats_stand_do_not_matter() {
    let both = |failed: usize| {
        let mut samples = run(failed, 100);
        let mut again = run(failed, 100);
        again.iter_mut().for_each(|sample| sample["repeat"] = json!(1));
        samples.extend(again);
        samples
    };
    let (baseline, candidate) = (both(0), both(20));
    let straight = check(folder(&baseline, &candidate).path(), &[]);
    let mut mixed = candidate;
    mixed.sort_by_key(|sample| sample["case"].as_str().unwrap().chars().rev().collect::<String>());
    let other = check(folder(&baseline, &mixed).path(), &[]);
    assert_eq!(straight.code, 1, "{}", straight.text);
    assert_eq!(straight.report["comparison"]["rows"], other.report["comparison"]["rows"]);
    assert_eq!(straight.report["comparison"]["newly_failing"], other.report["comparison"]["newly_failing"]);
    assert_eq!(straight.row()["n"], 100, "repeats are no cases");
}

#[test]
fn newly_failing_and_newly_passing_cases_are_named_the_first_fifty() {
    let mut baseline = run(0, 300);
    baseline[299] = sample("c299", false);
    let found = check(folder(&baseline, &run(60, 300)).path(), &[]);
    let comparison = &found.report["comparison"];
    assert_eq!((&comparison["newly_failing_count"], &comparison["newly_passing_count"]), (&json!(60), &json!(1)));
    assert_eq!(comparison["newly_failing"].as_array().unwrap().len(), 50);
    assert_eq!(comparison["newly_passing"][0]["case"], "c299");
    let names: Vec<&str> =
        comparison["newly_failing"].as_array().unwrap().iter().map(|case| case["case"].as_str().unwrap()).collect();
    assert!(names.is_sorted(), "{names:?}");
}

#[test]
fn samples_in_error_are_no_way_around_a_rule() {
    let in_error = |sample: &mut Value| {
        sample["status"] = json!("error");
        sample["score"] = Value::Null;
        sample["assertions"] = json!([]);
        sample["answer"] = Value::Null;
        sample["latency_ms"] = Value::Null;
    };
    let mut candidate = run(12, 400);
    assert_eq!(check(folder(&run(0, 400), &candidate).path(), &[]).code, 1);
    // The failed ones end in an error instead: no pass, and the missing ones are counted.
    candidate.iter_mut().take(12).for_each(in_error);
    let found = check(folder(&run(0, 400), &candidate).path(), &[]);
    assert_eq!((found.code, &found.row()["missing"]), (3, &json!(12)), "{}", found.text);
}

#[test]
fn a_named_score_that_is_missing_because_of_an_error_is_counted() {
    let scored = |failed: usize| {
        let mut samples = run(failed, 400);
        for sample in &mut samples {
            sample["assertions"][0]["metric"] = json!("style");
        }
        samples
    };
    let mut candidate = scored(12);
    for sample in candidate.iter_mut().take(12) {
        sample["status"] = json!("error");
        sample["score"] = Value::Null;
        sample["assertions"] = json!([]);
    }
    let folder = folder(&scored(0), &candidate);
    let rules = policy(folder.path(), "  rules:\n    - {metric: style, direction: higher}\n");
    let found = check(folder.path(), &rules);
    assert_eq!((found.code, &found.row()["missing"]), (3, &json!(12)), "{}", found.text);
}
