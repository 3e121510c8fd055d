//! One table of requests and replies, held against the API server of the tests always, and against a real one where
//! `LLMCI_KUBECONFIG_REAL` names a kubeconfig (with rights to make a namespace). What differs there is mended in the stub.
//! The replies are those of Kubernetes v1.36.2. Kept out: controllers (`kube_stub`).

#[path = "support/kube/mod.rs"]
mod kube;

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

fn deployment(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"replicas": 0,
        "selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": "nginx:1"}]}}}})
}

const MAPS: &str = "/api/v1/namespaces/{ns}/configmaps";
const MAP: &str = "/api/v1/namespaces/{ns}/configmaps/c";
const APPLIED: &str = "/api/v1/namespaces/{ns}/configmaps/ssa?fieldManager=one";
const APPLIED_TWO: &str = "/api/v1/namespaces/{ns}/configmaps/ssa?fieldManager=two";
const APPLIED_FORCE: &str = "/api/v1/namespaces/{ns}/configmaps/ssa?fieldManager=two&force=true";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/{ns}/deployments";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/{ns}/deployments/web";
const STRICT: &str = "/apis/apps/v1/namespaces/{ns}/deployments/web?fieldValidation=Strict";
const SCALE: &str = "/apis/apps/v1/namespaces/{ns}/deployments/web/scale?fieldManager=scaler";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/l";

