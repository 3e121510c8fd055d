//! The examples, in real inference.

use std::path::Path;

use serde_json::Value;

use crate::samples::{Found, check_with};
use crate::support::{eval_gate, root, text};

/// Evaluates a model of the quickstart into a folder.
fn evaluate(folder: &Path, model: &str, out: &str, more: &[&str]) {
    let policy = root().join("examples/quickstart/llmci.yaml");
    let mut command = eval_gate(folder);
    command.arg("--policy").arg(policy).args(["--model", model, "--out", out]).args(more);
    let output = command.output().unwrap();
    assert!(folder.join(out).join("samples.jsonl").is_file(), "{}", text(&output));
}

fn compare(folder: &Path, baseline: &str, candidate: &str) -> Found {
    check_with(folder, &["--baseline", baseline, "--candidate", candidate], &[])
}

#[test]
fn the_worse_model_fails_with_its_interval_and_every_number_of_the_comparison() {
    let folder = tempfile::tempdir().unwrap();
    evaluate(folder.path(), "good", "good", &[]);
    evaluate(folder.path(), "worse", "worse", &[]);
    let found = compare(folder.path(), "good", "worse");
    assert_eq!(found.code, 1, "{}", found.text);
    assert_eq!(found.report["verdict"], "fail");
    for part in ["regression-check FAIL: pass_rate", "of the baseline: -0.", "95 % interval -0.", "newly failing"] {
        assert!(found.text.contains(part), "{part}: {}", found.text);
    }
    let row = found.row();
    let number = |key: &str| row[key].as_f64().unwrap_or_else(|| panic!("{key} of {row}"));
    assert!(number("low") < number("difference") && number("difference") < number("high"), "{row}");
    assert!(number("high") < 0.0 && number("smallest_visible") > 0.0 && number("needed") > 0.0, "{row}");
    let changed = &row["discordance"];
    assert_eq!(changed["pairs"], 234);
    assert!(changed["mcnemar_p"].as_f64().unwrap() < 1e-6 && changed["share"].as_f64().unwrap() > 0.2, "{changed}");
    let comparison = &found.report["comparison"];
    assert_eq!(comparison["newly_failing_count"], changed["newly_failing"]);
    assert!(!comparison["newly_failing"].as_array().unwrap().is_empty());
    assert_eq!(comparison["sides"][0]["paired"], 234);

    let schema: Value =
        serde_json::from_slice(&std::fs::read(root().join("docs/schema/report.schema.json")).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&found.report).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");

    // And the other way round it is a pass, with the same cases newly passing.
    let better = compare(folder.path(), "worse", "good");
    assert_eq!(better.code, 0, "{}", better.text);
    assert_eq!(better.report["comparison"]["newly_passing_count"], comparison["newly_failing_count"]);
}

#[test]
fn the_same_model_with_another_seed_does_not_fail() {
    let folder = tempfile::tempdir().unwrap();
    evaluate(folder.path(), "good", "seven", &["--seed", "7"]);
    evaluate(folder.path(), "good", "eight", &["--seed", "8"]);
    for (baseline, candidate) in [("seven", "eight"), ("eight", "seven"), ("seven", "seven")] {
        let found = compare(folder.path(), baseline, candidate);
        assert!([0, 3].contains(&found.code), "{}", found.text);
        assert_ne!(found.report["verdict"], "fail");
    }
}
