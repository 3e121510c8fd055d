//! Each router against an API server: up, down and away, with somebody else writing in between.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use llmci::cluster::{
    Cluster, Connection, DEPLOYMENT, Edit, HTTP_ROUTE, INGRESS, POD, Place, ROLLOUT, SERVICE, VIRTUAL_SERVICE,
};
use llmci::deliver::plan::Plan;
use llmci::deliver::traffic::{Names, Router, restore, router, set_version, steps_of};
use llmci::deliver::{Percent, Split, Trouble};
use serde_json::{Value, json};

struct World {
    cluster: Cluster,
    namespace: String,
}

async fn world(name: &str) -> Option<World> {
    let file = std::env::var("LLMCI_TEST_KUBECONFIG").ok()?;
    let kubeconfig = Some(std::fs::read_to_string(file).unwrap());
    let cluster = Cluster::connect(&Connection { context: None, kubeconfig }).await.unwrap();
    let namespace = format!("traffic-{}-{name}", std::process::id());
    let output = std::process::Command::new("kubectl")
        .args(["--kubeconfig", &std::env::var("LLMCI_TEST_KUBECONFIG").unwrap(), "create", "namespace", &namespace])
        .output()
        .unwrap();
    assert!(output.status.success());
    Some(World { cluster, namespace })
}

