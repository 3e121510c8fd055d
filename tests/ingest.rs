//! Results of other tools through the real `eval-gate`: what the guide's own gates let through, and tools that are started.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use support::{code, eval_gate, report, root, text, write};

const RULE: &str = "gate: {thresholds: [{metric: pass_rate, min: 0.9, decide_by: point}]}\n";

fn gate(folder: &Path, results: &str, rule: &str) -> Output {
    write(folder, "llmci.yaml", &format!("version: 1\nresults:\n  - {results}\n{rule}"));
    eval_gate(folder).output().unwrap()
}

/// A results file of promptfoo with this many tests, of which some fail.
fn tests(passed: usize, failed: usize) -> String {
    let row = |number: usize| {
        let passes = number < passed;
        json!({"id": format!("r{number}"), "success": passes, "score": u8::from(passes), "failureReason": u8::from(!passes),
            "gradingResult": {"pass": passes, "score": u8::from(passes), "reason": "", "componentResults": [
                {"pass": passes, "score": u8::from(passes), "reason": "", "assertion": {"type": "contains", "value": "x"}}]},
            "testIdx": number, "promptIdx": 0, "prompt": {"raw": "p", "label": "p"}, "provider": {"id": "echo"},
            "vars": {"n": number}, "testCase": {"vars": {"n": number}}, "response": {"output": "x"}})
    };
    let rows: Vec<Value> = (0..passed + failed).map(row).collect();
    let stats = json!({"successes": passed, "failures": failed, "errors": 0});
    json!({"evalId": "e", "results": {"version": 3, "results": rows, "stats": stats}, "config": {}}).to_string()
}

#[test]
fn failing_tests_fail_and_passing_tests_pass() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "out.json", &tests(0, 8));
    let output = gate(folder.path(), "{path: out.json}", RULE);
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert_eq!(report(&folder.path().join("llmci-out"))["counts"]["failed"], json!(8));
    write(folder.path(), "out.json", &tests(8, 0));
    let output = gate(folder.path(), "{path: out.json}", RULE);
    assert_eq!(code(&output), 0, "{}", text(&output));
}

#[test]
fn no_file_no_test_and_fewer_than_expected_never_pass() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "none.json", &tests(0, 0));
    write(folder.path(), "out.json", &tests(8, 0));
    for results in
        ["{path: gone.json}", "{path: none.json}", "{path: out.json, samples: 9}", "{path: out.json, tasks: [a]}"]
    {
        let output = gate(folder.path(), results, RULE);
        assert_eq!(code(&output), 2, "{results}: {}", text(&output));
    }
}

#[test]
fn the_results_of_the_real_tools_are_judged() {
    let fixtures = root().join("../shared/fixtures");
    if !fixtures.is_dir() {
        println!("skipped: there are no fixtures beside the project");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| fixtures.join(file).display().to_string();
    let output = gate(folder.path(), &format!("{{path: {}}}", path("promptfoo/out.json")), RULE);
    assert_eq!(code(&output), 1, "{}", text(&output));
    let counts = report(&folder.path().join("llmci-out"))["counts"].clone();
    assert_eq!((&counts["passed"], &counts["failed"], &counts["errors"]), (&json!(16), &json!(8), &json!(0)));
    let rule =
        "gate: {thresholds: [{metric: exact_match.strict-match, direction: higher, min: 0.6, decide_by: point}]}\n";
    let output = gate(folder.path(), &format!("{{path: {}}}", path("lm-eval")), rule);
    assert_eq!(code(&output), 0, "{}", text(&output));
    // Its run had `limit: 1` of 100.
    let inspect = path("inspect/log_formats.eval");
    let output = gate(folder.path(), &format!("{{path: {inspect}}}"), RULE);
    assert_eq!(code(&output), 2, "{}", text(&output));
    let output = gate(folder.path(), &format!("{{path: {inspect}, allow_limit: true}}"), RULE);
    assert_eq!(code(&output), 1, "{}", text(&output));
}

/// A program that is called like promptfoo: it writes what is in `out.json` to the file behind `-o`, and ends with a code.
fn program(folder: &Path, ending: &str) {
    let script = format!("#!/bin/sh\nwhile [ $# -gt 0 ]; do [ \"$1\" = -o ] && to=$2; shift; done\n{ending}\n");
    write(folder, "tool.sh", &script);
    std::fs::set_permissions(folder.join("tool.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

const STARTED: &str = "{harness: promptfoo, program: ./tool.sh, config: c.yaml}";

#[test]
fn a_tool_that_ends_with_failed_tests_has_results_and_one_that_crashes_has_none() {
    let folder = tempfile::tempdir().unwrap();
    for (passed, failed, ending, want) in [
        (8, 0, "cat out.json > $to", 0),
        (2, 6, "cat out.json > $to; exit 100", 1),
        // A whole file of a program that crashed, a good end without a file, and a file of another run.
        (8, 0, "cat out.json > $to; exit 1", 4),
        (8, 0, "exit 0", 4),
        (8, 0, "exit 100", 4),
        (8, 0, "cp out.json $to; touch -d '2020-01-01' $to", 2),
    ] {
        write(folder.path(), "out.json", &tests(passed, failed));
        program(folder.path(), ending);
        let output = gate(folder.path(), STARTED, RULE);
        assert_eq!(code(&output), want, "{ending}: {}", text(&output));
    }
}

#[test]
fn a_tool_that_is_not_there_or_does_not_end_never_passes() {
    let folder = tempfile::tempdir().unwrap();
    let output = gate(folder.path(), "{harness: promptfoo, program: ./gone, config: c.yaml}", RULE);
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("not there"), "{}", text(&output));
    program(folder.path(), "cat out.json > $to; exec sleep 600");
    write(folder.path(), "out.json", &tests(8, 0));
    let late = "{harness: promptfoo, program: ./tool.sh, config: c.yaml, timeout_minutes: 0.01}";
    let output = gate(folder.path(), late, RULE);
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("deadline"), "{}", text(&output));
}

#[test]
fn a_tool_finds_its_environment_and_its_secrets_are_masked() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), "echo \"the key $MY_API_KEY is wrong\" >&2; exit 3");
    write(folder.path(), "llmci.yaml", &format!("version: 1\nresults: [{STARTED}]\n{RULE}"));
    let output = eval_gate(folder.path()).env("MY_API_KEY", "very-secret-value-1").output().unwrap();
    assert_eq!(code(&output), 4, "{}", text(&output));
    let said = text(&output);
    assert!(said.contains("is wrong") && !said.contains("very-secret-value-1"), "{said}");
}

#[test]
fn what_is_wrong_with_the_policy_is_said_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), "touch started");
    for results in [
        "{path: a.json, harness: promptfoo, config: c.yaml}",
        "{name: x}",
        "{harness: promptfoo}",
        "{harness: promptfoo, config: c.yaml, args: [--output=x.json]}",
        "{harness: lm_eval, args: [--model, dummy]}",
        "{harness: lm_eval, tasks: [a], args: [-o, x]}",
        "{path: a.json, args: [x]}",
        "{path: a.json, max_age_minutes: 0}",
        "{path: a.json, max_age: 1}",
    ] {
        let output = gate(folder.path(), results, RULE);
        assert_eq!(code(&output), 2, "{results}: {}", text(&output));
        assert!(text(&output).contains("llmci.yaml:3:"), "{results}: {}", text(&output));
    }
    assert!(!folder.path().join("started").exists());
}
