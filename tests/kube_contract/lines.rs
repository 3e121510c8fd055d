//! More rows, shorter: each is one request and one fact of its reply, as text, so that an absent field can be asked for.

use serde_json::{Value, json};

use super::{APPLY, JSON_PATCH as PATCH, MERGE, PLAIN as JSON, STRATEGIC, call, client, kube};

/// Method, path (`{ns}` is the namespace), content type, body, then status, reason (`-` for none), and a pointer with the
/// text of its value in the reply (`null` where it is absent).
type Line = (&'static str, &'static str, &'static str, &'static str, u16, &'static str, &'static str, &'static str);

const MAPS: &str = "/api/v1/namespaces/{ns}/configmaps";
const MAP: &str = "/api/v1/namespaces/{ns}/configmaps/more";
const SERVICES: &str = "/api/v1/namespaces/{ns}/services";
const SERVICE: &str = "/api/v1/namespaces/{ns}/services/s";
const SET: &str = "/apis/apps/v1/namespaces/{ns}/deployments";
const WEB: &str = "/apis/apps/v1/namespaces/{ns}/deployments/judge";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases";
const ROUTES: &str = "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices";
const HTTP: &str = "/apis/gateway.networking.k8s.io/v1/namespaces/{ns}/httproutes";

const DEPLOYMENT: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"judge","labels":{"app":"judge"}},"spec":{"replicas":2,"selector":{"matchLabels":{"app":"judge"}},"template":{"metadata":{"labels":{"app":"judge"}},"spec":{"containers":[{"name":"main","image":"judge:1"}]}}}}"#;

