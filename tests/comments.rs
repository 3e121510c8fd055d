//! What a reviewer sees on a pull request, rendered from runs of the real binaries, and kept in `docs/comments/`. Stale means
//! red; `LLMCI_BLESS=1` writes them anew. What no run repeats (times, cost, the machine) is set before rendering.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;

use llmci::report::{
    CHECK_BYTES, COMMENT_BYTES, ChangeKind, Flavour, GateChange, Gpu, Report, SUMMARY_BYTES, Sink, check, comment,
    markdown_with_notes,
};
use llmci::trust::{Digest, Untrusted};
use serde_json::json;
use support::{eval_gate, regression_check, root, write};

const CASES: usize = 400;
const TOPICS: [(&str, &str); 8] = [
    ("Which plan includes single sign-on?", "Business"),
    ("How long are invoices kept?", "10 years"),
    ("Can a seat be moved to another user?", "yes"),
    ("What is the limit of an upload?", "2 GB"),
    ("Which regions store data in the EU?", "Frankfurt"),
    ("How is a subscription cancelled?", "Billing"),
    ("Is there an on-premises edition?", "no"),
    ("Which browsers are supported?", "Firefox"),
];

fn suite(folder: &Path) {
    let mut lines = String::from("{\"suite\": {\"name\": \"support\"}}\n");
    for number in 0..CASES {
        let (question, answer) = TOPICS[number % TOPICS.len()];
        let assertions = json!([
            {"type": "contains", "value": answer, "metric": "accuracy_of_facts"},
            {"type": "contains", "value": "[docs]", "metric": "cites_a_source", "weight": 0},
            {"type": "word-count", "value": {"max": 60}, "metric": "short_enough", "weight": 0},
        ]);
        let case = json!({"id": format!("support-{number:03}"), "prompt": question, "assertions": assertions});
        lines.push_str(&format!("{case}\n"));
    }
    write(folder, "suites/support.jsonl", &lines);
}

/// Answers of which every n-th of some kind is wrong.
fn tape(folder: &Path, name: &str, wrong: &dyn Fn(usize) -> bool) {
    let lines = (0..CASES).map(|number| {
        let (_, answer) = TOPICS[number % TOPICS.len()];
        let source = if number % 9 == 0 { "" } else { " [docs]" };
        let text = match (wrong(number), number) {
            (true, 13) => "I would love to help! <b>Ask</b> @support, see #1 or https://status.example".to_owned(),
            (true, _) => format!("I am not sure about that one, please ask the team.{source}"),
            (false, _) => format!("It is {answer}.{source}"),
        };
        format!("{}\n", json!({"case": format!("support-{number:03}"), "text": text}))
    });
    write(folder, name, &lines.collect::<String>());
}

fn policy(folder: &Path, tape: &str, min: f64) {
    let text = format!(
        "version: 1\nmodels:\n  assistant-v2: {{provider: replay, path: {tape}}}\nsuites: [suites/support.jsonl]\ngate:\n  thresholds:\n\
         \x20   - {{metric: pass_rate, min: {min}}}\n\
         \x20   - {{metric: cites_a_source, min: 0.8, direction: higher}}\n\
         \x20   - {{metric: error_rate, max: 0.02}}\n\
         \x20   - {{metric: short_enough, min: 0.9, direction: higher, required: false}}\n\
         regression:\n  rules:\n\
         \x20   - {{metric: pass_rate, margin: 0.03}}\n\
         \x20   - {{metric: cites_a_source, margin: 0.03, direction: higher}}\n"
    );
    write(folder, "llmci.yaml", &text);
}

