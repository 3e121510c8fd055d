//! `llmci plan` and the gate's preflight from outside: what can never pass is said before anything is asked.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use support::stub::{Act, Stub};
use support::{code, eval_gate, llmci, report, root, text, write};

/// A suite of so many cases, and a policy whose model would answer if it were asked.
fn folder(cases: &[String], base: &str, gate: &str, more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "s.jsonl", &cases.concat());
    let policy = format!(
        "version: 1\nmodels:\n  stub: {{provider: openai, base_url: \"{base}\", model: m, retry: {{attempts: 1}}}}\n\
         suites: [s.jsonl]\ngate:\n{gate}{more}"
    );
    write(folder.path(), "llmci.yaml", &policy);
    folder
}

fn case(number: usize, more: &str) -> String {
    format!("{{\"id\": \"w{number}\", \"prompt\": \"Say w{number}\", \"expected\": \"w{number}\"{more}}}\n")
}

fn cases(count: usize) -> Vec<String> {
    (0..count).map(|number| case(number, "")).collect()
}

const NOWHERE: &str = "http://127.0.0.1:1/v1";

fn plan(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = llmci(folder).arg("plan").args(arguments).output().unwrap();
    (code(&output), text(&output))
}

fn json_of(folder: &Path, arguments: &[&str]) -> Value {
    let output = llmci(folder).args(["plan", "--json"]).args(arguments).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_typical_policy_is_planned_on_one_page() {
    let gate = "  thresholds:\n    - {metric: pass_rate, min: 0.9}\n    - {metric: error_rate, max: 0.01}\n    - {metric: latency_p95_ms, max: 2000}\n    - {metric: pass_rate, level: smoke, min: 1.0, decide_by: point}\n";
    let more = "regression:\n  rules:\n    - {metric: pass_rate, margin: 0.02}\n    - {metric: latency_mean_ms, margin: 0.1, required: false}\n";
    let mut all = cases(990);
    all.extend((990..1000).map(|number| case(number, ", \"level\": \"smoke\"")));
    let folder = folder(&all, NOWHERE, gate, more);
    let (code, shown) = plan(folder.path(), &[]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.lines().count() <= 30, "{shown}");
    insta::assert_snapshot!("plan-possible", shown);
}

#[test]
fn what_can_never_pass_is_named_with_the_number_that_would_do() {
    let gate = "  thresholds:\n    - {metric: pass_rate, min: 0.999}\n    - {metric: error_rate, max: 0.001}\n    - {metric: latency_p99_ms, max: 2000}\n    - {metric: pass_rate, tags: [\"x::error::y\"], min: 0.5}\n";
    let more = "regression:\n  rules:\n    - {metric: pass_rate, margin: 0.02}\n";
    let mut all = cases(99);
    all.push(case(99, ", \"tags\": [\"x::error::y\"]"));
    let folder = folder(&all, NOWHERE, gate, more);
    let (code, shown) = plan(folder.path(), &[]);
    assert_eq!(code, 3, "{shown}");
    assert!(!shown.contains("::error"), "{shown}");
    insta::assert_snapshot!("plan-impossible", shown);
}

#[test]
fn two_thousand_nine_hundred_and_ninety_five_perfect_cases_can_show_one_in_a_thousand_and_one_fewer_can_not() {
    let gate = "  thresholds: [{metric: error_rate, max: 0.001}]\n";
    for (count, possible) in [(2994, false), (2995, true)] {
        let folder = folder(&cases(count), NOWHERE, gate, "");
        let (code, shown) = plan(folder.path(), &[]);
        assert_eq!(code, if possible { 0 } else { 3 }, "{shown}");
        let found = json_of(folder.path(), &[]);
        let row = &found["thresholds"][0];
        assert_eq!((&row["possible"], &row["needed"]), (&json!(possible), &json!(2995)), "{row}");
        if possible {
            assert_eq!(row["failures_allowed"], 0);
        }
    }
}

#[test]
fn the_json_of_a_plan_is_valid_against_its_published_schema() {
    let gate = "  thresholds: [{metric: pass_rate, min: 0.9}, {metric: style, direction: higher, min: 0.5}]\n";
    let folder = folder(&cases(60), NOWHERE, gate, "");
    let schema: Value =
        serde_json::from_slice(&std::fs::read(root().join("docs/schema/plan.schema.json")).unwrap()).unwrap();
    let found = json_of(folder.path(), &[]);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&found).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    // The standard rule of a policy that names none is shown, and decides nothing.
    assert_eq!((&found["possible"], &found["rules"][0]["possible"]), (&json!(true), &json!(false)));
}

