//! `harness:` of a policy with the real lm_eval and the real promptfoo: started, understood and judged by the real `eval-gate`.
//! lm_eval asks the endpoint of `lm_eval_diff/server.py`, and promptfoo its own `echo`.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use support::{code, eval_gate, report, root, text, write};

const MODEL: &str = "examples/quickstart/models/good";

/// The folder of a tool that `scripts/test` installs. Where that has not run there is nothing to test, but in CI it has to.
fn tool(variable: &str) -> Option<PathBuf> {
    let tool = std::env::var_os(variable).map(PathBuf::from);
    if tool.is_none() {
        assert!(std::env::var_os("CI").is_none(), "run the tests with scripts/test: it sets {variable}");
        eprintln!("skipped: {variable} is not set; scripts/test installs the tool and sets it");
    }
    tool
}

/// The gate on one entry of `results:`, with the tool's folder in front of PATH.
fn gate(folder: &Path, programs: &Path, results: &str, rules: &str) -> Output {
    write(folder, "llmci.yaml", &format!("version: 1\nresults:\n{results}\ngate:\n  thresholds: [{rules}]\n"));
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = eval_gate(folder);
    command.env("PATH", format!("{}:{path}", programs.display())).env("HOME", folder);
    for offline in ["HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"] {
        command.env(offline, "1");
    }
    for quiet in ["PROMPTFOO_DISABLE_TELEMETRY", "PROMPTFOO_DISABLE_UPDATE", "OMP_NUM_THREADS"] {
        command.env(quiet, "1");
    }
    command.env("NO_PROXY", "127.0.0.1").output().unwrap()
}

/// Everything that the tools of a run have written, and what they have said.
fn written(folder: &Path) -> Vec<PathBuf> {
    let all = glob::glob(&format!("{}/llmci-out/harness/**/*", folder.display())).unwrap();
    all.filter_map(Result::ok).filter(|path| path.is_file()).collect()
}

fn value(report: &Value, name: &str) -> f64 {
    let metrics = report["metrics"].as_array().unwrap();
    metrics.iter().find(|metric| metric["name"] == name).unwrap()["value"].as_f64().unwrap()
}

const PROMPTFOO: &str = "  - {harness: promptfoo, config: suite/promptfooconfig.yaml, name: said}";

/// A config of promptfoo with so many tests that hold, and so many that do not.
fn lay_tests(folder: &Path, holding: usize, failing: usize) {
    let test = |number: usize| {
        let wanted = if number < holding { format!("word {number}") } else { "another word".to_owned() };
        json!({"vars": {"word": format!("word {number}")}, "assert": [{"type": "contains", "value": wanted}]})
    };
    let tests: Vec<Value> = (0..holding + failing).map(test).collect();
    let config = json!({"prompts": ["Say {{word}}"], "providers": ["echo"], "tests": tests});
    write(folder, "suite/promptfooconfig.yaml", &config.to_string());
}

#[test]
fn promptfoo_is_started_and_its_failed_tests_are_results() {
    let Some(tool) = tool("LLMCI_TEST_PROMPTFOO") else { return };
    let programs = tool.join("node_modules/.bin");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rule = |min: f64| format!("{{metric: pass_rate, min: {min}, decide_by: point}}");

    lay_tests(folder, 4, 0);
    let output = gate(folder, &programs, PROMPTFOO, &rule(1.0));
    assert_eq!(code(&output), 0, "{}", text(&output));
    let first = written(folder);
    assert_eq!(first.iter().filter(|path| path.ends_with("results.json")).count(), 1, "{first:?}");

    // Exit code 100. The results of the first run are still there, all passed: the new ones are judged.
    lay_tests(folder, 3, 1);
    let output = gate(folder, &programs, PROMPTFOO, &rule(1.0));
    assert_eq!(code(&output), 1, "{}", text(&output));
    let found = report(&folder.join("llmci-out"));
    assert_eq!((&found["counts"]["passed"], &found["counts"]["failed"]), (&json!(3), &json!(1)));
    assert!(value(&found, "pass_rate") < 0.8);
    let output = gate(folder, &programs, PROMPTFOO, &rule(0.7));
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert_eq!(written(folder).iter().filter(|path| path.ends_with("results.json")).count(), 3);
}

#[test]
fn a_promptfoo_that_fails_or_tests_nothing_never_passes() {
    let Some(tool) = tool("LLMCI_TEST_PROMPTFOO") else { return };
    let programs = tool.join("node_modules/.bin");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rule = "{metric: pass_rate, min: 0.1, decide_by: point}";
    // A good run is there already: it must not answer for the next ones.
    lay_tests(folder, 4, 0);
    assert_eq!(code(&gate(folder, &programs, PROMPTFOO, rule)), 0);

    write(folder, "suite/promptfooconfig.yaml", "prompts: [a]\nproviders: [no-such-provider]\ntests: [{}]\n");
    let output = gate(folder, &programs, PROMPTFOO, rule);
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("llmci.yaml:3"), "the place of the tool: {}", text(&output));

    // promptfoo itself ends well here: no test is left.
    lay_tests(folder, 4, 0);
    let nothing = format!("{}, args: [--filter-pattern, no-such-test]}}", PROMPTFOO.trim_end_matches('}'));
    let output = gate(folder, &programs, &nothing, rule);
    assert!(matches!(code(&output), 2 | 4), "{}", text(&output));
}

