//! The API server of the tests, held against Debian's kubectl and against what a real server answers: the same requests go to
//! the real one where `LLMCI_KUBECONFIG_REAL` names its kubeconfig.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use support::kube::{Fault, Kube};

#[path = "kube_stub/contract.rs"]
mod contract;
#[path = "kube_stub/kubectl.rs"]
mod judge;

fn shares(list: &[(&str, f64)]) -> BTreeMap<String, f64> {
    list.iter().map(|(image, share)| ((*image).to_owned(), *share)).collect()
}

/// Requests to the server as `dev`.
struct Client {
    http: reqwest::Client,
    server: String,
    token: String,
}

impl Client {
    #[expect(clippy::disallowed_methods, reason = "a peer of the server, not of the product")]
    fn of(kubeconfig: &str) -> Self {
        let after = |key: &str| {
            let rest = &kubeconfig[kubeconfig.find(key).unwrap() + key.len()..];
            let word = rest.trim_start().split(|letter: char| letter.is_whitespace() || ",}".contains(letter)).next();
            word.unwrap().trim_matches('"').to_owned()
        };
        // A test cluster's own certificate proves nothing that matters here.
        let http = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).build().unwrap();
        Self { http, server: after("server:"), token: after("token:") }
    }

    async fn send(&self, method: &str, path: &str, kind: &str, body: &str) -> reqwest::Result<(u16, Value)> {
        let mut request =
            self.http.request(method.parse().unwrap(), format!("{}{path}", self.server)).bearer_auth(&self.token);
        if !body.is_empty() {
            request = request.header("content-type", kind).body(body.to_owned());
        }
        let reply = request.send().await?;
        let status = reply.status().as_u16();
        let text = reply.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
}

#[tokio::test]
async fn pods_follow_their_images_and_traffic_follows_ready_pods() {
    let kube = Kube::start().await.unwrap();
    kube.deployment("llm", "llm:1", 3);
    kube.service("llm");
    assert_eq!(kube.list("Pod").len(), 3);
    assert_eq!(kube.traffic(), shares(&[("llm:1", 1.0)]));
    kube.edit("Deployment", "llm", |object| {
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("never-pulls:2")
    });
    // The old pods stay until the new ones are ready: that is never.
    assert_eq!(kube.traffic(), shares(&[("llm:1", 1.0)]));
    assert!(kube.list("Pod").iter().any(|pod| pod["status"]["phase"] == "Pending"));
    assert_eq!(kube.list("Event")[0]["type"], "Warning");
    kube.set_ready("never-pulls:2", true);
    assert_eq!(kube.traffic(), shares(&[("never-pulls:2", 1.0)]));
    kube.set_ready("never-pulls:2", false);
    assert_eq!(kube.traffic(), shares(&[("(nobody)", 1.0)]));
    let status = &kube.get("Deployment", "llm").unwrap()["status"];
    assert_eq!(
        (&status["replicas"], &status["readyReplicas"], &status["unavailableReplicas"]),
        (&json!(3), &Value::Null, &json!(3))
    );
}

