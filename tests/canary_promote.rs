//! All five strategies through the real binary, against the API server of the tests and the real Prometheus, in a closed loop:
//! what Prometheus scrapes follows from where the users really are. After each stage the objects are compared with a snapshot.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/kube/mod.rs"]
mod kube;
mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kube::{Kube, When};
use llmci::deliver::Stage;
use llmci::deliver::state::{Reached, State};
use serde_json::{Value, json};
use support::exporter::{Exporter, Server, program};
use support::stub::{Act, Stub};
use support::{canary_promote, code, text, write};

const OLD: &str = "r/llm:1";
const NEW: &str = "r/llm:2";
/// Requests a second, over both sides.
const RATE: f64 = 500.0;
const LOOP: Duration = Duration::from_millis(50);

/// A service with users, and a rollout file.
struct Bed {
    kube: Kube,
    folder: tempfile::TempDir,
    exporter: Exporter,
    prometheus: Server,
    /// The true error rate of the new version.
    errors: Arc<Mutex<f64>>,
    over: Arc<AtomicBool>,
}

/// What was seen of a rollout from outside.
#[derive(Default)]
struct Seen {
    /// The objects at each stage that was reached.
    stages: Vec<(Stage, String)>,
    /// When the return was decided, and when all users were back.
    decided: Option<Instant>,
    back: Option<Instant>,
}

