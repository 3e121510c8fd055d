//! Tasks of `lm_eval_diff/tasks` through lm-eval itself and through `eval-gate`, over one endpoint (`lm_eval_diff/server.py`) and on
//! the embedded engine: the same metrics, standard errors and groups.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// How far numbers may be apart, relative to those above 1.
const CLOSE: f64 = 1e-6;
/// The same for what the engine computes in f32 and the endpoint in f64: 1.8e-6 was measured, in a perplexity of 10^5 a word.
const CLOSE_IN_F32: f64 = 1e-5;
/// One token for the answer, and one that stands before a text: windows are then those of a model with 256 positions.
const MAX_LENGTH: u32 = 258;
const SUITES: [&str; 5] = ["school", "answers", "guessed", "said", "rolling"];
const MODEL: &str = "examples/quickstart/models/good";

/// The folder of lm-eval's own environment.
fn tool() -> Option<PathBuf> {
    let tool = std::env::var_os("LLMCI_TEST_LM_EVAL").map(PathBuf::from);
    if tool.is_none() {
        assert!(std::env::var_os("CI").is_none(), "run the tests with scripts/test: it installs lm-eval");
        eprintln!("skipped: LLMCI_TEST_LM_EVAL is not set; scripts/test installs lm-eval and sets it");
    }
    tool
}

fn python(tool: &Path, script: &str) -> Command {
    let mut command = Command::new(tool.join("bin/python"));
    command.arg(support::root().join("tests/lm_eval_diff").join(script));
    command
}

/// The endpoint; it ends with this.
struct Server {
    process: Child,
    port: String,
}

