//! What a user sees, of the real binary: help, terminal, Markdown and JUnit of each verdict. Times and digests are masked.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use regex::Regex;
use support::{canary_promote, code, eval_gate, llmci, recording, regression_check, safety_gate, write};

fn masked(text: &str) -> String {
    let masks = [
        (r"\b[0-9a-f]{12}\b", "DIGEST"),
        (r"sha256:[0-9a-f]{64}", "sha256:DIGEST"),
        (r"· [0-9.]+ s ·", "· SECONDS s ·"),
        (r"· (no GPU|[0-9]+ × <code>[^<]*</code>)", "· GPU"),
        (r#"time(stamp)?="[^"]*""#, "time=TIME"),
    ];
    masks.iter().fold(text.to_owned(), |text, (pattern, mask)| {
        Regex::new(pattern).unwrap().replace_all(&text, *mask).into_owned()
    })
}

const SUITE: &str = "name: letters\ndefaults: {template: 'Say {{ letter }}'}\ncases:\n\
  - {id: first, vars: {letter: a}, expected: a, level: smoke}\n\
  - {id: second, vars: {letter: b}, assertions: [{type: contains, value: b, metric: style}]}\n\
  - {id: third, vars: {letter: c}, assertions: [{type: icontains, value: c}, {type: latency, threshold: 5, weight: 0}]}\n";

fn run(answers: &[(&str, &str)], gate: &str) -> (i32, String, String, String) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "tape.jsonl", &recording(answers));
    write(folder.path(), "suite.yaml", SUITE);
    let policy = format!(
        "version: 1\nmodels:\n  taped: {{provider: replay, path: tape.jsonl}}\nsuites: [suite.yaml]\ngate:\n{gate}"
    );
    write(folder.path(), "llmci.yaml", &policy);
    let output = eval_gate(folder.path()).output().unwrap();
    let read = |name: &str| masked(&std::fs::read_to_string(folder.path().join("llmci-out").join(name)).unwrap());
    (code(&output), masked(&String::from_utf8(output.stdout).unwrap()), read("report.md"), read("junit.xml"))
}

const RULES: &str = "  thresholds:\n    - {metric: pass_rate, min: 1.0, decide_by: point}\n    - {metric: style, min: 0.5, direction: higher, required: false}\n";

#[test]
fn a_pass_reads_as_one() {
    let (code, terminal, markdown, junit) = run(&[("first", "a"), ("second", "b"), ("third", "C!")], RULES);
    assert_eq!(code, 0);
    insta::assert_snapshot!("pass-terminal", terminal);
    insta::assert_snapshot!("pass-markdown", markdown);
    insta::assert_snapshot!("pass-junit", junit);
}

#[test]
fn a_fail_names_the_rule_and_shows_hostile_answers_harmless() {
    let attack = "</pre><script>x</script> | @team #1 ![i](http://x) ::error::y\n/merge";
    let (code, terminal, markdown, junit) = run(&[("first", attack), ("second", "b"), ("third", "d")], RULES);
    assert_eq!(code, 1);
    insta::assert_snapshot!("fail-terminal", terminal);
    insta::assert_snapshot!("fail-markdown", markdown);
    insta::assert_snapshot!("fail-junit", junit);
}

#[test]
fn an_inconclusive_verdict_says_what_would_decide_it() {
    let gate = "  thresholds:\n    - {metric: pass_rate, min: 0.9}\n  preflight: warn\n";
    let (code, terminal, markdown, junit) = run(&[("first", "a"), ("second", "b"), ("third", "c")], gate);
    assert_eq!(code, 3);
    insta::assert_snapshot!("inconclusive-terminal", terminal);
    insta::assert_snapshot!("inconclusive-markdown", markdown);
    insta::assert_snapshot!("inconclusive-junit", junit);
}

#[test]
fn a_gate_that_could_never_pass_says_so_and_what_would_help() {
    let gate = "  thresholds:\n    - {metric: pass_rate, min: 0.9}\n    - {metric: pass_rate, min: 0.5, level: smoke, decide_by: point}\n";
    let (code, terminal, markdown, junit) = run(&[("first", "a")], gate);
    assert_eq!(code, 3);
    insta::assert_snapshot!("preflight-terminal", terminal);
    insta::assert_snapshot!("preflight-markdown", markdown);
    insta::assert_snapshot!("preflight-junit", junit);
}

#[test]
fn an_error_says_what_is_missing() {
    let (code, terminal, markdown, junit) = run(&[("first", "a"), ("second", "b")], RULES);
    assert_eq!(code, 4);
    insta::assert_snapshot!("error-terminal", terminal);
    insta::assert_snapshot!("error-markdown", markdown);
    insta::assert_snapshot!("error-junit", junit);
}

