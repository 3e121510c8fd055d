//! Hostile answers and names through the real binary, sink by sink: nothing of them acts, and each stays readable.
//! The corpus is `tests/corpus/hostile.json`, or the file that `LLMCI_HOSTILE_FILE` names.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use regex::Regex;
use serde_json::{Value, json};
use support::{eval_gate, regression_check, root, write};

/// Sinks that no surface writes yet; their entries wait for it.
const NOT_THERE_YET: [&str; 3] = ["sarif", "html", "gitlab_note"];

/// Everything that one run has written, by sink.
fn surfaces(folder: &Path, entry: &Value) -> BTreeMap<&'static str, String> {
    let repeat = usize::try_from(entry["repeat"].as_u64().unwrap_or(1)).unwrap();
    let payload = entry["payload"].as_str().unwrap().repeat(repeat);
    // A name has no control characters: such an id is refused before it could reach a sink.
    let named = ["name", "title", "cell"].contains(&entry["place"].as_str().unwrap_or_default());
    let name: String = payload.chars().filter(|letter| !letter.is_control()).take(200).collect();
    let (id, answer) = if named { (name.as_str(), "no") } else { ("a", payload.as_str()) };
    write(folder, "tape.jsonl", &format!("{}\n", json!({"case": id, "text": answer})));
    write(folder, "s.jsonl", &format!("{}\n", json!({"id": id, "prompt": "x", "expected": "one"})));
    let run = |min: f64| {
        let policy = format!(
            "version: 1\nmodels:\n  t: {{provider: replay, path: tape.jsonl}}\nsuites: [s.jsonl]\n\
             gate:\n  thresholds: [{{metric: pass_rate, min: {min:.1}, decide_by: point}}]\n"
        );
        write(folder, "llmci.yaml", &policy);
        let mut command = eval_gate(folder);
        command.envs([("GITHUB_ACTIONS", "true"), ("GITHUB_OUTPUT", "output"), ("GITHUB_STEP_SUMMARY", "summary")]);
        command.env("GITHUB_WORKSPACE", folder);
        if let Some(secret) = entry["secret"].as_str() {
            command.env("OPENAI_API_KEY", secret);
        }
        let output = command.output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    // The log of a gate that passes holds the sample and no annotation of ours; the one that fails has the annotation.
    let log = run(0.0);
    let log: String = log.split_inclusive('\n').filter(|line| !line.starts_with("::add-mask::")).collect();
    std::fs::remove_file(folder.join("output")).unwrap();
    std::fs::remove_file(folder.join("summary")).unwrap();
    let failing = run(1.0);
    let annotation = failing.lines().find(|line| line.starts_with("::notice")).unwrap_or_default().to_owned();
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let summary = read("summary");
    BTreeMap::from([
        ("log", log),
        ("annotation", annotation),
        ("comment", summary.clone()),
        ("summary", summary),
        ("junit", read("llmci-out/junit.xml")),
        ("output_file", read("output")),
    ])
}

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

#[test]
fn no_entry_of_the_corpus_acts_in_any_sink() {
    let file =
        std::env::var_os("LLMCI_HOSTILE_FILE").map_or_else(|| root().join("tests/corpus/hostile.json"), Into::into);
    let corpus: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut broken = Vec::new();
    let mut looked_at = 0;
    for entry in &corpus {
        let (id, sink) = (entry["id"].as_str().unwrap(), entry["sink"].as_str().unwrap());
        if NOT_THERE_YET.contains(&sink) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let surfaces = surfaces(folder.path(), entry);
        let surface = surfaces.get(sink).unwrap_or_else(|| panic!("{id}: no surface for the sink {sink}"));
        let patterns = |key: &str| -> Vec<Regex> {
            entry[key]
                .as_array()
                .into_iter()
                .flatten()
                .map(|pattern| Regex::new(pattern.as_str().unwrap()).unwrap())
                .collect()
        };
        looked_at += 1;
        for pattern in patterns("forbidden_regex").iter().filter(|pattern| pattern.is_match(surface)) {
            broken.push(format!("{id} ({sink}): holds {pattern}"));
        }
        // Outputs never hold text of a model, so its word cannot be there.
        if sink != "output_file" {
            for pattern in patterns("required_regex").iter().filter(|pattern| !pattern.is_match(surface)) {
                broken.push(format!("{id} ({sink}): lacks {pattern}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(looked_at * 2 > corpus.len(), "only {looked_at} of {} entries have a sink", corpus.len());
}
