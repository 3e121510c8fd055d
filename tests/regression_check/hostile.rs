//! Case ids of another hand: samples that nobody checked reach every sink of a comparison only through its escape.

use std::collections::BTreeMap;
use std::path::Path;

use regex::Regex;
use serde_json::{Value, json};

use super::support::{self, regression_check, root, write};

/// What a comparison writes in which one case is newly failing, whose id is the payload as it is: samples that were written
/// by another hand may have any id.
fn compared(folder: &Path, entry: &Value) -> BTreeMap<&'static str, String> {
    let repeat = usize::try_from(entry["repeat"].as_u64().unwrap_or(1)).unwrap();
    let payload = entry["payload"].as_str().unwrap().repeat(repeat);
    for (side, passed) in [("base", true), ("cand", false)] {
        let sample = |case: &str| {
            json!({
                "suite": "s", "case": case, "repeat": 0, "level": "evaluation", "tags": [], "prompt_digest": "one",
                "expected_digest": "two", "status": if passed { "passed" } else { "failed" },
                "score": if passed { 1.0 } else { 0.0 }, "assertions": [], "answer": null, "attempts": 1, "cached": false
            })
        };
        let mut lines: String = (0..20).map(|number| format!("{}\n", sample(&number.to_string()))).collect();
        lines.insert_str(0, &format!("{}\n", sample(&payload)));
        write(folder, &format!("{side}/samples.jsonl"), &lines);
    }
    let mut command = regression_check(folder);
    command.args(["--baseline", "base", "--candidate", "cand"]).env("GITHUB_WORKSPACE", folder);
    command.envs([("GITHUB_ACTIONS", "true"), ("GITHUB_OUTPUT", "output"), ("GITHUB_STEP_SUMMARY", "summary")]);
    if let Some(secret) = entry["secret"].as_str() {
        command.env("OPENAI_API_KEY", secret);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", support::text(&output));
    let log = String::from_utf8(output.stdout).unwrap();
    // What masks a secret names it, by design; our own annotation of the verdict is a command as well.
    let ours = |line: &&str| {
        !line.starts_with("::add-mask::") && !line.starts_with("::error title=regression-check fail::pass_rate ")
    };
    let log: String = log.split_inclusive('\n').filter(ours).collect();
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let summary = read("summary");
    BTreeMap::from([
        ("log", log),
        ("comment", summary.clone()),
        ("summary", summary),
        ("junit", read("llmci-regression/junit.xml")),
        ("output_file", read("output")),
    ])
}

#[test]
fn no_entry_of_the_corpus_acts_as_the_id_of_a_newly_failing_case() {
    let corpus: Vec<Value> =
        serde_json::from_slice(&std::fs::read(root().join("tests/corpus/hostile.json")).unwrap()).unwrap();
    let mut broken = Vec::new();
    for entry in &corpus {
        let folder = tempfile::tempdir().unwrap();
        let surfaces = compared(folder.path(), entry);
        let Some(surface) = surfaces.get(entry["sink"].as_str().unwrap()) else { continue };
        for pattern in entry["forbidden_regex"].as_array().into_iter().flatten() {
            if Regex::new(pattern.as_str().unwrap()).unwrap().is_match(surface) {
                broken.push(format!("{} ({}): holds {pattern}", entry["id"], entry["sink"]));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
