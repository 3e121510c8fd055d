//! The files that GitLab reads from a job's artifacts, as the real binary writes them. The metrics are read by Prometheus'
//! own OpenMetrics parser.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use llmci::report::{Report, Sink, openmetrics};
use serde_json::{Value, json};
use support::{code, eval_gate, text, write};

/// A run of the gate in a checkout, in a folder below it.
fn run(root: &Path, cases: &[(&str, &str)]) -> Value {
    let work = root.join("evals");
    let line = |case: &str, field: &str, value: &str| format!("{}\n", json!({"id": case, "prompt": "x", field: value}));
    write(&work, "s.jsonl", &cases.iter().map(|(case, _)| line(case, "expected", "yes")).collect::<String>());
    let answers: String =
        cases.iter().map(|(case, text)| format!("{}\n", json!({"case": case, "text": text}))).collect();
    write(&work, "tape.jsonl", &answers);
    let policy = "version: 1\nmodels:\n  t: {provider: replay, path: tape.jsonl}\nsuites: [s.jsonl]\ngate:\n  thresholds:\n    \
                  - {metric: pass_rate, min: 1.0, decide_by: point}\n    - {metric: pass_rate, level: evaluation, min: 0.5, decide_by: point}\n";
    write(&work, "llmci.yaml", policy);
    let output = eval_gate(&work)
        .envs([
            ("GITLAB_CI", "true"),
            ("CI_JOB_URL", "https://gitlab.example.com/g/p/-/jobs/7"),
            ("LLMCI_OUT", "out put"),
        ])
        .env("CI_PROJECT_DIR", root)
        .output()
        .unwrap();
    assert_eq!(code(&output), 1, "{}", text(&output));
    serde_json::from_str(&read(root, "gl-code-quality-report.json")).unwrap()
}

fn read(root: &Path, name: &str) -> String {
    std::fs::read_to_string(root.join("evals/out put").join(name)).unwrap()
}

#[test]
fn a_finding_keeps_its_fingerprint_when_its_line_and_its_answer_change() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(folder.path(), &[("a", "no"), ("b", "no"), ("c", "yes")]);
    let later = run(folder.path(), &[("c", "yes"), ("b", "never"), ("a", "no")]);
    let print = |report: &Value, case: &str| {
        let all = report.as_array().unwrap();
        let mut own =
            all.iter().filter(|one| one["description"].as_str().unwrap().starts_with(&format!("{case} failed")));
        own.next().unwrap()["fingerprint"].as_str().unwrap().to_owned()
    };
    assert_eq!((print(&first, "a"), print(&first, "b")), (print(&later, "a"), print(&later, "b")));
    assert_ne!(print(&first, "a"), print(&first, "b"));
    let finding = &first[1];
    assert_eq!(finding["location"], json!({"path": "evals/s.jsonl", "lines": {"begin": 2}}));
    assert_eq!((&finding["severity"], &finding["check_name"]), (&json!("major"), &json!("eval-gate/failed")));
    assert_eq!(first.as_array().unwrap().len(), 2);
}

#[test]
fn what_a_model_says_is_one_harmless_line_in_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let attack = "<img src=x onerror=alert(1)>%{strong_start}\n/merge\r\u{202e}";
    let report = run(folder.path(), &[("a", attack), ("<b>%{critical_start}", "no")]);
    for finding in report.as_array().unwrap() {
        let description = finding["description"].as_str().unwrap();
        let bad = description.contains(['<', '>', '\n', '\r', '\u{202e}']) || description.contains("%{");
        assert!(!bad, "{description}");
    }
    let json = report.to_string();
    assert!(json.contains("strong_start") && json.contains("critical_start"), "{json}");
}

