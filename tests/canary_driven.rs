//! Workloads whose own controller moves the traffic, through the real binary: an Argo Rollout and a KServe InferenceService, to
//! the end, back from the middle, and back from the end. The controllers are small ones of ours; no real one has run here.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/kube/mod.rs"]
mod kube;
mod support;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Instant;

use kube::Kube;
use llmci::deliver::Stage;
use llmci::deliver::state::{Reached, State};
use serde_json::{Value, json};
use support::{canary_promote, code, text, write};

const ROLLOUT: &str = "version: 1
workload: {kind: Rollout, name: llm}
change: {image: \"r/llm:2\"}
canary: {steps: [20, 60, 100], hold_seconds: 0}
patience: {lock_seconds: 5}
";
const SERVICE: &str = "version: 1
workload: {kind: InferenceService, name: llm}
change: {model: {value: \"gs://two\"}}
canary: {steps: [10, 50, 100], hold_seconds: 0}
patience: {lock_seconds: 5}
";

struct Bed {
    kube: Kube,
    folder: tempfile::TempDir,
}

impl Bed {
    fn new(plan: &str) -> Self {
        let kube = Kube::start();
        if plan == ROLLOUT {
            let labels = json!({"app": "llm"});
            kube.put(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "llm"},
                "spec": {"selector": labels, "ports": [{"port": 80}]}}));
            kube.put(json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "llm"}, "spec": {
                "replicas": 5, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "server", "image": "r/llm:1"}]}},
                "strategy": {"canary": {"steps": [
                    {"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]}},
            }}));
        } else {
            kube.put(json!({"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
                "metadata": {"name": "llm"},
                "spec": {"predictor": {"model": {"modelFormat": {"name": "vllm"}, "storageUri": "gs://one"}}}}));
        }
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "rollout.yaml", plan);
        write(folder.path(), "kubeconfig", &kube.kubeconfig());
        Self { kube, folder }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = canary_promote(self.folder.path());
        command.args(arguments).env("KUBECONFIG", self.folder.path().join("kubeconfig")).stdin(Stdio::null());
        command
    }

    fn state(&self) -> Option<State> {
        let object = self.kube.find("ConfigMap", "llmci-llm")?;
        serde_json::from_str(object["data"]["state"].as_str()?).ok()
    }

    /// A rollout that waits at its first step.
    fn at_the_first_step(&self, plan: &str) -> std::process::Child {
        write(self.folder.path(), "rollout.yaml", &plan.replace("hold_seconds: 0", "hold_seconds: 60"));
        let mut command = self.command(&[]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let began = Instant::now();
        while !self.state().is_some_and(|state| (state.stage, state.reached) == (Stage::Step(0), Reached::Confirmed)) {
            assert!(began.elapsed().as_secs() < 30, "the first step was not reached: {:?}", self.state());
            std::thread::yield_now();
        }
        child
    }
}

fn everybody(image: &str) -> BTreeMap<String, f64> {
    BTreeMap::from([(image.to_owned(), 1.0)])
}

/// The part of an object that its user wrote.
fn spec(kube: &Kube, kind: &str) -> Value {
    let object = kube.get(kind, "llm");
    json!({"spec": object["spec"], "annotations": object["metadata"]["annotations"].as_object()
        .map(|all| all.keys().filter(|key| key.starts_with("llmci.dev")).cloned().collect::<Vec<_>>()).unwrap_or_default()})
}

fn goes_up_and_comes_back(plan: &str, kind: &str, [old, new]: [&str; 2], first: f64) {
    // To the end, and back from there.
    let bed = Bed::new(plan);
    let before = spec(&bed.kube, kind);
    let output = bed.command(&[]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert_eq!(bed.kube.traffic("llm"), everybody(new), "{}", text(&output));
    let output = bed.command(&["rollback"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert_eq!(bed.kube.traffic("llm"), everybody(old), "{}", text(&output));
    assert_eq!(spec(&bed.kube, kind), before, "{}", text(&output));

    // Back from the first step.
    let bed = Bed::new(plan);
    let child = bed.at_the_first_step(plan);
    assert_eq!(bed.kube.traffic("llm").get(new), Some(&first));
    let abort = bed.command(&["abort"]).output().unwrap();
    assert_eq!(code(&abort), 0, "{}", text(&abort));
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert_eq!(bed.kube.traffic("llm"), everybody(old), "{}", text(&output));
    assert_eq!(spec(&bed.kube, kind), before, "{}", text(&output));
}

#[test]
fn an_argo_rollout_takes_its_own_steps_when_it_may_and_comes_back() {
    goes_up_and_comes_back(ROLLOUT, "Rollout", ["r/llm:1", "r/llm:2"], 0.2);
}

#[test]
fn an_inference_service_gets_its_percentages_and_comes_back() {
    goes_up_and_comes_back(SERVICE, "InferenceService", ["gs://one", "gs://two"], 0.1);
}

#[test]
fn steps_that_a_rollout_does_not_have_are_refused_before_anything_is_changed() {
    let bed = Bed::new(ROLLOUT);
    write(bed.folder.path(), "rollout.yaml", &ROLLOUT.replace("[20, 60, 100]", "[20, 100]"));
    let before = spec(&bed.kube, "Rollout");
    let output = bed.command(&[]).output().unwrap();
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains("20, 60, 100"), "{}", text(&output));
    assert_eq!(spec(&bed.kube, "Rollout"), before);
    assert!(bed.state().is_none());
}
