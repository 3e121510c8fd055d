//! The API server of the tests, held against kubectl and against what a real server answers.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use support::kube::Kube;

#[tokio::test]
async fn a_deployment_has_ready_pods_and_its_service_leads_to_them() {
    let kube = Kube::start().await.unwrap();
    kube.deployment("llm", "llm:1", 3);
    kube.service("llm");
    assert_eq!(kube.list("Pod").len(), 3);
    assert_eq!(kube.traffic(), [("llm:1".to_owned(), 1.0)].into());
}