impl Server {
    fn start(tool: &Path) -> Self {
        let mut command = python(tool, "server.py");
        let mut process = command
            .arg(support::root().join(MODEL))
            .env("OMP_NUM_THREADS", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { process, port: port.trim().to_owned() }
    }

    /// What a client has asked for, each once: whether it is echoed, the most tokens, the prompt.
    fn seen(&self, client: &str) -> BTreeSet<String> {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{}", self.port)).unwrap();
        stream.write_all(b"GET /seen HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (_, body) = reply.split_once("\r\n\r\n").unwrap();
        let seen: Value = serde_json::from_str(body).unwrap();
        seen[client].as_array().unwrap().iter().map(Value::to_string).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The tasks in a folder of their own, and a policy for each model.
fn lay(folder: &Path, port: &str) {
    let tasks = support::root().join("tests/lm_eval_diff/tasks");
    for entry in std::fs::read_dir(tasks).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("tasks/{}", path.file_name().unwrap().to_str().unwrap());
        support::write(folder, &name, &std::fs::read_to_string(path).unwrap());
    }
    let model = support::root().join(MODEL);
    let model = model.display();
    let suites = SUITES.map(|name| format!("tasks/{name}.yaml")).join(", ");
    let address = format!("provider: openai, api: completions, base_url: \"http://127.0.0.1:{port}/v1\"");
    let policy = format!(
        "version: 1\nmodels:\n  ids: {{{address}, model: llmci, tokenizer: \"{model}\", max_length: {MAX_LENGTH}}}\n  \
         embedded: {{provider: embedded, path: \"{model}\", device: cpu}}\nsuites: [{suites}]\n\
         gate:\n  thresholds:\n    - {{metric: error_rate, max: 0.0, decide_by: point}}\n"
    );
    support::write(folder, "llmci.yaml", &policy);
}

fn theirs(tool: &Path, folder: &Path, port: &str) -> Value {
    let result = folder.join("theirs.json");
    let mut command = python(tool, "driver.py");
    command
        .arg(port)
        .arg(support::root().join(MODEL))
        .arg(folder.join("tasks"))
        .arg(&result)
        .arg(MAX_LENGTH.to_string())
        .args(SUITES);
    for offline in ["HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"] {
        command.env(offline, "1");
    }
    command.env("HF_HOME", folder.join("cache")).env("OMP_NUM_THREADS", "1").env("NO_PROXY", "127.0.0.1");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", support::text(&output));
    serde_json::from_slice(&std::fs::read(result).unwrap()).unwrap()
}

fn ours(folder: &Path, model: &str) -> Value {
    let out = folder.join(model);
    let output = support::eval_gate(folder).args(["--model", model, "--out"]).arg(&out).output().unwrap();
    assert_eq!(support::code(&output), 0, "{}", support::text(&output));
    serde_json::from_slice(&std::fs::read(out.join("lm-eval-results.json")).unwrap()).unwrap()
}

/// What was found, and how far numbers that count as the same are apart at most.
#[derive(Default)]
struct Found {
    differences: Vec<String>,
    numbers: usize,
    furthest: f64,
}

/// Every value that differs: numbers by more than `close`, relative to those above 1.
fn differences(path: &str, theirs: &Value, ours: &Value, close: &dyn Fn(&str) -> f64, found: &mut Found) {
    if let (Some(theirs), Some(ours)) = (theirs.as_f64(), ours.as_f64()) {
        let apart = (theirs - ours).abs() / theirs.abs().max(1.0);
        if apart.is_nan() || apart > close(path) {
            found.differences.push(format!("{path}: {theirs} there, {ours} here ({apart:e} apart)"));
        }
        found.furthest = found.furthest.max(apart);
        found.numbers += 1;
    } else if let (Some(theirs), Some(ours)) = (theirs.as_object(), ours.as_object()) {
        for key in theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
            let (theirs, ours) = (theirs.get(key).unwrap_or(&Value::Null), ours.get(key).unwrap_or(&Value::Null));
            differences(&format!("{path}/{key}"), theirs, ours, close, found);
        }
    } else if theirs != ours {
        found.differences.push(format!("{path}: {theirs} there, {ours} here"));
    }
}

fn compared(what: &str, theirs: &Value, ours: &Value, close: &dyn Fn(&str) -> f64) {
    let mut found = Found::default();
    for part in ["results", "groups", "group_subtasks", "versions", "n-shot", "higher_is_better", "n-samples"] {
        differences(part, &theirs[part], &ours[part], close, &mut found);
    }
    assert!(found.differences.is_empty(), "{what}:\n{}", found.differences.join("\n"));
    assert!(found.numbers >= 70, "{what}: only {} numbers", found.numbers);
    eprintln!("{what}: {} numbers, {:e} apart at most", found.numbers, found.furthest);
}

/// The comparison would see nothing in numbers that are all 0 or 1, or that are not there.
fn says_something(results: &Value) {
    for (task, key) in [
        ("capitals", "acc,none"),
        ("capitals", "acc_mutual_info,none"),
        ("colors", "acc_norm,none"),
        ("school", "acc_norm,none"),
        ("answers", "exact_match,whole"),
        ("answers", "exact_match,letters"),
        ("said", "acc,none"),
        ("guessed", "exact_match,chosen"),
    ] {
        let value = results["results"][task][key].as_f64();
        assert!(value.is_some_and(|value| value > 0.0 && value < 1.0), "{task} {key}: {value:?}");
        let error = results["results"][task][key.replace(',', "_stderr,")].as_f64();
        assert!(error.is_some_and(|error| error > 0.0), "{task} {key}: {error:?}");
    }
    for (task, key) in
        [("said", "perplexity,none"), ("said", "perplexity_stderr,none"), ("rolling", "word_perplexity,none")]
    {
        assert!(results["results"][task][key].as_f64().is_some_and(|value| value > 0.0), "{task} {key}");
    }
}

#[test]
fn metrics_and_standard_errors_are_those_of_lm_eval() {
    let Some(tool) = tool() else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = Server::start(&tool);
    lay(folder, &server.port);
    let theirs = theirs(&tool, folder, &server.port);
    says_something(&theirs);

    compared("the endpoint", &theirs, &ours(folder, "ids"), &|_| CLOSE);
    let (asked_there, mut asked_here) = (server.seen("lm-eval"), server.seen("llmci"));
    assert!(
        asked_there.is_subset(&asked_here),
        "{:?}",
        asked_there.difference(&asked_here).take(3).collect::<Vec<_>>()
    );
    asked_here.retain(|prompt| !asked_there.contains(prompt));
    assert!(asked_here.len() <= 1, "besides the probe: {asked_here:?}");

    let close = |path: &str| if path.contains("/acc") || path.contains("exact_match") { CLOSE } else { CLOSE_IN_F32 };
    compared("the engine", &theirs, &ours(folder, "embedded"), &close);
}

#[test]
fn results_are_there_for_tasks_only_and_those_of_an_earlier_run_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows = "{\"answer\": \"yes\"}\n{\"answer\": \"no\"}\n";
    let task = "task: said\ndataset_path: json\ndataset_kwargs: {data_files: {test: rows.jsonl}}\ntest_split: test\n\
                doc_to_text: \"{{answer}}\"\ndoc_to_target: answer\n";
    let own = "name: own\ncases:\n  - {id: a, prompt: yes sir, expected: yes sir}\n";
    for (name, text) in [("rows.jsonl", rows), ("task.yaml", task), ("own.yaml", own)] {
        support::write(folder, name, text);
    }
    let results = folder.join("out/lm-eval-results.json");
    for (suite, there) in [("task.yaml", true), ("own.yaml", false)] {
        let policy = format!(
            "version: 1\nmodels:\n  echo: {{provider: echo}}\nsuites: [{suite}]\n\
             gate:\n  thresholds:\n    - {{metric: error_rate, max: 0.0, decide_by: point}}\n"
        );
        support::write(folder, "llmci.yaml", &policy);
        let output = support::eval_gate(folder).args(["--out", "out"]).output().unwrap();
        assert_eq!(support::code(&output), 0, "{}", support::text(&output));
        assert_eq!(results.is_file(), there, "{suite}");
        if there {
            let found: Value = serde_json::from_slice(&std::fs::read(&results).unwrap()).unwrap();
            assert_eq!(found["results"]["said"]["exact_match,none"], 1.0);
        }
    }
}
