//! Each router against an API server: up, down and away, with somebody else writing in between.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "support/kube/mod.rs"]
mod kube;

use std::collections::BTreeMap;

use kube::{Fault, Kube, When};
use llmci::cluster::{Cluster, Connection, HTTP_ROUTE, INFERENCE_SERVICE, INGRESS, ROLLOUT, Resource, VIRTUAL_SERVICE};
use llmci::deliver::plan::Plan;
use llmci::deliver::traffic::{Router, RouterNames, restore, router, set_version, steps_of};
use llmci::deliver::{Percent, Split, Trouble};
use serde_json::{Value, json};

/// The version before, and the new one.
const OLD: &str = "registry/llm:1";
const NEW: &str = "registry/llm:2";

struct World {
    kube: Kube,
    cluster: Cluster,
    namespace: String,
}

/// `llm` with its Service, and beside it the canary with its own.
async fn world() -> World {
    let kube = Kube::start();
    let cluster =
        Cluster::connect(&Connection { kubeconfig: Some(kube.kubeconfig()), ..Connection::default() }).await.unwrap();
    kube.deployment("llm", OLD, 3);
    let labels = json!({"app": "llm-canary", "llmci.dev/rollout": "llm", "llmci.dev/track": "canary"});
    kube.put(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "llm-canary"}, "spec": {
        "selector": {"llmci.dev/rollout": "llm", "llmci.dev/track": "canary"},
        "ports": [{"name": "http", "port": 80, "targetPort": 8000}]}}));
    kube.put(canary_deployment("llm-canary", &labels, 3));
    World { kube, cluster, namespace: "prod".to_owned() }
}

fn canary_deployment(name: &str, labels: &Value, replicas: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "main", "image": NEW, "ports": [{"containerPort": 8000, "protocol": "TCP"}]}]}}}})
}

impl World {
    fn names(&self) -> RouterNames {
        RouterNames {
            namespace: self.namespace.clone(),
            stable_service: "llm".into(),
            canary_service: "llm-canary".into(),
            stable_workload: "llm".into(),
            canary_workload: "llm-canary".into(),
            canary_labels: BTreeMap::from([("llmci.dev/track".to_owned(), "canary".to_owned())]),
            flag: None,
        }
    }

    fn router(&self, plan: &str) -> Box<dyn Router> {
        router(&plan_of(plan), &self.cluster, &self.names())
    }

    fn put(&self, resource: Resource, name: &str, spec: Value) {
        let (version, kind) = (resource.api_version(), resource.kind);
        self.kube.put(json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}));
    }

    /// The users' share that the new version really has.
    fn users(&self) -> f64 {
        self.kube.traffic("llm").get(NEW).copied().unwrap_or(0.0)
    }

    /// Somebody else writes while the next call is answered: what was read is old when it arrives.
    fn disturb_label(&self, kind: &'static str, name: &'static str) {
        let kube = self.kube.clone();
        self.kube.on(When::BeforeAnswer(self.kube.calls().len() + 1), move || {
            kube.edit(kind, name, |object| object["metadata"]["labels"]["busy"] = json!("yes"));
        });
    }
}

fn plan_of(rest: &str) -> Plan {
    let text = format!("version: 1\n{rest}");
    let document = llmci::document::parse_yaml("rollout.yaml", &text).unwrap_or_else(|_| panic!("no document"));
    llmci::document::decode(&document).unwrap_or_else(|_| panic!("no plan"))
}

const DEPLOYED: &str = "workload: {name: llm}\nchange: {image: 'a:2'}\n";

fn to(percent: u8) -> Split {
    Split::to_canary(Percent::new(percent).unwrap())
}

/// Everything of an object that a user would miss.
fn essence(object: &Value) -> String {
    let mut object = object.clone();
    let metadata = object["metadata"].as_object_mut().unwrap();
    for key in ["managedFields", "resourceVersion", "generation"] {
        metadata.shift_remove(key);
    }
    object.to_string()
}

fn words(result: Result<(), Trouble>) -> String {
    match result {
        Ok(()) => "fine".to_owned(),
        Err(Trouble::Plan(words)) => format!("plan: {}", words.raw()),
        Err(Trouble::Foreign(words)) => format!("foreign: {}", words.raw()),
        Err(other) => format!("{other:?}"),
    }
}

