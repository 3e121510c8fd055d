//! `eval-gate` from outside: the real binary on real input, on every host, and on bad input.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::stub::{Act, Stub, chat, reply};
use support::{code, eval_gate, llmci, recording, report, root, text, words, write};

#[test]
fn the_quickstart_passes_in_real_inference_and_the_worse_model_fails_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let policy = root().join("examples/quickstart/llmci.yaml");
    let run = |model: &str, out: &str| {
        eval_gate(folder.path()).arg("--policy").arg(&policy).args(["--model", model, "--out", out]).output().unwrap()
    };
    let good = run("good", "good");
    assert_eq!(code(&good), 0, "{}", text(&good));
    let shown = text(&good);
    assert!(shown.contains("eval-gate pass: "), "{shown}");
    for file in ["report.json", "samples.jsonl", "report.md", "junit.xml"] {
        assert!(folder.path().join("good").join(file).is_file(), "{file}");
    }
    let found = report(&folder.path().join("good"));
    assert_eq!(
        (&found["verdict"], &found["counts"]["cases"], &found["counts"]["errors"]),
        (&json!("pass"), &json!(234), &json!(0))
    );
    for key in
        ["schema_version", "program", "reasons", "metrics", "model", "suite", "policy_digest", "host", "timing", "seed"]
    {
        assert!(found.get(key).is_some(), "{key}");
    }
    let worse = run("worse", "worse");
    assert_eq!(code(&worse), 1, "{}", text(&worse));
    assert!(text(&worse).contains("eval-gate FAIL: pass_rate 0."), "{}", text(&worse));
}

#[test]
fn report_json_is_valid_against_its_published_schema() {
    let folder = tempfile::tempdir().unwrap();
    let policy = root().join("examples/quickstart/llmci.yaml");
    let output = eval_gate(folder.path()).arg("--policy").arg(policy).args(["--level", "smoke"]).output().unwrap();
    // Three cases are too few for the bar, and that is said before any is asked.
    assert_eq!(code(&output), 3, "{}", text(&output));
    assert!(text(&output).contains("14 are needed"), "{}", text(&output));
    let schema: Value =
        serde_json::from_slice(&std::fs::read(root().join("docs/schema/report.schema.json")).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let found = report(&folder.path().join("llmci-out"));
    let errors: Vec<String> = validator.iter_errors(&found).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

/// A folder with a recorded model, a suite and a policy.
fn taped(answers: &[(&str, &str)], suite: &str, gate: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "tape.jsonl", &recording(answers));
    write(folder.path(), "suite.yaml", suite);
    let policy = format!(
        "version: 1\nmodels:\n  taped: {{provider: replay, path: tape.jsonl}}\nsuites: [suite.yaml]\ngate:\n{gate}"
    );
    write(folder.path(), "llmci.yaml", &policy);
    folder
}

const TWO: &str = "name: two\ncases:\n  - {id: a, prompt: x, expected: one, level: smoke, tags: [t]}\n  - {id: b, prompt: y, expected: two}\n";
const POINT: &str = "  thresholds:\n    - {metric: pass_rate, min: 1.0, decide_by: point}\n";

#[test]
fn each_verdict_has_its_exit_code() {
    let run = |answers: &[(&str, &str)], gate: &str| {
        let folder = taped(answers, TWO, gate);
        let output = eval_gate(folder.path()).output().unwrap();
        (code(&output), report(&folder.path().join("llmci-out"))["verdict"].as_str().unwrap().to_owned())
    };
    let good = [("a", "one"), ("b", " two\n")];
    let interval = "  thresholds:\n    - {metric: pass_rate, min: 0.9}\n";
    assert_eq!(run(&good, POINT), (0, "pass".to_owned()));
    assert_eq!(run(&[("a", "one"), ("b", "three")], POINT), (1, "fail".to_owned()));
    assert_eq!(run(&good, interval), (3, "inconclusive".to_owned()));
    assert_eq!(run(&good, &format!("{interval}  on_inconclusive: fail\n")), (1, "inconclusive".to_owned()));
    assert_eq!(run(&good, &format!("{interval}  on_inconclusive: pass\n")), (0, "inconclusive".to_owned()));
    // A missing answer, every answer missing: never a pass.
    assert_eq!(run(&[("a", "one")], POINT), (4, "error".to_owned()));
    assert_eq!(run(&[("c", "one")], POINT), (4, "error".to_owned()));
    assert_eq!(run(&[("a", "one")], &format!("{POINT}  error_budget: 0.5\n")), (3, "inconclusive".to_owned()));
}

#[test]
fn a_threshold_on_a_score_that_no_case_has_is_an_error_and_never_a_pass() {
    let gate = format!("{POINT}    - {{metric: accuracy, min: 0.1}}\n");
    let folder = taped(&[("a", "one"), ("b", "two")], TWO, &gate);
    let output = eval_gate(folder.path()).output().unwrap();
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("accuracy could not be measured"), "{}", text(&output));
}

