//! The API server of the tests, judged: Debian's kubectl works against it, and its controllers do what real ones were seen to do.
//! Kept out: the table of requests and replies (`kube_contract`).
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests, and a line for what is left out")]

#[path = "support/kube/mod.rs"]
mod kube;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use kube::{Fault, Kube, When};
use llmci::cluster::{Cluster, ClusterError, Connection, DEPLOYMENT, Edit, SERVICE};
use serde_json::{Value, json};

/// The client under test, as commands make it.
async fn client(kube: &Kube) -> Cluster {
    Cluster::connect(&Connection { kubeconfig: Some(kube.kubeconfig()), ..Connection::default() }).await.unwrap()
}

fn condition(object: &Value, kind: &str) -> String {
    let mut all = object["status"]["conditions"].as_array().unwrap().iter();
    let found = all.find(|one| one["type"] == kind).unwrap();
    format!("{}/{}", found["status"].as_str().unwrap(), found["reason"].as_str().unwrap())
}

fn set_image(kube: &Kube, name: &str, image: &str) {
    kube.edit("Deployment", name, |object| object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image));
}

fn shares(kube: &Kube, service: &str) -> Vec<(String, u32)> {
    kube.traffic(service).into_iter().map(|(image, share)| (image, (share * 1000.0).round() as u32)).collect()
}

#[test]
fn a_deployment_comes_up_and_says_so_as_a_real_one_does() {
    let kube = Kube::start();
    kube.deployment("llm", "llm:1", 3);
    let object = kube.get("Deployment", "llm");
    let status = &object["status"];
    for field in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
        assert_eq!(status[field], 3, "{field}");
    }
    assert_eq!(status.get("unavailableReplicas"), None, "what is 0 is not there");
    assert_eq!(condition(&object, "Progressing"), "True/NewReplicaSetAvailable");
    assert_eq!(condition(&object, "Available"), "True/MinimumReplicasAvailable");
    assert_eq!(object["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
    assert_eq!(shares(&kube, "llm"), [("llm:1".to_owned(), 1000)]);
}

#[test]
fn a_broken_update_stops_and_leaves_the_old_pods_that_may_not_go() {
    let kube = Kube::start();
    kube.deployment("llm", "llm:1", 4);
    set_image(&kube, "llm", "acme/never-pulls:1");
    let status = kube.get("Deployment", "llm")["status"].clone();
    // The numbers that a real controller wrote for the same change.
    let seen = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas"];
    assert_eq!(seen.map(|field| status[field].as_i64()), [5, 2, 3, 3, 2].map(Some));
    assert_eq!(condition(&kube.get("Deployment", "llm"), "Progressing"), "True/ReplicaSetUpdated");
    kube.advance(Duration::from_secs(602));
    let late = kube.get("Deployment", "llm");
    assert_eq!(condition(&late, "Progressing"), "False/ProgressDeadlineExceeded");
    assert_eq!(condition(&late, "Available"), "True/MinimumReplicasAvailable");
    assert_eq!(shares(&kube, "llm"), [("llm:1".to_owned(), 1000)]);
    assert!(kube.all("Event").iter().any(|event| event["type"] == "Warning" && event["reason"] == "Failed"));

    set_image(&kube, "llm", "llm:1");
    let back = kube.get("Deployment", "llm");
    assert_eq!(condition(&back, "Progressing"), "True/NewReplicaSetAvailable");
    assert_eq!(
        back["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3",
        "a way back is a new revision"
    );
}

#[test]
fn slow_pods_are_ready_when_the_test_says() {
    let kube = Kube::start();
    kube.deployment("llm", "llm-slow:1", 2);
    assert_eq!(shares(&kube, "llm"), [(String::new(), 1000)]);
    kube.set_ready("llm-slow", true);
    assert_eq!(shares(&kube, "llm"), [("llm-slow:1".to_owned(), 1000)]);
    kube.set_ready("llm-slow", false);
    assert_eq!(condition(&kube.get("Deployment", "llm"), "Available"), "False/MinimumReplicasUnavailable");
}

#[test]
fn an_autoscaler_owns_the_replicas() {
    let kube = Kube::start();
    kube.deployment("llm", "llm:1", 2);
    kube.put(json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "llm"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}, "minReplicas": 1, "maxReplicas": 6}}));
    kube.hpa_wants("llm", 9);
    assert_eq!(kube.get("Deployment", "llm")["status"]["readyReplicas"], 6);
}

