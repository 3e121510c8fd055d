//! `llmci calibrate` from outside: one model several times, and how much of it differs by itself.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::stub::{Act, Stub, chat, reply};
use support::{code, llmci, root, text, words, write};

/// The word that a request asks for, and its seed.
fn asked(body: &str) -> (usize, u64) {
    let value: Value = serde_json::from_str(body).unwrap();
    let word = value["messages"][0]["content"].as_str().unwrap().replace("Say w", "");
    (word.parse().unwrap(), value["seed"].as_u64().unwrap())
}

/// A model of which every fifth case depends on the seed alone.
fn flipping(body: &str) -> Act {
    let (word, seed) = asked(body);
    if word % 5 == 0 && (word / 5 + usize::try_from(seed).unwrap()) % 2 == 0 {
        chat("something else")
    } else {
        chat(&format!("w{word}"))
    }
}

async fn calibrate(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = llmci(folder);
    command.arg("calibrate").args(arguments);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn found(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("llmci-calibration/calibration.json")).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_flips_by_seed_is_measured_named_and_planned_with() {
    let stub = Stub::start(|_, body| flipping(body)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    // A cache that would hide the noise: it must not be looked at.
    words(folder.path(), 200, &stub.base, "run: {cache: kept}\n");
    let output = calibrate(folder.path(), &["--quiet"]).await;
    assert_eq!((code(&output), stub.asked()), (0, 400), "{}", text(&output));
    assert!(!folder.path().join("kept").exists(), "the cache was used");
    insta::assert_snapshot!("calibrate", String::from_utf8(output.stdout).unwrap());

    let calibration = found(folder.path());
    // Seeds 0 and 1,000,003: every fifth case flips, half of them each way.
    assert_eq!(calibration["noise"]["discordant"]["value"], 0.2);
    let pair = &calibration["noise"]["pairs"][0];
    assert_eq!((&pair["newly_passing"], &pair["newly_failing"]), (&json!(20), &json!(20)));
    assert_eq!(calibration["noise"]["flaky_count"], 40);
    assert_eq!(calibration["runs"][0]["pass_rate"], 0.9);
    assert_eq!(calibration["same_model"]["verdict"], "inconclusive");
    let schema: Value =
        serde_json::from_slice(&std::fs::read(root().join("docs/schema/calibration.schema.json")).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&calibration).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");

    let plan = llmci(folder.path())
        .args(["plan", "--json", "--calibration", "llmci-calibration/calibration.json"])
        .output()
        .unwrap();
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
    let rule = &plan["rules"][0];
    assert_eq!((&rule["discordant"], &rule["discordant_from"]), (&json!(0.2), &json!("calibration")));
    // The suggested margin is the smallest half point at which these cases see enough.
    let visible = rule["smallest_visible"].as_f64().unwrap();
    let margin = calibration["noise"]["suggestion"]["margin"].as_f64().unwrap();
    assert!(margin >= visible && margin - visible < 0.005, "{margin} {visible}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_run_has_seeds_of_its_own_also_with_repeats() {
    let stub = Stub::start(|_, body| flipping(body)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), 10, &stub.base, "");
    let lines: String = (0..10)
        .map(|n| format!("{{\"id\": \"w{n}\", \"prompt\": \"Say w{n}\", \"expected\": \"w{n}\", \"repeats\": 2}}\n"))
        .collect();
    write(folder.path(), "words.jsonl", &lines);
    let output = calibrate(folder.path(), &["--quiet", "--runs", "3", "--seed", "5"]).await;
    assert_eq!((code(&output), stub.asked()), (0, 60), "{}", text(&output));
    assert!(stub.bodies().values().all(|count| *count == 1), "a request was sent twice");
    assert_eq!(found(folder.path())["noise"]["pairs"].as_array().unwrap().len(), 3);
    for (arguments, wanted) in [(["--runs", "1"], "1"), (["--runs", "11"], "11"), (["--model", "nobody"], "nobody")] {
        let output = calibrate(folder.path(), &arguments).await;
        assert_eq!(code(&output), 2, "{}", text(&output));
        assert!(text(&output).contains(wanted), "{}", text(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_flaky_cases_reach_the_terminal_escaped() {
    let attack = "::error::pwned ##[error]x \u{1b}[31m";
    let stub = Stub::start(|_, body| {
        let value: Value = serde_json::from_str(body).unwrap();
        chat(if value["seed"].as_u64().unwrap().is_multiple_of(2) { "yes" } else { "no" })
    })
    .await
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), 1, &stub.base, "");
    let id = attack.replace('\u{1b}', "\u{202e}");
    let lines = format!("{}\n", json!({"id": id, "prompt": "x", "expected": "yes"}));
    write(folder.path(), "words.jsonl", &lines);
    let output = calibrate(folder.path(), &["--quiet"]).await;
    assert_eq!(code(&output), 0, "{}", text(&output));
    let shown = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(shown.contains("flaky cases: 1") && shown.contains("pwned"), "{shown}");
    assert!(!shown.contains("::") && !shown.contains("##[") && !shown.contains('\u{202e}'), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_got_worse_between_two_runs_fails_against_itself_with_a_warning() {
    let stub = Stub::start(|_, body| {
        let (word, seed) = asked(body);
        if seed > 0 && word % 4 == 0 { chat("worse") } else { chat(&format!("w{word}")) }
    })
    .await
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), 100, &stub.base, "");
    let output = calibrate(folder.path(), &["--quiet"]).await;
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("WARNING: one model fails against itself"), "{}", text(&output));
    assert_eq!(found(folder.path())["same_model"]["verdict"], "fail");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_counted_within_the_budget_and_end_the_calibration_beyond_it() {
    let stub = Stub::start(|_, body| {
        let (word, _) = asked(body);
        if word == 7 { reply(400, "", "{\"error\": {\"message\": \"no\"}}") } else { chat(&format!("w{word}")) }
    })
    .await
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), 40, &stub.base, "  error_budget: 0.05\n");
    let output = calibrate(folder.path(), &["--quiet"]).await;
    assert_eq!(code(&output), 0, "{}", text(&output));
    let shown = text(&output);
    assert!(shown.contains("39 of 40 samples; 1 in error, 0 unscored") && shown.contains("1 not judged"), "{shown}");
    assert_eq!(found(folder.path())["noise"]["pairs"][0]["missing"], 1);
    words(folder.path(), 40, &stub.base, "");
    let output = calibrate(folder.path(), &["--quiet"]).await;
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("2 of 80 samples ended in an error"), "{}", text(&output));
    assert!(!folder.path().join("llmci-calibration/calibration.json").exists(), "an old calibration was left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calibration_that_its_errors_have_ended_leaves_no_checkpoint_that_ends_the_next_one() {
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let stub = Stub::start(move |_, body| match is_broken.load(Ordering::SeqCst) {
        true => reply(400, "", "{\"error\": {\"message\": \"no\"}}"),
        false => chat(&format!("w{}", asked(body).0)),
    });
    let stub = stub.await.unwrap();
    let (one, two, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let arguments = ["--quiet", "--checkpoint", store.path().to_str().unwrap()];
    for folder in [&one, &two] {
        words(folder.path(), 20, &stub.base, "");
    }
    let output = calibrate(one.path(), &arguments).await;
    assert_eq!(code(&output), 4, "{}", text(&output));
    broken.store(false, Ordering::SeqCst);
    let output = calibrate(two.path(), &arguments).await;
    assert_eq!(code(&output), 0, "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_calibration_goes_on_where_it_was_and_asks_nothing_twice() {
    // The second run is cut off in its middle, and then goes on.
    let stub =
        Stub::start(|number, _| if !(50..58).contains(&number) { Act::Echo(Duration::ZERO) } else { Act::Silent });
    let stub = stub.await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), 40, &stub.base, "run: {concurrency: 8}\n");
    let mut child = llmci(folder.path())
        .args(["calibrate", "--quiet"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while stub.asked() < 58 && child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < end, "the endpoint was asked only {} times", stub.asked());
        tokio::task::yield_now().await;
    }
    let killed = std::process::Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("run again with --resume"), "{}", text(&output));
    assert!(!folder.path().join("llmci-calibration/calibration.json").exists());
    let output = calibrate(folder.path(), &["--quiet", "--resume"]).await;
    assert_eq!(code(&output), 0, "{}", text(&output));
    // Only what hung was asked again.
    assert_eq!(stub.asked(), 80 + 8, "{}", text(&output));
    let whole = found(folder.path());
    assert_eq!((&whole["runs"][0]["samples"], &whole["runs"][1]["samples"]), (&json!(40), &json!(40)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calibration_tells_a_plan_the_spread_of_rules_that_nobody_could_guess() {
    let stub = Stub::start(|_, body| flipping(body)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let rules = "regression:\n  rules:\n    - {metric: pass_rate, margin: 0.1}\n    - {metric: latency_mean_ms, margin: 0.5, required: false}\n    - {metric: error_rate, margin: 0.05, required: false}\n";
    words(folder.path(), 100, &stub.base, rules);
    let output = calibrate(folder.path(), &["--quiet"]).await;
    assert_eq!(code(&output), 0, "{}", text(&output));
    let plan = |arguments: &[&str]| -> Value {
        let output = llmci(folder.path()).args(["plan", "--json"]).args(arguments).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let blind = plan(&[]);
    assert_eq!((&blind["rules"][1]["smallest_visible"], &blind["rules"][2]["discordant"]), (&Value::Null, &json!(0.1)));
    let told = plan(&["--calibration", "llmci-calibration/calibration.json"]);
    assert!(told["rules"][1]["smallest_visible"].as_f64().unwrap() > 0.0, "{told}");
    // No error in 100 pairs: fewer than 3 in 100 differ, and not one in five as of the results.
    let errors = &told["rules"][2];
    assert!(errors["variance"].as_f64().unwrap() < 0.03 && errors["discordant"] == 0.2, "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metric_of_all_samples_together_is_calibrated_like_any_other() {
    let stub = Stub::start(|_, body| {
        let value: Value = serde_json::from_str(body).unwrap();
        let said = value["messages"][0]["content"].as_str().unwrap();
        chat(&format!("the answer to {said} is a word or two"))
    })
    .await
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let rows: String = (0..60)
        .map(|n| {
            format!("{}\n", json!({"q": format!("question {n}"), "a": format!("the answer to it is word {n} or two")}))
        })
        .collect();
    write(folder.path(), "rows.jsonl", &rows);
    let task = "task: said\ndataset_path: json\ndataset_kwargs: {data_files: {test: rows.jsonl}}\ntest_split: test\n\
                doc_to_text: q\ndoc_to_target: a\nmetric_list: [{metric: exact_match}, {metric: bleu}]\ngeneration_kwargs: {until: [x], do_sample: false}\n";
    write(folder.path(), "task.yaml", task);
    let policy = |rule: &str| {
        format!(
            "version: 1\nmodels: {{m: {{provider: openai, base_url: \"{}\", model: m}}}}\nsuites: [task.yaml]\n\
             gate: {{model: m, thresholds: [{{metric: error_rate, max: 0.0, decide_by: point}}]}}\nregression: {{rules: [{rule}]}}\n",
            stub.base
        )
    };
    write(folder.path(), "llmci.yaml", &policy("{metric: bleu, margin: 0.1}"));
    let output = calibrate(folder.path(), &["--quiet"]).await;
    assert_eq!(code(&output), 0, "{}", text(&output));
    let row = found(folder.path())["same_model"]["rows"][0].clone();
    assert_eq!((&row["name"], &row["method"]), (&json!("bleu"), &json!("t-jackknife")), "{row}");
    assert_eq!(row["baseline"], row["candidate"], "{row}");
}