/// Up, down and away; each time somebody else writes between what is read and what is written.
async fn walk(
    world: &World,
    router: &dyn Router,
    kind: &'static str,
    name: &'static str,
    untouched: &dyn Fn(&Value) -> Value,
) {
    world.kube.edit(kind, name, |object| object["metadata"]["labels"] = json!({"busy": "no"}));
    let before = world.kube.get(kind, name);
    assert_eq!(router.split().await.unwrap(), Split::STABLE);
    for percent in [0, 10, 50, 100, 0, 25] {
        world.disturb_label(kind, name);
        let calls = world.kube.writes().len();
        router.shift(to(percent)).await.unwrap();
        assert_eq!(router.split().await.unwrap(), to(percent));
        let now = world.kube.get(kind, name);
        assert_eq!(now["metadata"]["labels"]["busy"], json!("yes"), "what somebody else wrote is kept");
        if percent > 0 {
            let statuses: Vec<u16> = world.kube.writes().iter().skip(calls).map(|call| call.status).collect();
            assert_eq!(statuses, [422, 200], "the first write is refused, the second is decided anew");
        }
        assert!((world.users() - f64::from(percent) / 100.0).abs() < 1e-9, "{:?}", world.kube.traffic("llm"));
        assert_eq!(untouched(&now).to_string(), untouched(&before).to_string());
        world.kube.edit(kind, name, |object| object["metadata"]["labels"]["busy"] = json!("no"));
    }
    router.clear().await.unwrap();
    assert_eq!(essence(&world.kube.get(kind, name)), essence(&before));
    assert!(world.users().abs() < 1e-9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_service_goes_up_and_down_while_others_write() {
    let world = world().await;
    let http = json!([
        {"name": "docs", "match": [{"uri": {"prefix": "/docs"}}], "redirect": {"uri": "/"}},
        {"name": "main", "timeout": "30s", "route": [{"destination": {"host": "llm", "port": {"number": 80}}}]},
        {"route": [{"destination": {"host": "other"}}]}]);
    world.put(VIRTUAL_SERVICE, "vs", json!({"hosts": ["llm"], "http": http}));
    let router = world.router(&format!("{DEPLOYED}traffic: {{istio: {{virtual_service: vs}}}}\n"));
    let untouched =
        |object: &Value| json!([object["spec"]["http"][0], object["spec"]["http"][2], object["spec"]["hosts"]]);
    walk(&world, router.as_ref(), "VirtualService", "vs", &untouched).await;

    let mirror = Split { canary: Percent::ZERO, mirror: Percent::new(10).unwrap() };
    router.shift(mirror).await.unwrap();
    assert_eq!(router.split().await.unwrap(), mirror);
    assert!(world.users().abs() < 1e-9, "mirrored requests have no users");
    router.clear().await.unwrap();

    router.shift(to(10)).await.unwrap();
    world.kube.edit_as("argocd", "VirtualService", "vs", |object| {
        object["spec"]["http"][1]["route"] = json!([{"destination": {"host": "llm"}, "weight": 40},
            {"destination": {"host": "llm-canary"}, "weight": 60}]);
    });
    let before = world.kube.get("VirtualService", "vs");
    for result in [router.shift(to(50)).await, router.shift(Split::STABLE).await, router.clear().await] {
        let found = words(result);
        assert!(found.starts_with("foreign: VirtualService prod/vs: 10 % to canary"), "{found}");
        assert!(found.contains("now llm 40, llm-canary 60 (last written by argocd"), "{found}");
    }
    assert_eq!(world.kube.get("VirtualService", "vs"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_route_goes_up_and_down_while_others_write() {
    let world = world().await;
    let rules = json!([
        {"matches": [{"path": {"type": "Exact", "value": "/old"}}],
         "filters": [{"type": "RequestRedirect", "requestRedirect": {"statusCode": 301}}]},
        {"backendRefs": [{"name": "llm", "port": 80}]},
        {"matches": [{"path": {"type": "PathPrefix", "value": "/x"}}], "backendRefs": [{"name": "other", "port": 80}]}]);
    let parents = json!([{"group": "", "kind": "Service", "name": "llm"}]);
    world.put(HTTP_ROUTE, "web", json!({"parentRefs": parents, "rules": rules}));
    let router = world.router(&format!("{DEPLOYED}traffic: {{gateway: {{http_route: web}}}}\n"));
    let untouched =
        |object: &Value| json!([object["spec"]["rules"][0], object["spec"]["rules"][2], object["spec"]["parentRefs"]]);
    walk(&world, router.as_ref(), "HTTPRoute", "web", &untouched).await;

    let mirror = Split { canary: Percent::ZERO, mirror: Percent::new(10).unwrap() };
    router.shift(mirror).await.unwrap();
    assert_eq!(router.split().await.unwrap(), mirror);
    router.clear().await.unwrap();

    router.shift(to(10)).await.unwrap();
    world.kube.edit("HTTPRoute", "web", |object| object["spec"]["rules"][1]["backendRefs"][1]["weight"] = json!(0));
    assert!(words(router.shift(to(50)).await).starts_with("foreign: HTTPRoute prod/web"));
    // Somebody brought everything back by hand: the way back is done, and nothing of theirs is overwritten.
    let before = world.kube.get("HTTPRoute", "web");
    router.shift(Split::STABLE).await.unwrap();
    assert_eq!(world.kube.get("HTTPRoute", "web"), before);
    router.clear().await.unwrap();
    assert_eq!(world.kube.get("HTTPRoute", "web")["spec"], before["spec"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_ingress_comes_and_goes_beside_the_users() {
    let world = world().await;
    let path = |path: &str, service: &str| json!({"path": path, "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}});
    let rules = json!([{"host": "llm", "http": {"paths": [path("/", "llm"), path("/docs", "docs")]}}]);
    world.put(INGRESS, "web", json!({"ingressClassName": "nginx", "rules": rules}));
    let before = world.kube.get("Ingress", "web");
    let router = world.router(&format!("{DEPLOYED}traffic: {{nginx: {{ingress: web}}}}\n"));
    let weight = "nginx.ingress.kubernetes.io/canary-weight";
    assert_eq!(router.split().await.unwrap(), Split::STABLE);
    for percent in [10, 50, 100, 0, 25] {
        router.shift(to(percent)).await.unwrap();
        assert_eq!(router.split().await.unwrap(), to(percent));
        let ours = world.kube.find("Ingress", "web-canary");
        let said = ours.map(|ours| {
            assert_eq!(ours["spec"]["rules"][0]["http"]["paths"], json!([path("/", "llm-canary")]));
            ours["metadata"]["annotations"][weight].clone()
        });
        assert_eq!(said, Some(json!(percent.to_string())).filter(|_| percent > 0));
        assert_eq!(world.kube.get("Ingress", "web"), before, "the user's own is only read");
        assert!((world.users() - f64::from(percent) / 100.0).abs() < 1e-9, "{:?}", world.kube.traffic("llm"));
    }
    let turn = |to: &'static str| {
        world
            .kube
            .edit_as("argocd", "Ingress", "web-canary", |object| object["metadata"]["annotations"][weight] = json!(to));
    };
    turn("90");
    let found = words(router.shift(to(50)).await);
    assert!(found.contains("a weight of 25 was left; now 90") && found.contains("argocd"), "{found}");
    assert!(words(router.clear().await).starts_with("foreign: "));
    turn("25");
    // The weight is as it was left, and is argocd's now: the API server says so, and nothing is forced.
    let found = words(router.shift(to(50)).await);
    assert!(found.starts_with("foreign: ") && found.contains("argocd"), "{found}");
    turn("0");
    router.shift(Split::STABLE).await.unwrap();
    router.clear().await.unwrap();
    assert!(world.kube.find("Ingress", "web-canary").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn blue_green_switches_one_label_and_stays_where_it_ends() {
    let world = world().await;
    let names =
        RouterNames { canary_labels: BTreeMap::from([("app".to_owned(), "llm-canary".to_owned())]), ..world.names() };
    let plan = plan_of(&format!("{DEPLOYED}strategy: blue-green\n"));
    let router = router(&plan, &world.cluster, &names);
    for percent in [0, 100, 0, 100] {
        world.disturb_label("Service", "llm");
        router.shift(to(percent)).await.unwrap();
        assert_eq!(router.split().await.unwrap(), to(percent));
        assert!((world.users() - f64::from(percent) / 100.0).abs() < 1e-9, "{:?}", world.kube.traffic("llm"));
    }
    assert!(words(router.shift(to(10)).await).contains("all or nothing"));
    router.clear().await.unwrap();
    let now = world.kube.get("Service", "llm");
    assert_eq!(now["spec"]["selector"], json!({"app": "llm-canary"}));
    assert_eq!(now.pointer("/metadata/annotations"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_behind_one_service_are_the_split() {
    let world = world().await;
    world.kube.delete("Deployment", "llm-canary");
    let labels = json!({"app": "llm", "llmci.dev/rollout": "llm", "llmci.dev/track": "canary"});
    world.kube.put(canary_deployment("llm-canary", &labels, 0));
    let router = world.router(DEPLOYED);
    assert_eq!(router.split().await.unwrap(), Split::STABLE);
    assert_eq!(router.offers(to(10)).await.unwrap(), to(25));
    for (asked, pods, real) in [(10, 1, 25), (50, 3, 50)] {
        router.shift(to(asked)).await.unwrap();
        assert_eq!(world.kube.get("Deployment", "llm-canary")["spec"]["replicas"], json!(pods));
        assert_eq!(router.split().await.unwrap(), to(real));
        assert!((world.users() - f64::from(real) / 100.0).abs() < 1e-9, "{:?}", world.kube.traffic("llm"));
    }
    world.kube.set_ready(NEW, false);
    router.shift(to(100)).await.unwrap();
    assert_eq!(router.split().await.unwrap(), Split::STABLE, "pods that are not ready are not given everything");
    assert!(world.users().abs() < 1e-9);
    world.kube.set_ready(NEW, true);
    router.shift(to(100)).await.unwrap();
    assert_eq!(router.split().await.unwrap(), to(100));
    assert!((world.users() - 1.0).abs() < 1e-9);
    router.shift(Split::STABLE).await.unwrap();
    assert_eq!(world.kube.get("Service", "llm")["spec"]["selector"], json!({"app": "llm"}));
    assert_eq!(world.kube.get("Deployment", "llm-canary")["spec"]["replicas"], json!(0));
    assert_eq!(world.kube.get("Deployment", "llm")["spec"]["replicas"], json!(3), "stable's number is not ours");
    assert!(world.users().abs() < 1e-9);
    router.clear().await.unwrap();
    assert_eq!(world.kube.get("Service", "llm").pointer("/metadata/annotations"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_named() {
    let world = world().await;
    let router = world.router(&format!("{DEPLOYED}traffic: {{istio: {{virtual_service: vs}}}}\n"));
    assert_eq!(words(router.split().await.map(drop)), "plan: there is no VirtualService prod/vs");
    world.kube.uninstall("networking.istio.io");
    let found = words(router.shift(to(10)).await);
    assert!(found.starts_with("plan: the cluster knows no VirtualService of networking.istio.io/v1"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_changes_nothing_twice() {
    let world = world().await;
    let http = json!([{"route": [{"destination": {"host": "llm"}}]}]);
    world.put(VIRTUAL_SERVICE, "vs", json!({"hosts": ["llm"], "http": http}));
    let router = world.router(&format!("{DEPLOYED}traffic: {{istio: {{virtual_service: vs}}}}\n"));
    world.kube.fail("PATCH /apis/networking.istio.io", Fault::CloseAfter);
    let _lost = router.shift(to(10)).await;
    router.shift(to(10)).await.unwrap();
    assert_eq!(router.split().await.unwrap(), to(10));
    let done = world.kube.writes().iter().filter(|call| call.path.contains("virtualservices")).count();
    assert_eq!(done, 1, "what was done is seen, and not done again");
    router.clear().await.unwrap();
    assert_eq!(
        world.kube.get("VirtualService", "vs")["spec"]["http"],
        json!([{"route": [{"destination": {"host": "llm"}}]}])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_told_to_go_on_and_to_go_back() {
    let world = world().await;
    world.kube.by_hand(true);
    let place = ROLLOUT.at(&world.namespace, "llm");
    let steps = json!([{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}]);
    let spec = json!({"replicas": 3, "selector": {"matchLabels": {"app": "llm"}}, "strategy": {"canary": {"steps": steps}},
        "template": {"metadata": {"labels": {"app": "llm"}}, "spec": {"containers": [{"name": "main", "image": OLD}]}}});
    world.put(ROLLOUT, "llm", spec);
    let plan = plan_of("workload: {kind: Rollout, name: llm}\nchange: {image: 'registry/llm:2', model: {value: v2}}\n");
    let names = world.names();
    let router = router(&plan, &world.cluster, &names);
    assert_eq!(steps_of(&world.kube.get("Rollout", "llm")).unwrap().len(), 3);
    let old = set_version(&world.cluster, &plan, &names).await.unwrap();
    assert_eq!((old.image.as_deref(), old.model.as_deref()), (Some(OLD), None));
    // What the controller says when it has come to a pause.
    let say = async |index: u64, weight: u64| {
        let generation = world.kube.get("Rollout", "llm")["metadata"]["generation"].to_string();
        let status = json!({"observedGeneration": generation, "currentPodHash": "new", "stableRS": "old",
            "currentStepIndex": index,
            "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-01-01T00:00:00Z"}],
            "canary": {"weights": {"canary": {"weight": weight}, "stable": {"weight": 100 - weight}}}});
        world.cluster.merge(&place, Some("status"), &json!({"status": status})).await.unwrap();
    };
    say(1, 10).await;
    router.shift(to(10)).await.unwrap();
    assert!(words(router.shift(to(100)).await).contains("100 % is not the next"));
    world.disturb_label("Rollout", "llm");
    router.shift(to(50)).await.unwrap();
    assert_eq!(world.kube.get("Rollout", "llm").pointer("/status/pauseConditions"), None);
    let statuses: Vec<u16> = world.kube.writes().iter().rev().take(2).map(|call| call.status).collect();
    assert_eq!(statuses, [200, 409], "a stale resourceVersion is refused, and decided anew");
    say(3, 50).await;
    assert_eq!(router.split().await.unwrap(), to(50));
    router.shift(Split::STABLE).await.unwrap();
    assert_eq!(world.kube.get("Rollout", "llm").pointer("/status/abort"), Some(&json!(true)));
    restore(&world.cluster, &plan, &names, &old).await.unwrap();
    let now = world.kube.get("Rollout", "llm");
    let container = &now["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], json!(OLD));
    assert!(container.get("env").is_none_or(|env| env == &json!([])), "{container}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inference_service_is_held_while_its_model_changes() {
    let world = world().await;
    world.kube.by_hand(true);
    world.put(
        INFERENCE_SERVICE,
        "llm",
        json!({"predictor": {"model": {"modelFormat": {"name": "vllm"}, "storageUri": "gs://a"}}}),
    );
    let before = world.kube.get("InferenceService", "llm");
    let plan = plan_of("workload: {kind: InferenceService, name: llm}\nchange: {model: {value: 'gs://b'}}\n");
    let names = world.names();
    let router = router(&plan, &world.cluster, &names);
    let old = set_version(&world.cluster, &plan, &names).await.unwrap();
    let predictor = |name: &str| world.kube.get("InferenceService", "llm")["spec"]["predictor"][name].clone();
    assert_eq!(
        (predictor("canaryTrafficPercent"), predictor("model")["storageUri"].clone()),
        (json!(0), json!("gs://b"))
    );
    assert_eq!(
        world.kube.writes().len(),
        1,
        "both in one patch: without the percentage the new model would have everything"
    );
    router.shift(to(10)).await.unwrap();
    assert_eq!(predictor("canaryTrafficPercent"), json!(10));
    assert_eq!(router.split().await.unwrap(), Split::STABLE, "its controller has not said so yet");
    router.shift(Split::STABLE).await.unwrap();
    assert!(words(router.clear().await).contains("put the old one back first"));
    restore(&world.cluster, &plan, &names, &old).await.unwrap();
    router.clear().await.unwrap();
    assert_eq!(essence(&world.kube.get("InferenceService", "llm")), essence(&before));
}