#[test]
fn a_suite_whose_every_case_is_unscored_never_passes() {
    let suite = "name: two\ncases:\n  - {id: a, prompt: x, assertions: [{type: latency, threshold: 1000}]}\n";
    let folder = taped(&[("a", "one")], suite, POINT);
    let output = eval_gate(folder.path()).output().unwrap();
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("none of 1 samples could be judged"), "{}", text(&output));
}

#[test]
fn bad_input_exits_with_2_names_its_place_and_writes_nothing() {
    let table: &[(&str, &str, &[&str], &str)] = &[
        ("empty suite", "name: two\ncases: []\n", &[], "suite.yaml:1:1: the suite has no case"),
        (
            "doubled id",
            "name: two\ncases:\n  - {id: a, prompt: x, expected: y}\n  - {id: a, prompt: x, expected: y}\n",
            &[],
            "suite.yaml:4:10: the id `a` is there twice",
        ),
        (
            "unknown assertion",
            "name: two\ncases:\n  - id: a\n    prompt: x\n    assertions: [{type: icontain, value: y}]\n",
            &[],
            "did you mean `icontains`?",
        ),
        (
            "invalid regex",
            "name: two\ncases:\n  - {id: a, prompt: x, assertions: [{type: regex, value: '(a'}]}\n",
            &[],
            "suite.yaml:3:",
        ),
        (
            "invalid schema",
            "name: two\ncases:\n  - {id: a, prompt: x, assertions: [{type: is-json, value: {type: objekt}}]}\n",
            &[],
            "the JSON Schema is not valid",
        ),
        (
            "missing variable",
            "name: two\ncases:\n  - {id: a, prompt: '{{ nobody }}', expected: y}\n",
            &[],
            "a variable that is not in vars",
        ),
        ("unknown key", "name: two\ncases:\n  - {id: a, promt: x, expected: y}\n", &[], "did you mean `prompt`?"),
        ("filter takes nothing", TWO, &["--tags", "nobody"], "no case is left after the filters"),
        ("missing suite", TWO, &["--suite", "nowhere.yaml"], "nowhere.yaml:1:1: the suite cannot be read"),
        ("unknown model", TWO, &["--model", "tapd"], "did you mean `taped`?"),
        ("bad level", TWO, &["--level", "smok"], "smoke"),
        ("bad shard", TWO, &["--shard", "3/2"], "K/N"),
        ("unknown flag", TWO, &["--polcy", "x"], "--policy"),
        ("missing policy", TWO, &["--policy", "none.yaml"], "none.yaml:1:1: the policy cannot be read"),
    ];
    for (name, suite, arguments, wanted) in table {
        let folder = taped(&[("a", "one")], suite, POINT);
        write(folder.path(), "llmci-out/report.json", "what was there");
        let output = eval_gate(folder.path()).args(*arguments).output().unwrap();
        assert_eq!(code(&output), 2, "{name}: {}", text(&output));
        assert!(text(&output).contains(wanted), "{name}: {}", text(&output));
        let kept = std::fs::read_to_string(folder.path().join("llmci-out/report.json")).unwrap();
        assert_eq!(kept, "what was there", "{name}");
        assert_eq!(std::fs::read_dir(folder.path().join("llmci-out")).unwrap().count(), 1, "{name}");
    }
}

