//! A pull request cannot weaken the gate that judges it.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "base_policy/brought.rs"]
mod brought;
mod support;

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use support::git::{commit, git};
use support::stub::{Act, Stub, chat, reply};
use support::{code, eval_gate, report, text, words, write};

/// A repository whose base has a policy and a suite, for an endpoint that is right for all but every tenth case.
struct Repository {
    folder: tempfile::TempDir,
    stub: Stub,
    base: String,
}

impl Repository {
    async fn new(more: &str) -> Self {
        let tenth = |_: usize, body: &str| if body.contains("0\"") { chat("no") } else { Act::Echo(Duration::ZERO) };
        let stub = Stub::start(tenth).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "-q", "-b", "main"]);
        words(folder.path(), 200, &stub.base, more);
        write(folder.path(), ".gitignore", "/out\n/event.json\n/llmci-out\n");
        let base = commit(folder.path());
        Self { folder, stub, base }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Changes a file as a pull request would.
    fn change(&self, file: &str, from: &str, to: &str) -> &Self {
        let old = std::fs::read_to_string(self.path().join(file)).unwrap();
        assert!(old.contains(from), "{file} has no {from}");
        write(self.path(), file, &old.replace(from, to));
        self
    }

    fn event(&self, name: &str) -> Command {
        let head = commit(self.path());
        self.event_of(self.path(), name, &head)
    }

    fn event_of(&self, folder: &Path, name: &str, head: &str) -> Command {
        let event =
            json!({"pull_request": {"number": 7, "base": {"sha": self.base}, "head": {"sha": head, "ref": "b"}}});
        write(folder, "event.json", &event.to_string());
        let mut command = eval_gate(folder);
        command
            .args(["--quiet", "--out", "out"])
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_EVENT_NAME", name)
            .env("GITHUB_EVENT_PATH", folder.join("event.json"))
            .env("GITHUB_WORKSPACE", folder);
        command
    }

    fn judged(&self) -> (Output, Value) {
        let output = self.event("pull_request").output().unwrap();
        assert_ne!(code(&output), 2, "refused: {}", text(&output));
        let found = report(&self.path().join("out"));
        (output, found)
    }
}

