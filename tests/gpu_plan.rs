//! `gpu-check plan` by the real binary, on the API server of the tests.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/kube/mod.rs"]
mod kube;
mod support;

use std::path::Path;
use std::process::Output;

use kube::Kube;
use serde_json::{Value, json};
use support::{code, llmci, text, write};

/// A node of a managed cluster, as it is labelled there.
fn node(name: &str, instance: &str, product: &str, mib: u32, gpus: u32, spot: bool) -> Value {
    let capacity = if spot { "SPOT" } else { "ON_DEMAND" };
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name, "node.kubernetes.io/instance-type": instance, "eks.amazonaws.com/capacityType": capacity,
            "nvidia.com/gpu.present": "true", "nvidia.com/gpu.product": product, "nvidia.com/gpu.memory": mib.to_string(),
            "nvidia.com/gpu.count": gpus.to_string(), "nvidia.com/gpu.replicas": "1", "nvidia.com/mig.strategy": "single",
        }},
        "spec": {"providerID": "aws:///us-east-1a/i-0", "taints": [{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}]},
        "status": {
            "capacity": {"cpu": "96", "memory": "1176Gi", "nvidia.com/gpu": gpus.to_string(), "pods": "110"},
            "allocatable": {"cpu": "95", "memory": "1150Gi", "nvidia.com/gpu": gpus.to_string(), "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        },
    })
}

fn pod(name: &str, node: Option<&str>, gpus: u32, started: &str, deadline: u32) -> Value {
    let phase = if node.is_some() { "Running" } else { "Pending" };
    let mut object = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "activeDeadlineSeconds": deadline, "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "containers": [{"name": "main", "image": "train:1", "resources": {"requests": {"nvidia.com/gpu": gpus.to_string()}}}],
        },
        "status": {"phase": phase, "startTime": started},
    });
    if let Some(node) = node {
        object["spec"]["nodeName"] = json!(node);
    }
    object
}

fn cluster() -> Kube {
    let kube = Kube::start();
    kube.by_hand(true);
    kube.put(node("a100", "p4d.24xlarge", "NVIDIA-A100-SXM4-40GB", 40536, 8, false));
    kube.put(node("a100-spot", "p4d.24xlarge", "NVIDIA-A100-SXM4-40GB", 40536, 8, true));
    kube.put(node("t4", "g4dn.12xlarge", "Tesla-T4", 15360, 4, false));
    kube
}

fn plan(kube: &Kube, folder: &Path, arguments: &[&str]) -> Output {
    write(folder, "kubeconfig", &kube.kubeconfig());
    let prices = "currency: USD\ninstances:\n  p4d.24xlarge: {on_demand: 32.00, spot: 12.00}\n  g4dn.12xlarge: {on_demand: 4.00}\n";
    write(folder, "prices.yaml", prices);
    llmci(folder).args(["gpu-check", "plan", "--kubeconfig", "kubeconfig"]).args(arguments).output().unwrap()
}

#[test]
fn the_plan_is_yaml_with_the_answer_in_its_comments() {
    let (kube, folder) = (cluster(), tempfile::tempdir().unwrap());
    let more = [
        "--gpus",
        "2",
        "--gpu-type",
        "a100-40gb",
        "--hours",
        "3",
        "--prices",
        "prices.yaml",
        "--kueue-queue",
        "gpus",
        "--spot",
        "never",
    ];
    let run = plan(&kube, folder.path(), &more);
    assert_eq!(code(&run), 0, "{}", text(&run));
    let expected = r#"# fits now: 2 GPUs on a100
# cost: 3 h x 32.00 USD/h x 2 of 8 GPUs = 24.00 USD
#
# a100: 8 of 8 NVIDIA-A100-SXM4-40GB free, p4d.24xlarge, 32.00 USD/h
# a100-spot: 8 of 8 NVIDIA-A100-SXM4-40GB free, p4d.24xlarge, spot, 12.00 USD/h: a spot machine
# t4: 4 of 4 Tesla-T4 free, g4dn.12xlarge, 4.00 USD/h: another kind of GPU
apiVersion: "batch/v1"
kind: "Job"
metadata:
  namespace: "prod"
  labels:
    kueue.x-k8s.io/queue-name: "gpus"
spec:
  template:
    metadata:
      annotations:
        llmci.dev/expected-hours: "3"
    spec:
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms:
              - matchExpressions:
                  - key: "eks.amazonaws.com/capacityType"
                    operator: "NotIn"
                    values:
                      - "SPOT"
                  - key: "nvidia.com/gpu.product"
                    operator: "In"
                    values:
                      - "NVIDIA-A100-SXM4-40GB"
      tolerations:
        - key: "nvidia.com/gpu"
          operator: "Equal"
          value: "true"
          effect: "NoSchedule"
      containers:
        - name: "main"
          resources:
            requests:
              nvidia.com/gpu: "2"
            limits:
              nvidia.com/gpu: "2"
"#;
    assert_eq!(String::from_utf8_lossy(&run.stdout), expected);
    assert!(kube.calls().iter().all(|call| call.method == "GET"), "a plan writes nothing");
}