#[test]
fn weights_of_routes_are_the_split() {
    let kube = Kube::start();
    kube.deployment("llm", "llm:1", 2);
    kube.deployment("llm-canary", "llm:2", 1);
    kube.put(
        json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "llm"}, "spec": {
        "hosts": ["llm"], "http": [{"route": [{"destination": {"host": "llm"}, "weight": 90},
            {"destination": {"host": "llm-canary.prod.svc.cluster.local"}, "weight": 10}]}]}}),
    );
    assert_eq!(shares(&kube, "llm"), [("llm:1".to_owned(), 900), ("llm:2".to_owned(), 100)]);
    kube.delete("Deployment", "llm-canary");
    assert_eq!(shares(&kube, "llm"), [(String::new(), 100), ("llm:1".to_owned(), 900)], "nobody answers the tenth");
    kube.delete("VirtualService", "llm");
    kube.put(
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "llm"}, "spec": {
        "rules": [{"backendRefs": [{"name": "llm", "port": 80}]}]}}),
    );
    assert_eq!(shares(&kube, "llm"), [("llm:1".to_owned(), 1000)]);
}

#[test]
fn annotations_and_numbers_of_pods_are_the_split() {
    let kube = Kube::start();
    kube.deployment("llm", "llm:1", 3);
    kube.deployment("llm-canary", "llm:2", 1);
    let ingress = |name: &str, annotations: Value| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name, "annotations": annotations},
            "spec": {"rules": [{"host": "llm.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix",
                "backend": {"service": {"name": name, "port": {"number": 80}}}}]}}]}})
    };
    kube.put(ingress("llm", json!({})));
    assert_eq!(shares(&kube, "llm"), [("llm:1".to_owned(), 1000)]);
    let weight =
        json!({"nginx.ingress.kubernetes.io/canary": "true", "nginx.ingress.kubernetes.io/canary-weight": "20"});
    kube.put(ingress("llm-canary", weight));
    assert_eq!(shares(&kube, "llm"), [("llm:1".to_owned(), 800), ("llm:2".to_owned(), 200)]);
    for name in ["llm", "llm-canary"] {
        kube.delete("Ingress", name);
    }
    // Pods that carry the label of the stable Service share its users by their number.
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "extra", "labels": {"app": "llm"}},
        "spec": {"containers": [{"name": "main", "image": "llm:2"}]}});
    kube.put(pod);
    assert_eq!(shares(&kube, "llm"), [("llm:1".to_owned(), 750), ("llm:2".to_owned(), 250)]);
    kube.edit("Service", "llm", |service| service["spec"]["selector"] = json!({"app": "llm-canary"}));
    assert_eq!(shares(&kube, "llm"), [("llm:2".to_owned(), 1000)]);
}

