//! Where sides lie: folders, files, commits, reports without samples.

use serde_json::json;

use crate::samples::{check, check_with, folder, lines, run};
use crate::support::git::git;
use crate::support::{eval_gate, recording, write};

#[test]
fn a_baseline_is_read_from_a_commit() {
    let folder = folder(&run(0, 200), &run(50, 200));
    git(folder.path(), &["init", "-q", "-b", "main"]);
    git(folder.path(), &["add", "base"]);
    git(folder.path(), &["commit", "-q", "-m", "baseline"]);
    // What lies in the checkout is the candidate's business: only the commit counts.
    write(folder.path(), "base/samples.jsonl", &lines(&run(200, 200)));
    for place in ["git:main:base", "git:HEAD:base/", "git:main:base/samples.jsonl"] {
        let found = check_with(folder.path(), &["--baseline", place, "--candidate", "cand", "--verdicts", place], &[]);
        assert_eq!(found.code, 1, "{place}: {}", found.text);
        assert_eq!(found.row()["baseline"], json!(1.0), "{place}");
    }
    for (place, words) in [
        ("git:nowhere:base", "git knows no commit nowhere here"),
        ("git:main:nowhere", "neither samples.jsonl, report.json nor baseline.json is there"),
        ("git:--upload-pack=x:base", "does not begin with `-`"),
        ("git:-h:base", "does not begin with `-`"),
        ("git:main:../base", "nor baseline.json is there"),
        ("git:main", "not git:REF:PATH"),
        ("git::base", "not git:REF:PATH"),
        ("git:main:", "not git:REF:PATH"),
    ] {
        let found = check_with(folder.path(), &["--baseline", place, "--candidate", "cand"], &[]);
        assert_eq!(found.code, 2, "{place}: {}", found.text);
        assert!(found.text.contains(words), "{place}: {}", found.text);
    }
}

#[test]
fn a_place_that_is_none_is_named() {
    let folder = folder(&run(0, 200), &run(0, 200));
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    for (place, words) in [
        ("nowhere", "no such file or folder"),
        ("empty", "run eval-gate first"),
        ("", "give a folder"),
        ("s3://bucket/base", "a bucket cannot hold a baseline yet"),
        ("cand/samples.txt", "no such file or folder"),
    ] {
        let found = check_with(folder.path(), &["--baseline", place, "--candidate", "cand"], &[]);
        assert_eq!(found.code, 2, "{place}: {}", found.text);
        assert!(found.text.contains(words), "{place}: {}", found.text);
    }
    let found = check_with(folder.path(), &["--candidate", "cand"], &[]);
    assert_eq!(found.code, 2);
    assert!(found.text.contains("compared with what?"), "{}", found.text);
}

/// A folder with two runs of the real gate over `count` cases, of which the second gets `failed` wrong.
fn evaluated(count: usize, failed: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..count).map(|number| format!("c{number}")).collect();
    let suite: String =
        names.iter().map(|name| format!("{}\n", json!({"id": name, "prompt": name, "expected": "yes"}))).collect();
    write(folder.path(), "s.jsonl", &suite);
    for (out, failed) in [("base", 0), ("cand", failed)] {
        let answers: Vec<(&str, &str)> = names
            .iter()
            .enumerate()
            .map(|(index, name)| (name.as_str(), if index < failed { "no" } else { "yes" }))
            .collect();
        write(folder.path(), "tape.jsonl", &recording(&answers));
        let policy = "version: 1\nmodels:\n  t: {provider: replay, path: tape.jsonl}\nsuites: [s.jsonl]\n\
                      gate:\n  thresholds: [{metric: pass_rate, min: 0.1}]\n";
        write(folder.path(), "gate.yaml", policy);
        let output = eval_gate(folder.path()).args(["--policy", "gate.yaml", "--out", out]).output().unwrap();
        assert!(output.status.success(), "{}", crate::support::text(&output));
    }
    folder
}

#[test]
fn a_report_alone_is_compared_unpaired_and_says_what_pairs_would_save() {
    let folder = evaluated(300, 100);
    for side in ["base", "cand"] {
        std::fs::remove_file(folder.path().join(side).join("samples.jsonl")).unwrap();
        let found = check(folder.path(), &["--verdicts", side]);
        assert_eq!(found.code, 1, "{}", found.text);
        assert_eq!(found.row()["method"], "newcombe-unpaired");
        assert!(found.reason().contains("pairs would need about 1/"), "{}", found.reason());
        assert_eq!(found.report["comparison"]["newly_failing_count"], 0, "no case is known");
    }
    // Equal summaries of 300 are far too few without pairs; with pairs they pass.
    let same = evaluated(300, 0);
    assert_eq!(check(same.path(), &[]).code, 0);
    std::fs::remove_file(same.path().join("base/samples.jsonl")).unwrap();
    assert_eq!(check(same.path(), &["--fresh", "--verdicts", "other"]).code, 0, "300 perfect cases show 2 points");
    let report = check_with(folder.path(), &["--baseline", "base/report.json", "--candidate", "cand/report.json"], &[]);
    assert_eq!(report.row()["method"], "newcombe-unpaired");
}

#[test]
fn a_report_without_the_metric_is_an_error_and_no_pass() {
    let folder = evaluated(300, 0);
    std::fs::remove_file(folder.path().join("base/samples.jsonl")).unwrap();
    for rule in ["{metric: latency_mean_ms}", "{metric: style, direction: higher}", "{metric: pass_rate, tags: [none]}"]
    {
        let rules = crate::samples::policy(folder.path(), &format!("  rules:\n    - {rule}\n"));
        let found = check(folder.path(), &rules);
        assert_eq!(found.code, 2, "{rule}: {}", found.text);
        assert!(found.text.contains("keep samples.jsonl beside report.json"), "{}", found.text);
    }
}

#[test]
fn a_kept_verdict_knows_its_model_from_the_report() {
    // The same model that is evaluated again is the same candidate: other samples do not buy another verdict.
    let folder = evaluated(300, 100);
    assert_eq!(check(folder.path(), &[]).code, 1);
    let again = std::fs::read_to_string(folder.path().join("cand/samples.jsonl")).unwrap().replace("\"no\"", "\"No\"");
    write(folder.path(), "cand/samples.jsonl", &again);
    let found = check(folder.path(), &[]);
    assert!(found.text.contains("are not judged twice"), "{}", found.text);
}