/// Two runs over `count` cases of which the baseline gets the first `up` wrong, and the candidate the next `down`; then the
/// comparison: exit code, terminal and Markdown.
fn comparison(up: usize, down: usize, count: usize, rules: &str) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..count).map(|number| format!("case-{number}")).collect();
    let cases = names.iter().map(|name| format!("  - {{id: {name}, prompt: Say yes, expected: \"yes\"}}\n"));
    write(folder.path(), "suite.yaml", &format!("name: yes-men\ncases:\n{}", cases.collect::<String>()));
    let policy = format!(
        "version: 1\nmodels:\n  taped: {{provider: replay, path: tape.jsonl}}\nsuites: [suite.yaml]\n\
         gate:\n  thresholds: [{{metric: pass_rate, min: 0.1}}]\nregression:\n  baseline: base\n{rules}"
    );
    write(folder.path(), "llmci.yaml", &policy);
    for (out, wrong) in [("base", 0..up), ("llmci-out", up..up + down)] {
        let answers: Vec<(&str, &str)> = names
            .iter()
            .enumerate()
            .map(|(index, name)| (name.as_str(), if wrong.contains(&index) { "no" } else { "yes" }))
            .collect();
        write(folder.path(), "tape.jsonl", &recording(&answers));
        assert_eq!(code(&eval_gate(folder.path()).args(["--out", out]).output().unwrap()), 0);
    }
    let output = regression_check(folder.path()).args(["--policy", "llmci.yaml"]).output().unwrap();
    let markdown = std::fs::read_to_string(folder.path().join("llmci-regression/report.md")).unwrap();
    (code(&output), masked(&String::from_utf8(output.stdout).unwrap()), masked(&markdown))
}

#[test]
fn a_comparison_that_fails_names_the_drop_and_the_cases() {
    let rules = "  rules:\n    - {metric: pass_rate, margin: 0.05}\n    - {metric: mean_score, margin: 0.05, required: false}\n";
    let (code, terminal, markdown) = comparison(2, 14, 200, rules);
    assert_eq!(code, 1);
    insta::assert_snapshot!("comparison-fail-terminal", terminal);
    insta::assert_snapshot!("comparison-fail-markdown", markdown);
}

#[test]
fn a_comparison_that_passes_says_what_it_could_have_seen() {
    let (code, terminal, markdown) = comparison(3, 4, 400, "  rules:\n    - {metric: pass_rate, margin: 0.05}\n");
    assert_eq!(code, 0);
    insta::assert_snapshot!("comparison-pass-terminal", terminal);
    insta::assert_snapshot!("comparison-pass-markdown", markdown);
}

#[test]
fn a_comparison_that_is_undecided_says_how_many_cases_would_decide() {
    let (code, terminal, markdown) = comparison(2, 3, 60, "");
    assert_eq!(code, 3);
    insta::assert_snapshot!("comparison-inconclusive-terminal", terminal);
    insta::assert_snapshot!("comparison-inconclusive-markdown", markdown);
}

#[test]
fn help_names_every_input() {
    let folder = tempfile::tempdir().unwrap();
    let help = |mut command: std::process::Command| {
        let output = command.arg("--help").env("COLUMNS", "100").output().unwrap();
        assert_eq!(code(&output), 0);
        String::from_utf8(output.stdout).unwrap()
    };
    insta::assert_snapshot!("help-eval-gate", help(eval_gate(folder.path())));
    insta::assert_snapshot!("help-llmci", help(llmci(folder.path())));
    insta::assert_snapshot!("help-regression-check", help(regression_check(folder.path())));
    insta::assert_snapshot!("help-safety-gate", help(safety_gate(folder.path())));
    insta::assert_snapshot!("help-canary-promote", help(canary_promote(folder.path())));
}

#[test]
fn a_policy_full_of_mistakes_gets_them_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "suite.yaml", SUITE);
    let policy = "version: 2\nmodels:\n  a: {provider: opnai, base_url: x, model: m}\n  b: {provider: openai, base_url: ftp://x, model: m, retry: {attempts: many}}\n\
                  suites: [suite.yaml]\ngate:\n  modle: a\n  thresholds:\n    - {metric: pass_rat, min: 0.9}\n    - {metric: pass_rate, min: 0.9, max: 1}\n    - {metric: latency_p95_ms, min: 5}\n";
    write(folder.path(), "llmci.yaml", policy);
    let form = llmci(folder.path()).arg("check").output().unwrap();
    assert_eq!(code(&form), 2);
    insta::assert_snapshot!("check-form", String::from_utf8(form.stderr).unwrap());
    // With the form mended, the meaning is looked at.
    let policy = policy.replace("opnai", "openai").replace("many", "99").replace("modle: a", "model: c");
    write(folder.path(), "llmci.yaml", &policy);
    let meaning = llmci(folder.path()).arg("check").output().unwrap();
    assert_eq!(code(&meaning), 2);
    insta::assert_snapshot!("check-meaning", String::from_utf8(meaning.stderr).unwrap());
}