#[test]
fn a_rollout_waits_at_its_pauses_and_goes_back_when_aborted() {
    let kube = Kube::start();
    kube.put(
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "llm"}, "spec": {"selector": {"app": "llm"},
        "ports": [{"port": 80}]}}),
    );
    kube.put(json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "llm"}, "spec": {"replicas": 4,
        "selector": {"matchLabels": {"app": "llm"}}, "template": {"metadata": {"labels": {"app": "llm"}},
            "spec": {"containers": [{"name": "main", "image": "llm:1"}]}},
        "strategy": {"canary": {"steps": [{"setWeight": 25}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}]}}}}));
    assert_eq!(kube.get("Rollout", "llm")["status"]["phase"], "Healthy");
    let to = |image: &str| {
        kube.edit("Rollout", "llm", |object| {
            object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image)
        });
    };
    to("llm:2");
    let paused = kube.get("Rollout", "llm")["status"].clone();
    assert_eq!((&paused["phase"], &paused["currentStepIndex"]), (&json!("Paused"), &json!(1)));
    assert_eq!(shares(&kube, "llm"), [("llm:1".to_owned(), 750), ("llm:2".to_owned(), 250)]);
    kube.edit("Rollout", "llm", |object| object["status"]["pauseConditions"] = json!([]));
    assert_eq!(kube.get("Rollout", "llm")["status"]["currentStepIndex"], 3);
    assert_eq!(shares(&kube, "llm"), [("llm:1".to_owned(), 500), ("llm:2".to_owned(), 500)]);
    kube.edit("Rollout", "llm", |object| object["status"]["abort"] = json!(true));
    assert_eq!(kube.get("Rollout", "llm")["status"]["phase"], "Degraded");
    assert_eq!(shares(&kube, "llm"), [("llm:1".to_owned(), 1000)]);
    to("llm:3");
    for _ in 0..2 {
        kube.edit("Rollout", "llm", |object| object["status"]["pauseConditions"] = json!([]));
    }
    assert_eq!(kube.get("Rollout", "llm")["status"]["phase"], "Healthy");
    assert_eq!(shares(&kube, "llm"), [("llm:3".to_owned(), 1000)]);
}

#[test]
fn kserve_splits_between_its_last_two_revisions() {
    let kube = Kube::start();
    let spec = |image: &str, percent: Option<i64>| {
        let mut predictor = json!({"containers": [{"name": "kserve-container", "image": image}]});
        if let Some(percent) = percent {
            predictor["canaryTrafficPercent"] = json!(percent);
        }
        json!({"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "llm"},
            "spec": {"predictor": predictor}})
    };
    let put = |image: &str, percent: Option<i64>| {
        let wanted = spec(image, percent);
        if kube.find("InferenceService", "llm").is_none() {
            kube.put(wanted);
        } else {
            kube.edit("InferenceService", "llm", |object| object["spec"] = wanted["spec"].clone());
        }
    };
    put("llm:1", None);
    assert_eq!(shares(&kube, "llm"), [("llm:1".to_owned(), 1000)]);
    put("llm:2", Some(20));
    assert_eq!(shares(&kube, "llm"), [("llm:1".to_owned(), 800), ("llm:2".to_owned(), 200)]);
    put("llm:2", Some(0));
    assert_eq!(shares(&kube, "llm"), [("llm:1".to_owned(), 1000)]);
    put("llm:2", None);
    assert_eq!(shares(&kube, "llm"), [("llm:2".to_owned(), 1000)]);
}

#[tokio::test]
async fn the_client_meets_every_refusal() {
    let kube = Kube::start();
    kube.deployment("llm", "llm:1", 1);
    let cluster = client(&kube).await;
    let (workload, service) = (DEPLOYMENT.at("prod", "llm"), SERVICE.at("prod", "llm"));
    let object = cluster.get(&workload).await.unwrap();
    assert!(cluster.server_time().is_some());

    let stale =
        [Edit::Test("/metadata/resourceVersion".into(), json!("1")), Edit::Replace("/spec/replicas".into(), json!(2))];
    assert!(matches!(cluster.edit(&workload, &stale).await, Err(ClusterError::Conflict(_))));
    assert!(matches!(cluster.create(&workload, &object).await, Err(ClusterError::Exists(_))));
    let mut unknown = object.clone();
    unknown["spec"]["replica"] = json!(1);
    assert!(matches!(cluster.replace(&workload, &unknown).await, Err(ClusterError::Invalid(_))));
    let owned =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "llm"}, "spec": {"selector": {"app": "x"}}});
    assert!(matches!(cluster.apply(&service, &owned).await, Err(ClusterError::Owned(_))));
    kube.deny("get", "services");
    assert!(matches!(cluster.get(&service).await, Err(ClusterError::Forbidden(_))));
    kube.allow_all();
    kube.uninstall("networking.istio.io");
    let missing = llmci::cluster::VIRTUAL_SERVICE.at("prod", "llm");
    assert!(matches!(cluster.get(&missing).await, Err(ClusterError::NotFound(_))));
    kube.fail("GET", Fault::Status(503, "ServiceUnavailable"));
    assert!(cluster.get(&service).await.is_err() || kube.calls().iter().any(|call| call.status == 503));
    kube.expire_token();
    assert!(matches!(cluster.get(&service).await, Err(ClusterError::Unauthorized(_))));
    assert_eq!(shares(&kube, "llm"), [("llm:1".to_owned(), 1000)]);
}

