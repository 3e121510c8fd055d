//! Rules of the policy: several, legacy, against an anchor.

use serde_json::{Value, json};

use crate::samples::{check, folder, lines, policy, run};
use crate::support::write;

#[test]
fn drops_that_pass_one_by_one_fail_against_the_anchor() {
    // The release had 40 failures in 1000, main has 52, the candidate 58: each step is small.
    let folder = folder(&run(52, 1000), &run(58, 1000));
    write(folder.path(), "release/samples.jsonl", &lines(&run(40, 1000)));
    let rule = "  rules:\n    - {metric: pass_rate, margin: 0.02";
    let alone = policy(folder.path(), &format!("{rule}}}\n"));
    let found = check(folder.path(), &alone);
    assert_eq!(found.code, 0, "{}", found.text);
    assert!(found.text.contains("measurably worse, inside the margin"), "{}", found.text);
    let anchored = policy(folder.path(), &format!("  anchor: release\n{rule}, cumulative_margin: 0.02}}\n"));
    let found = check(folder.path(), &anchored);
    assert_eq!(found.code, 1, "{}", found.text);
    let rows = found.report["comparison"]["rows"].as_array().unwrap();
    let said: Vec<(&Value, &Value)> = rows.iter().map(|row| (&row["against"], &row["verdict"])).collect();
    assert_eq!(said, [(&json!("baseline"), &json!("pass")), (&json!("anchor"), &json!("fail"))]);
    assert!(found.reason().contains("of the anchor"), "{}", found.reason());
    // An anchor without a cumulative margin is a mistake of the policy, not a rule that is left out.
    let without = policy(folder.path(), &format!("  anchor: release\n{rule}}}\n"));
    let found = check(folder.path(), &without);
    assert_eq!(found.code, 2, "{}", found.text);
    assert!(found.text.contains("cumulative_margin"), "{}", found.text);
}

#[test]
fn the_legacy_mode_is_labelled_everywhere() {
    let folder = folder(&run(0, 50), &run(1, 50));
    let rules = policy(folder.path(), "  rules:\n    - {metric: pass_rate, mode: tolerance, tolerance: 0.02}\n");
    let found = check(folder.path(), &rules);
    assert_eq!(found.code, 0, "{}", found.text);
    assert_eq!(found.row()["method"], "tolerance-legacy");
    assert!(found.text.contains("legacy rule on point estimates, without a guarantee"), "{}", found.text);
    let markdown = std::fs::read_to_string(folder.path().join("llmci-regression/report.md")).unwrap();
    assert!(markdown.contains("legacy"), "{markdown}");
    write(folder.path(), "cand/samples.jsonl", &lines(&run(2, 50)));
    assert_eq!(check(folder.path(), &rules).code, 1);
}

#[test]
fn all_required_rules_count_and_the_others_do_not() {
    let slower = |factor: f64, failed: usize| {
        let mut samples = run(failed, 200);
        for (index, sample) in samples.iter_mut().enumerate() {
            let index = f64::from(u32::try_from(index).unwrap());
            sample["latency_ms"] = json!(factor * (100.0 + index));
        }
        samples
    };
    let both = |latency: &str| {
        format!("  rules:\n    - {{metric: pass_rate}}\n    - {{metric: latency_mean_ms, margin: 0.1{latency}}}\n")
    };
    let folder = folder(&slower(1.0, 0), &slower(1.5, 0));
    let required = policy(folder.path(), &both(""));
    let found = check(folder.path(), &required);
    assert_eq!(found.code, 1, "{}", found.text);
    assert!(found.reason().starts_with("latency_mean_ms"), "{}", found.reason());
    assert!((found.report["comparison"]["rows"][1]["difference"].as_f64().unwrap() - 0.5).abs() < 1e-6);
    let advisory = policy(folder.path(), &both(", required: false"));
    let found = check(folder.path(), &advisory);
    assert_eq!(found.code, 0, "{}", found.text);
    assert!(found.text.contains("(not required)"), "{}", found.text);
    let none = policy(folder.path(), "  rules:\n    - {metric: pass_rate, required: false}\n");
    let found = check(folder.path(), &none);
    assert_eq!(found.code, 2, "{}", found.text);
}

#[test]
fn one_weak_failure_among_many_rules_is_undecided() {
    // T(0) = -1.73 fails alone; ten rules on the same cases would each have to show it at a tenth of the error.
    let folder = folder(&run(0, 200), &run(3, 200));
    assert_eq!(check(folder.path(), &[]).code, 1);
    let margins: String = (0..10).map(|n| format!("    - {{metric: pass_rate, margin: 0.0{}}}\n", n + 10)).collect();
    let rules = policy(folder.path(), &format!("  rules:\n{margins}"));
    let found = check(folder.path(), &rules);
    assert_eq!(found.code, 3, "{}", found.text);
    assert!(found.text.contains("among 10 rules"), "{}", found.text);
}

#[test]
fn a_rule_sees_its_own_part_of_the_samples_only() {
    let part = |failed: usize| {
        let mut samples = run(failed, 400);
        for (index, sample) in samples.iter_mut().enumerate() {
            sample["tags"] = json!([if index < 200 { "first" } else { "second" }]);
            sample["level"] = json!(if index < 200 { "evaluation" } else { "smoke" });
        }
        samples
    };
    let folder = folder(&part(0), &part(60));
    for (scope, code, n) in
        [("tags: [first]", 1, 200), ("tags: [second]", 0, 200), ("level: smoke", 0, 200), ("suite: s", 1, 400)]
    {
        let rules = policy(folder.path(), &format!("  rules:\n    - {{metric: pass_rate, {scope}}}\n"));
        let found = check(folder.path(), &rules);
        assert_eq!((found.code, &found.row()["n"]), (code, &json!(n)), "{scope}: {}", found.text);
    }
    // A part that no sample is in has nothing to pass.
    for scope in ["tags: [third]", "suite: other", "level: safety"] {
        let rules = policy(folder.path(), &format!("  rules:\n    - {{metric: pass_rate, {scope}}}\n"));
        let found = check(folder.path(), &rules);
        assert!(found.code != 0 && found.report["verdict"] != "pass", "{scope}: {}", found.text);
    }
}

#[test]
fn clusters_of_the_suite_are_the_evidence() {
    let grouped = |failed: usize| {
        let mut samples = run(failed, 200);
        for (index, sample) in samples.iter_mut().enumerate() {
            sample["cluster"] = json!(format!("document {}", index / 20));
        }
        samples
    };
    // One document fails wholly: 20 of 200 cases, one of ten clusters.
    let found = check(folder(&grouped(0), &grouped(20)).path(), &[]);
    assert_eq!((found.code, &found.row()["n"]), (3, &json!(10)), "{}", found.text);
    assert_eq!(check(folder(&run(0, 200), &run(20, 200)).path(), &[]).code, 1);
}