#[tokio::test]
async fn routes_divide_traffic_by_their_weights() {
    for kind in ["VirtualService", "HTTPRoute", "Ingress"] {
        let kube = Kube::start().await.unwrap();
        for (name, image) in [("llm", "llm:1"), ("new", "llm:2")] {
            kube.deployment(name, image, 1);
            kube.service(name);
        }
        match kind {
            "VirtualService" => {
                kube.virtual_service("route", "llm");
                assert_eq!(kube.traffic(), shares(&[("llm:1", 1.0)]));
                kube.edit(kind, "route", |object| {
                    object["spec"]["http"][0]["route"] = json!([
                        {"destination": {"host": "llm"}, "weight": 75},
                        {"destination": {"host": "new.prod.svc.cluster.local"}, "weight": 25},
                    ]);
                });
            }
            "HTTPRoute" => {
                kube.http_route("route", "llm");
                assert_eq!(kube.traffic(), shares(&[("llm:1", 1.0)]));
                kube.edit(kind, "route", |object| {
                    object["spec"]["rules"][0]["backendRefs"] =
                        json!([{"name": "llm", "port": 80, "weight": 3}, {"name": "new", "port": 80, "weight": 1}]);
                });
            }
            _ => {
                let main = kube.ingress("route", "llm");
                assert_eq!(kube.traffic(), shares(&[("llm:1", 1.0)]));
                let mut canary = main;
                canary["metadata"] = json!({"name": "route-canary", "annotations": {
                    "nginx.ingress.kubernetes.io/canary": "true", "nginx.ingress.kubernetes.io/canary-weight": "25"}});
                canary["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] = json!("new");
                kube.add(canary);
            }
        }
        assert_eq!(kube.traffic(), shares(&[("llm:1", 0.75), ("llm:2", 0.25)]), "{kind}");
    }
}

#[tokio::test]
async fn what_the_test_scripts_happens_to_the_client() {
    let kube = Kube::start().await.unwrap();
    kube.deployment("llm", "llm:1", 1);
    let client = Client::of(&kube.kubeconfig());
    let path = "/apis/apps/v1/namespaces/prod/deployments/llm";
    let get = || client.send("GET", path, "", "");
    kube.fail_next("GET", "deployments", Fault::Status(429, "TooManyRequests", Some(1)));
    assert_eq!(get().await.unwrap().0, 429);
    kube.fail_next("", "deployments", Fault::Close);
    // A client may try again by itself where a kept connection was closed under it.
    let _ = get().await;
    let (sender, receiver) = std::sync::mpsc::channel();
    let seen = kube.clone();
    let number = kube.calls().len() + 1;
    kube.after_call(
        number,
        Box::new(move || {
            sender.send(seen.get("Deployment", "llm").unwrap()["spec"]["replicas"].clone()).unwrap();
        }),
    );
    kube.fail_next("PATCH", "", Fault::CloseAfter);
    let patch = client.send("PATCH", path, "application/merge-patch+json", r#"{"spec": {"replicas": 2}}"#).await;
    assert!(patch.is_err());
    assert_eq!(receiver.recv().unwrap(), 2);
    kube.deny("get", "deployments");
    assert_eq!(get().await.unwrap().0, 403);
    kube.allow_all();
    kube.expire_token();
    assert_eq!(get().await.unwrap().0, 401);
    kube.new_token();
    let client = Client::of(&kube.kubeconfig());
    assert_eq!(client.send("GET", path, "", "").await.unwrap().0, 200);
    assert_eq!(kube.calls().last().unwrap().status, 200);
}

#[tokio::test]
async fn a_snapshot_is_the_same_after_there_and_back() {
    let kube = Kube::start().await.unwrap();
    kube.deployment("llm", "llm:1", 2);
    kube.service("llm");
    let before = kube.snapshot();
    let image = |image: &'static str| {
        move |object: &mut Value| object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image)
    };
    kube.edit("Deployment", "llm", image("llm:2"));
    assert_ne!(kube.snapshot(), before);
    kube.edit("Deployment", "llm", image("llm:1"));
    assert_eq!(kube.snapshot(), before);
}

#[tokio::test]
async fn a_rollout_of_argo_goes_by_its_steps_and_back_when_it_is_aborted() {
    let kube = Kube::start().await.unwrap();
    kube.service("llm");
    kube.add(json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "llm"},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "llm"}},
            "template": {"metadata": {"labels": {"app": "llm"}}, "spec": {"containers": [{"name": "main", "image": "llm:1"}]}},
            "strategy": {"canary": {
                "stableService": "llm", "canaryService": "llm-canary", "trafficRouting": {"nginx": {"stableIngress": "llm"}},
                "steps": [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}],
            }},
        },
    }));
    assert_eq!(kube.traffic(), shares(&[("llm:1", 1.0)]));
    let image = |image: &'static str| {
        move |object: &mut Value| object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image)
    };
    let on = |object: &mut Value| object["status"]["pauseConditions"] = Value::Null;
    let phase = || kube.get("Rollout", "llm").unwrap()["status"]["phase"].clone();
    kube.edit("Rollout", "llm", image("llm:2"));
    assert_eq!((kube.traffic(), phase()), (shares(&[("llm:1", 0.8), ("llm:2", 0.2)]), json!("Paused")));
    kube.edit("Rollout", "llm", on);
    assert_eq!(kube.traffic(), shares(&[("llm:1", 0.4), ("llm:2", 0.6)]));
    kube.edit("Rollout", "llm", |object| object["status"]["abort"] = json!(true));
    assert_eq!((kube.traffic(), phase()), (shares(&[("llm:1", 1.0)]), json!("Degraded")));
    kube.edit("Rollout", "llm", image("llm:1"));
    assert_eq!((kube.traffic(), phase()), (shares(&[("llm:1", 1.0)]), json!("Healthy")));
    kube.edit("Rollout", "llm", image("llm:3"));
    kube.edit("Rollout", "llm", on);
    kube.edit("Rollout", "llm", on);
    assert_eq!((kube.traffic(), phase()), (shares(&[("llm:3", 1.0)]), json!("Healthy")));
}

