//! A run that stops early says the same as its order and its samples do, whatever their timing, and asks for no more.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use support::stub::{Act, Stub, chat};
use support::{code, eval_gate, regression_check, report, text, words, write};

const CASES: usize = 1000;

fn number(body: &str) -> usize {
    let value: Value = serde_json::from_str(body).unwrap();
    value["messages"][0]["content"].as_str().unwrap().trim_start_matches("Say w").parse().unwrap()
}

/// An endpoint that gets a share of the cases wrong, always the same ones, and is quicker where it is wrong: what comes
/// first is worse than the rest.
async fn stub(wrong_per_mille: usize) -> Stub {
    Stub::start(move |_, body| {
        let number = number(body);
        // A multiplication by a prime spreads the wrong ones over the file.
        let wrong = number * 7919 % 1000 < wrong_per_mille;
        if wrong { chat("nothing") } else { Act::Echo(Duration::from_millis(number as u64 % 8)) }
    })
    .await
    .unwrap()
}

fn run(folder: &Path, out: &str, more: &[&str]) -> std::process::Output {
    eval_gate(folder).args(["--quiet", "--early-stop", "auto", "--out", out]).args(more).output().unwrap()
}

/// All that must not depend on timing.
fn decided(folder: &Path) -> (Value, Value, Value, Value, String) {
    let report = report(folder);
    let rows = report["metrics"].as_array().unwrap().iter();
    let rows = rows.filter(|row| !row["name"].as_str().unwrap().ends_with("_ms")).cloned().collect();
    let early = &report["run"]["early_stop"];
    let samples = std::fs::read_to_string(folder.join("samples.jsonl")).unwrap();
    let cases = samples.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["case"].to_string());
    (
        report["verdict"].clone(),
        Value::Array(rows),
        early["look"].clone(),
        early["judged_samples"].clone(),
        cases.collect::<Vec<_>>().join(" "),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verdict_does_not_depend_on_who_answers_first() {
    let stub = stub(400).await;
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), CASES, &stub.base, "");
    let mut all = Vec::new();
    for (out, concurrency) in [("one", "1"), ("many", "48"), ("again", "48")] {
        let output = run(folder.path(), out, &["--concurrency", concurrency]);
        assert_eq!(code(&output), 1, "{}", text(&output));
        all.push(decided(&folder.path().join(out)));
    }
    assert_eq!(all[0], all[1]);
    assert_eq!(all[1], all[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_needed_is_not_asked_and_the_report_says_what_was_saved() {
    let stub = stub(500).await;
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), CASES, &stub.base, "");
    let output = run(folder.path(), "out", &["--concurrency", "4"]);
    assert_eq!(code(&output), 1, "{}", text(&output));
    let report = report(&folder.path().join("out"));
    let early = &report["run"]["early_stop"];
    let count = |name: &str| usize::try_from(early[name].as_u64().unwrap()).unwrap();
    assert_eq!(count("planned_samples"), CASES);
    assert_eq!(count("judged_samples") + count("not_judged") + count("saved_samples"), CASES);
    assert!(count("saved_samples") > CASES / 2, "{early}");
    // What was under way when the word came is asked in vain, and no more than that.
    assert!(stub.asked() <= count("judged_samples") + CASES / 10, "{} asked, {early}", stub.asked());
    assert_eq!(report["counts"]["samples"], early["judged_samples"]);
    let row = &report["metrics"][0];
    assert_eq!(row["stage"]["look"], early["look"]);
    assert_eq!(row["confidence"], 0.9);
    assert!(text(&output).contains("stopped early at look"), "{}", text(&output));
    let summary = std::fs::read_to_string(folder.path().join("out/report.md")).unwrap();
    assert!(summary.contains("Stopped early at look") && summary.contains("stage-wise"), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_model_passes_early_and_a_middling_one_needs_every_sample() {
    let folder = tempfile::tempdir().unwrap();
    let good = stub(0).await;
    words(folder.path(), CASES, &good.base, "");
    let output = run(folder.path(), "good", &[]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(good.asked() < CASES / 4, "{}", good.asked());
    // Recorded answers have the same order in every run; an endpoint's port decides it too.
    let answer = |number: usize| if number.is_multiple_of(5) { "no".to_owned() } else { format!("w{number}") };
    let lines = (0..CASES).map(|number| format!("{}\n", json!({"case": format!("w{number}"), "text": answer(number)})));
    write(folder.path(), "answers.jsonl", &lines.collect::<String>());
    let policy = "version: 1\nmodels:\n  kept: {provider: replay, path: answers.jsonl}\nsuites: [words.jsonl]\n\
                  gate:\n  thresholds:\n    - {metric: pass_rate, min: 0.8}\n";
    write(folder.path(), "llmci.yaml", policy);
    let output = run(folder.path(), "middling", &[]);
    assert_eq!(code(&output), 3, "{}", text(&output));
    // The last look may be spared where it could decide nothing any more.
    let early = report(&folder.path().join("middling"))["run"]["early_stop"].clone();
    assert!(early["look"].as_u64().unwrap() >= 18, "{early}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_goes_on_to_the_same_stop() {
    // So close to the bound that hardly any order decides in the first looks.
    let stub = stub(205).await;
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), CASES, &stub.base, "");
    let whole = run(folder.path(), "whole", &[]);
    let wanted = decided(&folder.path().join("whole"));
    assert!(wanted.2.as_u64().unwrap() > 3, "too early to be killed before: {wanted:?}");
    let before = stub.asked();
    let mut child = eval_gate(folder.path())
        .args(["--quiet", "--early-stop", "auto", "--out", "killed", "--resume"])
        .spawn()
        .unwrap();
    while stub.asked() < before + 60 {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it was killed");
        tokio::task::yield_now().await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let resumed = run(folder.path(), "killed", &["--resume"]);
    assert_eq!(code(&resumed), code(&whole), "{}", text(&resumed));
    assert_eq!(decided(&folder.path().join("killed")), wanted);
    // Once it has stopped, going on asks for nothing more.
    let before = stub.asked();
    let again = run(folder.path(), "killed", &["--resume"]);
    assert_eq!(code(&again), code(&whole), "{}", text(&again));
    assert_eq!(stub.asked(), before);
    assert_eq!(decided(&folder.path().join("killed")), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_on_every_sample_never_passes_early_and_fails_at_once() {
    let rule = "    - {metric: pass_rate, min: 1.0, decide_by: point}\n";
    let folder = tempfile::tempdir().unwrap();
    let good = stub(0).await;
    words(folder.path(), 200, &good.base, rule);
    let output = run(folder.path(), "good", &[]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert_eq!(good.asked(), 200);
    assert!(text(&output).contains("no sample saved"), "{}", text(&output));
    let bad = Stub::start(|_, body| if number(body) % 20 == 7 { chat("no") } else { Act::Echo(Duration::ZERO) });
    let bad = bad.await.unwrap();
    words(folder.path(), 200, &bad.base, rule);
    let output = run(folder.path(), "bad", &[]);
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert!(bad.asked() < 150, "{}", bad.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_before_the_rest_was_seen_leaves_the_other_rules_undecided() {
    let folder = tempfile::tempdir().unwrap();
    let bad = stub(900).await;
    words(folder.path(), CASES, &bad.base, "    - {metric: error_rate, max: 0.0, decide_by: point}\n");
    let output = run(folder.path(), "out", &[]);
    assert_eq!(code(&output), 1, "{}", text(&output));
    let report = report(&folder.path().join("out"));
    assert_eq!(report["metrics"][1]["verdict"], "inconclusive");
    assert!(report["metrics"][1]["reason"].as_str().unwrap().contains("before all of its samples were drawn"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_being_asked_eval_gate_draws_every_sample() {
    let stub = stub(500).await;
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), 300, &stub.base, "");
    let output = eval_gate(folder.path()).arg("--quiet").output().unwrap();
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert_eq!(stub.asked(), 300);
    assert!(report(&folder.path().join("llmci-out"))["run"].get("early_stop").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_never_stops_early() {
    let stub = stub(900).await;
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), 200, &stub.base, "");
    let output = run(folder.path(), "out", &["--shard", "1/2"]);
    assert_eq!(code(&output), 3, "{}", text(&output));
    assert_eq!(stub.asked(), 100);
}

/// A policy whose two models are two endpoints.
fn two_models(folder: &Path, base: &str, other: &str) {
    words(folder, CASES, base, "");
    let policy = std::fs::read_to_string(folder.join("llmci.yaml")).unwrap();
    let model = format!("models:\n  other: {{provider: openai, base_url: \"{other}\", model: m}}\n");
    let policy = policy.replace("models:\n", &model).replace("gate:\n", "gate:\n  model: stub\n");
    write(folder, "llmci.yaml", &policy);
}

fn evaluate(folder: &Path, out: &str, more: &[&str]) -> std::process::Output {
    let fixed = ["--policy", "llmci.yaml", "--baseline", "base", "--evaluate", "--quiet", "--out", out];
    regression_check(folder).args(fixed).args(more).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_is_asked_no_longer_than_the_comparison_needs() {
    let (base, worse) = (stub(100).await, stub(300).await);
    let folder = tempfile::tempdir().unwrap();
    two_models(folder.path(), &base.base, &worse.base);
    let output = eval_gate(folder.path()).args(["--quiet", "--out", "base"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    let output = evaluate(folder.path(), "worse", &["--model", "other"]);
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert!(worse.asked() < CASES / 2, "{}", worse.asked());
    let found = report(&folder.path().join("worse"));
    assert_eq!(found["comparison"]["sides"][0]["coverage"], 1.0, "what was not asked has not left the dataset");
    assert!(found["run"]["early_stop"]["saved_samples"].as_u64().unwrap() > 500);
    // The same things are not asked again, and the samples are still there.
    let before = worse.asked();
    let again = evaluate(folder.path(), "worse", &["--model", "other"]);
    assert_eq!(code(&again), 1, "{}", text(&again));
    assert_eq!(worse.asked(), before);
    assert!(text(&again).contains("kept"), "{}", text(&again));
    assert!(folder.path().join("worse/samples.jsonl").is_file());
    // An unchanged model passes early too.
    let before = base.asked();
    let same = evaluate(folder.path(), "same", &[]);
    assert_eq!(code(&same), 0, "{}", text(&same));
    assert!(base.asked() - before < CASES / 2, "{}", base.asked() - before);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_of_a_candidate_whose_dataset_has_changed() {
    let base = stub(0).await;
    let folder = tempfile::tempdir().unwrap();
    two_models(folder.path(), &base.base, &base.base);
    let output = eval_gate(folder.path()).args(["--quiet", "--out", "base"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    let suite = std::fs::read_to_string(folder.path().join("words.jsonl")).unwrap();
    write(folder.path(), "words.jsonl", &suite.replace("Say w1", "Please say w1"));
    let before = base.asked();
    let output = evaluate(folder.path(), "out", &[]);
    assert_eq!(code(&output), 3, "{}", text(&output));
    assert!(text(&output).contains("the dataset changed"), "{}", text(&output));
    assert_eq!(base.asked(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_may_stop_early_becomes_no_baseline() {
    let base = stub(0).await;
    let folder = tempfile::tempdir().unwrap();
    two_models(folder.path(), &base.base, &base.base);
    let output = eval_gate(folder.path()).args(["--quiet", "--out", "base"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    let output = evaluate(folder.path(), "out", &["--bless", "a new start"]);
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains("--early-stop off"), "{}", text(&output));
    let output = evaluate(folder.path(), "out", &["--bless", "a new start", "--early-stop", "off"]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(folder.path().join("base/baseline.json").is_file());
}

#[test]
fn a_comparison_is_never_written_over_a_run_that_it_compares() {
    let folder = tempfile::tempdir().unwrap();
    let policy = support::root().join("examples/quickstart/llmci.yaml");
    let mut gate: Command = eval_gate(folder.path());
    let output = gate.args(["--quiet", "--policy"]).arg(policy).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    let before = std::fs::read(folder.path().join("llmci-out/report.json")).unwrap();
    let output = regression_check(folder.path()).args(["--baseline", "llmci-out", "--out", "llmci-out"]).output();
    let output = output.unwrap();
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert_eq!(std::fs::read(folder.path().join("llmci-out/report.json")).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_margin_that_the_suite_cannot_see_is_named_before_anything_is_asked() {
    let stub = stub(0).await;
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), 40, &stub.base, "");
    let output = eval_gate(folder.path()).args(["--quiet", "--out", "base"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    let output = evaluate(folder.path(), "out", &[]);
    assert!(text(&output).contains("an unchanged candidate could not pass the margin of 0.02"), "{}", text(&output));
    assert_eq!(code(&output), 3, "{}", text(&output));
}