#[test]
fn a_full_cluster_makes_a_wait_that_who_waits_already_makes_longer() {
    let (kube, folder) = (cluster(), tempfile::tempdir().unwrap());
    let started = kube.get("Node", "t4")["metadata"]["creationTimestamp"].as_str().unwrap().to_owned();
    kube.put(pod("train", Some("t4"), 4, &started, 7200));
    let of = |arguments: &[&str]| -> Value {
        let run = plan(&kube, folder.path(), &[&["--json", "--gpu-type", "t4-16gb"], arguments].concat());
        assert_eq!(code(&run), 0, "{}", text(&run));
        serde_json::from_slice(&run.stdout).unwrap()
    };
    let near = |found: &Value, seconds: i64| {
        let wait = found["wait_seconds"].as_i64().unwrap();
        assert!((wait - seconds).abs() <= 120, "{wait} and not about {seconds}");
        assert_eq!(
            (&found["fits"], &found["wait_from"], &found["node"]),
            (&json!("later"), &json!("said"), &json!("t4"))
        );
    };
    near(&of(&["--gpus", "4"]), 7200);
    // One that could go elsewhere is gone before it is the job's turn; one that wants the same node is not.
    kube.put(pod("elsewhere", None, 4, &started, 3600));
    near(&of(&["--gpus", "4"]), 7200);
    let mut same = pod("before-us", None, 4, &started, 3600);
    same["spec"]["nodeSelector"] = json!({"nvidia.com/gpu.product": "Tesla-T4"});
    kube.put(same);
    let found = of(&["--gpus", "4"]);
    near(&found, 7200 + 3600);
    assert_eq!(found["pods_ahead"], 2);
    near(&of(&["--gpus", "4", "--priority", "100"]), 7200);
}

#[test]
fn what_can_never_fit_is_said_with_each_nodes_reason_and_is_exit_4() {
    let (kube, folder) = (cluster(), tempfile::tempdir().unwrap());
    let run = plan(&kube, folder.path(), &["--gpus", "2", "--gpu-type", "h100-80gb"]);
    assert_eq!(code(&run), 4, "{}", text(&run));
    assert!(
        text(&run).contains("cannot fit: no node of this cluster could ever hold 2 GPUs for this job"),
        "{}",
        text(&run)
    );
    assert_eq!(text(&run).matches("another kind of GPU").count(), 3, "{}", text(&run));
    assert!(!text(&run).contains("apiVersion"), "nothing is to be put into a job");
    let cheap = plan(&kube, folder.path(), &["--max-price", "0.5", "--prices", "prices.yaml"]);
    assert_eq!(code(&cheap), 4, "{}", text(&cheap));
}

#[test]
fn wrong_inputs_and_rights_that_are_missing_say_what_to_do() {
    let (kube, folder) = (cluster(), tempfile::tempdir().unwrap());
    for (arguments, words) in [
        (["--gpu-type", "rtx"], "is no kind that is known"),
        (["--hours", "0"], "--hours is more than 0"),
        (["--prices", "bad.yaml"], "bad.yaml:2"),
        (["--prices", "missing.yaml"], "missing.yaml"),
    ] {
        write(folder.path(), "bad.yaml", "instances:\n  a: {on_demand: -1}\n");
        let run = plan(&kube, folder.path(), &arguments);
        assert_eq!(code(&run), 2, "{}", text(&run));
        assert!(text(&run).contains(words), "{}", text(&run));
    }
    kube.deny("list", "nodes");
    let run = plan(&kube, folder.path(), &[]);
    assert_eq!(code(&run), 4, "{}", text(&run));
    assert!(text(&run).contains("nodes") && text(&run).contains("list"), "{}", text(&run));
}
