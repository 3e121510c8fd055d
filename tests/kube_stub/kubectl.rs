//! Debian's kubectl as the judge: what its commands say and do.

use super::support::kube::Kube;
use super::support::write;
use super::{json, kubectl, words};

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_finds_a_cluster() {
    let Some(program) = kubectl() else { return };
    let kube = Kube::start().await.unwrap();
    kube.open_to_all();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "kubeconfig", &kube.kubeconfig());
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(&program)
            .args(arguments)
            .env_clear()
            .env("HOME", folder.path())
            .env("KUBECONFIG", folder.path().join("kubeconfig"))
            .output()
            .unwrap();
        (output.status.success(), words(&output))
    };
    let good = |arguments: &[&str]| {
        let (success, text) = run(arguments);
        assert!(success, "kubectl {arguments:?}: {text}");
        text
    };
    let manifest = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "web:1"}]}},
        },
    });
    write(folder.path(), "web.json", &manifest.to_string());
    let file = folder.path().join("web.json");
    let file = file.to_str().unwrap();

    assert!(good(&["apply", "--validate=false", "-f", file]).contains("deployment.apps/web created"));
    assert!(good(&["apply", "--validate=false", "-f", file]).contains("deployment.apps/web unchanged"));
    assert!(good(&["rollout", "status", "deployment/web", "--timeout=20s"]).contains("successfully rolled out"));
    assert!(good(&["get", "deploy", "web", "-o", "jsonpath={.status.readyReplicas}"]).contains('2'));
    assert!(good(&["get", "pods", "-l", "app=web", "-o", "name"]).lines().count() == 2);
    good(&["scale", "deployment/web", "--replicas=4"]);
    assert_eq!(kube.list("Pod").len(), 4);
    good(&["set", "image", "deployment/web", "main=web:2"]);
    good(&["rollout", "status", "deployment/web", "--timeout=20s"]);
    assert!(kube.list("Pod").iter().all(|pod| pod["spec"]["containers"][0]["image"] == "web:2"));
    let history = good(&["rollout", "history", "deployment/web"]);
    assert!(history.contains("\n1 ") && history.contains("\n2 "), "{history}");
    good(&["rollout", "undo", "deployment/web"]);
    good(&["rollout", "status", "deployment/web", "--timeout=20s"]);
    let found = kube.get("Deployment", "web").unwrap();
    assert_eq!(found["spec"]["template"]["spec"]["containers"][0]["image"], "web:1");
    assert_eq!(found["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
    good(&["annotate", "deployment", "web", "team=llm"]);
    assert_eq!(kube.get("Deployment", "web").unwrap()["metadata"]["annotations"]["team"], "llm");
    assert!(good(&["api-resources"]).contains("virtualservices"));
    assert!(good(&["auth", "can-i", "patch", "deployments"]).contains("yes"));
    good(&["delete", "deployment", "web", "--timeout=20s"]);
    assert!(kube.list("Pod").is_empty() && kube.list("ReplicaSet").is_empty());
    let (success, text) = run(&["get", "deployment", "web"]);
    assert!(!success && text.contains("deployments.apps \"web\" not found"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rollout_status_waits_for_pods_that_are_slow() {
    let Some(program) = kubectl() else { return };
    let kube = Kube::start().await.unwrap();
    kube.open_to_all();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "kubeconfig", &kube.kubeconfig());
    kube.deployment("web", "slow:1", 1);
    let calls = kube.calls().len();
    let child = std::process::Command::new(&program)
        .args(["rollout", "status", "deployment/web", "--timeout=60s"])
        .env_clear()
        .env("HOME", folder.path())
        .env("KUBECONFIG", folder.path().join("kubeconfig"))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !kube.calls()[calls..].iter().any(|call| call.path.contains("watch=")) {
        assert!(std::time::Instant::now() < deadline, "kubectl does not watch");
        tokio::task::yield_now().await;
    }
    kube.set_ready("slow:1", true);
    let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.unwrap().unwrap();
    let text = words(&output);
    assert!(output.status.success() && text.contains("successfully rolled out"), "{text}");
    assert!(text.contains("Waiting for deployment"), "{text}");
}