fn on_github(command: &mut std::process::Command, folder: &Path, head: &str) {
    let event = json!({"pull_request": {"number": 42, "head": {"sha": head, "ref": "warmer-tone"}}});
    write(folder, "event.json", &event.to_string());
    command.envs([
        ("GITHUB_ACTIONS", "true"),
        ("LLMCI_POLICY_FROM", "head"),
        ("GITHUB_EVENT_PATH", "event.json"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_REPOSITORY", "org/assistant"),
        ("GITHUB_RUN_ID", if head.starts_with('a') { "10000001" } else { "10000002" }),
    ]);
}

/// A summary has room for 50 samples, which no reader of the docs wants.
const PAGE_BYTES: usize = 4_000;
const HEAD: &str = "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432";
const BASE: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334";

fn evaluate(folder: &Path, head: &str, out: &str) -> Report {
    let mut command = eval_gate(folder);
    on_github(&mut command, folder, head);
    let output = command.args(["--quiet", "--policy-from", "head", "--out", out]).output().unwrap();
    assert!(folder.join(out).join("report.json").exists(), "{}", support::text(&output));
    read(&folder.join(out))
}

/// The report with a plausible machine, and the times of every run alike.
fn read(folder: &Path) -> Report {
    let mut report: Report = serde_json::from_slice(&std::fs::read(folder.join("report.json")).unwrap()).unwrap();
    report.timing.seconds = 372.4;
    report.run.cost_usd = Some(0.8312);
    report.host.gpus = Some(vec![h100()]);
    report
}

fn h100() -> Gpu {
    Gpu {
        name: "NVIDIA H100 80GB HBM3".into(),
        uuid_digest: Digest::of(b"GPU-0"),
        memory_bytes: 80 << 30,
        driver: Some("580.159.04".into()),
        clocks: Some("max".into()),
    }
}

/// Holds a page to its file.
fn kept(name: &str, text: &str) {
    let path = root().join("docs/comments").join(name);
    if std::env::var_os("LLMCI_BLESS").is_some() {
        write(path.parent().unwrap(), name, text);
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == text,
        "docs/comments/{name} is stale: run this test with LLMCI_BLESS=1, and look at what changed\n{text}"
    );
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    suite(folder.path());
    tape(folder.path(), "good.jsonl", &|number| number % 33 == 13);
    tape(folder.path(), "bad.jsonl", &|number| number % 33 == 13 || number % 8 == 5);
    folder
}

#[test]
fn a_pass_a_fail_and_an_inconclusive_comment_read_as_the_docs_show_them() {
    let folder = folder();
    for (name, tape, min) in
        [("pass.md", "good.jsonl", 0.9), ("fail.md", "bad.jsonl", 0.9), ("inconclusive.md", "good.jsonl", 0.96)]
    {
        policy(folder.path(), tape, min);
        let report = evaluate(folder.path(), HEAD, "out");
        assert_eq!(format!("{}.md", report.verdict.word()), name);
        let body = comment(&report, &Sink::default(), Flavour::GitHub);
        assert_eq!(body, comment(&report, &Sink::default(), Flavour::GitLab), "both hosts show the same");
        kept(name, &body);
    }
}

#[test]
fn a_comparison_names_both_sides_and_shows_what_got_worse() {
    let folder = folder();
    policy(folder.path(), "good.jsonl", 0.9);
    evaluate(folder.path(), BASE, "baseline");
    policy(folder.path(), "bad.jsonl", 0.9);
    evaluate(folder.path(), HEAD, "candidate");
    let mut command = regression_check(folder.path());
    on_github(&mut command, folder.path(), HEAD);
    command.args([
        "--policy",
        "llmci.yaml",
        "--policy-from",
        "head",
        "--baseline",
        "baseline",
        "--candidate",
        "candidate",
        "--out",
        "out",
    ]);
    let output = command.output().unwrap();
    assert_eq!(support::code(&output), 1, "{}", support::text(&output));
    kept("comparison.md", &comment(&read(&folder.path().join("out")), &Sink::default(), Flavour::GitHub));
}

#[test]
fn a_loosened_gate_asks_for_review_above_everything_that_is_folded() {
    let folder = folder();
    policy(folder.path(), "good.jsonl", 0.9);
    let mut report = evaluate(folder.path(), HEAD, "out");
    let change = |kind, place: &str, what: &str| GateChange { kind, place: place.into(), what: what.into() };
    report.gate_changes = vec![
        change(ChangeKind::Other, "suites/support.jsonl", "12 cases are new"),
        change(ChangeKind::Loosened, "gate.thresholds pass_rate", "min 0.9 -> 0.1; the base's rule holds"),
    ];
    kept("loosened.md", &comment(&report, &Sink::default(), Flavour::GitHub));
}

#[test]
fn a_fork_run_gives_the_same_verdict_and_says_what_to_add() {
    let folder = folder();
    policy(folder.path(), "bad.jsonl", 0.9);
    let report = evaluate(folder.path(), HEAD, "out");
    let note = "this pull request comes from a fork, so the token of this run may only read, and neither a comment nor a check \
                run was written. The verdict is the same; this summary and the annotations hold all of it. A workflow on \
                workflow_run can post comment.md, which this run leaves beside report.json";
    let notes = [Untrusted::new(note)];
    kept("fork.md", &markdown_with_notes(&report, &Sink::default(), PAGE_BYTES, &notes));
}

#[test]
fn a_report_on_attacks_names_what_was_done_and_quotes_nobody() {
    for (name, mut report) in support::safety::examples() {
        report.host.gpus = Some(vec![h100()]);
        let body = comment(&report, &Sink::default(), Flavour::GitHub);
        assert_eq!(body, comment(&report, &Sink::default(), Flavour::GitLab), "both hosts show the same");
        kept(&format!("{name}.md"), &body);
    }
}

/// A report with far more in it than any comment holds, every text of it hostile.
fn bloated(report: &Report, factor: usize) -> Report {
    let mut report = report.clone();
    let nasty =
        |count: usize| "</pre>|`@a\u{202e}#1 漢\n/merge ".repeat(count / 4 + 1).chars().take(count).collect::<String>();
    let mut metrics = Vec::new();
    for number in 0..factor * 30 {
        for metric in &report.metrics {
            let mut metric = metric.clone();
            metric.scope = Some(format!("tag={}{number}", nasty(factor * 20)));
            metrics.push(metric);
        }
    }
    report.metrics = metrics;
    for reason in &mut report.reasons {
        reason.text = nasty(factor * 300);
    }
    report.reasons = report.reasons.iter().cycle().take(factor * 40).cloned().collect();
    for sample in &mut report.failed_samples {
        for text in [&mut sample.case, &mut sample.path, &mut sample.why, &mut sample.prompt, &mut sample.completion] {
            *text = nasty(factor * 100).into();
        }
    }
    for kind in [ChangeKind::Loosened, ChangeKind::Tightened] {
        let change = GateChange { kind, place: nasty(factor * 100).into(), what: nasty(factor * 200).into() };
        report.gate_changes.extend(std::iter::repeat_n(change, factor * 10));
    }
    report.model.name = nasty(factor * 50);
    report.suite.name = nasty(factor * 50);
    report.host.commit = Some(nasty(100).into());
    report
}

#[test]
fn however_much_there_is_to_say_every_place_gets_what_it_holds_and_every_tag_is_closed() {
    let folder = folder();
    policy(folder.path(), "bad.jsonl", 0.9);
    let report = evaluate(folder.path(), HEAD, "out");
    for factor in [1, 3, 10] {
        let report = bloated(&report, factor);
        let sink = Sink::default();
        let shown = check(&report, &sink);
        let bodies = [
            (comment(&report, &sink, Flavour::GitHub), COMMENT_BYTES),
            (comment(&report, &sink, Flavour::GitLab), COMMENT_BYTES),
            (markdown_with_notes(&report, &sink, SUMMARY_BYTES, &[]), SUMMARY_BYTES),
            (shown.summary, CHECK_BYTES),
            (shown.text, CHECK_BYTES),
        ];
        for (body, budget) in bodies {
            assert!(body.len() <= budget, "{factor}: {} of {budget}", body.len());
            assert_eq!(support::hostile::open_tags(&body), Vec::<String>::new(), "{factor}");
            assert!(body.lines().all(|line| !line.trim_start().starts_with('/')), "{factor}");
        }
        let body = comment(&report, &sink, Flavour::GitHub);
        assert!(body.starts_with("### ❌ eval-gate: fail. "), "the verdict is never dropped");
        assert!(shown.title.chars().count() <= 210, "{}", shown.title);
    }
}

#[test]
fn a_check_run_has_the_verdict_in_its_title_and_nothing_folded() {
    let folder = folder();
    policy(folder.path(), "bad.jsonl", 0.9);
    let shown = check(&evaluate(folder.path(), HEAD, "out"), &Sink::default());
    assert!(shown.title.starts_with("fail: pass_rate "), "{}", shown.title);
    assert!(shown.summary.starts_with("### ❌ eval-gate: fail"), "{}", shown.summary);
    assert!(shown.text.contains("<pre>") && !shown.text.contains("<details>"), "{}", shown.text);
}
