//! Gates that take GPUs: what they start sees them, the report names them, and a more urgent job stops them in a way that they go
//! on from.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{code, eval_gate, llmci, regression_check, report, root, text, write};
use crate::{UUIDS, ended, leased, on_machine, until_there};

/// A policy whose model is a command, and one case after the other.
fn policy(folder: &Path, script: &str, cases: usize, expected: &str) {
    let lines: String = (0..cases)
        .map(|case| format!("{{\"id\": \"c{case}\", \"prompt\": \"p{case}\", \"expected\": \"{expected}\"}}\n"))
        .collect();
    write(folder, "cases.jsonl", &lines);
    write(folder, "model.sh", script);
    let policy = "version: 1\nmodels:\n  tool: {provider: exec, command: [sh, model.sh]}\nsuites: [cases.jsonl]\n\
                  run: {concurrency: 1}\ngate:\n  preflight: warn\n  thresholds:\n    - {metric: pass_rate, min: 0.5}\n";
    write(folder, "llmci.yaml", policy);
}

fn valid(report: &Value) {
    let schema = std::fs::read(root().join("docs/schema/report.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_slice(&schema).unwrap()).unwrap();
    let errors: Vec<String> = validator.iter_errors(report).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn a_gate_names_its_devices_by_a_digest_and_what_it_starts_sees_them() {
    let folder = tempfile::tempdir().unwrap();
    policy(folder.path(), "echo $CUDA_VISIBLE_DEVICES", 20, &format!("{},{}", UUIDS[0], UUIDS[1]));
    let mut gate = on_machine(eval_gate(folder.path()), 3);
    gate.args(["--quiet", "--gpus", "2", "--lease-dir", "leases", "--gpu-health", "off"]);
    let output = gate.output().unwrap();
    let report = report(&folder.path().join("llmci-out"));
    assert_eq!(report["counts"]["passed"], 20, "{}", text(&output));
    let gpus = report["host"]["gpus"].as_array().unwrap();
    assert_eq!(gpus.len(), 2);
    assert_eq!(gpus[0]["name"], "Stub GPU");
    assert!(gpus[0]["uuid_digest"].as_str().unwrap().starts_with("sha256:"));
    let published = std::fs::read_to_string(folder.path().join("llmci-out/report.json")).unwrap();
    assert!(!published.contains("GPU-0000"), "the UUID itself is published");
    valid(&report);
    let html = std::fs::read_to_string(folder.path().join("llmci-out/report.html")).unwrap();
    // Every sign that could mean something is an entity there.
    assert!(html.contains("Stub GPU &#40;") && html.contains("clocks unknown&#41;"), "{html}");
}

#[test]
fn a_gate_does_not_begin_on_a_card_that_is_not_well() {
    let folder = tempfile::tempdir().unwrap();
    policy(folder.path(), "echo x >> asked; echo x", 2, "x");
    let mut gate = on_machine(eval_gate(folder.path()), 1);
    let output = gate.args(["--quiet", "--gpus", "1", "--lease-dir", "leases"]).output().unwrap();
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains(&format!("{} could not be tested", UUIDS[0])), "{}", text(&output));
    assert!(!folder.path().join("asked").exists());
}

#[test]
fn inputs_that_need_a_gpu_are_refused_without_one() {
    let folder = tempfile::tempdir().unwrap();
    policy(folder.path(), "echo x", 2, "x");
    for more in [["--gpu-type", "h100-80gb"], ["--gpus", "many"]] {
        let output = eval_gate(folder.path()).args(more).output().unwrap();
        assert_eq!(code(&output), 2, "{}", text(&output));
    }
    let mut check = regression_check(folder.path());
    let output = check.args(["--baseline", "a", "--candidate", "b", "--gpus", "1"]).output().unwrap();
    assert_eq!(code(&output), 2, "{}", text(&output));
}

#[test]
fn a_preemptible_gate_keeps_its_samples_and_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    // The second answer takes until it is stopped.
    let script = "if [ -e first ]; then echo x > second; [ -e free ] || sleep 600; fi; echo x > first; echo x";
    policy(folder.path(), script, 4, "x");
    let gate = || {
        let mut gate = on_machine(eval_gate(folder.path()), 1);
        gate.args([
            "--quiet",
            "--resume",
            "--gpus",
            "1",
            "--lease-dir",
            "leases",
            "--gpu-health",
            "off",
            "--lease-priority",
            "3",
            "--preemptible",
        ]);
        gate
    };
    let mut first = gate().stderr(Stdio::piped()).spawn().unwrap();
    until_there(&folder.path().join("second"), &mut first);
    let urgent = leased(folder.path(), 1, &["--lease-priority", "8"], "exit 0").output().unwrap();
    assert_eq!(code(&urgent), 0, "{}", text(&urgent));
    let (exit, said) = ended(first);
    assert_eq!(exit, 4, "{said}");
    assert!(said.contains("more urgent job") && said.contains("1 of 4 samples are in the journal"), "{said}");
    write(folder.path(), "free", "x");
    let output = gate().output().unwrap();
    let report = report(&folder.path().join("llmci-out"));
    assert_eq!(
        (&report["counts"]["samples"], &report["counts"]["resumed"]),
        (&4.into(), &1.into()),
        "{}",
        text(&output)
    );
}

#[test]
fn a_merged_run_has_the_devices_of_its_shards_and_not_those_of_the_machine_that_merges() {
    let folder = tempfile::tempdir().unwrap();
    policy(folder.path(), "echo x", 20, "x");
    let more: [&[&str]; 3] = [&["--gpus", "1"], &["--gpus", "2"], &[]];
    let hosts: Vec<Value> = (1..=3)
        .map(|shard| {
            let (part, out) = (format!("{shard}/3"), format!("s{shard}"));
            let mut gate = on_machine(eval_gate(folder.path()), 2);
            gate.args(["--quiet", "--shard", &part, "--out", &out, "--lease-dir", "leases", "--gpu-health", "off"]);
            gate.args(more[shard - 1]).output().unwrap();
            report(&folder.path().join(out))["host"]["gpus"].clone()
        })
        .collect();
    let merged = || {
        let mut merge = on_machine(llmci(folder.path()), 3);
        let output = merge.args(["merge", "s1", "s2", "s3", "--out", "merged"]).output().unwrap();
        let report = report(&folder.path().join("merged"));
        assert_eq!(report["counts"]["passed"], 20, "{}", text(&output));
        valid(&report);
        report["host"].clone()
    };
    if !Path::new("/proc/driver/nvidia").exists() {
        // A shard knows that it has none, and says so.
        assert_eq!(hosts[2], serde_json::json!([]));
    }
    // The first shard's device is one of the second's.
    assert_eq!(merged()["gpus"], hosts[1]);
    let place = folder.path().join("s3/report.json");
    let mut unknown: Value = serde_json::from_slice(&std::fs::read(&place).unwrap()).unwrap();
    unknown["host"].as_object_mut().unwrap().remove("gpus");
    write(folder.path(), "s3/report.json", &unknown.to_string());
    assert_eq!(merged().get("gpus"), None);
}

#[test]
fn a_comparison_of_runs_on_different_hardware_says_so_everywhere_and_judges_as_before() {
    let folder = tempfile::tempdir().unwrap();
    policy(folder.path(), "echo x", 60, "x");
    for out in ["before", "now"] {
        eval_gate(folder.path()).args(["--quiet", "--out", out]).output().unwrap();
    }
    let compare = || {
        let mut check = regression_check(folder.path());
        let output = check.args(["--baseline", "before", "--candidate", "now", "--fresh"]).output().unwrap();
        (code(&output), text(&output), report(&folder.path().join("llmci-regression")))
    };
    let (same, said, report_of_same) = compare();
    let now: Value = report(&folder.path().join("now"));
    assert!(!said.contains("different hardware"), "{said}");
    assert!(report_of_same["comparison"].get("notes").is_none());
    // The baseline as an earlier version wrote it, on a machine with a device.
    let place = folder.path().join("before/report.json");
    let mut old: Value = serde_json::from_slice(&std::fs::read(&place).unwrap()).unwrap();
    old["host"]["gpus"] = serde_json::json!([{"name": "Tesla V100", "uuid": "GPU-1", "memory_bytes": 17}]);
    write(folder.path(), "before/report.json", &old.to_string());
    let (other, said, report) = compare();
    assert_eq!(same, other, "{said}");
    // The hardware of the comparison is the candidate's.
    assert_eq!(report["host"]["gpus"], now["host"]["gpus"]);
    let words = "baseline and candidate ran on different hardware: 1 × Tesla V100 before, no GPU now";
    assert_eq!(report["comparison"]["notes"][0], words);
    valid(&report);
    let out = folder.path().join("llmci-regression");
    let markdown = std::fs::read_to_string(out.join("comment.md")).unwrap();
    let html = std::fs::read_to_string(out.join("report.html")).unwrap();
    for surface in [&said, &markdown, &html] {
        assert!(surface.contains("ran on different hardware"), "{surface}");
    }
}