#[rustfmt::skip] // One request a line: a table.
const TABLE: &[Line] = &[
    ("POST", MAPS, JSON, r#"{"metadata":{"name":"more"},"data":{"a":"1"}}"#, 201, "-", "/kind", "ConfigMap"),
    ("POST", MAPS, JSON, r#"{"metadata":{"name":"more"}}"#, 409, "AlreadyExists", "/details/kind", "configmaps"),
    ("POST", MAPS, JSON, r#"{"metadata":{"name":"d","namespace":"default"}}"#, 400, "BadRequest", "", ""),
    ("POST", "/api/v1/namespaces/no-such-ns/configmaps", JSON, r#"{"metadata":{"name":"more"}}"#, 404, "NotFound", "/message", "namespaces \"no-such-ns\" not found"),
    ("GET", "/api/v1/namespaces/{ns}/configmaps/zz", "", "", 404, "NotFound", "/message", "configmaps \"zz\" not found"),
    ("GET", "/api/v1/namespaces/no-such-ns/configmaps", "", "", 200, "-", "/kind", "ConfigMapList"),
    ("PATCH", MAP, MERGE, r#"{"data":{"b":"2"}}"#, 200, "-", "/data/b", "2"),
    ("PUT", MAP, JSON, r#"{"metadata":{"name":"more","uid":"00000000-0000-0000-0000-000000000000"},"data":{"b":"3"}}"#, 409, "Conflict", "/details/name", "more"),
    ("PUT", MAP, JSON, r#"{"metadata":{"name":"d"}}"#, 400, "BadRequest", "/message", "the name of the object (d) does not match the name on the URL (more)"),
    ("PUT", MAP, JSON, r#"{"metadata":{"name":"more"},"data":{"b":"3"}}"#, 200, "-", "/data/b", "3"),
    ("PUT", "/api/v1/namespaces/{ns}/configmaps/zz", JSON, r#"{"metadata":{"name":"zz"}}"#, 404, "NotFound", "", ""),
    ("PATCH", MAP, PATCH, r#"[{"op":"test","path":"/data/zz","value":null},{"op":"replace","path":"/data/zz","value":"z"}]"#, 200, "-", "/data/zz", "z"),
    ("PATCH", MAP, PATCH, r#"[{"op":"remove","path":"/data/yy"}]"#, 422, "Invalid", "", ""),
    ("PATCH", MAP, PATCH, r#"[{"op":"replace","path":"/none/yy","value":"1"}]"#, 422, "Invalid", "", ""),
    ("PATCH", MAP, JSON, "{}", 415, "UnsupportedMediaType", "", ""),
    ("PATCH", "/api/v1/namespaces/{ns}/configmaps/a?fieldManager=one", APPLY, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"1"}}"#, 201, "-", "/data/k", "1"),
    ("PATCH", "/api/v1/namespaces/{ns}/configmaps/a?fieldManager=two", APPLY, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"2"}}"#, 409, "Conflict", "/message", "Apply failed with 1 conflict: conflict with \"one\": .data.k"),
    ("PATCH", "/api/v1/namespaces/{ns}/configmaps/a?fieldManager=two&force=true", APPLY, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"2"}}"#, 200, "-", "/data/k", "2"),
    ("PATCH", "/api/v1/namespaces/{ns}/configmaps/a?fieldManager=one", APPLY, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#, 200, "-", "/data/k", "2"),
    ("PATCH", "/api/v1/namespaces/{ns}/configmaps/a?fieldManager=two", APPLY, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#, 200, "-", "/data/k", "null"),
    ("PATCH", "/api/v1/namespaces/{ns}/configmaps/a", APPLY, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#, 422, "Invalid", "", ""),
    ("POST", SET, JSON, DEPLOYMENT, 201, "-", "/spec/strategy/rollingUpdate/maxSurge", "25%"),
    ("POST", "/apis/apps/v1/namespaces/{ns}/deployments?fieldValidation=Strict", JSON, r#"{"metadata":{"name":"x"},"spec":{"replica":1}}"#, 400, "BadRequest", "/message", "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: unknown field \"spec.replica\""),
    ("PATCH", "/apis/apps/v1/namespaces/{ns}/deployments/judge?fieldValidation=Strict", MERGE, r#"{"spec":{"replica":1}}"#, 422, "Invalid", "", ""),
    ("PATCH", "/apis/apps/v1/namespaces/{ns}/deployments/judge?fieldManager=q", APPLY, r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"judge"},"spec":{"replica":7}}"#, 500, "-", "/message", "failed to create typed patch object (/judge; apps/v1, Kind=Deployment): .spec.replica: field not declared in schema"),
    ("PATCH", "/apis/apps/v1/namespaces/{ns}/deployments/judge?fieldManager=q", APPLY, r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"judge"},"spec":{"template":{"spec":{"containers":[{"name":"main","image":"q"}]}}}}"#, 409, "Conflict", "/details/causes/0/field", ".spec.template.spec.containers[name=\"main\"].image"),
    ("PATCH", WEB, MERGE, r#"{"spec":{"selector":{"matchLabels":{"app":"other"}}}}"#, 422, "Invalid", "/details/kind", "Deployment"),
    ("PATCH", WEB, STRATEGIC, r#"{"spec":{"template":{"spec":{"containers":[{"name":"main","env":[{"name":"A","value":"1"}]}]}}}}"#, 200, "-", "/spec/template/spec/containers/0/image", "judge:1"),
    ("PATCH", "/apis/apps/v1/namespaces/{ns}/deployments/judge/scale", MERGE, r#"{"spec":{"replicas":1}}"#, 200, "-", "/spec/replicas", "1"),
    ("GET", WEB, "", "", 200, "-", "/spec/replicas", "1"),
    ("PATCH", WEB, MERGE, r#"{"spec":{"replicas":-1}}"#, 422, "Invalid", "/details/causes/0/field", "spec.replicas"),
    ("GET", "/apis/apps/v1/namespaces/{ns}/deployments?labelSelector=app%3Djudge", "", "", 200, "-", "/items/0/metadata/name", "judge"),
    ("GET", "/apis/apps/v1/namespaces/{ns}/deployments?fieldSelector=metadata.name%3Dother", "", "", 200, "-", "/items", "[]"),
    ("GET", "/apis/apps/v1/namespaces/{ns}/deployments?fieldSelector=foo%3Dbar", "", "", 400, "BadRequest", "", ""),
    ("GET", "/apis/apps/v1/namespaces/{ns}/gizmos/x", "", "", 404, "NotFound", "/message", "the server could not find the requested resource"),
    ("GET", "/apis/no.such.group/v1/namespaces/{ns}/things/x", "", "", 404, "-", "", "404 page not found\n"),
    ("POST", LEASES, JSON, r#"{"metadata":{"name":"l"},"spec":{"holderIdentity":"a","leaseDurationSeconds":15,"renewTime":"2026-01-01T00:00:00.000000Z"}}"#, 201, "-", "/spec/holderIdentity", "a"),
    ("PUT", "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/l", JSON, r#"{"metadata":{"name":"l"},"spec":{"holderIdentity":"b"}}"#, 422, "Invalid", "/details/causes/0/field", "metadata.resourceVersion"),
    ("POST", LEASES, JSON, r#"{"metadata":{"name":"m"},"spec":{"leaseDurationSeconds":0}}"#, 422, "Invalid", "", ""),
    ("POST", LEASES, JSON, r#"{"metadata":{"name":"m"},"spec":{"renewTime":"2026-01-01T00:00:00.5Z"}}"#, 400, "BadRequest", "", ""),
    ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", JSON, r#"{"spec":{"resourceAttributes":{"namespace":"{ns}","verb":"get","group":"apps","resource":"deployments"}}}"#, 201, "-", "/status/allowed", "true"),
    ("POST", SERVICES, JSON, r#"{"metadata":{"name":"s"},"spec":{"selector":{"app":"judge"},"ports":[{"port":80}]}}"#, 201, "-", "/spec/ports/0/targetPort", "80"),
    ("GET", SERVICE, "", "", 200, "-", "/metadata/generation", "null"),
    ("PATCH", SERVICE, PATCH, r#"[{"op":"replace","path":"/spec/selector/app","value":"judge-green"}]"#, 200, "-", "/spec/selector/app", "judge-green"),
    ("PATCH", SERVICE, PATCH, r#"[{"op":"add","path":"/metadata/annotations/x","value":"1"}]"#, 422, "Invalid", "", ""),
    ("PATCH", SERVICE, PATCH, r#"[{"op":"add","path":"/metadata/annotations","value":{"x":"1"}}]"#, 200, "-", "/metadata/annotations/x", "1"),
    ("PATCH", SERVICE, MERGE, r#"{"spec":{"clusterIP":"10.96.77.77"}}"#, 422, "Invalid", "", ""),
    ("PATCH", "/api/v1/namespaces/{ns}/services/s?fieldManager=two", APPLY, r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"selector":{"app":"q"}}}"#, 409, "Conflict", "/details/causes/0/field", ".spec.selector"),
    ("PATCH", SERVICE, STRATEGIC, r#"{"spec":{"ports":[{"port":81,"name":"b"},{"port":80,"name":"a"}]}}"#, 200, "-", "/spec/ports/1/name", "a"),
    ("POST", "/apis/networking.k8s.io/v1/namespaces/{ns}/ingresses", JSON, r#"{"metadata":{"name":"i"},"spec":{"rules":[{"host":"h.example","http":{"paths":[{"path":"/","pathType":"Prefix","backend":{"service":{"name":"s","port":{"number":80}}}}]}}]}}"#, 201, "-", "/metadata/generation", "1"),
    ("POST", "/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers", JSON, r#"{"metadata":{"name":"h"},"spec":{"maxReplicas":3,"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"none"}}}"#, 201, "-", "/metadata/generation", "null"),
    ("POST", "/api/v1/namespaces/{ns}/events", JSON, r#"{"metadata":{"name":"e"},"involvedObject":{"kind":"Pod","namespace":"{ns}","name":"p"},"reason":"R","message":"m","type":"Warning"}"#, 201, "-", "/type", "Warning"),
    ("GET", "/api/v1/namespaces/{ns}/events?fieldSelector=involvedObject.name%3Dp,type%3DWarning", "", "", 200, "-", "/items/0/reason", "R"),
    ("GET", "/api/v1/namespaces/{ns}/events?fieldSelector=involvedObject.name%3Dq", "", "", 200, "-", "/items", "[]"),
    ("POST", "/api/v1/namespaces/{ns}/configmaps?dryRun=All", JSON, r#"{"metadata":{"name":"dry"}}"#, 201, "-", "/metadata/name", "dry"),
    ("GET", "/api/v1/namespaces/{ns}/configmaps/dry", "", "", 404, "NotFound", "", ""),
    ("PATCH", "/api/v1/namespaces/{ns}/configmaps/dry", MERGE, r#"{"data":{"a":"1"}}"#, 404, "NotFound", "", ""),
    ("PATCH", "/apis/apps/v1/namespaces/{ns}/deployments/judge/status", MERGE, r#"{"spec":{"replicas":9}}"#, 200, "-", "/spec/replicas", "1"),
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
    ("POST", ROUTES, JSON, r#"{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"vs"},"spec":{"hosts":["judge"],"http":[{"route":[{"destination":{"host":"judge"},"weight":10}]}]}}"#, 201, "-", "/metadata/generation", "1"),
    ("POST", "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices?fieldValidation=Strict", JSON, r#"{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"w"},"spec":{"hosts":["judge"],"htp":[]}}"#, 400, "BadRequest", "/message", "VirtualService in version \"v1\" cannot be handled as a VirtualService: strict decoding error: unknown field \"spec.htp\""),
    ("POST", ROUTES, JSON, r#"{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"w"},"spec":{"hosts":["judge"],"http":[{"route":[{"destination":{"host":"judge"},"weight":"ten"}]}]}}"#, 422, "Invalid", "", ""),
    ("PATCH", "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices/vs", PATCH, r#"[{"op":"test","path":"/spec/http/0/route/0/weight","value":10.0}]"#, 422, "Invalid", "", ""),
    ("PATCH", "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices/vs", PATCH, r#"[{"op":"test","path":"/spec/http/0/route/0/weight","value":10},{"op":"replace","path":"/spec/http/0/route/0/weight","value":20}]"#, 200, "-", "/metadata/generation", "2"),
    ("PATCH", "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices/vs", STRATEGIC, r#"{"spec":{}}"#, 415, "UnsupportedMediaType", "", ""),
    ("PATCH", "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices/vs?fieldManager=two", APPLY, r#"{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"vs"},"spec":{"http":[]}}"#, 409, "Conflict", "/details/causes/0/field", ".spec.http"),
    ("PUT", "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices/vs", JSON, r#"{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"vs"},"spec":{"hosts":["judge"]}}"#, 422, "Invalid", "/details/causes/0/field", "metadata.resourceVersion"),
    ("POST", HTTP, JSON, r#"{"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute","metadata":{"name":"r"},"spec":{"parentRefs":[{"name":"gw"}],"rules":[{"backendRefs":[{"name":"judge","port":80}]}]}}"#, 201, "-", "/spec/rules/0/backendRefs/0/weight", "1"),
    ("PATCH", "/apis/gateway.networking.k8s.io/v1/namespaces/{ns}/httproutes/r", PATCH, r#"[{"op":"add","path":"/spec/rules/0/backendRefs/-","value":{"name":"canary","port":80,"weight":0}}]"#, 200, "-", "/spec/rules/0/backendRefs/1/kind", "Service"),
    ("POST", "/apis/argoproj.io/v1alpha1/namespaces/{ns}/rollouts", JSON, r#"{"apiVersion":"argoproj.io/v1alpha1","kind":"Rollout","metadata":{"name":"ro"},"spec":{"replicas":0,"selector":{"matchLabels":{"app":"r"}},"template":{"metadata":{"labels":{"app":"r"}},"spec":{"containers":[{"name":"main","image":"x"}]}},"strategy":{"canary":{"steps":[{"setWeight":20},{"pause":{}}]}}}}"#, 201, "-", "/metadata/generation", "1"),
    ("PATCH", "/apis/argoproj.io/v1alpha1/namespaces/{ns}/rollouts/ro/status", MERGE, r#"{"status":{"pauseConditions":null}}"#, 200, "-", "/status/pauseConditions", "null"),
    ("PATCH", "/apis/argoproj.io/v1alpha1/namespaces/{ns}/rollouts/ro/status?fieldValidation=Strict", MERGE, r#"{"spec":{"replicas":9},"status":{"abort":true}}"#, 200, "-", "/spec/replicas", "0"),
    ("GET", "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices/vs/scale", "", "", 404, "NotFound", "", ""),
    ("PATCH", "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices/vs?fieldManager=two&force=true", APPLY, r#"{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"vs","namespace":"{ns}"},"spec":{"htp":[]}}"#, 500, "-", "/message", "failed to create typed patch object ({ns}/vs; networking.istio.io/v1, Kind=VirtualService): .spec.htp: field not declared in schema"),
];

/// Every line that does not hold.
async fn faults(client: &::kube::Client, namespace: &str, table: &[Line]) -> Vec<String> {
    let mut faults = Vec::new();
    for (method, path, kind, body, status, reason, pointer, wanted) in table {
        let filled = |text: &str| text.replace("{ns}", namespace);
        let (path, body, wanted) = (filled(path), filled(body), filled(wanted));
        let (code, bytes) = call(client, method, &path, kind, body.clone().into_bytes()).await;
        let plain = String::from_utf8_lossy(&bytes).into_owned();
        let reply: Value = serde_json::from_str(&plain).unwrap_or(Value::String(plain));
        // An Event has a reason of its own.
        let named = reply["reason"].as_str().filter(|_| reply["kind"] == "Status").unwrap_or("-");
        let value = reply.pointer(pointer).unwrap_or(&Value::Null);
        let found = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if code != *status || named != *reason || !wanted.is_empty() && found != wanted {
            faults.push(format!("{method} {path} {body}\n  -> {code} {named} {pointer}={found}: {reply}"));
        }
    }
    faults
}

#[tokio::test]
async fn the_stub_answers_each_line() {
    let server = kube::Kube::start();
    let client = client(&server.kubeconfig()).await;
    let mut found = faults(&client, kube::NAMESPACE, TABLE).await;
    if kube::schemas_are_published() {
        found.extend(faults(&client, kube::NAMESPACE, CUSTOM).await);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
async fn a_real_server_answers_each_line() {
    let Some(path) = std::env::var_os("LLMCI_KUBECONFIG_REAL") else {
        println!("skipped: LLMCI_KUBECONFIG_REAL names no kubeconfig of a real API server");
        return;
    };
    let client = client(&std::fs::read_to_string(path).unwrap()).await;
    let namespace = format!("llmci-lines-{}", std::process::id());
    let body = json!({"metadata": {"name": namespace}}).to_string().into_bytes();
    call(&client, "POST", "/api/v1/namespaces", JSON, body).await;
    let mut found = faults(&client, &namespace, TABLE).await;
    found.extend(faults(&client, &namespace, CUSTOM).await);
    call(&client, "DELETE", &format!("/api/v1/namespaces/{namespace}"), "", Vec::new()).await;
    assert!(found.is_empty(), "{}", found.join("\n"));
}
