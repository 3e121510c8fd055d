//! Who may write a baseline, and when.

use std::path::Path;

use serde_json::{Value, json};

use crate::samples::{Found, check_with, folder, lines, run};
use crate::support::write;

const BLESS: [&str; 6] = ["--baseline", "kept", "--candidate", "base", "--bless", "the first release"];
const UPDATE: [&str; 5] = ["--baseline", "kept", "--candidate", "cand", "--update-baseline"];

/// A folder with a blessed baseline of 200 samples, and a candidate with `failed` failed ones.
fn blessed(failed: usize) -> tempfile::TempDir {
    let folder = folder(&run(0, 200), &run(failed, 200));
    let found = check_with(folder.path(), &BLESS, &[]);
    assert_eq!(found.code, 0, "{}", found.text);
    assert!(found.text.contains("the candidate is the baseline now"), "{}", found.text);
    folder
}

fn kept(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("kept/baseline.json")).unwrap()).unwrap()
}

fn event(folder: &Path, pull_request: bool) -> String {
    let mut event = json!({"repository": {"default_branch": "main"}});
    if pull_request {
        event["pull_request"] = json!({"number": 7, "head": {"sha": "a".repeat(40), "ref": "topic"}});
    }
    write(folder, "event.json", &event.to_string());
    folder.join("event.json").display().to_string()
}

fn on_github(folder: &Path, reference: &str, pull_request: bool, arguments: &[&str]) -> Found {
    let event = event(folder, pull_request);
    let variables = [("GITHUB_ACTIONS", "true"), ("GITHUB_REF", reference), ("GITHUB_EVENT_PATH", event.as_str())];
    check_with(folder, arguments, &variables)
}

#[test]
fn a_pull_request_never_writes_the_baseline() {
    let folder = blessed(0);
    let before = kept(folder.path());
    for (reference, pull_request) in
        [("refs/pull/7/merge", true), ("refs/heads/main", true), ("refs/heads/topic", false)]
    {
        for arguments in [&UPDATE[..], &["--baseline", "kept", "--candidate", "cand", "--bless", "because"]] {
            let found = on_github(folder.path(), reference, pull_request, arguments);
            assert_eq!(found.code, 2, "{reference}: {}", found.text);
            assert!(found.text.contains("never from a pull request"), "{}", found.text);
        }
    }
    let merge_request = [("GITLAB_CI", "true"), ("CI_MERGE_REQUEST_IID", "7"), ("CI_DEFAULT_BRANCH", "main")];
    assert_eq!(check_with(folder.path(), &UPDATE, &merge_request).code, 2);
    let topic = [("GITLAB_CI", "true"), ("CI_COMMIT_BRANCH", "topic"), ("CI_DEFAULT_BRANCH", "main")];
    assert_eq!(check_with(folder.path(), &UPDATE, &topic).code, 2);
    // A host that does not say which branch it is on, and a terminal.
    assert_eq!(check_with(folder.path(), &UPDATE, &[("GITHUB_ACTIONS", "true")]).code, 2);
    assert_eq!(check_with(folder.path(), &UPDATE, &[]).code, 2);
    assert_eq!(kept(folder.path()), before);
}

#[test]
fn a_pass_on_the_default_branch_becomes_the_baseline() {
    let folder = blessed(0);
    let mut candidate = run(0, 200);
    candidate[0]["answer"]["completion"]["text"] = json!("another answer");
    write(folder.path(), "cand/samples.jsonl", &lines(&candidate));
    let before = kept(folder.path());
    let found = on_github(folder.path(), "refs/heads/main", false, &UPDATE);
    assert_eq!(found.code, 0, "{}", found.text);
    let after = kept(folder.path());
    assert_ne!(after["digest"], before["digest"]);
    assert_eq!(after.get("blessed"), None);
    let samples = folder.path().join("kept").join(after["samples"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(samples).unwrap(), lines(&candidate));
    // The next comparison is with the new one.
    let next = check_with(folder.path(), &["--baseline", "dir:kept", "--candidate", "cand"], &[]);
    assert_eq!(next.report["comparison"]["sides"][0]["digest"], after["digest"]);

    let gitlab = [("GITLAB_CI", "true"), ("CI_COMMIT_BRANCH", "main"), ("CI_DEFAULT_BRANCH", "main")];
    assert_eq!(check_with(folder.path(), &UPDATE, &gitlab).code, 0);
}

#[test]
fn what_did_not_pass_leaves_the_baseline_whole() {
    // 100 failed, and 2 failed, which decides nothing.
    for (failed, code) in [(100, 1), (2, 3)] {
        let folder = blessed(failed);
        let before = kept(folder.path());
        let found = on_github(folder.path(), "refs/heads/main", false, &UPDATE);
        assert_eq!(found.code, code, "{}", found.text);
        assert!(found.text.contains("the baseline was left as it is"), "{}", found.text);
        assert_eq!(kept(folder.path()), before);
        let samples = folder.path().join("kept").join(before["samples"].as_str().unwrap());
        assert_eq!(std::fs::read_to_string(samples).unwrap(), lines(&run(0, 200)));
    }
}

#[test]
fn a_blessing_needs_a_reason_and_keeps_it() {
    let folder = blessed(100);
    assert_eq!(kept(folder.path())["blessed"], "the first release");
    for blank in ["", "  ", "\t"] {
        let arguments = ["--baseline", "kept", "--candidate", "cand", "--bless", blank];
        let found = check_with(folder.path(), &arguments, &[]);
        assert_eq!(found.code, 2, "{blank:?}: {}", found.text);
    }
    assert_eq!(kept(folder.path())["blessed"], "the first release");
    let arguments = ["--baseline", "kept", "--candidate", "cand", "--bless", "the metric changed"];
    let found = check_with(folder.path(), &arguments, &[]);
    assert_eq!((found.code, &found.report["verdict"]), (1, &json!("fail")), "a blessing is no pass: {}", found.text);
    assert_eq!(kept(folder.path())["blessed"], "the metric changed");
}

#[test]
fn a_baseline_is_kept_in_a_folder_only() {
    let folder = folder(&run(0, 200), &run(0, 200));
    for place in ["git:HEAD:kept", "kept/report.json", "kept/samples.jsonl"] {
        let found = check_with(folder.path(), &["--baseline", place, "--candidate", "cand", "--bless", "why"], &[]);
        assert_eq!(found.code, 2, "{place}: {}", found.text);
        assert!(found.text.contains("kept in a folder"), "{}", found.text);
    }
}

#[test]
fn a_kept_baseline_that_points_outside_of_its_folder_is_refused() {
    let folder = blessed(0);
    for samples in ["../base/samples.jsonl", "/etc/passwd", "..\\base", "gone.jsonl"] {
        let mut broken = kept(folder.path());
        broken["samples"] = json!(samples);
        write(folder.path(), "kept/baseline.json", &broken.to_string());
        let found = check_with(folder.path(), &["--baseline", "kept", "--candidate", "cand"], &[]);
        assert_eq!(found.code, 2, "{samples}: {}", found.text);
    }
}

#[test]
fn a_kept_baseline_whose_samples_were_changed_by_hand_is_refused() {
    let folder = blessed(0);
    let samples = format!("kept/{}", kept(folder.path())["samples"].as_str().unwrap());
    write(folder.path(), &samples, &lines(&run(150, 200)));
    let found = check_with(folder.path(), &["--baseline", "kept", "--candidate", "cand"], &[]);
    assert_eq!(found.code, 2, "{}", found.text);
    assert!(found.text.contains("not the samples that were kept"), "{}", found.text);
}
