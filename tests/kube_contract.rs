//! One table of requests and replies, held against the API server of the tests always, and against a real one where
//! `LLMCI_KUBECONFIG_REAL` names a kubeconfig (with rights to make a namespace). What differs there is mended in the stub.
//! The replies are those of Kubernetes v1.36.2. Kept out: controllers (`kube_stub`).
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/kube/mod.rs"]
mod kube;

#[path = "kube_contract/basics.rs"]
mod basics;
#[path = "kube_contract/lines.rs"]
mod lines;
#[path = "kube_contract/workloads.rs"]
mod workloads;

use ::kube::client::Body;
use ::kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const APPLY: &str = "application/apply-patch+yaml";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const PLAIN: &str = "application/json";

/// A request, and what must come back. `{ns}`, and `{rv}` (the version in the last reply that had one), are filled in.
struct Row {
    method: &'static str,
    path: &'static str,
    kind: &'static str,
    body: Value,
    status: u16,
    reason: &'static str,
    fields: Vec<(&'static str, Value)>,
}

fn row(
    call: (&'static str, &'static str, &'static str),
    body: Value,
    status: u16,
    reason: &'static str,
    fields: &[(&'static str, Value)],
) -> Row {
    let (method, path, kind) = call;
    Row { method, path, kind, body, status, reason, fields: fields.to_vec() }
}

/// All rows; those that need the published definitions where the server has them.
fn table(checked: bool) -> Vec<Row> {
    let checked = if checked { workloads::checked() } else { Vec::new() };
    [
        basics::discovery(),
        basics::config_maps(),
        basics::applies(),
        workloads::deployments(),
        workloads::leases(),
        workloads::custom(),
        checked,
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn client(kubeconfig: &str) -> ::kube::Client {
    llmci::net::install_tls_provider();
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let config = ::kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    ::kube::Client::try_from(config).unwrap()
}

async fn call(client: &::kube::Client, method: &str, path: &str, kind: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
    let mut request = http::Request::builder().method(method).uri(path).header("accept", "application/json");
    if !kind.is_empty() {
        request = request.header("content-type", kind);
    }
    let answer = client.send(request.body(Body::from(body)).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.into_body().collect_bytes().await.unwrap().to_vec())
}

/// Every row against a server; what differs.
async fn differences(client: &::kube::Client, namespace: &str, checked: bool) -> Vec<String> {
    let mut version = String::new();
    let mut found = Vec::new();
    for row in table(checked) {
        let filled = |text: String| text.replace("{ns}", namespace).replace("{rv}", &version);
        let body = if row.body.is_null() { String::new() } else { filled(row.body.to_string()) };
        let path = filled(row.path.to_owned());
        let title = format!("{} {path} {body}", row.method);
        let (status, bytes) = call(client, row.method, &path, row.kind, body.into_bytes()).await;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let reply: Value = serde_json::from_str(&text).unwrap_or_default();
        let reason = reply["reason"].as_str().unwrap_or_default();
        if (status, reason) != (row.status, row.reason) {
            found.push(format!("{title}\n  wants {} {:?}, is {status} {text}", row.status, row.reason));
            continue;
        }
        for (pointer, wanted) in &row.fields {
            let wanted: Value = serde_json::from_str(&filled(wanted.to_string())).unwrap();
            if reply.pointer(pointer) != Some(&wanted) {
                found.push(format!("{title}\n  wants {pointer} = {wanted}, is {:?} in {text}", reply.pointer(pointer)));
            }
        }
        if let Some(now) = reply["metadata"]["resourceVersion"].as_str() {
            version = now.to_owned();
        }
    }
    found
}

#[tokio::test]
async fn the_stub_answers_as_the_table_says() {
    let server = kube::Kube::start();
    let found = differences(&client(&server.kubeconfig()).await, kube::NAMESPACE, kube::schemas_are_published()).await;
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
async fn a_real_server_answers_as_the_table_says() {
    let Some(path) = std::env::var_os("LLMCI_KUBECONFIG_REAL") else {
        println!("skipped: LLMCI_KUBECONFIG_REAL names no kubeconfig of a real API server");
        return;
    };
    let client = client(&std::fs::read_to_string(path).unwrap()).await;
    let namespace = format!("llmci-contract-{}", std::process::id());
    let body = json!({"metadata": {"name": namespace}}).to_string().into_bytes();
    let (status, text) = call(&client, "POST", "/api/v1/namespaces", PLAIN, body).await;
    assert_eq!(status, 201, "{}", String::from_utf8_lossy(&text));
    let found = differences(&client, &namespace, true).await;
    call(&client, "DELETE", &format!("/api/v1/namespaces/{namespace}"), "", Vec::new()).await;
    assert!(found.is_empty(), "{}", found.join("\n"));
}