#[tokio::test]
async fn an_inference_service_divides_by_its_percent() {
    let kube = Kube::start().await.unwrap();
    let predictor = |image: &str, percent: Value| json!({"containers": [{"name": "main", "image": image}], "canaryTrafficPercent": percent});
    kube.add(json!({
        "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "llm"},
        "spec": {"predictor": predictor("llm:1", Value::Null)},
    }));
    let steps = [
        ("llm:2", json!(0), shares(&[("llm:1", 1.0)])),
        ("llm:2", json!(25), shares(&[("llm:1", 0.75), ("llm:2", 0.25)])),
        ("llm:2", json!(100), shares(&[("llm:2", 1.0)])),
        ("slow:3", json!(50), shares(&[("llm:2", 1.0)])),
    ];
    for (image, percent, wanted) in steps {
        kube.edit("InferenceService", "llm", |object| object["spec"]["predictor"] = predictor(image, percent.clone()));
        assert_eq!(kube.traffic(), wanted, "{image} {percent}");
    }
}

#[tokio::test]
async fn a_held_controller_leaves_the_old_status_in_place() {
    let kube = Kube::start().await.unwrap();
    kube.deployment("llm", "llm:1", 1);
    kube.hold(true);
    kube.edit("Deployment", "llm", |object| object["spec"]["replicas"] = json!(3));
    let behind = kube.get("Deployment", "llm").unwrap();
    assert_eq!((&behind["metadata"]["generation"], &behind["status"]["observedGeneration"]), (&json!(2), &json!(1)));
    kube.hold(false);
    assert_eq!(kube.get("Deployment", "llm").unwrap()["status"]["readyReplicas"], 3);
}

#[tokio::test]
async fn an_update_that_never_gets_ready_exceeds_its_deadline_by_the_servers_clock() {
    let kube = Kube::start().await.unwrap();
    kube.deployment("llm", "llm:1", 1);
    kube.edit("Deployment", "llm", |object| {
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("crash-loop:2");
    });
    let progressing = || {
        let conditions = kube.get("Deployment", "llm").unwrap()["status"]["conditions"].clone();
        conditions.as_array().unwrap().iter().find(|one| one["type"] == "Progressing").unwrap()["reason"].clone()
    };
    assert_eq!(progressing(), "ReplicaSetUpdated");
    kube.skew(602);
    assert_eq!(progressing(), "ProgressDeadlineExceeded");
}

#[tokio::test]
async fn an_autoscaler_sets_its_workloads_count() {
    let kube = Kube::start().await.unwrap();
    kube.deployment("llm", "llm:1", 1);
    kube.autoscaler("llm", "llm", 1, 10);
    kube.autoscale("llm", 4);
    assert_eq!(kube.list("Pod").len(), 4);
    kube.edit("Deployment", "llm", |object| object["spec"]["replicas"] = json!(2));
    assert_eq!(kube.list("Pod").len(), 4);
}

fn words(output: &Output) -> String {
    support::text(output)
}

fn kubectl() -> Option<String> {
    match std::env::var("LLMCI_KUBECTL") {
        Ok(path) if Path::new(&path).exists() => Some(path),
        _ if std::env::var("CI").is_ok_and(|value| value == "true") => {
            panic!("LLMCI_KUBECTL names no kubectl: run scripts/test, which installs it")
        }
        _ => {
            println!("left out: there is no kubectl; scripts/deliver-tools installs it and names it in LLMCI_KUBECTL");
            None
        }
    }
}