#[test]
fn a_gate_without_a_rule_is_refused_before_anything_is_asked() {
    for gate in [
        "  thresholds: []\n",
        "  thresholds:\n    - {metric: pass_rate, min: 0.5, required: false}\n",
        "  error_budget: 0\n",
    ] {
        let folder = taped(&[("a", "one"), ("b", "two")], TWO, gate);
        let output = eval_gate(folder.path()).output().unwrap();
        assert_eq!(code(&output), 2, "{}", text(&output));
        assert!(text(&output).contains("no required threshold"), "{}", text(&output));
        assert!(!folder.path().join("llmci-out").exists());
    }
}

#[test]
fn a_model_folder_without_weights_is_named_at_its_line() {
    let folder = taped(&[], TWO, POINT);
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    write(
        folder.path(),
        "llmci.yaml",
        "version: 1\nmodels:\n  bare:\n    provider: embedded\n    path: empty\nsuites: [suite.yaml]\ngate: {thresholds: [{metric: pass_rate, min: 0.5}]}\n",
    );
    for (mut command, place) in
        [(eval_gate(folder.path()), "llmci.yaml:3:3"), (llmci(folder.path()), "llmci.yaml:5:11")]
    {
        if place.ends_with(":11") {
            command.arg("check");
        }
        let output = command.output().unwrap();
        assert_eq!(code(&output), 2, "{}", text(&output));
        assert!(text(&output).contains(place) && text(&output).contains("weights"), "{}", text(&output));
    }
}

#[test]
fn check_reports_policy_and_suites_at_once() {
    let suite =
        "name: two\ncases:\n  - {id: a, prompt: x, assertions: [{type: llm-judge, value: nice, judge: nobody}]}\n";
    let folder = taped(&[("a", "one")], suite, "  thresholds:\n    - {metric: pass_rate, min: 0.5, level: safety}\n");
    let output = llmci(folder.path()).arg("check").output().unwrap();
    assert_eq!(code(&output), 2);
    assert!(text(&output).contains("the judge `nobody` is no model of the policy"), "{}", text(&output));
    write(folder.path(), "suite.yaml", TWO);
    let output = llmci(folder.path()).arg("check").output().unwrap();
    assert!(text(&output).contains("llmci.yaml:7:44: no case has the level safety"), "{}", text(&output));
}

/// What GitHub's runner reads back from an output file. Source: actions/runner, `FileCommandManager.cs`.
fn outputs(file: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = file.lines();
    while let Some(line) = lines.next() {
        let (name, delimiter) = line.split_once("<<").unwrap();
        let mut value = Vec::new();
        loop {
            match lines.next().unwrap() {
                end if end == delimiter => break,
                line => value.push(line),
            }
        }
        found.push((name.to_owned(), value.join("\n")));
    }
    found
}