impl Bed {
    async fn new(strategy: &str, errors: f64) -> Option<Self> {
        let program = program()?;
        let kube = Kube::start();
        kube.deployment("llm", OLD, 4);
        kube.put(json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "llm"},
            "spec": {"hosts": ["llm"], "http": [{"route": [{"destination": {"host": "llm"}}]}]},
        }));
        let flags = json!({"flags": {"new-model": {
            "state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off"}}});
        kube.put(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "flags"},
            "data": {"flags.json": flags.to_string()}}));
        let exporter = Exporter::start().await;
        let prometheus = Server::start(&program, &[("llm", &exporter)]).await;
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "kubeconfig", &kube.kubeconfig());
        let plan = format!(
            "version: 1
workload: {{name: llm}}
change: {{image: \"{NEW}\"}}
patience: {{lock_seconds: 20, no_data_seconds: 8, step_seconds: 60}}
analysis:
  prometheus: {{url: \"{}\", scrape_seconds: 1}}
  interval_seconds: 1
  rates:
    - {{name: errors, bad: 'errors_total{{workload=\"{{workload}}\"}}', all: 'requests_total{{workload=\"{{workload}}\"}}', absent_bad: zero, max: 0.05, min_samples: 50}}
watch:
  interval_seconds: 1
  rules:
    - {{name: errors, metric: {{rate: {{bad: 'errors_total{{workload=\"{{workload}}\"}}', all: 'requests_total{{workload=\"{{workload}}\"}}', absent_bad: zero}}}}, threshold: 0.05, window_seconds: 5, min_samples: 50}}
{strategy}",
            prometheus.url
        );
        write(folder.path(), "rollout.yaml", &plan);
        let bed =
            Self { kube, folder, exporter, prometheus, errors: Arc::new(Mutex::new(errors)), over: Arc::default() };
        bed.users();
        Some(bed)
    }

    /// Users come at a steady rate, and meet what the cluster's routes lead them to.
    fn users(&self) {
        let (kube, exporter, errors, over) =
            (self.kube.clone(), self.exporter.clone(), Arc::clone(&self.errors), Arc::clone(&self.over));
        tokio::task::spawn_blocking(move || {
            let mut counters: BTreeMap<String, (f64, f64)> = BTreeMap::new();
            let mut last = Instant::now();
            while !over.load(Ordering::SeqCst) {
                std::thread::park_timeout(LOOP);
                let requests = last.elapsed().as_secs_f64() * RATE;
                last = Instant::now();
                let errors = *errors.lock().unwrap();
                for (workload, image, share) in shares(&kube) {
                    let counter = counters.entry(workload).or_default();
                    counter.0 += requests * share;
                    counter.1 += if image == NEW { requests * share * errors } else { 0.0 };
                }
                for (workload, (all, bad)) in &counters {
                    exporter.set(&format!("requests_total{{workload=\"{workload}\"}}"), all.floor());
                    exporter.set(&format!("errors_total{{workload=\"{workload}\"}}"), bad.floor());
                }
            }
        });
    }

    /// Runs an order. The cluster is looked at within each write, before its answer: no stage is missed, however fast it passes.
    async fn run(&self, arguments: &[&str], meanwhile: impl Fn(Stage) + Send + Sync + 'static) -> (Output, Seen) {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let meanwhile = Arc::new(meanwhile);
        let written = self.kube.writes().len();
        for number in written + 1..=written + WRITES {
            let (kube, seen, meanwhile) = (self.kube.clone(), Arc::clone(&seen), Arc::clone(&meanwhile));
            self.kube.on(When::BeforeAnswerOfWrite(number), move || look(&kube, &seen, &*meanwhile));
        }
        let mut command = canary_promote(self.folder.path());
        command.args(arguments).env("KUBECONFIG", self.folder.path().join("kubeconfig"));
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(self.kube.writes().len() < written + WRITES, "more writes than are looked at");
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        (output, seen)
    }
}

/// Writes of one run that are looked at.
const WRITES: usize = 500;

fn look(kube: &Kube, seen: &Mutex<Seen>, meanwhile: &(dyn Fn(Stage) + Send + Sync)) {
    let Some(object) = kube.find("ConfigMap", "llmci-llm") else { return };
    let state: State = serde_json::from_str(object["data"]["state"].as_str().unwrap()).unwrap();
    let mut seen = seen.lock().unwrap();
    if state.stage == Stage::Return && seen.decided.is_none() {
        seen.decided = Some(Instant::now());
    }
    let users = shares(kube).iter().any(|(_, image, share)| image == NEW && *share > 0.0);
    if seen.decided.is_some() && seen.back.is_none() && !users {
        seen.back = Some(Instant::now());
    }
    let reached = state.reached == Reached::Confirmed;
    if reached && seen.stages.last().is_none_or(|(stage, _)| *stage != state.stage) {
        seen.stages.push((state.stage, objects(kube)));
        meanwhile(state.stage);
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

/// Whom requests meet: workload, version, and the share of the requests, mirrored ones on top.
fn shares(kube: &Kube) -> Vec<(String, String, f64)> {
    let flag = flag(kube);
    if flag > 0 {
        // Both versions are in the same pods, and a flag says who gets which.
        let new = f64::from(flag) / 100.0;
        return vec![("llm".to_owned(), NEW.to_owned(), new), ("llm".to_owned(), OLD.to_owned(), 1.0 - new)];
    }
    let images: BTreeMap<String, String> = kube
        .all("Deployment")
        .iter()
        .map(|one| (text_at(one, "/spec/template/spec/containers/0/image"), text_at(one, "/metadata/name")))
        .collect();
    let mut shares: Vec<_> = kube
        .traffic("llm")
        .into_iter()
        .filter_map(|(image, share)| Some((images.get(&image)?.clone(), image, share)))
        .collect();
    let mirror = kube.get("VirtualService", "llm");
    let mirror = mirror.pointer("/spec/http/0/mirrorPercentage/value").and_then(Value::as_f64);
    if let (Some(percent), Some(_)) = (mirror, images.get(NEW)) {
        shares.push(("llm-canary".to_owned(), NEW.to_owned(), percent / 100.0));
    }
    shares
}

fn text_at(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The percentage of the flag.
fn flag(kube: &Kube) -> u8 {
    let flags: Value = serde_json::from_str(&text_at(&kube.get("ConfigMap", "flags"), "/data/flags.json")).unwrap();
    let targeting = flags.pointer("/flags/new-model/targeting").cloned().unwrap_or_default().to_string();
    let on = targeting.split("[\"on\",").nth(1).and_then(|rest| rest.split(']').next()?.trim().parse().ok());
    let always = flags.pointer("/flags/new-model/defaultVariant").and_then(Value::as_str) == Some("on");
    on.unwrap_or(if always && !targeting.contains("fractional") { 100 } else { 0 })
}

/// What of the objects matters, one line each.
fn objects(kube: &Kube) -> String {
    let mut text = String::new();
    for one in kube.all("Deployment") {
        let (name, image) = (text_at(&one, "/metadata/name"), text_at(&one, "/spec/template/spec/containers/0/image"));
        writeln!(text, "  Deployment {name}: {image} x {}", one["spec"]["replicas"]).unwrap();
    }
    for one in kube.all("Service") {
        writeln!(text, "  Service {}: {}", text_at(&one, "/metadata/name"), one["spec"]["selector"]).unwrap();
    }
    for one in kube.all("VirtualService") {
        writeln!(text, "  VirtualService: {}", one["spec"]["http"][0]).unwrap();
    }
    writeln!(text, "  flag: {} %", flag(kube)).unwrap();
    text
}

fn shown(seen: &Seen) -> String {
    seen.stages.iter().map(|(stage, objects)| format!("{stage:?}\n{objects}")).collect()
}

/// A good version to everybody, and a bad one back: exit codes, last lines, and all objects after each stage.
async fn both_ways(name: &str, strategy: &str) {
    for (word, errors) in [("good", 0.0), ("bad", 0.3)] {
        let Some(bed) = Bed::new(strategy, errors).await else { return };
        let before = objects(&bed.kube);
        let (output, seen) = bed.run(&[], |_| {}).await;
        let said = format!("{name}, {word}: {}", text(&output));
        let last = String::from_utf8_lossy(&output.stdout).trim_end().lines().last().unwrap_or_default().to_owned();
        assert_eq!(code(&output), i32::from(errors > 0.0), "{said}");
        assert!(last.starts_with("traffic: "), "{said}");
        if errors > 0.0 {
            assert_eq!(objects(&bed.kube), before, "{said}");
            let (decided, back) = (seen.decided.unwrap(), seen.back.unwrap());
            let took = back.duration_since(decided);
            assert!(took < Duration::from_secs(2), "{name}: users were back after {took:?}");
        }
        insta::assert_snapshot!(format!("{name}-{word}"), shown(&seen));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_canary_goes_up_by_evidence_and_comes_back_by_evidence() {
    let steps =
        "strategy: canary\ncanary: {steps: [10, 50, 100], hold_seconds: 1}\ntraffic: {istio: {virtual_service: llm}}\n";
    both_ways("canary", steps).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_canary_by_the_number_of_replicas_goes_both_ways() {
    both_ways("replicas", "strategy: canary\ncanary: {steps: [20, 100], hold_seconds: 1}\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn blue_green_switches_and_switches_back() {
    let steps = "strategy: blue-green\nblue_green: {switch_delay_seconds: 1, rollback_window_seconds: 2}\n";
    both_ways("blue-green", steps).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rolling_update_is_judged_and_taken_back() {
    both_ways("rolling", "strategy: rolling\nrolling: {hold_seconds: 1}\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flag_goes_up_and_down() {
    let steps = "strategy: feature-flag\nfeature_flag: {steps: [10, 100], hold_seconds: 1}\n\
                 traffic: {flag: {key: new-model, service: {flagd: {config_map: flags}}}}\n";
    both_ways("feature-flag", steps).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shadow_compares_answers_that_nobody_sees() {
    let same = Stub::start(|_, _| Act::Echo(Duration::ZERO)).await.unwrap();
    let other = Stub::start(|_, _| support::stub::chat("something else")).await.unwrap();
    let lines: String = (0..400)
        .map(|n| json!({"messages": [{"role": "user", "content": format!("Say w{n}")}]}).to_string() + "\n")
        .collect();
    for (word, canary) in [("good", &same), ("bad", &other)] {
        let steps = format!(
            "strategy: shadow\nshadow: {{sample: 50, hold_seconds: 1, min_samples: 60, answers: {{requests: log.jsonl, stable_url: \"{}\", canary_url: \"{}\", model: m}}}}\n\
             traffic: {{istio: {{virtual_service: llm}}}}\n",
            same.base, canary.base
        );
        let Some(bed) = Bed::new(&steps, 0.0).await else { return };
        write(bed.folder.path(), "log.jsonl", &lines);
        let (output, seen) = bed.run(&[], |_| {}).await;
        assert_eq!(code(&output), i32::from(word == "bad"), "{word}: {}", text(&output));
        insta::assert_snapshot!(format!("shadow-{word}"), shown(&seen));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_prometheus_that_goes_down_midway_gives_nobody_to_the_new_version() {
    let steps =
        "strategy: canary\ncanary: {steps: [10, 100], hold_seconds: 4}\ntraffic: {istio: {virtual_service: llm}}\n";
    let Some(bed) = Bed::new(steps, 0.0).await else { return };
    let exporter = bed.exporter.clone();
    let gone = move |stage| {
        if stage == Stage::Step(0) {
            exporter.down(true);
        }
    };
    let (output, seen) = bed.run(&[], gone).await;
    assert_eq!(code(&output), 3, "{}", text(&output));
    assert!(!seen.stages.iter().any(|(stage, _)| *stage == Stage::Step(1)), "{}", shown(&seen));
    assert_eq!(bed.kube.traffic("llm"), BTreeMap::from([(OLD.to_owned(), 1.0)]));
    assert!(!bed.prometheus.url.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_release_that_turns_bad_is_brought_back_by_its_watch() {
    let steps = "strategy: canary\ncanary: {steps: [100], hold_seconds: 0}\ntraffic: {istio: {virtual_service: llm}}\n";
    let Some(bed) = Bed::new(steps, 0.0).await else { return };
    let (output, _) = bed.run(&[], |_| {}).await;
    assert_eq!(code(&output), 0, "{}", text(&output));
    let (output, _) = bed.run(&["watch", "--for-seconds", "6"], |_| {}).await;
    assert_eq!(code(&output), 0, "a good release stays: {}", text(&output));
    *bed.errors.lock().unwrap() = 0.4;
    let (output, _) = bed.run(&["watch", "--for-seconds", "60"], |_| {}).await;
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert_eq!(bed.kube.traffic("llm"), BTreeMap::from([(OLD.to_owned(), 1.0)]));
    let record: Value =
        serde_json::from_slice(&std::fs::read(bed.folder.path().join("llmci-out/rollback.json")).unwrap()).unwrap();
    assert_eq!(record["measurements"][0]["says"], "roll-back", "{record:#}");
    assert!(bed.kube.all("Event").iter().any(|event| event["reason"] == "ReleaseRolledBack"));
}