#[test]
fn clusters_and_repeats_count_as_one_unit_each() {
    let gate = "  thresholds: [{metric: pass_rate, min: 0.8}]\n";
    let clustered = |groups: usize| (0..100).map(|n| case(n, &format!(", \"cluster\": \"c{}\"", n % groups))).collect();
    for (all, units, exit) in [
        (clustered(13), 13, 3),
        (clustered(14), 14, 0),
        (clustered(9), 9, 3),
        ((0..13).map(|n| case(n, ", \"repeats\": 5")).collect::<Vec<_>>(), 13, 3),
        ((0..14).map(|n| case(n, ", \"repeats\": 5")).collect(), 14, 0),
    ] {
        let folder = folder(&all, NOWHERE, gate, "");
        let (code, shown) = plan(folder.path(), &[]);
        assert_eq!(code, exit, "{units}: {shown}");
        assert_eq!(json_of(folder.path(), &[])["thresholds"][0]["units"], units);
    }
}

#[test]
fn a_plan_takes_its_noise_from_the_repeats_of_a_baseline_and_says_where_it_has_none() {
    let gate = "  thresholds: [{metric: pass_rate, min: 0.5, decide_by: point}]\n";
    let folder = folder(&cases(200), NOWHERE, gate, "");
    let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
    let sample = |number: usize, repeat: u32, passed: bool| {
        let (status, score) = if passed { ("passed", 1.0) } else { ("failed", 0.0) };
        let line = json!({"suite": "s", "case": format!("w{number}"), "repeat": repeat, "level": "evaluation", "tags": [],
            "prompt_digest": digest("a"), "expected_digest": digest("b"), "status": status, "score": score,
            "assertions": [], "attempts": 1, "cached": false});
        format!("{line}\n")
    };
    // A quarter of the cases flips between its two samples.
    let repeated: String = (0..200).map(|n| sample(n, 0, true) + &sample(n, 1, n % 4 != 0)).collect();
    let once: String = (0..200).map(|n| sample(n, 0, true)).collect();
    write(folder.path(), "repeated/samples.jsonl", &repeated);
    write(folder.path(), "once/samples.jsonl", &once);
    let rule = |place: &str| json_of(folder.path(), &["--baseline", place])["rules"][0].clone();
    assert_eq!(
        (&rule("repeated")["discordant"], &rule("repeated")["discordant_from"]),
        (&json!(0.25), &json!("baseline"))
    );
    assert_eq!(rule("once")["discordant_from"], "assumed");
    let (_, shown) = plan(folder.path(), &["--baseline", "once"]);
    assert!(shown.contains("has no repeats") && shown.contains("ASSUMED"), "{shown}");
}

#[test]
fn wrong_inputs_exit_with_2_and_name_their_place() {
    let gate = "  thresholds: [{metric: pass_rate, min: 0.5}]\n";
    let folder = folder(&cases(20), NOWHERE, gate, "");
    write(folder.path(), "not.json", "{\"calibration_version\": 1}");
    for (arguments, wanted) in [
        (vec!["--policy", "none.yaml"], "none.yaml:1:1: the policy cannot be read"),
        (vec!["--calibration", "none.json"], "none.json:1:1: the calibration cannot be read"),
        (vec!["--calibration", "not.json"], "not.json:1:1: not a calibration of this version"),
        (vec!["--baseline", "nowhere"], "no such file or folder"),
        (vec!["--tags", "nobody"], "no case is left after the filters"),
        (vec!["--suite", "none.yaml"], "none.yaml"),
    ] {
        let (code, shown) = plan(folder.path(), &arguments);
        assert_eq!(code, 2, "{arguments:?}: {shown}");
        assert!(shown.contains(wanted), "{arguments:?}: {shown}");
    }
}

