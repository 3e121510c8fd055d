//! SIGKILL after every single API call of a canary rollout, through the real binary; then somebody goes on.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/kube/mod.rs"]
mod kube;
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use kube::{Kube, When};
use llmci::deliver::state::State;
use llmci::deliver::strategy;
use serde_json::{Value, json};
use support::{canary_promote, code, text, write};

/// Cases at once: each of them mostly waits for the lock of the dead run, and for the drain.
const AT_ONCE: usize = 16;
const OLD: &str = "r/llm:1";
const NEW: &str = "r/llm:2";
const PLAN: &str = "version: 1
workload: {name: llm}
change: {image: \"r/llm:2\"}
canary: {steps: [50, 100], hold_seconds: 0}
traffic: {istio: {virtual_service: llm}}
patience: {lock_seconds: 5}
";

/// Who goes on after the kill.
#[derive(Clone, Copy, Debug)]
enum Next {
    Start,
    Resume,
    Post,
}

struct Bed {
    kube: Kube,
    folder: tempfile::TempDir,
}

impl Bed {
    fn new() -> Self {
        let kube = Kube::start();
        kube.deployment("llm", OLD, 2);
        kube.put(json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "llm"},
            "spec": {"hosts": ["llm"], "http": [
                {"match": [{"uri": {"prefix": "/admin"}}], "route": [{"destination": {"host": "admin"}}]},
                {"route": [{"destination": {"host": "llm"}}]},
            ]},
        }));
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "rollout.yaml", PLAN);
        write(folder.path(), "kubeconfig", &kube.kubeconfig());
        Self { kube, folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The program, as a step of one job of GitHub's.
    fn command(&self, program: Program) -> Command {
        let mut command = match program {
            Program::Promote => canary_promote(self.path()),
            Program::Post => {
                // In the image every name is a link to the one program.
                let link = self.path().join("canary-promote-post");
                if !link.exists() {
                    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_llmci"), &link).unwrap();
                }
                let mut command = Command::new(link);
                command.env_clear().current_dir(self.path());
                command
            }
        };
        command
            .env("KUBECONFIG", self.path().join("kubeconfig"))
            .envs([("GITHUB_REPOSITORY", "o/r"), ("GITHUB_RUN_ID", "7"), ("GITHUB_JOB", "deploy")])
            .stdin(Stdio::null());
        command
    }

    fn state(&self) -> Option<State> {
        let object = self.kube.find("ConfigMap", "llmci-llm")?;
        Some(serde_json::from_str(object["data"]["state"].as_str()?).unwrap())
    }
}

#[derive(Clone, Copy)]
enum Program {
    Promote,
    Post,
}

/// The share of users on the new version is at most what the state in the cluster announces, and never at one that was not judged.
fn exposed_as_announced(bed: &Bed, moment: &str) {
    let share = bed.kube.traffic("llm").get(NEW).copied().unwrap_or_default();
    let announced = bed.state().map_or(0.0, |state| strategy::exposure(&state.plan, state.stage).share());
    // A return is announced before the traffic has moved: then it may still be where it was.
    let returning = bed.state().is_some_and(|state| strategy::exposure(&state.plan, state.stage).get() == 0);
    assert!(share <= announced + 1e-9 || returning, "{moment}: {share} on the new version, {announced} announced");
}

/// At most one holder of the lock at a time: it changes hands only when it was given back, or has run out.
fn one_owner(bed: &Bed) {
    let mut last: Option<(String, i64)> = None;
    for call in bed.kube.writes().iter().filter(|call| call.path.contains("/leases") && call.status < 300) {
        let lease: Value = serde_json::from_str(&call.body).unwrap();
        let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned();
        if let Some((before, at)) = &last
            && !before.is_empty()
            && !holder.is_empty()
            && *before != holder
        {
            assert!(call.time - at >= 5000, "{before} -> {holder} after {} ms", call.time - at);
        }
        last = Some((holder, call.time));
    }
}

fn killed(call: usize, next: Next) {
    let bed = Bed::new();
    let (tell, told) = channel::<u32>();
    let before = Arc::new(Mutex::new(None));
    let (seen, kube) = (Arc::clone(&before), bed.kube.clone());
    // Half of the answers are on their way when the process dies, half are not.
    let when = if call.is_multiple_of(2) { When::BeforeAnswer(call) } else { When::AfterAnswer(call) };
    bed.kube.on(when, move || {
        if let Ok(process) = told.recv() {
            let _dead = Command::new("kill").args(["-9", &process.to_string()]).status();
            *seen.lock().unwrap() = Some(kube.traffic("llm"));
        }
    });
    let mut child = bed.command(Program::Promote).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    tell.send(child.id()).unwrap();
    child.wait().unwrap();
    exposed_as_announced(&bed, &format!("killed after call {call}"));
    let mut command = match next {
        Next::Start => bed.command(Program::Promote),
        Next::Resume => {
            let mut command = bed.command(Program::Promote);
            command.arg("resume");
            command
        }
        Next::Post => bed.command(Program::Post),
    };
    let output = command.output().unwrap();
    let said = format!("call {call}, {next:?}: {}", text(&output));
    exposed_as_announced(&bed, &said);
    one_owner(&bed);
    let state = bed.state();
    let begun = state.is_some();
    let done = state.as_ref().is_none_or(|state| state.stage.is_done());
    match next {
        Next::Start => {
            // What the first run had ended runs already, and there is nothing to do.
            let ended = said.contains("runs this version already") && code(&output) == 2;
            assert!(code(&output) == 0 || ended, "{said}");
        }
        // Where the first run had written nothing, there is nothing to go on with, and that is no pass.
        Next::Resume => assert_eq!(code(&output), if begun { 0 } else { 3 }, "{said}"),
        Next::Post => assert!(matches!(code(&output), 0 | 1), "{said}"),
    }
    assert!(done, "{said}");
    let traffic = bed.kube.traffic("llm");
    let one = [OLD, NEW].into_iter().find(|image| traffic == BTreeMap::from([((*image).to_owned(), 1.0)]));
    assert!(one.is_some(), "{said}: {traffic:?}");
    if begun && matches!(next, Next::Start | Next::Resume) {
        assert_eq!(one, Some(NEW), "{said}");
    }
    // Nothing of the rollout is left, and what the user wrote is as it was.
    assert!(bed.kube.find("Deployment", "llm-canary").is_none(), "{said}");
    assert!(bed.kube.find("Service", "llm-canary").is_none(), "{said}");
    let http = &bed.kube.get("VirtualService", "llm")["spec"]["http"];
    assert_eq!(
        http[0],
        json!({"match": [{"uri": {"prefix": "/admin"}}], "route": [{"destination": {"host": "admin"}}]})
    );
    assert_eq!(http[1], json!({"route": [{"destination": {"host": "llm"}}]}), "{said}");
}