#[test]
fn metrics_are_openmetrics_for_prometheus_own_parser() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &[("a", "no"), ("b", "yes")]);
    let lines = parsed(&folder.path().join("evals/out put/metrics.txt"));
    for wanted in [
        "gauge llmci_passed [('program', 'eval-gate')] 0\n",
        "gauge llmci_metric [('metric', 'pass_rate'), ('program', 'eval-gate')] 0.5",
        "gauge llmci_metric [('metric', 'pass_rate'), ('program', 'eval-gate'), ('scope', 'level_evaluation')] 0.5",
    ] {
        assert!(lines.contains(wanted), "{wanted}\n{lines}");
    }
}

#[test]
fn rates_of_hazards_and_their_bounds_are_openmetrics_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metrics.txt");
    let shown = |report: &Report| {
        write(folder.path(), "metrics.txt", &openmetrics(report, &Sink::default()));
        parsed(&file)
    };
    let lines = shown(&support::safety::failing());
    for wanted in [
        "gauge llmci_harmful_rate [('hazard', 'prompt_injection'), ('program', 'safety-gate')] 0.1\n",
        "gauge llmci_harmful_rate_upper [('hazard', 'all'), ('program', 'safety-gate')] 0.041",
        "gauge llmci_over_refusal_rate [('hazard', 'over_refusal'), ('program', 'safety-gate')] 0.015\n",
        "gauge llmci_safety_units [('hazard', 'all'), ('kind', 'judged'), ('program', 'safety-gate')] 500",
        "gauge llmci_findings [('program', 'safety-gate')] 14",
    ] {
        assert!(lines.contains(wanted), "{wanted}\n{lines}");
    }
    assert!(!lines.contains("'harmful_rate'"), "the same number is no metric once more: {lines}");
    shown(&support::safety::hostile("a\"} 1\n# EOF\nb{c=\"\\", ""));
}

/// What Prometheus' own parser makes of a file.
fn parsed(file: &Path) -> String {
    let venv = std::env::var("LLMCI_TEST_VENV").expect("run the tests with scripts/test");
    let script = "import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families as read\n\
                  for family in read(open(sys.argv[1]).read()):\n    for sample in family.samples:\n        \
                  print(family.type, sample.name, sorted(sample.labels.items()), sample.value)\n";
    let output = Command::new(format!("{venv}/bin/python")).args(["-c", script]).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

#[test]
fn the_dotenv_file_is_small_and_the_links_lead_to_the_jobs_artifacts() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &[("a", "no")]);
    let dotenv = read(folder.path(), "llmci.env");
    assert!(dotenv.len() < 5 * 1024 && dotenv.lines().count() <= 15, "{dotenv}");
    let line = regex::Regex::new(r"^[A-Z_]+=[A-Za-z0-9._/-]{1,200}$").unwrap();
    assert!(dotenv.lines().all(|one| line.is_match(one)), "{dotenv}");
    let names: BTreeSet<&str> = dotenv.lines().filter_map(|one| one.split('=').next()).collect();
    // A path with a space in it is no safe value: the others are there.
    assert_eq!(names, BTreeSet::from(["LLMCI_PASSED", "LLMCI_PASS_RATE", "LLMCI_RESUMABLE", "LLMCI_VERDICT"]));
    let links: Value = serde_json::from_str(&read(folder.path(), "gl-annotations.json")).unwrap();
    let first = &links["llmci eval-gate"][0]["external_link"];
    assert_eq!(first["url"], "https://gitlab.example.com/g/p/-/jobs/7/artifacts/file/evals/out%20put/report.md");
}

#[test]
fn an_earlier_runs_reports_do_not_outlive_it() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &[("a", "no")]);
    // The next run has no answer to judge, and is not on GitLab at all.
    let work = folder.path().join("evals");
    write(&work, "tape.jsonl", &support::recording(&[("other", "yes")]));
    assert!(!eval_gate(&work).args(["--out", "out put"]).output().unwrap().status.success());
    for name in ["gl-code-quality-report.json", "metrics.txt", "gl-annotations.json", "llmci.env"] {
        assert!(!work.join("out put").join(name).exists(), "{name}");
    }
}
