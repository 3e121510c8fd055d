//! The API server of the tests, judged: Debian's kubectl works against it, and its controllers do what real ones were seen to do.
//! Kept out: the table of requests and replies (`kube_contract`).
#![expect(clippy::float_cmp, reason = "shares of whole pods")]

#[path = "support/kube/mod.rs"]
mod kube;

use kube::Kube;

#[test]
fn a_deployment_comes_up() {
    let kube = Kube::start();
    kube.deployment("llm", "llm:1", 3);
    assert_eq!(kube.get("Deployment", "llm")["status"]["readyReplicas"], 3);
    assert_eq!(kube.traffic("llm")["llm:1"], 1.0);
}