#[test]
fn results_of_an_earlier_run_are_refused() {
    let Some(tool) = tool("LLMCI_TEST_PROMPTFOO") else { return };
    let programs = tool.join("node_modules/.bin");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rule = "{metric: pass_rate, min: 1.0, decide_by: point}";
    lay_tests(folder, 2, 0);
    assert_eq!(code(&gate(folder, &programs, PROMPTFOO, rule)), 0);
    let results = written(folder).into_iter().find(|path| path.ends_with("results.json")).unwrap();
    let kept = std::fs::read(results).unwrap();
    write(folder, "kept.json", std::str::from_utf8(&kept).unwrap());

    // The true results of promptfoo, copied just now: the time of the file is new, what stands in it is not.
    let copy = "#!/bin/sh\nwhile [ $# -gt 0 ]; do [ \"$1\" = -o ] && to=$2; shift; done\ncp kept.json \"$to\"\n";
    write(folder, "copy.sh", copy);
    let made = Command::new("chmod").args(["+x", "copy.sh"]).current_dir(folder).status().unwrap();
    assert!(made.success());
    let aged: Value = serde_json::from_slice(&kept).unwrap();
    let stated = aged["results"]["timestamp"].as_str().unwrap();
    assert!(stated.starts_with("20"), "promptfoo says when it ran: {stated}");
    let old = std::str::from_utf8(&kept).unwrap().replace(&stated[..4], "2024");
    write(folder, "kept.json", &old);
    let results = "  - {harness: promptfoo, program: ./copy.sh, config: suite/promptfooconfig.yaml}";
    let output = gate(folder, &programs, results, rule);
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains("older than they may be"), "{}", text(&output));
}

/// The endpoint; it ends with this.
struct Server {
    process: Child,
    port: String,
}

impl Server {
    fn start(tool: &Path) -> Self {
        let mut command = Command::new(tool.join("bin/python"));
        command.arg(root().join("tests/lm_eval_diff/server.py")).arg(root().join(MODEL)).env("OMP_NUM_THREADS", "1");
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { process, port: port.trim().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn lay_tasks(folder: &Path) {
    for name in ["capitals.yaml", "capitals.jsonl", "answers.yaml", "answers.jsonl"] {
        let from = root().join("tests/lm_eval_diff/tasks").join(name);
        write(folder, name, &std::fs::read_to_string(from).unwrap());
    }
}

/// An entry of `results:` that starts lm_eval against a port.
fn lm_eval(port: &str, tasks: &str, more: &str) -> String {
    let model = root().join(MODEL);
    format!(
        "  - harness: lm_eval\n    tasks: [{tasks}]\n    args: [--model, local-completions, --include_path, ., {more}--model_args, \
         \"model=lm-eval,base_url=http://127.0.0.1:{port}/v1/completions,tokenizer={},tokenizer_backend=huggingface,\
         tokenized_requests=True,max_length=258,max_retries=1\"]",
        model.display()
    )
}

#[test]
fn lm_eval_is_started_and_its_newest_results_are_judged() {
    let Some(tool) = tool("LLMCI_TEST_LM_EVAL") else { return };
    let programs = tool.join("bin");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    lay_tasks(folder);
    let server = Server::start(&tool);
    let rules = "{metric: acc, suite: capitals, direction: higher, min: 0.2, decide_by: point}, \
                 {metric: exact_match.whole, suite: answers, direction: higher, min: 0.9, decide_by: point}";
    let output = gate(folder, &programs, &lm_eval(&server.port, "capitals, answers", ""), rules);
    // One rule holds and one does not: both tasks were read.
    assert_eq!(code(&output), 1, "{}", text(&output));
    let first = report(&folder.join("llmci-out"));
    assert_eq!(first["counts"]["samples"], json!(31));
    assert!((value(&first, "acc") - 5.0 / 13.0).abs() < 1e-12, "as lm_eval says it itself");
    assert!((value(&first, "bleu.whole") - 72.011_608_915_183_1).abs() < 1e-6, "as lm_eval says it itself");

    // The next run asks a part: its results are the newest ones, and lie in a folder of their own.
    let part = lm_eval(&server.port, "capitals", "--limit, '3', ");
    let rule = "{metric: acc, direction: higher, min: 0.0, decide_by: point}";
    let output = gate(folder, &programs, &part, rule);
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains("--limit"), "{}", text(&output));
    let output = gate(folder, &programs, &format!("{part}\n    allow_limit: true"), rule);
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert_eq!(report(&folder.join("llmci-out"))["counts"]["samples"], json!(3));
}

#[test]
fn an_lm_eval_that_fails_is_of_the_environment_and_never_passes() {
    let Some(tool) = tool("LLMCI_TEST_LM_EVAL") else { return };
    let programs = tool.join("bin");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    lay_tasks(folder);
    let rule = "{metric: acc, direction: higher, min: 0.0, decide_by: point}";
    // Nobody listens at port 9, and no task has that name.
    for (tasks, why) in [("capitals", "ended with"), ("no_such_task", "ended with")] {
        let output = gate(folder, &programs, &lm_eval("9", tasks, ""), rule);
        assert_eq!(code(&output), 4, "{tasks}: {}", text(&output));
        assert!(text(&output).contains(why), "{tasks}: {}", text(&output));
        assert!(!folder.join("llmci-out/report.json").exists(), "{tasks}");
    }
}
