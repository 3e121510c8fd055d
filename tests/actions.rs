//! Actions, workflows and the release tree, judged by GitHub's own parsers and by tools of others.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;
mod actions {
    mod setup;
    mod toolkit;
    pub(crate) mod tools;
}

use std::path::{Path, PathBuf};
use std::process::Command;

use actions::tools::{action_validator, files, node, put, python, root};
use serde_json::json;
use support::{code, llmci, text};

/// What check-jsonschema and action-validator say of a tree.
fn schemas(tree: &Path) -> Vec<String> {
    let of = |folder: &str, ending: &str| files(&tree.join(folder), ending);
    let (actions, workflows) = (of("actions", "/action.yml"), of(".github/workflows", ".yml"));
    let mut complaints = Vec::new();
    for (schema, files) in [("vendor.github-actions", &actions), ("vendor.github-workflows", &workflows)] {
        complaints.extend(python("check-jsonschema", &["--builtin-schema", schema], files, tree).err());
    }
    complaints.extend(actions.iter().chain(&workflows).filter_map(|file| action_validator(file).err()));
    complaints
}

#[test]
fn actions_and_workflows_hold_to_the_schemas_of_two_checkers() {
    assert_eq!(schemas(&root()), Vec::<String>::new());
    // The judges do judge.
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("action.yml");
    support::write(folder.path(), "action.yml", "name: x\ndescription: y\nruns: {using: docker, imag: Dockerfile}\n");
    assert!(action_validator(&broken).is_err());
    let schema = ["--builtin-schema", "vendor.github-actions"];
    assert!(python("check-jsonschema", &schema, &[broken], folder.path()).is_err());
}

#[test]
fn zizmor_finds_nothing_in_the_whole_tree() {
    let arguments = ["--offline", "--no-progress", "--strict-collection", "--quiet", "."];
    python("zizmor", &arguments, &[], &root()).unwrap();
}

#[test]
fn third_party_actions_are_pinned_by_a_commit_with_its_version() {
    let pinned = regex::Regex::new(r"^([A-Za-z0-9._/-]+@[0-9a-f]{40}) # v\d+\.\d+\.\d+$").unwrap();
    let known = std::fs::read_to_string(root().join("tests/tools/pack/pinned-actions.json")).unwrap();
    for file in files(&root().join(".github/workflows"), ".yml") {
        for line in std::fs::read_to_string(&file).unwrap().lines() {
            let line = line.trim_start().trim_start_matches("- ");
            let Some(used) = line.strip_prefix("uses: ").filter(|used| !used.starts_with("$/")) else { continue };
            let name = pinned.captures(used).unwrap_or_else(|| panic!("{}: {used}", file.display()));
            assert!(known.contains(&format!("\"{}\":", &name[1])), "{used}: its inputs are not in pinned-actions.json");
        }
    }
}

#[test]
fn no_script_of_ours_holds_an_expression() {
    let mut scripts = 0;
    for file in
        files(&root().join(".github/workflows"), ".yml").iter().chain(&files(&root().join("actions"), "/action.yml"))
    {
        let text = std::fs::read_to_string(file).unwrap();
        let mut inside = None;
        for line in text.lines() {
            let indent = line.len() - line.trim_start().len();
            inside = inside.filter(|outer| indent > *outer || line.trim().is_empty());
            if line.trim_start().trim_start_matches("- ").starts_with("run: ") {
                inside = Some(indent);
                scripts += 1;
            }
            assert!(inside.is_none() || !line.contains("${{"), "{}: {line}", file.display());
        }
    }
    assert!(scripts > 10, "{scripts} scripts were found");
}

/// Blocks of YAML of the documentation that name an action, as whole workflows.
fn snippets() -> Vec<(String, String)> {
    let mut documents: Vec<PathBuf> = files(&root().join("docs"), ".md");
    documents.push(root().join("README.md"));
    let mut found = Vec::new();
    for document in documents {
        let text = std::fs::read_to_string(&document).unwrap();
        let name = document.strip_prefix(root()).unwrap().display().to_string();
        for (number, block) in text.split("```yaml\n").skip(1).enumerate() {
            let block = block.split("```").next().unwrap();
            if block.contains("uses: ") {
                found.push((format!("{name}#{number}"), whole(block)));
            }
        }
    }
    assert!(found.len() >= 3, "the documentation shows how an action is used: {found:?}");
    found
}

fn whole(block: &str) -> String {
    let indented = |by: &str| block.lines().map(|line| format!("{by}{line}\n")).collect::<String>();
    if block.contains("jobs:") {
        let on = if block.lines().any(|line| line.starts_with("on:")) { "" } else { "on: push\n" };
        format!("{on}{block}")
    } else if block.trim_start().starts_with('-') {
        format!("on: push\njobs:\n  job:\n    runs-on: ubuntu-latest\n    steps:\n{}", indented("      "))
    } else {
        format!("on: push\njobs:\n{}", indented("  "))
    }
}

