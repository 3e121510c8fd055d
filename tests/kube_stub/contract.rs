//! What the server answers to what: each line is a request and the essence of its reply. The table holds for the real server
//! too (v1.36.2 with the CRDs of Istio, the Gateway API and Argo Rollouts), and is run against it where there is one.

use super::support::kube::Kube;
use super::{Client, Value, json};

const JSON: &str = "application/json";
const PATCH: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// Method, path (`NS` is the namespace), content type, body (`OLD` is the first resourceVersion of the ConfigMap `c`), then
/// status, reason (`-` for none), and a pointer with the text of its value in the reply.
type Line = (&'static str, &'static str, &'static str, &'static str, u16, &'static str, &'static str, &'static str);

const MAPS: &str = "/api/v1/namespaces/NS/configmaps";
const MAP: &str = "/api/v1/namespaces/NS/configmaps/c";
const SERVICES: &str = "/api/v1/namespaces/NS/services";
const SERVICE: &str = "/api/v1/namespaces/NS/services/s";
const SET: &str = "/apis/apps/v1/namespaces/NS/deployments";
const WEB: &str = "/apis/apps/v1/namespaces/NS/deployments/web";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/NS/leases";
const ROUTES: &str = "/apis/networking.istio.io/v1/namespaces/NS/virtualservices";
const HTTP: &str = "/apis/gateway.networking.k8s.io/v1/namespaces/NS/httproutes";

const DEPLOYMENT: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","labels":{"app":"web"}},"spec":{"replicas":2,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"main","image":"web:1"}]}}}}"#;

#[rustfmt::skip] // One request a line: a table.
const TABLE: &[Line] = &[
    ("POST", MAPS, JSON, r#"{"metadata":{"name":"c"},"data":{"a":"1"}}"#, 201, "-", "/kind", "ConfigMap"),
    ("POST", MAPS, JSON, r#"{"metadata":{"name":"c"}}"#, 409, "AlreadyExists", "/details/kind", "configmaps"),
    ("POST", MAPS, JSON, r#"{"metadata":{"name":"d","namespace":"default"}}"#, 400, "BadRequest", "", ""),
    ("POST", "/api/v1/namespaces/no-such-ns/configmaps", JSON, r#"{"metadata":{"name":"c"}}"#, 404, "NotFound", "/message", "namespaces \"no-such-ns\" not found"),
    ("GET", "/api/v1/namespaces/NS/configmaps/zz", "", "", 404, "NotFound", "/message", "configmaps \"zz\" not found"),
    ("GET", "/api/v1/namespaces/no-such-ns/configmaps", "", "", 200, "-", "/kind", "ConfigMapList"),
    ("PATCH", MAP, MERGE, r#"{"data":{"b":"2"}}"#, 200, "-", "/data/b", "2"),
    ("PATCH", MAP, MERGE, r#"{"metadata":{"resourceVersion":"OLD"},"data":{"b":"3"}}"#, 409, "Conflict", "/details/name", "c"),
    ("PUT", MAP, JSON, r#"{"metadata":{"name":"c","resourceVersion":"OLD"},"data":{"b":"3"}}"#, 409, "Conflict", "/details/name", "c"),
    ("PUT", MAP, JSON, r#"{"metadata":{"name":"c","uid":"00000000-0000-0000-0000-000000000000"},"data":{"b":"3"}}"#, 409, "Conflict", "/details/name", "c"),
    ("PUT", MAP, JSON, r#"{"metadata":{"name":"d"}}"#, 400, "BadRequest", "/message", "the name of the object (d) does not match the name on the URL (c)"),
    ("PUT", MAP, JSON, r#"{"metadata":{"name":"c"},"data":{"b":"3"}}"#, 200, "-", "/data/b", "3"),
    ("PUT", "/api/v1/namespaces/NS/configmaps/zz", JSON, r#"{"metadata":{"name":"zz"}}"#, 404, "NotFound", "", ""),
    ("PATCH", MAP, PATCH, r#"[{"op":"test","path":"/metadata/resourceVersion","value":"OLD"}]"#, 422, "Invalid", "/message", "the server rejected our request due to an error in our request"),
    ("PATCH", MAP, PATCH, r#"[{"op":"test","path":"/data/zz","value":null},{"op":"replace","path":"/data/zz","value":"z"}]"#, 200, "-", "/data/zz", "z"),
    ("PATCH", MAP, PATCH, r#"[{"op":"remove","path":"/data/yy"}]"#, 422, "Invalid", "", ""),
    ("PATCH", MAP, PATCH, r#"[{"op":"replace","path":"/none/yy","value":"1"}]"#, 422, "Invalid", "", ""),
    ("PATCH", MAP, JSON, "{}", 415, "UnsupportedMediaType", "", ""),
    ("PATCH", "/api/v1/namespaces/NS/configmaps/a?fieldManager=one", APPLY, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"1"}}"#, 201, "-", "/data/k", "1"),
    ("PATCH", "/api/v1/namespaces/NS/configmaps/a?fieldManager=two", APPLY, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"2"}}"#, 409, "Conflict", "/message", "Apply failed with 1 conflict: conflict with \"one\": .data.k"),
    ("PATCH", "/api/v1/namespaces/NS/configmaps/a?fieldManager=two&force=true", APPLY, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"2"}}"#, 200, "-", "/data/k", "2"),
    ("PATCH", "/api/v1/namespaces/NS/configmaps/a?fieldManager=one", APPLY, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#, 200, "-", "/data/k", "2"),
    ("PATCH", "/api/v1/namespaces/NS/configmaps/a?fieldManager=two", APPLY, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#, 200, "-", "/data/k", "null"),
    ("PATCH", "/api/v1/namespaces/NS/configmaps/a", APPLY, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#, 422, "Invalid", "", ""),
    ("POST", SET, JSON, DEPLOYMENT, 201, "-", "/spec/strategy/rollingUpdate/maxSurge", "25%"),
    ("POST", "/apis/apps/v1/namespaces/NS/deployments?fieldValidation=Strict", JSON, r#"{"metadata":{"name":"x"},"spec":{"replica":1}}"#, 400, "BadRequest", "/message", "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: unknown field \"spec.replica\""),
    ("PATCH", "/apis/apps/v1/namespaces/NS/deployments/web?fieldValidation=Strict", MERGE, r#"{"spec":{"replica":1}}"#, 422, "Invalid", "", ""),
    ("PATCH", "/apis/apps/v1/namespaces/NS/deployments/web?fieldManager=q", APPLY, r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replica":7}}"#, 500, "-", "/message", "failed to create typed patch object (/web; apps/v1, Kind=Deployment): .spec.replica: field not declared in schema"),
    ("PATCH", "/apis/apps/v1/namespaces/NS/deployments/web?fieldManager=q", APPLY, r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"template":{"spec":{"containers":[{"name":"main","image":"q"}]}}}}"#, 409, "Conflict", "/details/causes/0/field", ".spec.template.spec.containers[name=\"main\"].image"),
    ("PATCH", WEB, MERGE, r#"{"spec":{"selector":{"matchLabels":{"app":"other"}}}}"#, 422, "Invalid", "/details/kind", "Deployment"),
    ("PATCH", WEB, STRATEGIC, r#"{"spec":{"template":{"spec":{"containers":[{"name":"main","env":[{"name":"A","value":"1"}]}]}}}}"#, 200, "-", "/spec/template/spec/containers/0/image", "web:1"),
    ("PATCH", "/apis/apps/v1/namespaces/NS/deployments/web/scale", MERGE, r#"{"spec":{"replicas":1}}"#, 200, "-", "/spec/replicas", "1"),
    ("GET", WEB, "", "", 200, "-", "/spec/replicas", "1"),
    ("PATCH", WEB, MERGE, r#"{"spec":{"replicas":-1}}"#, 422, "Invalid", "/details/causes/0/field", "spec.replicas"),
    ("GET", "/apis/apps/v1/namespaces/NS/deployments?labelSelector=app%3Dweb", "", "", 200, "-", "/items/0/metadata/name", "web"),
    ("GET", "/apis/apps/v1/namespaces/NS/deployments?fieldSelector=metadata.name%3Dother", "", "", 200, "-", "/items", "[]"),
    ("GET", "/apis/apps/v1/namespaces/NS/deployments?fieldSelector=foo%3Dbar", "", "", 400, "BadRequest", "", ""),
    ("GET", "/apis/apps/v1/namespaces/NS/gizmos/x", "", "", 404, "NotFound", "/message", "the server could not find the requested resource"),
    ("GET", "/apis/no.such.group/v1/namespaces/NS/things/x", "", "", 404, "-", "", "404 page not found\n"),
    ("POST", LEASES, JSON, r#"{"metadata":{"name":"l"},"spec":{"holderIdentity":"a","leaseDurationSeconds":15,"renewTime":"2026-01-01T00:00:00.000000Z"}}"#, 201, "-", "/spec/holderIdentity", "a"),
    ("PUT", "/apis/coordination.k8s.io/v1/namespaces/NS/leases/l", JSON, r#"{"metadata":{"name":"l"},"spec":{"holderIdentity":"b"}}"#, 422, "Invalid", "/details/causes/0/field", "metadata.resourceVersion"),
    ("POST", LEASES, JSON, r#"{"metadata":{"name":"m"},"spec":{"leaseDurationSeconds":0}}"#, 422, "Invalid", "", ""),
    ("POST", LEASES, JSON, r#"{"metadata":{"name":"m"},"spec":{"renewTime":"2026-01-01T00:00:00.5Z"}}"#, 400, "BadRequest", "", ""),
    ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", JSON, r#"{"spec":{"resourceAttributes":{"namespace":"NS","verb":"get","group":"apps","resource":"deployments"}}}"#, 201, "-", "/status/allowed", "true"),
    ("POST", SERVICES, JSON, r#"{"metadata":{"name":"s"},"spec":{"selector":{"app":"web"},"ports":[{"port":80}]}}"#, 201, "-", "/spec/ports/0/targetPort", "80"),
    ("GET", SERVICE, "", "", 200, "-", "/metadata/generation", "null"),
    ("PATCH", SERVICE, PATCH, r#"[{"op":"replace","path":"/spec/selector/app","value":"web-green"}]"#, 200, "-", "/spec/selector/app", "web-green"),
    ("PATCH", SERVICE, PATCH, r#"[{"op":"add","path":"/metadata/annotations/x","value":"1"}]"#, 422, "Invalid", "", ""),
    ("PATCH", SERVICE, PATCH, r#"[{"op":"add","path":"/metadata/annotations","value":{"x":"1"}}]"#, 200, "-", "/metadata/annotations/x", "1"),
    ("PATCH", SERVICE, MERGE, r#"{"spec":{"clusterIP":"10.96.77.77"}}"#, 422, "Invalid", "", ""),
    ("PATCH", "/api/v1/namespaces/NS/services/s?fieldManager=two", APPLY, r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"selector":{"app":"q"}}}"#, 409, "Conflict", "/details/causes/0/field", ".spec.selector"),
    ("PATCH", SERVICE, STRATEGIC, r#"{"spec":{"ports":[{"port":81,"name":"b"},{"port":80,"name":"a"}]}}"#, 200, "-", "/spec/ports/1/name", "a"),
    ("POST", "/apis/networking.k8s.io/v1/namespaces/NS/ingresses", JSON, r#"{"metadata":{"name":"i"},"spec":{"rules":[{"host":"h.example","http":{"paths":[{"path":"/","pathType":"Prefix","backend":{"service":{"name":"s","port":{"number":80}}}}]}}]}}"#, 201, "-", "/metadata/generation", "1"),
    ("POST", "/apis/autoscaling/v2/namespaces/NS/horizontalpodautoscalers", JSON, r#"{"metadata":{"name":"h"},"spec":{"maxReplicas":3,"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"none"}}}"#, 201, "-", "/metadata/generation", "null"),
    ("POST", "/api/v1/namespaces/NS/events", JSON, r#"{"metadata":{"name":"e"},"involvedObject":{"kind":"Pod","namespace":"NS","name":"p"},"reason":"R","message":"m","type":"Warning"}"#, 201, "-", "/type", "Warning"),
    ("GET", "/api/v1/namespaces/NS/events?fieldSelector=involvedObject.name%3Dp,type%3DWarning", "", "", 200, "-", "/items/0/reason", "R"),
    ("GET", "/api/v1/namespaces/NS/events?fieldSelector=involvedObject.name%3Dq", "", "", 200, "-", "/items", "[]"),
    ("POST", "/api/v1/namespaces/NS/configmaps?dryRun=All", JSON, r#"{"metadata":{"name":"dry"}}"#, 201, "-", "/metadata/name", "dry"),
    ("GET", "/api/v1/namespaces/NS/configmaps/dry", "", "", 404, "NotFound", "", ""),
    ("PATCH", "/api/v1/namespaces/NS/configmaps/dry", MERGE, r#"{"data":{"a":"1"}}"#, 404, "NotFound", "", ""),
    ("PATCH", "/apis/apps/v1/namespaces/NS/deployments/web/status", MERGE, r#"{"spec":{"replicas":9}}"#, 200, "-", "/spec/replicas", "1"),
    ("PATCH", WEB, MERGE, r#"{"metadata":{"uid":"00000000-0000-0000-0000-000000000000"}}"#, 422, "Invalid", "/details/causes/0/field", "metadata.uid"),
    ("PATCH", WEB, STRATEGIC, r#"{"spec":{"template":{"spec":{"containers":[{"name":"main","env":[{"name":"A","$patch":"delete"}]}]}}}}"#, 200, "-", "/spec/template/spec/containers/0/env", "null"),
    ("POST", WEB, JSON, "{}", 405, "MethodNotAllowed", "", ""),
    ("POST", SET, JSON, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}"#, 400, "BadRequest", "", ""),
    ("POST", SET, JSON, r#"{"metadata":{"name":"x"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"c"}},"spec":{"containers":[{"name":"m","image":"i"}]}}}}"#, 422, "Invalid", "/details/causes/0/field", "spec.template.metadata.labels"),
    ("GET", "/version", "", "", 200, "-", "/major", "1"),
    ("GET", "/apis/apps/v1", "", "", 200, "-", "/groupVersion", "apps/v1"),
    ("GET", "/apis/apps/v9", "", "", 404, "NotFound", "", ""),
    ("GET", "/apis/no.such.group/v1", "", "", 404, "-", "", "404 page not found\n"),
    ("DELETE", MAP, JSON, r#"{"preconditions":{"uid":"00000000-0000-0000-0000-000000000000"}}"#, 409, "Conflict", "", ""),
    ("DELETE", MAP, "", "", 200, "-", "/status", "Success"),
    ("DELETE", MAP, "", "", 404, "NotFound", "", ""),
    ("DELETE", WEB, JSON, r#"{"propagationPolicy":"Background"}"#, 200, "-", "/status", "Success"),
];

/// These need the published definitions.
#[rustfmt::skip]
const CUSTOM: &[Line] = &[
    ("POST", ROUTES, JSON, r#"{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"vs"},"spec":{"hosts":["web"],"http":[{"route":[{"destination":{"host":"web"},"weight":10}]}]}}"#, 201, "-", "/metadata/generation", "1"),
    ("POST", "/apis/networking.istio.io/v1/namespaces/NS/virtualservices?fieldValidation=Strict", JSON, r#"{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"w"},"spec":{"hosts":["web"],"htp":[]}}"#, 400, "BadRequest", "/message", "VirtualService in version \"v1\" cannot be handled as a VirtualService: strict decoding error: unknown field \"spec.htp\""),
    ("POST", ROUTES, JSON, r#"{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"w"},"spec":{"hosts":["web"],"http":[{"route":[{"destination":{"host":"web"},"weight":"ten"}]}]}}"#, 422, "Invalid", "", ""),
    ("PATCH", "/apis/networking.istio.io/v1/namespaces/NS/virtualservices/vs", PATCH, r#"[{"op":"test","path":"/spec/http/0/route/0/weight","value":10.0}]"#, 422, "Invalid", "", ""),
    ("PATCH", "/apis/networking.istio.io/v1/namespaces/NS/virtualservices/vs", PATCH, r#"[{"op":"test","path":"/spec/http/0/route/0/weight","value":10},{"op":"replace","path":"/spec/http/0/route/0/weight","value":20}]"#, 200, "-", "/metadata/generation", "2"),
    ("PATCH", "/apis/networking.istio.io/v1/namespaces/NS/virtualservices/vs", STRATEGIC, r#"{"spec":{}}"#, 415, "UnsupportedMediaType", "", ""),
    ("PATCH", "/apis/networking.istio.io/v1/namespaces/NS/virtualservices/vs?fieldManager=two", APPLY, r#"{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"vs"},"spec":{"http":[]}}"#, 409, "Conflict", "/details/causes/0/field", ".spec.http"),
    ("PUT", "/apis/networking.istio.io/v1/namespaces/NS/virtualservices/vs", JSON, r#"{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"vs"},"spec":{"hosts":["web"]}}"#, 422, "Invalid", "/details/causes/0/field", "metadata.resourceVersion"),
    ("POST", HTTP, JSON, r#"{"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute","metadata":{"name":"r"},"spec":{"parentRefs":[{"name":"gw"}],"rules":[{"backendRefs":[{"name":"web","port":80}]}]}}"#, 201, "-", "/spec/rules/0/backendRefs/0/weight", "1"),
    ("PATCH", "/apis/gateway.networking.k8s.io/v1/namespaces/NS/httproutes/r", PATCH, r#"[{"op":"add","path":"/spec/rules/0/backendRefs/-","value":{"name":"canary","port":80,"weight":0}}]"#, 200, "-", "/spec/rules/0/backendRefs/1/kind", "Service"),
    ("POST", "/apis/argoproj.io/v1alpha1/namespaces/NS/rollouts", JSON, r#"{"apiVersion":"argoproj.io/v1alpha1","kind":"Rollout","metadata":{"name":"ro"},"spec":{"replicas":0,"selector":{"matchLabels":{"app":"r"}},"template":{"metadata":{"labels":{"app":"r"}},"spec":{"containers":[{"name":"main","image":"x"}]}},"strategy":{"canary":{"steps":[{"setWeight":20},{"pause":{}}]}}}}"#, 201, "-", "/metadata/generation", "1"),
    ("PATCH", "/apis/argoproj.io/v1alpha1/namespaces/NS/rollouts/ro/status", MERGE, r#"{"status":{"pauseConditions":null}}"#, 200, "-", "/status/pauseConditions", "null"),
    ("PATCH", "/apis/argoproj.io/v1alpha1/namespaces/NS/rollouts/ro/status?fieldValidation=Strict", MERGE, r#"{"spec":{"replicas":9},"status":{"abort":true}}"#, 200, "-", "/spec/replicas", "0"),
    ("GET", "/apis/networking.istio.io/v1/namespaces/NS/virtualservices/vs/scale", "", "", 404, "NotFound", "", ""),
    ("PATCH", "/apis/networking.istio.io/v1/namespaces/NS/virtualservices/vs?fieldManager=two&force=true", APPLY, r#"{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"vs","namespace":"NS"},"spec":{"htp":[]}}"#, 500, "-", "/message", "failed to create typed patch object (NS/vs; networking.istio.io/v1, Kind=VirtualService): .spec.htp: field not declared in schema"),
];

/// Every line that does not hold.
async fn faults(client: &Client, namespace: &str, table: &[Line]) -> Vec<String> {
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}).to_string();
    client.send("POST", "/api/v1/namespaces", JSON, &body).await.unwrap();
    let (mut old, mut faults) = (String::new(), Vec::new());
    for (method, path, kind, body, status, reason, pointer, wanted) in table {
        let (path, body) = (path.replace("NS", namespace), body.replace("NS", namespace).replace("OLD", &old));
        let (code, reply) = client.send(method, &path, kind, &body).await.unwrap();
        if old.is_empty() {
            old = reply["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        }
        let wanted = wanted.replace("NS", namespace);
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let found = text(reply.pointer(pointer).unwrap_or(&Value::Null));
        // An Event has a reason of its own.
        let named = reply["reason"].as_str().filter(|_| reply["kind"] == "Status").unwrap_or("-");
        if code != *status || named != *reason || !wanted.is_empty() && found != wanted {
            faults.push(format!("{method} {path} {body}\n  -> {code} {named} {pointer}={found}: {reply}"));
        }
    }
    faults
}

fn published() -> bool {
    let there = super::support::root().join("../shared/schemas/istio-virtualservices.crd.yaml").is_file();
    if !there {
        println!("left out: there are no published definitions beside the project");
    }
    there
}

#[tokio::test]
async fn the_server_answers_as_agreed() {
    let kube = Kube::start().await.unwrap();
    let client = Client::of(&kube.kubeconfig());
    assert_eq!(faults(&client, "contract", TABLE).await, Vec::<String>::new());
    if published() {
        assert_eq!(faults(&client, "contract", CUSTOM).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_real_server_answers_as_agreed() {
    let Some(path) = std::env::var_os("LLMCI_KUBECONFIG_REAL") else {
        println!("left out: LLMCI_KUBECONFIG_REAL names no kubeconfig of a real API server");
        return;
    };
    let client = Client::of(&std::fs::read_to_string(path).unwrap());
    let namespace = format!("llmci-contract-{}", std::process::id());
    let mut found = faults(&client, &namespace, TABLE).await;
    found.extend(faults(&client, &namespace, CUSTOM).await);
    client.send("DELETE", &format!("/api/v1/namespaces/{namespace}"), "", "").await.unwrap();
    assert_eq!(found, Vec::<String>::new());
}
