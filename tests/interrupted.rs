//! A run that is killed, cancelled or broken off goes on where it was: nothing lost, nothing asked twice.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::stub::{Act, Stub};
use support::{code, eval_gate, report, text, words};

/// Cases whose samples stand whole in the journal.
fn journalled(folder: &Path) -> BTreeSet<String> {
    let text = std::fs::read(folder.join("llmci-out/journal.jsonl")).unwrap_or_default();
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let lines = String::from_utf8_lossy(&text[..whole]).into_owned();
    let samples = lines.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
    samples.map(|line| line["sample"]["case"].as_str().unwrap().to_owned()).collect()
}

/// How often each case was asked.
fn asked(stub: &Stub) -> BTreeMap<String, usize> {
    let word = |body: &str| {
        serde_json::from_str::<Value>(body).unwrap()["messages"][0]["content"].as_str().unwrap().replace("Say ", "")
    };
    stub.bodies().iter().map(|(body, count)| (word(body), *count)).collect()
}

fn start(folder: &Path) -> Child {
    eval_gate(folder).args(["--resume", "--quiet"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the endpoint was asked so often, or the process has ended.
async fn until_asked(stub: &Stub, count: usize, child: &mut Child) {
    let end = Instant::now() + Duration::from_secs(60);
    while stub.asked() < count && child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < end, "the endpoint was asked only {} times", stub.asked());
        tokio::task::yield_now().await;
    }
}

/// What two runs of the same thing must agree in: everything but times and what follows from an interruption.
fn lasting(folder: &Path) -> (Value, Vec<Value>) {
    let mut found = report(folder);
    found["timing"] = Value::Null;
    found["counts"]["resumed"] = Value::Null;
    let metrics = found["metrics"].as_array().unwrap().iter();
    let metrics = metrics.filter(|metric| !metric["name"].as_str().unwrap().ends_with("_ms")).cloned().collect();
    found["metrics"] = Value::Array(metrics);
    let samples = std::fs::read_to_string(folder.join("samples.jsonl")).unwrap();
    let sample = |line: &str| {
        let mut sample: Value = serde_json::from_str(line).unwrap();
        sample["latency_ms"] = Value::Null;
        sample
    };
    (found, samples.lines().map(sample).collect())
}

/// SplitMix64: the moments are random, and the same in every run of the test.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_lose_no_sample_and_ask_none_twice() {
    const CASES: usize = 2000;
    let stub = Stub::start(|_, _| Act::Echo(Duration::from_millis(5))).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), CASES, &stub.base, "run: {concurrency: 16}\n");
    let mut state = 20;
    let (mut kills, mut done) = (0, BTreeMap::new());
    while kills < 20 {
        let mut child = start(folder.path());
        let next = stub.asked() + 1 + usize::try_from(random(&mut state) % 60).unwrap();
        until_asked(&stub, next, &mut child).await;
        assert!(child.try_wait().unwrap().is_none(), "the run ended before kill {kills}: make it longer");
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        let counts = asked(&stub);
        for (case, before) in &done {
            assert_eq!(counts.get(case), Some(before), "{case} was asked again after it was journalled");
        }
        done = journalled(folder.path()).into_iter().map(|case| (case.clone(), counts[&case])).collect();
    }
    assert!(done.len() > 100, "the kills came too early to prove anything: {}", done.len());
    let last = start(folder.path()).wait_with_output().unwrap();
    assert_eq!(code(&last), 0, "{}", text(&last));
    let counts = asked(&stub);
    for (case, before) in &done {
        assert_eq!(counts.get(case), Some(before), "{case} was asked again by the last run");
    }
    assert_eq!(counts.len(), CASES);

    let undisturbed = tempfile::tempdir().unwrap();
    words(undisturbed.path(), CASES, &stub.base, "run: {concurrency: 16}\n");
    let whole = start(undisturbed.path()).wait_with_output().unwrap();
    assert_eq!(code(&whole), 0, "{}", text(&whole));
    let (a, b) = (lasting(&folder.path().join("llmci-out")), lasting(&undisturbed.path().join("llmci-out")));
    assert_eq!(a.0, b.0);
    assert_eq!(a.1.len(), CASES);
    assert_eq!(a.1, b.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_stops_within_seconds_keeps_its_samples_and_goes_on() {
    let stub =
        Stub::start(|number, _| if number < 30 { Act::Echo(Duration::ZERO) } else { Act::Silent }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), 60, &stub.base, "");
    for signal in ["TERM", "INT"] {
        support::write(folder.path(), "llmci-out/report.json", "an earlier run's verdict");
        let mut child = start(folder.path());
        until_asked(&stub, stub.asked().max(30) + 1, &mut child).await;
        let began = Instant::now();
        assert!(
            std::process::Command::new("kill")
                .args(["-s", signal, &child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        let output = child.wait_with_output().unwrap();
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!(code(&output), 4, "{}", text(&output));
        assert!(text(&output).contains("run again with --resume"), "{}", text(&output));
        assert!(!folder.path().join("llmci-out/report.json").exists(), "an interrupted run has no report");
    }
    assert!(journalled(folder.path()).len() >= 30 - 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_of_another_run_is_kept_aside_and_a_damaged_one_is_refused() {
    let stub = Stub::start(|_, _| Act::Echo(Duration::ZERO)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let base = stub.base.clone();
    tokio::task::spawn_blocking(move || {
        words(&path, 20, &base, "");
        let journal = path.join("llmci-out/journal.jsonl");
        assert_eq!(code(&start(&path).wait_with_output().unwrap()), 0);
        let first = std::fs::read_to_string(&journal).unwrap();
        // A finished run asks nothing; another seed is another run.
        assert_eq!(code(&start(&path).wait_with_output().unwrap()), 0);
        assert_eq!(std::fs::read_to_string(&journal).unwrap(), first);
        let other = eval_gate(&path).args(["--resume", "--seed", "5"]).output().unwrap();
        assert_eq!(code(&other), 0, "{}", text(&other));
        assert_eq!(std::fs::read_to_string(path.join("llmci-out/journal.previous.jsonl")).unwrap(), first);
        // Damage inside, not at the end: going on would lose samples in silence.
        let mut lines: Vec<String> = first.lines().map(str::to_owned).collect();
        lines[5].truncate(20);
        support::write(&path, "llmci-out/journal.jsonl", &format!("{}\n", lines.join("\n")));
        let damaged = start(&path).wait_with_output().unwrap();
        assert_eq!(code(&damaged), 4, "{}", text(&damaged));
        assert!(text(&damaged).contains("journal.jsonl:6: the journal is damaged"), "{}", text(&damaged));
        // The same cut at any byte of the last line is a torn write, and only that sample is asked again.
        let torn = &first[..first.len() - 10];
        support::write(&path, "llmci-out/journal.jsonl", torn);
        assert_eq!(code(&start(&path).wait_with_output().unwrap()), 0);
    })
    .await
    .unwrap();
    assert_eq!(stub.asked(), 20 + 20 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_the_run_and_what_is_missing_is_an_error() {
    let stub = Stub::start(|_, _| Act::Silent).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    words(folder.path(), 20, &stub.base, "run: {deadline_minutes: 0.01}\n");
    let began = Instant::now();
    let path = folder.path().to_owned();
    let output = tokio::task::spawn_blocking(move || start(&path).wait_with_output().unwrap()).await.unwrap();
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(report(&folder.path().join("llmci-out"))["verdict"], "error");
}