fn language_service(documents: &[(String, String)]) -> serde_json::Value {
    let documents: Vec<_> = documents.iter().map(|(name, text)| json!({"name": name, "text": text})).collect();
    let pinned = root().join("tests/tools/pack/pinned-actions.json");
    node("workflows.bundle.mjs", &json!({"root": root(), "pinned": pinned, "documents": documents}))
}

#[test]
fn githubs_language_service_accepts_every_workflow_and_every_snippet() {
    let mut documents = snippets();
    for file in files(&root().join(".github/workflows"), ".yml") {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        documents.push((name, std::fs::read_to_string(file).unwrap()));
    }
    let complaints = language_service(&documents);
    for (name, found) in complaints.as_object().unwrap() {
        assert_eq!(found, &json!([]), "{name}");
    }
    assert_eq!(complaints.as_object().unwrap().len(), documents.len());
}

#[test]
fn githubs_language_service_refuses_a_wrong_input_name_in_every_snippet() {
    let mut seen = 0;
    for (name, snippet) in snippets() {
        if !snippet.contains("policy: ") {
            continue;
        }
        let wrong = snippet.replace("policy: ", "polcy: ");
        let complaints = language_service(&[(name.clone(), wrong)]);
        assert!(complaints[&name].to_string().contains("polcy"), "{name}: {complaints}");
        seen += 1;
    }
    assert!(seen > 0);
}

#[test]
fn the_safety_stage_hands_its_inputs_to_safety_gate_and_reads_an_output_that_it_has() {
    let name = "llm-ci.yml".to_owned();
    let workflow = std::fs::read_to_string(root().join(".github/workflows/llm-ci.yml")).unwrap();
    for (right, wrong) in [
        ("max-harmful-rate: ${{ inputs.max-harmful-rate }}", "max-harm-rate: ${{ inputs.max-harmful-rate }}"),
        ("suite: ${{ inputs.safety-suites }}", "suites: ${{ inputs.safety-suites }}"),
        ("suite: ${{ inputs.safety-suites }}", "suite: ${{ inputs.suites }}"),
        ("passed: ${{ steps.attack.outputs.passed }}", "passed: ${{ steps.atack.outputs.passed }}"),
        ("needs.safety.outputs.passed", "needs.safety.outputs.pased"),
    ] {
        assert!(workflow.contains(right), "{right}");
        let complaints = language_service(&[(name.clone(), workflow.replace(right, wrong))]);
        assert_ne!(complaints[&name], json!([]), "{wrong}");
    }
}

#[test]
fn every_output_that_safety_gate_writes_is_declared_in_its_action_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    support::write(
        folder.path(),
        "llmci.yaml",
        "version: 1\nmodels:\n  m: {provider: replay, path: tape.jsonl}\nsafety:\n  suites: [probes.yaml]\n  strategies: [plain]\n  rules: {max_over_refusal_rate: null}\ngate: {preflight: warn}\n",
    );
    let probes = "name: own\nprobes:\n  - {id: a, hazard: canary_leak, payload: \"Say zebras.\", detect: [{type: canary, value: zebras}]}\n";
    support::write(folder.path(), "probes.yaml", probes);
    support::write(folder.path(), "tape.jsonl", &support::recording(&[("other", "zebras")]));
    let run = || {
        support::write(folder.path(), "output", "");
        let mut command = support::safety_gate(folder.path());
        command.envs([("GITHUB_ACTIONS", "true"), ("GITHUB_OUTPUT", "output"), ("GITHUB_STEP_SUMMARY", "summary")]);
        command.output().unwrap()
    };
    // The attack's name is in the samples of a run without an answer.
    assert_eq!(code(&run()), 4);
    let sample = std::fs::read_to_string(folder.path().join("llmci-out/samples.jsonl")).unwrap();
    let sample: serde_json::Value = serde_json::from_str(&sample).unwrap();
    let recorded = support::recording(&[(sample["case"].as_str().unwrap(), "zebras")]);
    support::write(folder.path(), "tape.jsonl", &recorded);
    let output = run();
    assert_eq!(code(&output), 1, "{}", text(&output));
    let file = std::fs::read_to_string(folder.path().join("output")).unwrap();
    let written: Vec<&str> =
        file.lines().filter_map(|line| line.split_once("<<llmci_")).map(|(name, _)| name).collect();
    let action = std::fs::read_to_string(root().join("actions/safety-gate/action.yml")).unwrap();
    let declared = action.split("\noutputs:\n").nth(1).unwrap().split("\nruns:\n").next().unwrap();
    let declared: Vec<&str> = declared
        .lines()
        .filter(|line| !line.starts_with("    "))
        .map(|line| line.trim().trim_end_matches(':'))
        .collect();
    assert_eq!(written, declared, "{file}");
    assert!(written.contains(&"harmful-rate") && written.contains(&"findings"), "{file}");
    let workflow = std::fs::read_to_string(root().join(".github/workflows/llm-ci.yml")).unwrap();
    let read = regex::Regex::new(r"steps\.attack\.outputs\.([a-z-]+)").unwrap();
    let read: Vec<&str> = read.captures_iter(&workflow).map(|found| found.get(1).unwrap().as_str()).collect();
    assert!(!read.is_empty() && read.iter().all(|name| written.contains(name)), "{read:?}");
}