#[tokio::test]
async fn hooks_run_at_their_moment_and_a_lost_answer_was_served() {
    let kube = Kube::start();
    kube.deployment("llm", "llm:1", 1);
    let cluster = client(&kube).await;
    let (tell, told) = mpsc::channel();
    let before = kube.clone();
    kube.on(When::BeforeAnswerOfWrite(1), move || {
        tell.send(before.get("Deployment", "llm")["spec"]["replicas"].clone()).unwrap();
    });
    cluster.edit(&DEPLOYMENT.at("prod", "llm"), &[Edit::Replace("/spec/replicas".into(), json!(3))]).await.unwrap();
    assert_eq!(told.recv().unwrap(), 3);
    kube.fail("PATCH /apis/apps", Fault::CloseAfter);
    let lost = cluster.edit(&DEPLOYMENT.at("prod", "llm"), &[Edit::Replace("/spec/replicas".into(), json!(5))]).await;
    assert_eq!(kube.get("Deployment", "llm")["spec"]["replicas"], 5, "{lost:?}");
    assert!(kube.writes().len() >= 2);
}

#[tokio::test]
async fn a_rollout_is_told_through_its_status_and_the_reply_is_older_than_its_controller() {
    let kube = Kube::start();
    kube.put(json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "llm"}, "spec": {"replicas": 1,
        "selector": {"matchLabels": {"app": "llm"}}, "template": {"metadata": {"labels": {"app": "llm"}},
            "spec": {"containers": [{"name": "main", "image": "llm:1"}]}},
        "strategy": {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}}}}));
    let cluster = client(&kube).await;
    let place = llmci::cluster::ROLLOUT.at("prod", "llm");
    let image = [Edit::Replace("/spec/template/spec/containers/0/image".into(), json!("llm:2"))];
    let reply = cluster.edit(&place, &image).await.unwrap();
    assert_eq!(
        reply["status"]["phase"], "Healthy",
        "the status of the old template, as of a real controller that lags"
    );
    assert_eq!(cluster.get(&place).await.unwrap()["status"]["phase"], "Paused");
    cluster.merge(&place, Some("status"), &json!({"status": {"pauseConditions": null}})).await.unwrap();
    assert_eq!(cluster.get(&place).await.unwrap()["status"]["phase"], "Healthy");
    let written: Vec<String> = kube.writes().into_iter().map(|call| call.path).collect();
    assert_eq!(written[1], "/apis/argoproj.io/v1alpha1/namespaces/prod/rollouts/llm/status");
}

#[tokio::test]
async fn controllers_and_clocks_obey_the_test() {
    let kube = Kube::start();
    kube.by_hand(true);
    kube.deployment("llm", "llm:1", 2);
    assert_eq!(kube.get("Deployment", "llm")["status"], json!({}));
    assert!(kube.step());
    kube.settle();
    assert_eq!(kube.get("Deployment", "llm")["status"]["readyReplicas"], 2);
    assert!(!kube.step(), "at rest nothing changes");

    let (cluster, service) = (client(&kube).await, SERVICE.at("prod", "llm"));
    cluster.get(&service).await.unwrap();
    let before = cluster.server_time().unwrap();
    kube.skew(3600);
    cluster.get(&service).await.unwrap();
    assert!(cluster.server_time().unwrap() - before >= 3_590_000);
    kube.expire_token();
    assert!(matches!(cluster.get(&service).await, Err(ClusterError::Unauthorized(_))));
    kube.new_token();
    client(&kube).await.get(&service).await.unwrap();
}

#[test]
fn a_snapshot_is_the_same_in_every_run() {
    let one = || {
        let kube = Kube::start();
        kube.deployment("llm", "llm:1", 2);
        set_image(&kube, "llm", "llm:2");
        kube.snapshot()
    };
    let text = one().to_string();
    assert_eq!(text, one().to_string());
    assert!(text.contains("llm:2"));
}