impl World {
    fn names(&self) -> Names {
        Names {
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

    async fn make(&self, place: &Place, rest: Value) {
        let mut object = json!({"apiVersion": place.resource.api_version(), "kind": place.resource.kind,
            "metadata": {"name": place.name, "namespace": place.namespace}});
        for (key, value) in rest.as_object().unwrap() {
            object[key] = value.clone();
        }
        self.cluster.create(place, &object).await.expect("an object");
    }

    async fn service(&self) -> Place {
        let place = SERVICE.at(&self.namespace, "llm");
        let spec = json!({"selector": {"app": "llm"}, "ports": [{"name": "http", "port": 80}]});
        self.make(&place, json!({"spec": spec})).await;
        place
    }

    async fn deployment(&self, name: &str, replicas: u32, labels: Value) -> Place {
        let place = DEPLOYMENT.at(&self.namespace, name);
        let spec = json!({"replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "a:1"}]}}});
        self.make(&place, json!({"spec": spec})).await;
        place
    }

    /// Plays the kubelet: every pod is ready.
    async fn ready_pods(&self) {
        let pods = self.cluster.list(POD, &self.namespace, None).await.unwrap();
        for pod in pods.iter().filter(|pod| pod.pointer("/status/conditions").is_none()) {
            let status = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
            let place = POD.at(&self.namespace, pod["metadata"]["name"].as_str().unwrap());
            self.cluster.merge(&place, Some("status"), &json!({"status": status})).await.unwrap();
        }
    }

    /// Waits until the router sees this split.
    async fn seen(&self, router: &dyn Router, percent: u8) {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let now = router.split().await.unwrap();
            if now == to(percent) {
                return;
            }
            assert!(Instant::now() < until, "{now:?} instead of {percent}");
            self.ready_pods().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn plan_of(rest: &str) -> Plan {
    let text = format!("version: 1\n{rest}");
    let document = llmci::document::parse_yaml("rollout.yaml", &text).unwrap_or_else(|_| panic!("no document"));
    llmci::deliver::plan::read(&document).unwrap_or_else(|_| panic!("no plan"))
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

/// Up, down and away, while somebody else writes to the same object all the time.
async fn walk(
    world: &World,
    router: &dyn Router,
    place: &Place,
    untouched: &dyn Fn(&Value) -> Value,
    weights: &dyn Fn(&Value) -> Vec<i64>,
) {
    let before = world.cluster.get(place).await.unwrap();
    let (done, mut stop) = tokio::sync::oneshot::channel::<()>();
    let (cluster, theirs) = (world.cluster.clone(), place.clone());
    let busy = tokio::spawn(async move {
        let mut count = 0;
        while stop.try_recv().is_err() {
            let patch = json!({"metadata": {"labels": {"busy": format!("n{count}")}}});
            cluster.merge(&theirs, None, &patch).await.unwrap();
            count += 1;
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
        count
    });
    assert_eq!(router.split().await.unwrap(), Split::STABLE);
    for percent in [0, 10, 50, 100, 0, 25] {
        router.shift(to(percent)).await.unwrap();
        assert_eq!(router.split().await.unwrap(), to(percent));
        let now = world.cluster.get(place).await.unwrap();
        let expected: Vec<i64> = vec![100 - i64::from(percent), i64::from(percent)];
        assert!(weights(&now) == expected || percent == 0, "{now}");
        assert_eq!(untouched(&now).to_string(), untouched(&before).to_string());
    }
    router.clear().await.unwrap();
    done.send(()).unwrap();
    assert!(busy.await.unwrap() > 3, "somebody else wrote in between");
    world.cluster.merge(place, None, &json!({"metadata": {"labels": null}})).await.unwrap();
    let after = world.cluster.get(place).await.unwrap();
    assert_eq!(essence(&after), essence(&before));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_service_goes_up_and_down_while_others_write() {
    let Some(world) = world("vs").await else { return };
    let place = VIRTUAL_SERVICE.at(&world.namespace, "vs");
    let http = json!([
        {"name": "docs", "match": [{"uri": {"prefix": "/docs"}}], "redirect": {"uri": "/"}},
        {"name": "main", "timeout": "30s", "route": [{"destination": {"host": "llm", "port": {"number": 80}}}]},
        {"route": [{"destination": {"host": "other"}}]}]);
    world.make(&place, json!({"spec": {"hosts": ["llm.example.com"], "http": http}})).await;
    let router = world.router(&format!("{DEPLOYED}traffic: {{istio: {{virtual_service: vs}}}}\n"));
    let untouched =
        |object: &Value| json!([object["spec"]["http"][0], object["spec"]["http"][2], object["spec"]["hosts"]]);
    let weights = |object: &Value| {
        let route = object["spec"]["http"][1]["route"].as_array().unwrap();
        route.iter().filter_map(|one| one["weight"].as_i64()).collect()
    };
    walk(&world, router.as_ref(), &place, &untouched, &weights).await;

    let mirror = Split { canary: Percent::ZERO, mirror: Percent::new(10).unwrap() };
    router.shift(mirror).await.unwrap();
    assert_eq!(router.split().await.unwrap(), mirror);
    router.clear().await.unwrap();

    router.shift(to(10)).await.unwrap();
    let weight = Edit::Replace("/spec/http/1/route/1/weight".into(), json!(60));
    world.cluster.edit(&place, &[weight]).await.unwrap();
    let found = words(router.shift(to(50)).await);
    assert!(found.starts_with("foreign: VirtualService") && found.contains("llm-canary 60"), "{found}");
    assert!(words(router.clear().await).starts_with("foreign: "));
    let now = world.cluster.get(&place).await.unwrap();
    assert_eq!(now["spec"]["http"][1]["route"][1]["weight"], json!(60));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_route_goes_up_and_down_while_others_write() {
    let Some(world) = world("route").await else { return };
    let place = HTTP_ROUTE.at(&world.namespace, "web");
    let rules = json!([
        {"matches": [{"path": {"type": "Exact", "value": "/old"}}], "filters": [{"type": "RequestRedirect", "requestRedirect": {"statusCode": 301}}]},
        {"backendRefs": [{"name": "llm", "port": 80}]},
        {"matches": [{"path": {"type": "PathPrefix", "value": "/x"}}], "backendRefs": [{"name": "other", "port": 80}]}]);
    world.make(&place, json!({"spec": {"parentRefs": [{"name": "gateway"}], "rules": rules}})).await;
    let router = world.router(&format!("{DEPLOYED}traffic: {{gateway: {{http_route: web}}}}\n"));
    let untouched =
        |object: &Value| json!([object["spec"]["rules"][0], object["spec"]["rules"][2], object["spec"]["parentRefs"]]);
    let weights = |object: &Value| {
        let backends = object["spec"]["rules"][1]["backendRefs"].as_array().unwrap();
        backends.iter().filter_map(|one| one["weight"].as_i64()).collect()
    };
    walk(&world, router.as_ref(), &place, &untouched, &weights).await;

    let mirror = Split { canary: Percent::ZERO, mirror: Percent::new(10).unwrap() };
    router.shift(mirror).await.unwrap();
    assert_eq!(router.split().await.unwrap(), mirror);
    router.clear().await.unwrap();

    router.shift(to(10)).await.unwrap();
    let weight = Edit::Replace("/spec/rules/1/backendRefs/1/weight".into(), json!(0));
    world.cluster.edit(&place, &[weight]).await.unwrap();
    assert!(words(router.shift(to(50)).await).starts_with("foreign: HTTPRoute"));
    // Somebody brought everything back by hand: the way back is done, and nothing of theirs is overwritten.
    assert_eq!(words(router.shift(Split::STABLE).await), "fine");
    router.clear().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_ingress_comes_and_goes_beside_the_users() {
    let Some(world) = world("ingress").await else { return };
    let place = INGRESS.at(&world.namespace, "web");
    let path =
        json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "llm", "port": {"number": 80}}}});
    let docs = json!({"path": "/docs", "pathType": "Prefix", "backend": {"service": {"name": "docs", "port": {"number": 80}}}});
    let rules = json!([{"host": "llm.example.com", "http": {"paths": [path, docs]}}]);
    world.make(&place, json!({"spec": {"ingressClassName": "nginx", "rules": rules}})).await;
    let before = world.cluster.get(&place).await.unwrap();
    let router = world.router(&format!("{DEPLOYED}traffic: {{nginx: {{ingress: web}}}}\n"));
    let ours = INGRESS.at(&world.namespace, "web-canary");
    assert_eq!(router.split().await.unwrap(), Split::STABLE);
    for percent in [10, 50, 100, 0, 25] {
        router.shift(to(percent)).await.unwrap();
        assert_eq!(router.split().await.unwrap(), to(percent));
        let weight = world.cluster.find(&ours).await.unwrap().map(|ours| {
            assert_eq!(ours["spec"]["rules"][0]["http"]["paths"].as_array().unwrap().len(), 1);
            ours["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"].clone()
        });
        assert_eq!(weight, Some(json!(percent.to_string())).filter(|_| percent > 0));
        assert_eq!(world.cluster.get(&place).await.unwrap(), before);
    }
    let patch = json!({"metadata": {"annotations": {"nginx.ingress.kubernetes.io/canary-weight": "90"}}});
    world.cluster.merge(&ours, None, &patch).await.unwrap();
    let found = words(router.shift(to(50)).await);
    assert!(found.contains("a weight of 25 was left; now 90"), "{found}");
    assert!(words(router.clear().await).starts_with("foreign: "));
    let patch = json!({"metadata": {"annotations": {"nginx.ingress.kubernetes.io/canary-weight": "25"}}});
    world.cluster.merge(&ours, None, &patch).await.unwrap();
    router.clear().await.unwrap();
    assert!(world.cluster.find(&ours).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn blue_green_switches_one_label_and_stays_where_it_ends() {
    let Some(world) = world("colours").await else { return };
    let place = world.service().await;
    let names = Names { canary_labels: BTreeMap::from([("app".to_owned(), "llm-green".to_owned())]), ..world.names() };
    let plan = plan_of(&format!("{DEPLOYED}strategy: blue-green\n"));
    let router = router(&plan, &world.cluster, &names);
    for percent in [0, 100, 0, 100] {
        router.shift(to(percent)).await.unwrap();
        assert_eq!(router.split().await.unwrap(), to(percent));
        let now = world.cluster.get(&place).await.unwrap();
        assert_eq!(now["spec"]["selector"]["app"], json!(if percent == 0 { "llm" } else { "llm-green" }));
    }
    assert!(words(router.shift(to(10)).await).contains("all or nothing"));
    router.clear().await.unwrap();
    let now = world.cluster.get(&place).await.unwrap();
    assert_eq!(now["spec"]["selector"]["app"], json!("llm-green"));
    assert_eq!(now.pointer("/metadata/annotations"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_behind_one_service_are_the_split() {
    let Some(world) = world("ratio").await else { return };
    let service = world.service().await;
    world.deployment("llm", 3, json!({"app": "llm"})).await;
    let labels = json!({"app": "llm", "llmci.dev/rollout": "llm", "llmci.dev/track": "canary"});
    let canary = world.deployment("llm-canary", 0, labels).await;
    let router = world.router(DEPLOYED);
    world.seen(router.as_ref(), 0).await;
    assert_eq!(router.offers(to(10)).await.unwrap(), to(25));
    for (asked, pods, real) in [(10, 1, 25), (50, 3, 50)] {
        router.shift(to(asked)).await.unwrap();
        assert_eq!(world.cluster.get(&canary).await.unwrap()["spec"]["replicas"], json!(pods));
        world.seen(router.as_ref(), real).await;
    }
    router.shift(to(100)).await.unwrap();
    assert_eq!(router.split().await.unwrap(), to(100));
    assert_eq!(world.cluster.get(&service).await.unwrap()["spec"]["selector"]["llmci.dev/track"], json!("canary"));
    router.shift(Split::STABLE).await.unwrap();
    let now = world.cluster.get(&service).await.unwrap();
    assert_eq!(now["spec"]["selector"], json!({"app": "llm"}));
    world.seen(router.as_ref(), 0).await;
    router.shift(to(100)).await.unwrap();
    assert_eq!(router.split().await.unwrap(), Split::STABLE, "no pod of the canary is ready");
    router.clear().await.unwrap();
    assert_eq!(world.cluster.get(&service).await.unwrap().pointer("/metadata/annotations"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_told_to_go_on_and_to_go_back() {
    let Some(world) = world("argo").await else { return };
    let place = ROLLOUT.at(&world.namespace, "llm");
    let steps = json!([{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}]);
    let spec = json!({"replicas": 3, "selector": {"matchLabels": {"app": "llm"}}, "strategy": {"canary": {"steps": steps}},
        "template": {"metadata": {"labels": {"app": "llm"}}, "spec": {"containers": [{"name": "main", "image": "a:1"}]}}});
    world.make(&place, json!({"spec": spec})).await;
    let plan = plan_of("workload: {kind: Rollout, name: llm}\nchange: {image: 'a:2', model: {value: v2}}\n");
    let names = world.names();
    let router = router(&plan, &world.cluster, &names);
    let before = world.cluster.get(&place).await.unwrap();
    assert_eq!(steps_of(&before).unwrap().len(), 3);
    let old = set_version(&world.cluster, &plan, &names).await.unwrap();
    assert_eq!((old.image.as_deref(), old.model.as_deref()), (Some("a:1"), None));
    // What the controller would say when it has come to its first pause.
    let say = async |index: u64, weight: u64| {
        let generation = world.cluster.get(&place).await.unwrap()["metadata"]["generation"].to_string();
        let status = json!({"observedGeneration": generation, "currentPodHash": "new", "stableRS": "old", "currentStepIndex": index,
            "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-01-01T00:00:00Z"}],
            "canary": {"weights": {"canary": {"weight": weight}, "stable": {"weight": 100 - weight}}}});
        world.cluster.merge(&place, Some("status"), &json!({"status": status})).await.unwrap();
    };
    say(1, 10).await;
    router.shift(to(10)).await.unwrap();
    assert!(words(router.shift(to(100)).await).contains("100 % is not the next"));
    router.shift(to(50)).await.unwrap();
    let now = world.cluster.get(&place).await.unwrap();
    assert_eq!(now.pointer("/status/pauseConditions"), None);
    say(3, 50).await;
    assert_eq!(router.split().await.unwrap(), to(50));
    router.shift(Split::STABLE).await.unwrap();
    let now = world.cluster.get(&place).await.unwrap();
    assert_eq!(now.pointer("/status/abort"), Some(&json!(true)));
    restore(&world.cluster, &plan, &names, &old).await.unwrap();
    let now = world.cluster.get(&place).await.unwrap();
    let container = &now["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], json!("a:1"));
    assert!(container.get("env").is_none_or(|env| env == &json!([])), "{container}");
}