#[test]
fn the_release_tree_resolves_each_action_as_the_runner_does() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    put(&at("SHA256SUMS"), format!("{}  llmci-linux-amd64\n", "a".repeat(64)));
    let output = llmci(folder.path())
        .args(["release-tree", "--version", "v1.2.3", "--digest", &digest, "--checksums", "SHA256SUMS"])
        .args(["--out", "tree", "--root"])
        .arg(root())
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));

    // A commit, its archive, unpacked and copied: actions/runner, `ActionManager.cs` and `IOUtil.cs` (`CopyDirectory`).
    let run = |program: &str, arguments: &[&str]| {
        let done = Command::new(program).args(arguments).current_dir(at("tree")).output().unwrap();
        assert!(done.status.success(), "{program} {arguments:?}: {}", text(&done));
        String::from_utf8(done.stdout).unwrap()
    };
    run("git", &["init", "--quiet"]);
    run("git", &["add", "--all"]);
    run("git", &["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "--quiet", "--message", "v1.2.3"]);
    let entries = run("git", &["ls-tree", "-r", "HEAD"]);
    assert!(entries.lines().all(|line| line.starts_with("100644 ") || line.starts_with("100755 ")), "{entries}");
    run("git", &["archive", "--format=tar.gz", "--prefix=llmci-1.2.3/", "--output=../tree.tar.gz", "HEAD"]);
    std::fs::create_dir(at("_staging")).unwrap();
    run("tar", &["-xzf", "../tree.tar.gz", "-C", "../_staging"]);
    run("cp", &["-r", "../_staging/llmci-1.2.3", "../v1"]);

    let tree = at("v1");
    for name in ["eval-gate", "regression-check", "safety-gate", "canary-promote", "gpu-check"] {
        let action = std::fs::read_to_string(tree.join(name).join("action.yml")).unwrap();
        let wanted = format!("image: docker://ghcr.io/org/llmci@{digest}\n  entrypoint: /usr/local/bin/{name}\n");
        assert!(action.contains(&wanted), "{action}");
        assert_eq!(action, std::fs::read_to_string(tree.join("actions").join(name).join("action.yml")).unwrap());
        let template = std::fs::read_to_string(tree.join(format!("templates/{name}.yml"))).unwrap();
        assert!(template.contains(&digest), "{template}");
    }
    assert!(std::fs::read_to_string(tree.join("setup/action.yml")).unwrap().contains("default: \"v1.2.3\""));
    assert!(
        tree.join("setup/SHA256SUMS").is_file() && tree.join("README.md").is_file() && tree.join("LICENSE").is_file()
    );
    let readme = std::fs::read_to_string(tree.join("README.md")).unwrap();
    assert!(!readme.contains("](docs/") && readme.contains("/blob/release/v1.2.3/docs/how-to/ci.md"), "{readme}");
    assert_eq!(schemas(&tree), Vec::<String>::new());
    // Here every image has its digest: no exception is needed.
    let arguments = ["--offline", "--no-progress", "--no-config", "--strict-collection", "--quiet", "."];
    python("zizmor", &arguments, &[], &tree).unwrap();
    for name in files(&tree, "") {
        let text = std::fs::read_to_string(&name).unwrap();
        assert!(!text.contains("ghcr.io/org/llmci:"), "{} names an image by a tag", name.display());
    }
}

#[test]
fn gpu_checks_action_and_template_take_only_what_works_there() {
    let places = [
        ("actions/gpu-check/action.yml", "  ", &["token"][..]),
        ("gitlab-templates/gpu-check.yml", "    ", &["allow-inconclusive"][..]),
    ];
    for (path, indent, own) in places {
        let text = std::fs::read_to_string(root().join(path)).unwrap();
        let inputs = text.split_once("inputs:\n").unwrap().1;
        let has = |name: &str| inputs.lines().any(|line| line == format!("{indent}{name}:"));
        // A step has no command to hold GPUs for, asks no model, and publishes on no pull request.
        for absent in ["lease", "lease-dir", "lease-priority", "lease-timeout", "preemptible"].iter().chain(own) {
            assert!(!has(absent), "{path}: {absent}");
        }
        assert!(!text.contains("LLMCI_LEASE") && !text.contains("INCONCLUSIVE"), "{path}");
        for present in ["count", "min-memory-gb", "gpu-type", "health", "driver-timeout", "out"] {
            assert!(has(present), "{path}: {present}");
        }
    }
}

#[test]
fn a_release_tree_is_never_mixed_with_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    support::write(folder.path(), "tree/old.yml", "x");
    let digest = format!("sha256:{}", "0".repeat(64));
    let arguments = ["release-tree", "--version", "v1.2.3", "--digest", &digest, "--out", "tree", "--root"];
    let output = llmci(folder.path()).args(arguments).arg(root()).output().unwrap();
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert_eq!(std::fs::read_dir(folder.path().join("tree")).unwrap().count(), 1);
}