#[test]
fn github_gets_outputs_summary_annotations_and_no_command_of_a_model() {
    let attack = "::error::pwned\n##[error]pwned\r::set-env name=PATH::x\n</details><img src=x>@everyone";
    let folder = taped(&[("a", "one"), ("b", attack)], TWO, POINT);
    let event = json!({"pull_request": {"number": 7, "head": {"sha": "f00dfeed", "ref": "topic"}}});
    write(folder.path(), "event.json", &event.to_string());
    let mut command = eval_gate(folder.path());
    command.envs([
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_OUTPUT", "output"),
        ("GITHUB_STEP_SUMMARY", "summary"),
        ("GITHUB_EVENT_PATH", "event.json"),
        ("GITHUB_SHA", "merge-commit"),
        ("GITHUB_REPOSITORY", "org/repo"),
        ("GITHUB_TOKEN", "ghs_averylongsecrettoken"),
        ("INPUT_POLICY", "llmci.yaml"),
        // No repository is here: what is held against a base has tests of its own.
        ("INPUT_POLICY-FROM", "head"),
        ("INPUT_MODEL", ""),
        ("INPUT_RESUME", "false"),
        ("INPUT_OUT", "results"),
    ]);
    command.env("GITHUB_WORKSPACE", folder.path());
    let output = command.output().unwrap();
    assert_eq!(code(&output), 1, "{}", text(&output));
    let values = outputs(&std::fs::read_to_string(folder.path().join("output")).unwrap());
    let value = |name: &str| values.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap();
    assert_eq!(
        (value("verdict"), value("passed"), value("pass-rate")),
        ("fail".to_owned(), "false".to_owned(), "0.500000".to_owned())
    );
    assert_eq!(value("report"), "results/report.json");
    assert!(serde_json::from_str::<Vec<Value>>(&value("metrics")).unwrap().len() > 1);
    assert_eq!(report(&folder.path().join("results"))["host"]["commit"], "f00dfeed");

    let log = String::from_utf8(output.stdout).unwrap();
    let mask = log.find("::add-mask::ghs_averylongsecrettoken").unwrap();
    assert!(mask < log.find("eval-gate FAIL").unwrap(), "the mask comes before the first print");
    // Only our own commands begin a line: masks, stop and resume, annotations.
    let mut stopped: Option<String> = None;
    for line in log.split(['\n', '\r']).map(str::trim_start) {
        if let Some(token) = &stopped {
            if line == format!("::{token}::") {
                stopped = None;
            }
            continue;
        }
        if let Some(token) = line.strip_prefix("::stop-commands::") {
            stopped = Some(token.to_owned());
        } else if line.starts_with("::") {
            let own = ["::add-mask::", "::error title=eval-gate", "::notice file=suite.yaml,line=4,title=b failed::"];
            assert!(own.iter().any(|own| line.starts_with(own)), "{line}");
        }
    }
    assert!(stopped.is_none(), "commands are resumed");
    assert!(!log.contains("##[error]"), "{log}");
    let summary = std::fs::read_to_string(folder.path().join("summary")).unwrap();
    assert!(
        summary.contains("eval-gate: fail") && !summary.contains("<img") && !summary.contains("@everyone"),
        "{summary}"
    );
}

#[test]
fn gitlab_gets_a_dotenv_file_and_junit() {
    let folder = taped(&[("a", "one"), ("b", "two")], TWO, POINT);
    let output = eval_gate(folder.path())
        .envs([("GITLAB_CI", "true"), ("CI_COMMIT_SHA", "abc"), ("LLMCI_OUT", "o")])
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    let dotenv = std::fs::read_to_string(folder.path().join("o/llmci.env")).unwrap();
    let wanted = "LLMCI_VERDICT=pass\nLLMCI_PASSED=true\nLLMCI_PASS_RATE=1.000000\nLLMCI_REPORT=o/report.json\nLLMCI_RESUMABLE=false\n";
    assert_eq!(dotenv, wanted);
    let junit = std::fs::read_to_string(folder.path().join("o/junit.xml")).unwrap();
    assert!(junit.contains("<testsuites") && junit.contains("tests=\"2\""), "{junit}");
}