fn discovery() -> Vec<Row> {
    let get = |path, status, reason, fields: &[(&'static str, Value)]| {
        row(("GET", path, ""), Value::Null, status, reason, fields)
    };
    vec![
        get("/api", 200, "", &[("/versions/0", json!("v1"))]),
        get("/apis/apps", 200, "", &[("/preferredVersion/groupVersion", json!("apps/v1"))]),
        get("/apis/no.such.group/v1", 404, "", &[]),
        get("/apis/apps/v9", 404, "NotFound", &[("/details", json!({}))]),
        get("/apis/apps/v1/namespaces/{ns}/gizmos/x", 404, "NotFound", &[]),
        get("/no/such/path", 404, "", &[]),
        get(
            DEPLOYMENT,
            404,
            "NotFound",
            &[("/details", json!({"name": "web", "group": "apps", "kind": "deployments"}))],
        ),
        get("/apis/apps/v1/namespaces/{ns}/deployments?labelSelector=a%3D%3D%3Db", 400, "BadRequest", &[]),
        get(
            "/api/v1/namespaces/{ns}/events?fieldSelector=foo%3Dbar",
            400,
            "BadRequest",
            &[("/message", json!("field label not supported: foo"))],
        ),
        row(
            ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", PLAIN),
            json!({"spec": {"resourceAttributes": {"namespace": "x", "verb": "get", "resource": "pods"}}}),
            201,
            "",
            &[("/status/allowed", json!(true))],
        ),
    ]
}

fn config_maps() -> Vec<Row> {
    let map = |data: Value| json!({"metadata": {"name": "c"}, "data": data});
    let failed = [
        ("/message", json!("the server rejected our request due to an error in our request")),
        ("/details", json!({})),
    ];
    vec![
        row(
            ("POST", MAPS, PLAIN),
            map(json!({"a": "1"})),
            201,
            "",
            &[("/metadata/name", json!("c")), ("/kind", json!("ConfigMap"))],
        ),
        row(
            ("POST", MAPS, PLAIN),
            map(json!({"a": "1"})),
            409,
            "AlreadyExists",
            &[("/message", json!("configmaps \"c\" already exists"))],
        ),
        row(("PUT", MAP, PLAIN), map(json!({"a": "2"})), 200, "", &[("/data", json!({"a": "2"}))]),
        row(
            ("PUT", MAP, PLAIN),
            json!({"metadata": {"name": "c", "resourceVersion": "1"}}),
            409,
            "Conflict",
            &[("/details/kind", json!("configmaps"))],
        ),
        row(
            ("PUT", MAP, PLAIN),
            json!({"metadata": {"name": "d"}}),
            400,
            "BadRequest",
            &[("/message", json!("the name of the object (d) does not match the name on the URL (c)"))],
        ),
        row(
            ("PUT", MAP, PLAIN),
            json!({"metadata": {"name": "c", "uid": "00000000-0000-0000-0000-000000000000"}}),
            409,
            "Conflict",
            &[],
        ),
        row(("PATCH", MAP, MERGE), json!({"data": {"b": "3", "a": null}}), 200, "", &[("/data", json!({"b": "3"}))]),
        row(
            ("PATCH", MAP, MERGE),
            json!({"data": {"b": "3"}}),
            200,
            "",
            &[("/metadata/resourceVersion", json!("{rv}"))],
        ),
        row(("PATCH", MAP, MERGE), json!({"metadata": {"resourceVersion": "1"}}), 409, "Conflict", &[]),
        row(
            ("PATCH", MAP, MERGE),
            json!({"metadata": {"uid": "00000000-0000-0000-0000-000000000000"}}),
            422,
            "Invalid",
            &[],
        ),
        row(
            ("PATCH", MAP, JSON_PATCH),
            json!([{"op": "test", "path": "/metadata/resourceVersion", "value": "{rv}"}, {"op": "replace", "path": "/data/b", "value": "4"}]),
            200,
            "",
            &[("/data/b", json!("4"))],
        ),
        row(
            ("PATCH", MAP, JSON_PATCH),
            json!([{"op": "test", "path": "/metadata/resourceVersion", "value": "1"}]),
            422,
            "Invalid",
            &failed,
        ),
        row(
            ("PATCH", MAP, JSON_PATCH),
            json!([{"op": "test", "path": "/data/zz", "value": "3"}]),
            422,
            "Invalid",
            &failed,
        ),
        row(("PATCH", MAP, JSON_PATCH), json!([{"op": "test", "path": "/data/zz", "value": null}]), 200, "", &[]),
        row(
            ("PATCH", MAP, JSON_PATCH),
            json!([{"op": "replace", "path": "/data/zz", "value": "3"}]),
            200,
            "",
            &[("/data/zz", json!("3"))],
        ),
        row(
            ("PATCH", MAP, JSON_PATCH),
            json!([{"op": "remove", "path": "/data/zz"}]),
            200,
            "",
            &[("/data", json!({"b": "4"}))],
        ),
        row(("PATCH", MAP, JSON_PATCH), json!([{"op": "remove", "path": "/data/zz"}]), 422, "Invalid", &failed),
        row(
            ("PATCH", MAP, JSON_PATCH),
            json!([{"op": "replace", "path": "/nope/zz", "value": "3"}]),
            422,
            "Invalid",
            &failed,
        ),
        row(
            ("PATCH", MAP, JSON_PATCH),
            json!([{"op": "add", "path": "/nope/zz", "value": "3"}]),
            422,
            "Invalid",
            &failed,
        ),
        row(("PATCH", MAP, JSON_PATCH), json!([{"op": "jump", "path": "/data"}]), 422, "Invalid", &failed),
        row(
            ("PATCH", MAP, PLAIN),
            json!({}),
            415,
            "UnsupportedMediaType",
            &[("/message", json!("415: Unsupported Media Type"))],
        ),
        row(
            ("PATCH", MAP, MERGE),
            json!({"metadata": {"labels": {"l": "not a label!"}}}),
            422,
            "Invalid",
            &[("/details/causes/0/field", json!("metadata.labels"))],
        ),
        row(("DELETE", MAP, PLAIN), json!({"preconditions": {"resourceVersion": "1"}}), 409, "Conflict", &[]),
        row(
            ("DELETE", MAP, PLAIN),
            Value::Null,
            200,
            "",
            &[("/status", json!("Success")), ("/details/name", json!("c"))],
        ),
        row(("DELETE", MAP, PLAIN), Value::Null, 404, "NotFound", &[]),
        row(("PUT", MAP, PLAIN), map(json!({})), 404, "NotFound", &[]),
    ]
}

fn applies() -> Vec<Row> {
    let map = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ssa"}, "data": data});
    let upd = "/api/v1/namespaces/{ns}/configmaps/ssa?fieldManager=upd";
    vec![
        row(
            ("PATCH", APPLIED, APPLY),
            map(json!({"k": "1"})),
            201,
            "",
            &[
                ("/metadata/managedFields/0/manager", json!("one")),
                ("/metadata/managedFields/0/fieldsV1", json!({"f:data": {"f:k": {}}})),
            ],
        ),
        row(
            ("PATCH", APPLIED, APPLY),
            map(json!({"k": "1"})),
            200,
            "",
            &[("/metadata/resourceVersion", json!("{rv}"))],
        ),
        row(
            ("PATCH", APPLIED_TWO, APPLY),
            map(json!({"k": "2"})),
            409,
            "Conflict",
            &[
                ("/message", json!("Apply failed with 1 conflict: conflict with \"one\": .data.k")),
                ("/details/causes/0/reason", json!("FieldManagerConflict")),
            ],
        ),
        row(("PATCH", upd, MERGE), json!({"data": {"m": "a", "n": "b"}}), 200, "", &[]),
        row(
            ("PATCH", APPLIED_TWO, APPLY),
            map(json!({"k": "2", "m": "z"})),
            409,
            "Conflict",
            &[(
                "/message",
                json!(
                    "Apply failed with 2 conflicts: conflicts with \"one\":\n- .data.k\nconflicts with \"upd\" using v1:\n- .data.m"
                ),
            )],
        ),
        row(
            ("PATCH", APPLIED_FORCE, APPLY),
            map(json!({"k": "2"})),
            200,
            "",
            &[("/data", json!({"k": "2", "m": "a", "n": "b"}))],
        ),
        row(
            ("PATCH", APPLIED, APPLY),
            map(json!({"k": "1"})),
            409,
            "Conflict",
            &[("/details/causes/0/message", json!("conflict with \"two\""))],
        ),
        row(("PATCH", APPLIED_TWO, APPLY), map(json!({})), 200, "", &[("/data", json!({"m": "a", "n": "b"}))]),
        row(
            ("PATCH", "/api/v1/namespaces/{ns}/configmaps/ssa", APPLY),
            map(json!({})),
            422,
            "Invalid",
            &[("/details/kind", json!("PatchOptions"))],
        ),
        row(("PATCH", APPLIED, APPLY), json!({"data": {"k": "2"}}), 400, "BadRequest", &[]),
        row(
            ("PATCH", APPLIED, APPLY),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ssa", "resourceVersion": "1"}}),
            409,
            "Conflict",
            &[],
        ),
        row(("DELETE", APPLIED, PLAIN), Value::Null, 200, "", &[]),
    ]
}

fn deployments() -> Vec<Row> {
    let mut mismatched = deployment("inv");
    mismatched["spec"]["replicas"] = json!(-1);
    mismatched["spec"]["selector"] = json!({"matchLabels": {"a": "b"}});
    let mut unknown = deployment("strict");
    unknown["spec"]["replica"] = json!(3);
    let apply =
        |spec: Value| json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec});
    let two = "/apis/apps/v1/namespaces/{ns}/deployments/web?fieldManager=two";
    vec![
        row(
            ("POST", "/apis/apps/v1/namespaces/{ns}/deployments?fieldManager=maker", PLAIN),
            deployment("web"),
            201,
            "",
            &[
                ("/metadata/generation", json!(1)),
                ("/status", json!({})),
                ("/spec/strategy/rollingUpdate/maxSurge", json!("25%")),
                ("/spec/progressDeadlineSeconds", json!(600)),
            ],
        ),
        row(
            ("POST", DEPLOYMENTS, PLAIN),
            mismatched,
            422,
            "Invalid",
            &[
                ("/details/causes/0/field", json!("spec.replicas")),
                ("/details/causes/1/field", json!("spec.template.metadata.labels")),
            ],
        ),
        row(
            ("POST", "/apis/apps/v1/namespaces/{ns}/deployments?fieldValidation=Strict", PLAIN),
            unknown,
            400,
            "BadRequest",
            &[(
                "/message",
                json!(
                    "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: unknown field \"spec.replica\""
                ),
            )],
        ),
        row(
            ("PATCH", STRICT, MERGE),
            json!({"spec": {"replica": 3}}),
            422,
            "Invalid",
            &[("/details/causes/0/field", json!("patch"))],
        ),
        row(
            ("PATCH", STRICT, JSON_PATCH),
            json!([{"op": "add", "path": "/spec/replica", "value": 3}]),
            422,
            "Invalid",
            &[],
        ),
        row(
            ("PATCH", two, APPLY),
            apply(json!({"replica": 7})),
            500,
            "",
            &[(
                "/message",
                json!(
                    "failed to create typed patch object (/web; apps/v1, Kind=Deployment): .spec.replica: field not declared in schema"
                ),
            )],
        ),
        row(
            ("PATCH", two, APPLY),
            apply(json!({"replicas": 7})),
            409,
            "Conflict",
            &[(
                "/message",
                json!("Apply failed with 1 conflict: conflict with \"maker\" using apps/v1: .spec.replicas"),
            )],
        ),
        row(
            ("PATCH", two, APPLY),
            apply(json!({"template": {"spec": {"containers": [{"name": "main", "image": "q"}]}}})),
            409,
            "Conflict",
            &[("/details/causes/0/field", json!(".spec.template.spec.containers[name=\"main\"].image"))],
        ),
        row(
            ("GET", SCALE, ""),
            Value::Null,
            200,
            "",
            &[("/kind", json!("Scale")), ("/status/selector", json!("app=web"))],
        ),
        row(("PATCH", SCALE, MERGE), json!({"spec": {"replicas": 1}}), 200, "", &[("/spec/replicas", json!(1))]),
        row(
            ("PATCH", two, APPLY),
            apply(json!({"replicas": 7})),
            409,
            "Conflict",
            &[(
                "/details/causes/0/message",
                json!("conflict with \"scaler\" with subresource \"scale\" using apps/v1"),
            )],
        ),
        row(("PATCH", SCALE, MERGE), json!({"spec": {"replicas": 0}}), 200, "", &[]),
        row(
            ("PATCH", DEPLOYMENT, STRATEGIC),
            json!({"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "proxy:1"}]}}}}),
            200,
            "",
            &[
                ("/spec/template/spec/containers/1/name", json!("main")),
                ("/spec/template/spec/containers/0/image", json!("proxy:1")),
            ],
        ),
        row(
            ("PATCH", DEPLOYMENT, MERGE),
            json!({"spec": {"selector": {"matchLabels": {"app": "other"}}}}),
            422,
            "Invalid",
            &[("/details/causes/1/field", json!("spec.selector"))],
        ),
        row(("POST", DEPLOYMENTS, "text/plain"), json!("x"), 415, "UnsupportedMediaType", &[]),
        row(("POST", "/apis/apps/v1/namespaces/{ns}/deployments/web", PLAIN), json!({}), 405, "MethodNotAllowed", &[]),
        row(
            ("POST", "/apis/apps/v1/namespaces/{ns}/deployments?dryRun=All", PLAIN),
            deployment("dry"),
            201,
            "",
            &[("/metadata/generation", json!(1))],
        ),
        row(("GET", "/apis/apps/v1/namespaces/{ns}/deployments/dry", ""), Value::Null, 404, "NotFound", &[]),
        row(
            ("DELETE", DEPLOYMENT, PLAIN),
            json!({"propagationPolicy": "Background"}),
            200,
            "",
            &[("/details/kind", json!("deployments"))],
        ),
    ]
}

fn leases() -> Vec<Row> {
    let lease = |version: Value, time: &str| {
        let mut object = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"},
            "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": time}});
        if !version.is_null() {
            object["metadata"]["resourceVersion"] = version;
        }
        object
    };
    let time = "2026-11-25T12:00:00.123456Z";
    vec![
        row(("POST", LEASES, PLAIN), lease(Value::Null, time), 201, "", &[("/spec/renewTime", json!(time))]),
        row(("PUT", LEASE, PLAIN), lease(json!("{rv}"), time), 200, "", &[]),
        row(("PUT", LEASE, PLAIN), lease(json!("1"), time), 409, "Conflict", &[]),
        row(
            ("PUT", LEASE, PLAIN),
            lease(Value::Null, time),
            422,
            "Invalid",
            &[
                (
                    "/message",
                    json!(
                        "leases.coordination.k8s.io \"l\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update"
                    ),
                ),
                ("/details/kind", json!("leases")),
            ],
        ),
        row(("PUT", LEASE, PLAIN), lease(Value::Null, "2026-11-25T12:00:05.5Z"), 400, "BadRequest", &[]),
        row(
            ("PATCH", LEASE, MERGE),
            json!({"spec": {"renewTime": "yesterday"}}),
            422,
            "Invalid",
            &[("/details/causes/0/field", json!("patch"))],
        ),
        row(
            ("PATCH", LEASE, MERGE),
            json!({"spec": {"leaseDurationSeconds": 0}}),
            422,
            "Invalid",
            &[("/details/causes/0/field", json!("spec.leaseDurationSeconds"))],
        ),
        row(("DELETE", LEASE, PLAIN), Value::Null, 200, "", &[]),
    ]
}