#[test]
fn a_rollout_that_is_killed_after_any_call_ends_with_everybody_on_one_judged_version_and_one_owner() {
    let bed = Bed::new();
    let output = bed.command(Program::Promote).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.trim_end().ends_with("traffic: 100 % at the new version, `r/llm:2`"), "{said}");
    let whole = bed.kube.calls().len();
    assert!(whole > 40, "{whole}");
    let cases = Mutex::new((1..=whole).collect::<Vec<usize>>());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let Some(call) = cases.lock().unwrap().pop() else { return };
                        let next = [Next::Start, Next::Resume, Next::Post][call % 3];
                        killed(call, next);
                    }
                })
            })
            .collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

/// Starts a rollout that stays at its first step, and waits until half of the users are there.
fn halfway(bed: &Bed) -> std::process::Child {
    write(bed.path(), "rollout.yaml", &PLAN.replace("hold_seconds: 0", "hold_seconds: 60"));
    let child = bed.command(Program::Promote).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("half of the users are on the new version", || {
        bed.kube.traffic("llm").get(NEW) == Some(&0.5)
            && bed.state().is_some_and(|state| state.reached == llmci::deliver::state::Reached::Confirmed)
    });
    child
}

fn until(what: &str, mut there: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !there() {
        assert!(began.elapsed().as_secs() < 30, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_cancelled_job_returns_the_traffic_before_it_ends_whatever_else_is_sent_to_it() {
    let bed = Bed::new();
    let child = halfway(&bed);
    let process = child.id().to_string();
    let began = std::time::Instant::now();
    for signal in ["-INT", "-TERM"] {
        assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
    }
    let output = child.wait_with_output().unwrap();
    let took = began.elapsed();
    assert_eq!(bed.kube.traffic("llm"), BTreeMap::from([(OLD.to_owned(), 1.0)]));
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(
        String::from_utf8_lossy(&output.stdout).trim_end().ends_with("traffic: 100 % at `r/llm:1`"),
        "{}",
        text(&output)
    );
    // The runner kills 7.5 s after SIGINT.
    assert!(took.as_secs_f64() < 5.0, "{took:?}");
    let output = bed.command(Program::Promote).arg("resume").output().unwrap();
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert!(bed.kube.find("Deployment", "llm-canary").is_none());
}

#[test]
fn a_second_promoter_stops_with_the_first_ones_name_and_moves_nothing() {
    let bed = Bed::new();
    let mut child = halfway(&bed);
    let output = bed.command(Program::Promote).output().unwrap();
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("another promoter holds `llm`: github/o/r/7.1/deploy/"), "{}", text(&output));
    assert_eq!(bed.kube.traffic("llm").get(NEW), Some(&0.5));
    // An abort reaches the one who drives.
    let output = bed.command(Program::Promote).arg("abort").output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert_eq!(bed.kube.traffic("llm"), BTreeMap::from([(OLD.to_owned(), 1.0)]));
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn an_edit_by_somebody_else_stops_the_rollout_and_nothing_overwrites_it() {
    let bed = Bed::new();
    let child = halfway(&bed);
    bed.kube.edit("VirtualService", "llm", |object| {
        object["spec"]["http"][1]["route"][0]["weight"] = json!(80);
        object["spec"]["http"][1]["route"][1]["weight"] = json!(20);
    });
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert_eq!(
        bed.kube.get("VirtualService", "llm")["spec"]["http"][1]["route"][1]["weight"],
        20,
        "nothing is overwritten"
    );
    // The step after the job leaves alone what was left on purpose.
    let post = bed.command(Program::Post).output().unwrap();
    assert_eq!(code(&post), 0, "{}", text(&post));
    assert_eq!(bed.kube.get("VirtualService", "llm")["spec"]["http"][1]["route"][1]["weight"], 20, "{}", text(&post));
}

#[test]
fn a_token_that_expires_midway_keeps_the_state_and_another_job_goes_on() {
    let bed = Bed::new();
    let child = halfway(&bed);
    bed.kube.expire_token();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 4, "{}", text(&output));
    bed.kube.new_token();
    write(bed.path(), "kubeconfig", &bed.kube.kubeconfig());
    let output = bed.command(Program::Promote).arg("rollback").output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert_eq!(bed.kube.traffic("llm"), BTreeMap::from([(OLD.to_owned(), 1.0)]));
}