#[test]
fn a_failure_before_any_report_still_says_so_in_the_outputs() {
    let folder = taped(&[], "name: two\ncases: []\n", POINT);
    let output =
        eval_gate(folder.path()).envs([("GITHUB_ACTIONS", "true"), ("GITHUB_OUTPUT", "output")]).output().unwrap();
    assert_eq!(code(&output), 2);
    let values = outputs(&std::fs::read_to_string(folder.path().join("output")).unwrap());
    assert_eq!(values[..2], [("verdict".to_owned(), "error".to_owned()), ("passed".to_owned(), "false".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cached_answer_is_never_asked_for_again() {
    let stub = support::stub::Stub::start(|_, _| support::stub::Act::Echo(Duration::ZERO)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), 40, &stub.base, "run: {cache: kept}\n");
    let run = |path: std::path::PathBuf| tokio::task::spawn_blocking(move || eval_gate(&path).output().unwrap());
    let first = run(folder.path().to_owned()).await.unwrap();
    assert_eq!((code(&first), stub.asked()), (0, 40), "{}", text(&first));
    let second = run(folder.path().to_owned()).await.unwrap();
    assert_eq!((code(&second), stub.asked()), (0, 40), "{}", text(&second));
    let found = report(&folder.path().join("llmci-out"));
    assert_eq!(found["counts"]["cached"], 40);
    assert!(
        !found["metrics"].as_array().unwrap().iter().any(|metric| metric["name"] == "latency_p50_ms"),
        "a cached answer has no latency"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_judge_nothing_and_merge_judges_all() {
    let stub = support::stub::Stub::start(|_, _| support::stub::Act::Echo(Duration::ZERO)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), 41, &stub.base, "");
    let path = folder.path().to_owned();
    tokio::task::spawn_blocking(move || {
        let shard =
            |k: u32| eval_gate(&path).args(["--shard", &format!("{k}/3"), "--out", &format!("s{k}")]).output().unwrap();
        let whole = eval_gate(&path).args(["--out", "whole"]).output().unwrap();
        assert_eq!(code(&whole), 0, "{}", text(&whole));
        for k in 1..=3 {
            let output = shard(k);
            assert_eq!(code(&output), 3, "{}", text(&output));
            assert!(text(&output).contains(&format!("this is shard {k} of 3")), "{}", text(&output));
        }
        let merge =
            |shards: &[&str], out: &str| llmci(&path).arg("merge").args(shards).args(["--out", out]).output().unwrap();
        let merged = merge(&["s1", "s2", "s3"], "merged");
        assert_eq!(code(&merged), 0, "{}", text(&merged));
        let (whole, merged) = (report(&path.join("whole")), report(&path.join("merged")));
        assert_eq!(whole["counts"], merged["counts"]);
        assert_eq!(whole["metrics"][0], merged["metrics"][0]);
        assert_eq!(whole["suite"], merged["suite"]);
        assert_eq!(whole["host"]["cpus"], merged["host"]["cpus"]);
        // Shards of machines with other processors have none in common.
        let mut other = report(&path.join("s3"));
        other["host"]["cpus"] = json!(4096);
        write(&path, "s3/report.json", &other.to_string());
        assert_eq!(code(&merge(&["s1", "s2", "s3"], "m1")), 0);
        assert_eq!(report(&path.join("m1"))["host"]["cpus"], Value::Null);
        let missing = merge(&["s1", "s3"], "m2");
        assert_eq!(code(&missing), 2);
        assert!(text(&missing).contains("shard 2 of 3 is missing"), "{}", text(&missing));
        let doubled = merge(&["s1", "s2", "s2"], "m3");
        assert_eq!(code(&doubled), 2, "{}", text(&doubled));
        // A sample that was lost from a shard is seen.
        let samples = std::fs::read_to_string(path.join("s2/samples.jsonl")).unwrap();
        let cut: String = samples.lines().skip(1).map(|line| format!("{line}\n")).collect();
        write(&path, "s2/samples.jsonl", &cut);
        let lost = merge(&["s1", "s2", "s3"], "m4");
        assert_eq!(code(&lost), 4, "{}", text(&lost));
        assert!(text(&lost).contains("only 40 of 41 samples"), "{}", text(&lost));
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_repeats_the_key_reveals_it_nowhere() {
    const KEY: &str = "sk-repeat-me-0123456789";
    let split: String = KEY.chars().flat_map(|letter| [letter, '\u{200b}']).collect();
    let answer = format!("Your key is {KEY}, that is {split}");
    let stub = support::stub::Stub::start(move |_, _| support::stub::chat(&answer)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), 20, &stub.base, "run: {cache: kept}\n");
    let policy = std::fs::read_to_string(folder.path().join("llmci.yaml")).unwrap();
    write(folder.path(), "llmci.yaml", &policy.replace("model: m,", "model: m, api_key_env: KEY,"));
    let path = folder.path().to_owned();
    let output = tokio::task::spawn_blocking(move || eval_gate(&path).env("KEY", KEY).output().unwrap()).await.unwrap();
    assert_eq!(code(&output), 1, "{}", text(&output));
    let shown = |text: &str| text.replace('\u{200b}', "").replace("[U+200B]", "");
    assert!(!shown(&text(&output)).contains(KEY), "{}", text(&output));
    let mut folders = vec![folder.path().join("llmci-out"), folder.path().join("kept")];
    let mut looked_at = 0;
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                looked_at += 1;
                assert!(
                    !shown(&String::from_utf8_lossy(&std::fs::read(&path).unwrap())).contains(KEY),
                    "{}",
                    path.display()
                );
            }
        }
    }
    assert!(looked_at >= 8, "{looked_at} files");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_is_used() {
    let stub = support::stub::Stub::start(|_, _| support::stub::Act::Echo(Duration::ZERO)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    // The host does not exist: only the proxy can answer for it.
    words(folder.path(), 20, "http://model.invalid/v1", "");
    let (path, proxy) = (folder.path().to_owned(), stub.base.trim_end_matches("/v1").to_owned());
    let output =
        tokio::task::spawn_blocking(move || eval_gate(&path).env("HTTP_PROXY", proxy).output().unwrap()).await.unwrap();
    assert_eq!((code(&output), stub.asked()), (0, 20), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_runs_again_until_it_is_green_gets_the_first_verdict() {
    let stub = Stub::start(|number, _| if number < 40 { chat("no") } else { Act::Echo(Duration::ZERO) }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), 100, &stub.base, "run: {verdicts: kept}\n");
    let gate = |more: &[&str]| eval_gate(folder.path()).arg("--quiet").args(more).output().unwrap();
    let first = gate(&[]);
    assert_eq!(code(&first), 1, "{}", text(&first));
    // By now the endpoint answers rightly; the verdict on the same things stays, whatever the seed.
    let again = gate(&["--seed", "9"]);
    assert_eq!(code(&again), 1, "{}", text(&again));
    assert!(text(&again).contains("kept: the same things are not judged twice"), "{}", text(&again));
    assert_eq!(stub.asked(), 100);
    // By force it is judged again, with half the error.
    let fresh = gate(&["--fresh"]);
    assert_eq!(code(&fresh), 0, "{}", text(&fresh));
    assert_eq!(stub.asked(), 200);
    let report = report(&folder.path().join("llmci-out"));
    assert_eq!(report["metrics"][0]["threshold"]["confidence"], 0.975);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_lacked_something_leaves_no_verdict_to_keep() {
    let failing = |number: usize, _: &str| if number < 4 { reply(500, "", "{}") } else { Act::Echo(Duration::ZERO) };
    let stub = Stub::start(failing).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), 50, &stub.base, "run: {verdicts: kept, concurrency: 1}\n");
    let gate = || eval_gate(folder.path()).arg("--quiet").output().unwrap();
    assert_eq!(code(&gate()), 4);
    assert_eq!(code(&gate()), 0);
}

#[test]
fn an_endpoint_at_a_clouds_metadata_is_refused_at_its_line_before_anything_is_asked() {
    for host in ["169.254.169.254", "0xA9FEA9FE", "[::ffff:169.254.169.254]", "[fd00:ec2::254]"] {
        let folder = tempfile::tempdir().unwrap();
        words(folder.path(), 3, &format!("http://{host}/v1"), "");
        let output = eval_gate(folder.path()).arg("--quiet").output().unwrap();
        assert_eq!(code(&output), 2, "{host}: {}", text(&output));
        assert!(text(&output).contains("trusted_hosts") && text(&output).contains("llmci.yaml:3"), "{}", text(&output));
        assert!(!folder.path().join("llmci-out").exists());
    }
}