fn gate(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = eval_gate(folder).args(arguments).output().unwrap();
    (code(&output), text(&output))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_could_never_pass_asks_nothing_unless_it_is_told_to() {
    let stub = Stub::start(|_, _| Act::Echo(Duration::ZERO)).await.unwrap();
    let base = stub.base.clone();
    let rule = "  thresholds: [{metric: pass_rate, min: 0.999}]\n";
    let run = |more: &str, arguments: &'static [&'static str]| {
        let folder = folder(&cases(40), &base, &format!("{rule}{more}"), "");
        tokio::task::spawn_blocking(move || {
            let (code, shown) = gate(folder.path(), arguments);
            (code, shown, report(&folder.path().join("llmci-out")), folder)
        })
    };
    for (more, exit) in [("", 3), ("  preflight: stop\n", 3), ("  on_inconclusive: fail\n", 1)] {
        let (code, shown, found, folder) = run(more, &[]).await.unwrap();
        assert_eq!((code, stub.asked()), (exit, 0), "{shown}");
        let why =
            "even a perfect result of 40 samples could not show at least 0.999 at 95 % confidence: 2,995 are needed";
        assert!(shown.contains(why), "{shown}");
        assert_eq!(found["verdict"], "inconclusive");
        assert_eq!(found["reasons"][0]["metric"], "pass_rate");
        for file in ["report.md", "junit.xml"] {
            let text = std::fs::read_to_string(folder.path().join("llmci-out").join(file)).unwrap();
            assert!(text.contains("2,995 are needed"), "{file}: {text}");
        }
    }
    // The whole is judged, and a shard that asked nothing is never green.
    let (code, shown, ..) = run("  on_partial: pass\n", &["--shard", "1/2"]).await.unwrap();
    assert_eq!((code, stub.asked()), (3, 0), "{shown}");
    assert!(shown.contains("a perfect result of 40 samples"), "{shown}");
    // A stop with `on_inconclusive: pass` would let a model through that nobody evaluated.
    for (more, exit, asked) in [("  on_inconclusive: pass\n", 0, 40), ("  preflight: warn\n", 3, 80)] {
        let (code, shown, found, _) = run(more, &[]).await.unwrap();
        assert_eq!((code, stub.asked()), (exit, asked), "{shown}");
        assert!(shown.contains("WARN") && shown.contains("2,995 are needed"), "{shown}");
        assert_eq!(found["counts"]["samples"], 40);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_is_not_stopped_when_the_whole_could_pass() {
    let stub = Stub::start(|_, _| Act::Echo(Duration::ZERO)).await.unwrap();
    let folder = folder(&cases(40), &stub.base, "  thresholds: [{metric: pass_rate, min: 0.9}]\n", "");
    let (code, shown) = tokio::task::spawn_blocking(move || gate(folder.path(), &["--shard", "1/4"])).await.unwrap();
    assert_eq!((code, stub.asked()), (3, 10), "{shown}");
    assert!(shown.contains("this is shard 1 of 4"), "{shown}");
}

#[test]
fn what_is_not_required_or_decided_by_point_stops_nothing() {
    for rule in ["min: 0.999, required: false", "min: 0.999, decide_by: point"] {
        let gate_text =
            format!("  thresholds:\n    - {{metric: pass_rate, {rule}}}\n    - {{metric: pass_rate, min: 0.5}}\n");
        let folder = folder(&cases(20), NOWHERE, &gate_text, "");
        let (code, shown) = gate(folder.path(), &[]);
        // It went on to ask, and nobody was there.
        assert_eq!(code, 4, "{shown}");
    }
}
