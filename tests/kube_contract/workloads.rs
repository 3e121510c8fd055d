//! The rows of Deployments, Leases and custom resources.

use serde_json::{Value, json};

use super::{APPLY, JSON_PATCH, MERGE, PLAIN, Row, STRATEGIC, row};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/{ns}/deployments";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/{ns}/deployments/web";
const STRICT: &str = "/apis/apps/v1/namespaces/{ns}/deployments/web?fieldValidation=Strict";
const SCALE: &str = "/apis/apps/v1/namespaces/{ns}/deployments/web/scale?fieldManager=scaler";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/l";

fn deployment(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"replicas": 0,
        "selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": "nginx:1"}]}}}})
}

pub(crate) fn deployments() -> Vec<Row> {
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

pub(crate) fn leases() -> Vec<Row> {
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

pub(crate) fn custom() -> Vec<Row> {
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

/// Rows that hold only where the server knows the definition of a VirtualService.
pub(crate) fn checked() -> Vec<Row> {
    let all = "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices";
    let strict = "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices?fieldValidation=Strict";
    let one = "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices/w";
    let one_strict = "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices/w?fieldValidation=Strict";
    let me = "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices/w?fieldManager=me";
    let two = "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices/w?fieldManager=two";
    let object = |spec: Value| json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "w"}, "spec": spec});
    let to = |weight: Value| json!({"hosts": ["w"], "http": [{"route": [{"destination": {"host": "w"}, "weight": weight}]}]});
    let misspelt = object(json!({"hosts": ["w"], "htp": []}));
    vec![
        row(
            ("POST", strict, PLAIN),
            misspelt.clone(),
            400,
            "BadRequest",
            &[(
                "/message",
                json!(
                    "VirtualService in version \"v1\" cannot be handled as a VirtualService: strict decoding error: unknown field \"spec.htp\""
                ),
            )],
        ),
        row(
            ("POST", all, PLAIN),
            object(to(json!("ten"))),
            422,
            "Invalid",
            &[("/details/causes/0/field", json!("spec.http[0].route[0].weight"))],
        ),
        row(
            ("POST", all, PLAIN),
            object(json!({"hosts": ["w"], "http": [{"route": [{"weight": 1}]}]})),
            422,
            "Invalid",
            &[("/details/causes/0/field", json!("spec.http[0].route[0].destination"))],
        ),
        row(("POST", all, PLAIN), misspelt.clone(), 201, "", &[("/spec", json!({"hosts": ["w"]}))]),
        row(("PATCH", me, MERGE), json!({"spec": to(json!(10))}), 200, "", &[("/metadata/generation", json!(2))]),
        row(
            ("PATCH", one, JSON_PATCH),
            json!([{"op": "test", "path": "/spec/http/0/route/0/weight", "value": 10.0}]),
            422,
            "Invalid",
            &[],
        ),
        row(
            ("PATCH", two, APPLY),
            object(to(json!(20))),
            409,
            "Conflict",
            &[(
                "/message",
                json!("Apply failed with 1 conflict: conflict with \"me\" using networking.istio.io/v1: .spec.http"),
            )],
        ),
        row(
            ("PATCH", two, APPLY),
            misspelt,
            500,
            "",
            &[(
                "/message",
                json!(
                    "failed to create typed patch object (/w; networking.istio.io/v1, Kind=VirtualService): .spec.htp: field not declared in schema"
                ),
            )],
        ),
        row(
            ("PATCH", one_strict, MERGE),
            json!({"spec": {"htp": []}}),
            422,
            "Invalid",
            &[("/details/causes/0/field", json!("patch"))],
        ),
        row(("DELETE", one, PLAIN), Value::Null, 200, "", &[]),
    ]
}