fn custom() -> Vec<Row> {
    let all = "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices";
    let one = "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices/web";
    let object = json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "web"},
        "spec": {"hosts": ["web"], "http": [{"route": [{"destination": {"host": "web"}, "weight": 100}]}]}});
    vec![
        row(("POST", all, PLAIN), object.clone(), 201, "", &[("/metadata/generation", json!(1))]),
        row(
            ("GET", "/apis/networking.istio.io/v1beta1/namespaces/{ns}/virtualservices/web", ""),
            Value::Null,
            200,
            "",
            &[("/apiVersion", json!("networking.istio.io/v1beta1"))],
        ),
        row(
            ("PUT", one, PLAIN),
            object,
            422,
            "Invalid",
            &[("/details/causes/0/field", json!("metadata.resourceVersion"))],
        ),
        row(("PATCH", one, STRATEGIC), json!({"spec": {}}), 415, "UnsupportedMediaType", &[]),
        row(
            ("PATCH", one, JSON_PATCH),
            json!([{"op": "test", "path": "/spec/http/0/route/0/weight", "value": 10}]),
            422,
            "Invalid",
            &[],
        ),
        row(
            ("PATCH", one, MERGE),
            json!({"spec": {"http": [{"route": [{"destination": {"host": "other"}}]}]}}),
            200,
            "",
            &[("/spec/http/0/route/0/destination/host", json!("other")), ("/metadata/generation", json!(2))],
        ),
        row(("GET", "/apis/networking.istio.io/v1/namespaces/{ns}/gizmos/x", ""), Value::Null, 404, "", &[]),
        row(("DELETE", one, PLAIN), Value::Null, 200, "", &[("/details/group", json!("networking.istio.io"))]),
    ]
}

fn table() -> Vec<Row> {
    [discovery(), config_maps(), applies(), deployments(), leases(), custom()].into_iter().flatten().collect()
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
async fn differences(client: &::kube::Client, namespace: &str) -> Vec<String> {
    let mut version = String::new();
    let mut found = Vec::new();
    for row in table() {
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
    let found = differences(&client(&server.kubeconfig()).await, kube::NAMESPACE).await;
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
    let found = differences(&client, &namespace).await;
    call(&client, "DELETE", &format!("/api/v1/namespaces/{namespace}"), "", Vec::new()).await;
    assert!(found.is_empty(), "{}", found.join("\n"));
}
