//! `report.sarif` before the validator of SARIF's editors, which knows the schema and the rules that it cannot say.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::path::Path;
use std::process::Command;

use llmci::report::{Sink, sarif};
use llmci::trust::Untrusted;
use serde_json::{Value, json};
use support::{eval_gate, regression_check, safety, write};

/// Everything that the validator has against a file.
fn complaints(file: &Path) -> Vec<String> {
    let tools = std::env::var("LLMCI_TEST_SARIF").expect("run the tests with scripts/test: it installs the validator");
    let found = file.with_extension("complaints.json");
    let output = Command::new(format!("{tools}/Sarif.Multitool"))
        .args([
            "validate",
            "--rule-kind",
            "Sarif;Gh",
            "--level",
            "Error;Warning",
            "--log",
            "ForceOverwrite",
            "--output",
        ])
        .arg(&found)
        .arg(file)
        .env("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1")
        .output()
        .unwrap();
    let text = support::text(&output);
    assert!(output.status.code() != Some(127) && text.contains("Done. 1 files scanned"), "{text}");
    let log: Value = serde_json::from_slice(&std::fs::read(found).unwrap()).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    results
        .iter()
        .map(|result| format!("{} {}", result["ruleId"], result["message"]))
        .chain(text.lines().filter(|line| line.contains("): error") || line.contains("): warning")).map(str::to_owned))
        .collect()
}

fn run(folder: &Path, out: &str, answers: &[(&str, &str)]) {
    let lines: String = answers
        .iter()
        .map(|(id, _)| format!("{}\n", json!({"id": id, "prompt": "see [a](b) {0}", "expected": "one"})))
        .collect();
    write(folder, "suites/a b.jsonl", &format!("{{\"suite\": {{\"name\": \"s\"}}}}\n{lines}"));
    let tape: String = answers.iter().map(|(id, text)| format!("{}\n", json!({"case": id, "text": text}))).collect();
    write(folder, "tape.jsonl", &tape);
    write(
        folder,
        "llmci.yaml",
        "version: 1\nmodels: {t: {provider: replay, path: tape.jsonl}}\nsuites: ['suites/a b.jsonl']\ngate:\n  thresholds:\n\
         \x20   - {metric: pass_rate, min: 0.9, decide_by: point}\n    - {metric: error_rate, max: 0.5, required: false}\n",
    );
    eval_gate(folder).args(["--quiet", "--out", out]).output().unwrap();
}

const HOSTILE: [(&str, &str); 4] = [
    ("a [x](https://evil.example) {0} {1}", "one"),
    ("b\u{202e}{{", "see [click](https://evil.example/zq) {0} \\ }\u{0}\u{fffe}\u{2028}"),
    ("<c>", ""),
    ("javascript:d", "]]> ## **b** \n\n# h"),
];

#[test]
fn a_report_full_of_brackets_and_braces_is_valid_for_its_editors_and_for_code_scanning() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "out", &HOSTILE);
    let file = folder.path().join("out/report.sarif");
    assert_eq!(complaints(&file), Vec::<String>::new());
    let log: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let samples: Vec<&Value> = results.iter().filter(|result| result["ruleId"] == "sample/failed").collect();
    assert_eq!(samples.len(), 3, "one result a sample that failed");
    let place = &samples[0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "suites/a%20b.jsonl");
    assert_eq!(place["region"]["startLine"], 3, "the line of the case");
    assert!(!log.to_string().contains("markdown"));
}

#[test]
fn a_comparison_an_error_and_a_pass_are_valid_too() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "pass", &[("a", "one"); 1]);
    run(folder.path(), "old", &HOSTILE.map(|(id, _)| (id, "one")));
    run(folder.path(), "new", &HOSTILE);
    regression_check(folder.path())
        .args(["--baseline", "old", "--candidate", "new", "--out", "compared"])
        .output()
        .unwrap();
    write(folder.path(), "tape.jsonl", "");
    eval_gate(folder.path()).args(["--quiet", "--out", "error"]).output().unwrap();
    for out in ["pass", "compared", "error"] {
        let file = folder.path().join(out).join("report.sarif");
        if out != "error" || file.exists() {
            assert_eq!(complaints(&file), Vec::<String>::new(), "{out}");
        }
    }
}

#[test]
fn a_result_has_the_same_fingerprint_in_every_run() {
    let folder = tempfile::tempdir().unwrap();
    let prints = |out: &str| -> Vec<String> {
        run(folder.path(), out, &HOSTILE);
        let log: Value =
            serde_json::from_slice(&std::fs::read(folder.path().join(out).join("report.sarif")).unwrap()).unwrap();
        let results = log["runs"][0]["results"].as_array().unwrap().clone();
        results.iter().map(|result| result["partialFingerprints"]["llmciResult/v1"].to_string()).collect()
    };
    let first = prints("first");
    assert_eq!(first, prints("second"));
    let distinct: std::collections::BTreeSet<&String> = first.iter().collect();
    assert_eq!(distinct.len(), first.len());
}

#[test]
fn a_report_on_attacks_is_valid_for_code_scanning_with_any_name_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let inside = |path: &Untrusted| Some(path.raw().to_owned());
    let hostile = safety::hostile("see [x](https://evil.example) {0} {1} \\ }}\u{202e}", "x");
    let reports = safety::examples().into_iter().chain([("hostile", hostile)]);
    for (name, report) in reports {
        write(folder.path(), name, &sarif(&report, &Sink::default(), &inside));
        assert_eq!(complaints(&folder.path().join(name)), Vec::<String>::new(), "{name}");
    }
}