/// Debian's kubectl; a missing one fails in CI.
fn kubectl() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("LLMCI_KUBECTL") {
        return Some(path.into());
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "LLMCI_KUBECTL is not set: run scripts/test");
    println!("skipped: LLMCI_KUBECTL is not set (eval \"$(scripts/deliver-tools)\")");
    None
}

struct Shell {
    home: tempfile::TempDir,
    kubectl: PathBuf,
}

impl Shell {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .env("KUBECONFIG", self.home.path().join("config"))
            .stdout(Stdio::piped());
        command
    }

    fn works(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "kubectl {arguments:?}: {text}");
        text
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        llmci::store::file::write_atomically(&path, text.as_bytes()).unwrap();
        path.to_string_lossy().into_owned()
    }
}

#[test]
fn kubectl_works_against_it() {
    let Some(kubectl) = kubectl() else { return };
    let kube = Kube::start();
    let shell = Shell { home: tempfile::tempdir().unwrap(), kubectl };
    kube.allow_anonymous();
    shell.file("config", &kube.kubeconfig());
    let manifest = shell.file(
        "llm.json",
        &json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "llm"}, "spec": {"replicas": 2,
            "selector": {"matchLabels": {"app": "llm"}}, "template": {"metadata": {"labels": {"app": "llm"}},
                "spec": {"containers": [{"name": "main", "image": "llm:1"}, {"name": "side", "image": "proxy:1"}]}}}})
        .to_string(),
    );
    assert!(shell.works(&["apply", "--validate=false", "-f", &manifest]).contains("created"));
    assert!(shell.works(&["apply", "--validate=false", "-f", &manifest]).contains("unchanged"));
    assert!(shell.works(&["rollout", "status", "deployment/llm", "--timeout=20s"]).contains("successfully rolled out"));
    assert!(shell.works(&["get", "pods"]).matches("llm-").count() == 2);
    shell.works(&["scale", "deployment/llm", "--replicas=3"]);
    assert_eq!(kube.get("Deployment", "llm")["status"]["readyReplicas"], 3);
    shell.works(&["set", "image", "deployment/llm", "main=llm:2"]);
    let containers = kube.get("Deployment", "llm")["spec"]["template"]["spec"]["containers"].clone();
    assert_eq!((&containers[0]["image"], &containers[1]["image"]), (&json!("llm:2"), &json!("proxy:1")));
    shell.works(&["rollout", "status", "deployment/llm", "--timeout=20s"]);
    assert!(shell.works(&["rollout", "history", "deployment/llm"]).contains('2'));
    shell.works(&["rollout", "undo", "deployment/llm"]);
    let containers = kube.get("Deployment", "llm")["spec"]["template"]["spec"]["containers"].clone();
    assert_eq!(containers[0]["image"], "llm:1");
    shell.works(&["annotate", "deployment/llm", "who=me"]);
    assert_eq!(kube.get("Deployment", "llm")["metadata"]["annotations"]["who"], "me");
    assert!(shell.works(&["get", "deployment", "-l", "app=other"]).contains("No resources"));
    shell.works(&["delete", "deployment/llm", "--timeout=20s"]);
    assert_eq!(kube.all("Pod"), Vec::<Value>::new(), "what it owned is gone");
}

#[test]
fn kubectl_waits_for_a_rollout_until_it_is_ready() {
    let Some(kubectl) = kubectl() else { return };
    let kube = Kube::start();
    let shell = Shell { home: tempfile::tempdir().unwrap(), kubectl };
    kube.allow_anonymous();
    shell.file("config", &kube.kubeconfig());
    kube.deployment("llm", "slow:1", 1);
    let mut child = shell.command(&["rollout", "status", "deployment/llm", "--timeout=20s"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.contains("Waiting for deployment"), "{first}");
    kube.set_ready("slow", true);
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(rest.concat().contains("successfully rolled out"), "{rest:?}");
    assert!(child.wait().unwrap().success());
}