fn kinds(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let changes = report["gate_changes"].as_array().cloned().unwrap_or_default();
    changes.iter().map(|change| (text(&change["kind"]), text(&change["place"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lowered_threshold_is_listed_and_does_not_count() {
    let repository = Repository::new("    - {metric: error_rate, max: 0.5}\n").await;
    repository.change("llmci.yaml", "min: 0.8", "min: 0.1").change(
        "llmci.yaml",
        "max: 0.5",
        "max: 0.9, required: false",
    );
    let (output, found) = repository.judged();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert_eq!(found["metrics"][0]["threshold"]["min"], 0.8);
    assert_eq!(found["metrics"][1]["threshold"]["max"], 0.5);
    assert_eq!(found["metrics"][1]["threshold"]["required"], true);
    let all = kinds(&found);
    assert!(all.contains(&("loosened".to_owned(), "gate.thresholds pass_rate".to_owned())), "{all:?}");
    assert!(all.contains(&("loosened".to_owned(), "gate.thresholds error_rate".to_owned())), "{all:?}");
    assert!(
        text(&output).contains("LOOSENED gate.thresholds pass_rate: min 0.8 -> 0.1; the base's rule holds"),
        "{}",
        text(&output)
    );
    let summary = std::fs::read_to_string(repository.path().join("out/report.md")).unwrap();
    let (asked, fold) =
        (summary.find("**Review asked**: this pull request loosens its own gate"), summary.find("<details>"));
    assert!(asked.is_some() && (fold.is_none() || asked < fold), "above the fold: {summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_gone_still_judges_and_a_stricter_or_new_one_counts_at_once() {
    let repository = Repository::new("    - {metric: latency_p95_ms, max: 60000}\n").await;
    let rules = "    - {metric: pass_rate, min: 0.97}\n    - {metric: error_rate, max: 0.2}\n";
    repository.change(
        "llmci.yaml",
        "    - {metric: pass_rate, min: 0.8}\n    - {metric: latency_p95_ms, max: 60000}\n",
        rules,
    );
    let (output, found) = repository.judged();
    assert_eq!(code(&output), 1, "{}", text(&output));
    let names: Vec<_> =
        found["metrics"].as_array().unwrap().iter().filter(|row| row["threshold"].is_object()).collect();
    assert_eq!(names.len(), 3, "the base's two rules and the new one: {names:?}");
    assert_eq!(names[0]["threshold"]["min"], 0.97);
    assert_eq!(names[0]["verdict"], "fail");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_only_where_the_base_sends_them() {
    let repository = Repository::new("").await;
    let other = Stub::start(|_, _| Act::Echo(Duration::ZERO)).await.unwrap();
    repository.change("llmci.yaml", &repository.stub.base, &other.base);
    let output = repository.event("pull_request").output().unwrap();
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains("trusted_hosts"), "{}", text(&output));
    assert_eq!(other.asked() + repository.stub.asked(), 0);
    // A key that the base does not send there is not sent either.
    let repository = Repository::new("").await;
    repository.change("llmci.yaml", "model: m,", "model: m, api_key_env: GITHUB_TOKEN,");
    let output = repository.event("pull_request").env("GITHUB_TOKEN", "a-secret-value").output().unwrap();
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert_eq!(repository.stub.asked(), 0);
    // Another version at the same place is what a pull request is for.
    let repository = Repository::new("").await;
    repository.change("llmci.yaml", "model: m,", "model: m2, revision: r2,");
    let (output, found) = repository.judged();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert_eq!(kinds(&found), [("other".to_owned(), "models.stub".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_on_a_loosened_suite_waits_for_a_reviewer() {
    let lines: [(&str, &str); 2] = [
        ("{\"id\": \"w10\", \"prompt\": \"Say w10\", \"expected\": \"w10\"}\n", ""),
        ("\"expected\": \"w20\"", "\"expected\": \"no\""),
    ];
    for (from, to) in lines {
        let repository = Repository::new("").await;
        repository.change("words.jsonl", from, to);
        let (output, found) = repository.judged();
        assert_eq!(code(&output), 3, "{}", text(&output));
        assert_eq!(found["verdict"], "inconclusive");
        assert!(found["reasons"][0]["text"].as_str().unwrap().contains("a reviewer has to look"));
        assert_eq!(kinds(&found)[0].0, "loosened");
        // The pull request cannot say that nobody has to look; its base can.
        repository.change("llmci.yaml", "gate:\n", "gate:\n  on_suite_change: note\n");
        let (output, _) = repository.judged();
        assert_eq!(code(&output), 3, "{}", text(&output));
    }
    let repository = Repository::new("  on_suite_change: note\n").await;
    repository.change("words.jsonl", lines[0].0, "");
    let (output, found) = repository.judged();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert_eq!(kinds(&found)[0].0, "loosened");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_prompt_and_more_cases_are_what_a_pull_request_may_bring() {
    let repository = Repository::new("").await;
    let more = "{\"id\": \"new\", \"prompt\": \"Say new\", \"expected\": \"new\"}\n{\"id\": \"w1\", \"prompt\": \"Please say w1\"";
    repository.change("words.jsonl", "{\"id\": \"w1\", \"prompt\": \"Say w1\"", more);
    let (output, found) = repository.judged();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert_eq!(found["counts"]["cases"], 201);
    assert!(kinds(&found).iter().all(|(kind, _)| kind == "other"), "{:?}", kinds(&found));
    assert_eq!(kinds(&found).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_the_base_does_not_have_is_read_and_named() {
    let repository = Repository::new("").await;
    std::fs::rename(repository.path().join("llmci.yaml"), repository.path().join("other.yaml")).unwrap();
    let output = repository.event("pull_request").args(["--policy", "other.yaml"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("the base has no such policy"), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_trusts_every_author_says_so_and_nothing_is_held() {
    let repository = Repository::new("").await;
    repository.change("llmci.yaml", "min: 0.8", "min: 0.1");
    let output = repository.event("pull_request").args(["--policy-from", "head"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    let found = report(&repository.path().join("out"));
    assert_eq!(found["metrics"][0]["threshold"]["min"], 0.1);
    assert!(found.get("gate_changes").is_none());
}

/// A checkout that has only its last commit.
fn shallow(repository: &Repository) -> (tempfile::TempDir, String) {
    let head = commit(repository.path());
    let clone = tempfile::tempdir().unwrap();
    let from = format!("file://{}", repository.path().display());
    git(clone.path(), &["clone", "-q", "--depth", "1", &from, "."]);
    (clone, head)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_base_nothing_is_judged_and_the_remedy_is_named() {
    let repository = Repository::new("").await;
    repository.change("llmci.yaml", "min: 0.8", "min: 0.1");
    let (clone, head) = shallow(&repository);
    let output = repository.event_of(clone.path(), "pull_request", &head).output().unwrap();
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("fetch-depth: 0"), "{}", text(&output));
    assert_eq!(repository.stub.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_history_is_shallow_the_hosts_api_gives_the_base() {
    let repository = Repository::new("").await;
    let policy = std::fs::read_to_string(repository.path().join("llmci.yaml")).unwrap();
    let suite = std::fs::read_to_string(repository.path().join("words.jsonl")).unwrap();
    repository.change("llmci.yaml", "min: 0.8", "min: 0.1");
    let (clone, head) = shallow(&repository);
    // The first question is for the policy, the second for the suite.
    let api = Stub::start(move |number, _| if number == 0 { reply(200, "", &policy) } else { reply(200, "", &suite) });
    let api = api.await.unwrap();
    let mut command = repository.event_of(clone.path(), "pull_request", &head);
    command.env("GITHUB_API_URL", &api.base).env("GITHUB_REPOSITORY", "o/r").env("GITHUB_TOKEN", "a-token-of-it");
    let output = command.output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert_eq!(api.asked(), 2);
    assert_eq!(report(&clone.path().join("out"))["metrics"][0]["threshold"]["min"], 0.8);
    // An API that does not answer rightly leaves nothing judged.
    let broken = Stub::start(|_, _| reply(500, "", "{}")).await.unwrap();
    let mut command = repository.event_of(clone.path(), "pull_request", &head);
    command.env("GITHUB_API_URL", &broken.base).env("GITHUB_REPOSITORY", "o/r").env("GITHUB_TOKEN", "a-token-of-it");
    let output = command.output().unwrap();
    assert_eq!(code(&output), 4, "{}", text(&output));
    // The runner is told to mask it, and nobody else hears of it.
    let shown = text(&output).replace("::add-mask::a-token-of-it", "");
    assert!(!shown.contains("a-token-of-it"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_of_the_target_are_not_lent_to_code_of_the_pull_request() {
    let repository = Repository::new("").await;
    repository.change("words.jsonl", "Say w1\"", "Do say w1\"");
    let output = repository.event("pull_request_target").output().unwrap();
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains("--allow-untrusted-checkout"), "{}", text(&output));
    assert_eq!(repository.stub.asked(), 0);
    let allowed = repository.event("pull_request_target").arg("--allow-untrusted-checkout").output().unwrap();
    assert_eq!(code(&allowed), 0, "{}", text(&allowed));
    let head = git(repository.path(), &["rev-parse", "HEAD"]);
    git(repository.path(), &["checkout", "-q", &repository.base]);
    let output = repository.event_of(repository.path(), "pull_request_target", &head).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_request_of_gitlab_is_held_likewise() {
    let repository = Repository::new("").await;
    repository.change("llmci.yaml", "min: 0.8", "min: 0.1");
    let head = commit(repository.path());
    let mut command = eval_gate(repository.path());
    command.args(["--quiet", "--out", "out"]).env("GITLAB_CI", "true").env("CI_MERGE_REQUEST_IID", "3");
    command.env("CI_MERGE_REQUEST_DIFF_BASE_SHA", &repository.base).env("CI_COMMIT_SHA", head);
    let output = command.output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    let found = report(&repository.path().join("out"));
    assert_eq!(found["metrics"][0]["threshold"]["min"], 0.8);
    assert_eq!(kinds(&found)[0].0, "loosened");
}

/// A pull request that compares with a baseline of the repository itself, and has made that baseline worse.
#[tokio::test(flavor = "multi_thread")]
async fn a_baseline_that_the_pull_request_brings_is_not_compared_with() {
    let rules = "regression: {baseline: \"dir:kept\", rules: [{metric: pass_rate, margin: 0.05}]}\n";
    let mut repository = Repository::new(rules).await;
    let run = |out: &str, model: &str| {
        let mut command = eval_gate(repository.path());
        let output = command.args(["--quiet", "--out", out, "--model", model]).output().unwrap();
        assert_eq!(code(&output), 0, "{}", text(&output));
    };
    run("kept", "stub");
    repository.base = commit(repository.path());
    // The candidate is the run in which every tenth case fails; the baseline of the pull request is made equally bad by hand.
    let samples = std::fs::read_to_string(repository.path().join("kept/samples.jsonl")).unwrap();
    let worse = samples.replace("\"status\":\"passed\",\"score\":1.0", "\"status\":\"failed\",\"score\":0.0");
    assert_ne!(samples, worse);
    write(repository.path(), "out/samples.jsonl", &worse);
    write(repository.path(), "kept/samples.jsonl", &worse);
    let gate = repository.event("pull_request");
    let variables: Vec<_> = gate.get_envs().map(|(name, value)| (name.to_owned(), value.unwrap().to_owned())).collect();
    let mut check = support::regression_check(repository.path());
    check.args(["--policy", "llmci.yaml", "--candidate", "out/samples.jsonl", "--out", "compared"]);
    let output = check.envs(variables).output().unwrap();
    assert_eq!(code(&output), 1, "{}", text(&output));
    let found = report(&repository.path().join("compared"));
    let address = found["comparison"]["sides"][0]["address"].as_str().unwrap();
    assert!(address.starts_with(&format!("git:{}:", repository.base)), "{address}");
}

/// A repository whose base has a config of promptfoo with thirty tests, asked by its own provider.
async fn with_config() -> Repository {
    let repository = Repository::new("").await;
    let tests: String = (0..30)
        .map(|number| {
            format!("  - vars: {{word: word{number}}}\n    assert: [{{type: contains, value: word{number}}}]\n")
        })
        .collect();
    let config = format!("prompts: [file://prompts/say.txt]\nproviders: [echo]\ntests:\n{tests}");
    write(repository.path(), "promptfooconfig.yaml", &config);
    write(repository.path(), "prompts/say.txt", "Say {{word}}.\n");
    let policy = "version: 1\nsuites: [promptfooconfig.yaml]\ngate:\n  model: suite\n  thresholds:\n    - {metric: pass_rate, min: 0.8}\n";
    write(repository.path(), "llmci.yaml", policy);
    let base = commit(repository.path());
    Repository { base, ..repository }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_of_promptfoo_may_be_changed_and_what_it_gives_up_waits_for_a_reviewer() {
    let repository = with_config().await;
    let (output, found) = repository.change("prompts/say.txt", "Say", "Please say").judged();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(kinds(&found).iter().all(|(kind, _)| kind != "loosened"), "{found}");

    let gone = "  - vars: {word: word7}\n    assert: [{type: contains, value: word7}]\n";
    let (output, found) = repository.change("promptfooconfig.yaml", gone, "").judged();
    assert_eq!(code(&output), 3, "{}", text(&output));
    assert!(kinds(&found).contains(&("loosened".to_owned(), "promptfooconfig.yaml".to_owned())), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_brings_no_provider_that_could_send_keys_or_start_a_command() {
    let repository = with_config().await;
    let providers = [
        format!("[{{id: \"openai:chat:m\", config: {{apiBaseUrl: \"{}/v1\"}}}}]", repository.stub.base),
        "[\"exec: sh -c true\"]".to_owned(),
        format!("[{{id: \"{}/x\", config: {{method: POST, body: {{q: \"{{{{prompt}}}}\"}}}}}}]", repository.stub.base),
    ];
    let config = std::fs::read_to_string(repository.path().join("promptfooconfig.yaml")).unwrap();
    for provider in providers {
        write(repository.path(), "promptfooconfig.yaml", &config.replace("[echo]", &provider));
        let output = repository.event("pull_request").env("OPENAI_API_KEY", "sk-of-the-base").output().unwrap();
        assert_eq!(code(&output), 2, "{}", text(&output));
        assert!(text(&output).contains("that the base's suite does not name"), "{}", text(&output));
    }
    assert_eq!(repository.stub.asked(), 0, "nobody was asked");
    // A new file of the pull request is no way around it.
    write(repository.path(), "promptfooconfig.yaml", &config);
    write(repository.path(), "other.yaml", &config.replace("[echo]", "[\"exec: sh -c true\"]"));
    let output = repository.event("pull_request").args(["--suite", "other.yaml"]).output().unwrap();
    assert_eq!(code(&output), 2, "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_starts_no_tool_and_reads_no_other_results() {
    let repository = with_config().await;
    let marker = repository.path().join("started");
    let results = format!(
        "results:\n  - {{harness: promptfoo, program: \"{}\", config: promptfooconfig.yaml}}\ngate:",
        marker.with_extension("sh").display()
    );
    write(repository.path(), "started.sh", &format!("#!/bin/sh\ntouch {}\n", marker.display()));
    let (output, found) = repository.change("llmci.yaml", "gate:", &results).judged();
    assert!(!marker.exists(), "the pull request's tool was started");
    assert_eq!(code(&output), 0, "the base's policy judges: {}", text(&output));
    assert!(kinds(&found).iter().any(|(kind, place)| kind == "loosened" && place.starts_with("results")), "{found}");
}
