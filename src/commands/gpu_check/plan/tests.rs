//! The planner by tables and properties: it never sends a job where there is no room, and what it prints means what it says.

use k8s_openapi::api::batch::v1::Job as ApiJob;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::patch::yaml;
use super::*;
use crate::document::parse_yaml;

/// 2026-01-01T12:00:00Z.
const NOW: i64 = 1_767_268_800;

fn job(gpus: u32) -> Job {
    Job {
        gpus,
        kinds: Vec::new(),
        min_memory_gb: None,
        max_price: None,
        spot: Spot::Allow,
        tolerate: Vec::new(),
        priority: 0,
        hours: 2.0,
    }
}

/// A node as GPU feature discovery labels it.
fn gpu_node(name: &str, product: &str, mib: u64, gpus: u32, more: Value) -> Value {
    let mut object = json!({
        "metadata": {"name": name, "labels": {
            "kubernetes.io/arch": "amd64", "node.kubernetes.io/instance-type": format!("type-{gpus}"),
            "nvidia.com/gpu.product": product, "nvidia.com/gpu.memory": mib.to_string(), "nvidia.com/gpu.count": gpus.to_string(),
            "nvidia.com/gpu.compute.major": "8", "nvidia.com/gpu.replicas": "1", "nvidia.com/mig.strategy": "none",
        }},
        "spec": {"taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]},
        "status": {
            "allocatable": {"cpu": "95", "memory": "1Ti", "nvidia.com/gpu": gpus.to_string()},
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": "True"}],
        },
    });
    merge(&mut object, more);
    object
}

fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

fn gpu_pod(name: &str, gpus: u32, more: Value) -> Value {
    let mut object = json!({
        "metadata": {"name": name, "namespace": "ml", "creationTimestamp": "2026-01-01T10:00:00Z"},
        "spec": {
            "containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": gpus.to_string()}}}],
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
        },
        "status": {"phase": "Pending"},
    });
    merge(&mut object, more);
    object
}

fn running(name: &str, gpus: u32, node: &str, started: &str, more: Value) -> Value {
    let mut object =
        gpu_pod(name, gpus, json!({"spec": {"nodeName": node}, "status": {"phase": "Running", "startTime": started}}));
    merge(&mut object, more);
    object
}

fn finished(name: &str, minutes: i64) -> Value {
    let ended = time::OffsetDateTime::from_unix_timestamp(NOW - 86_400 + minutes * 60).unwrap();
    let ended = ended.format(&time::format_description::well_known::Rfc3339).unwrap();
    let status = json!({
        "phase": "Succeeded", "startTime": "2025-12-31T12:00:00Z",
        "containerStatuses": [{"state": {"terminated": {"finishedAt": ended}}}],
    });
    gpu_pod(name, 8, json!({"spec": {"nodeName": "a"}, "status": status}))
}

fn planned(job: &Job, nodes: &[Value], pods: &[Value]) -> Plan {
    let nodes: Vec<Node> = nodes.iter().map(read::node).collect();
    let pods: Vec<Pod> = pods.iter().filter_map(read::pod).collect();
    plan(
        job,
        &Cluster { nodes: &nodes, pods: &pods, now: NOW },
        &Prices::default(),
        &Home { namespace: None, queue: None },
    )
}

const A100: (&str, u64) = ("NVIDIA-A100-SXM4-80GB", 81920);
const T4: (&str, u64) = ("Tesla-T4", 15360);

fn a100(name: &str, more: Value) -> Value {
    gpu_node(name, A100.0, A100.1, 8, more)
}

#[test]
fn a_job_fits_where_gpus_are_left_and_finished_pods_hold_none() {
    let nodes = [a100("a", json!({})), gpu_node("t", T4.0, T4.1, 4, json!({}))];
    let pods = [running("x", 6, "a", "2026-01-01T11:00:00Z", json!({})), finished("old", 5)];
    assert_eq!(planned(&job(2), &nodes, &pods).fate, Fate::Now("a".into()), "the node that it fills best");
    assert_eq!(planned(&job(4), &nodes, &pods).fate, Fate::Now("t".into()));
    let only = Job { kinds: vec!["a100-80gb".to_owned()], ..job(2) };
    assert_eq!(planned(&only, &nodes, &pods).fate, Fate::Now("a".into()));
    let large = Job { min_memory_gb: Some(80.0), ..job(1) };
    assert_eq!(planned(&large, &nodes, &pods).fate, Fate::Now("a".into()));
    assert_eq!(planned(&job(9), &nodes, &pods).fate, Fate::Never);
    let other = Job { kinds: vec!["h100".to_owned()], ..job(1) };
    assert_eq!(planned(&other, &nodes, &pods).fate, Fate::Never);
}

#[test]
fn the_wait_follows_from_deadlines_expectations_and_finished_pods() {
    let nodes = [a100("a", json!({}))];
    let full = |more: Value| running("train-28391230-abcde", 8, "a", "2026-01-01T11:00:00Z", more);
    let later = |seconds: i64, basis: Basis| Fate::Later { node: Some("a".into()), seconds, basis };
    let deadline = full(json!({"spec": {"activeDeadlineSeconds": 5400}}));
    assert_eq!(planned(&job(8), &nodes, &[deadline]).fate, later(1800, Basis::Said));
    let expected = full(json!({"metadata": {"annotations": {"llmci.dev/expected-hours": "1.25"}}}));
    assert_eq!(planned(&job(8), &nodes, &[expected]).fate, later(900, Basis::Said));
    // What is expected never outlives the deadline.
    let both = full(
        json!({"metadata": {"annotations": {"llmci.dev/expected-hours": "9"}}, "spec": {"activeDeadlineSeconds": 5400}}),
    );
    assert_eq!(planned(&job(8), &nodes, &[both]).fate, later(1800, Basis::Said));
    // The median of the finished pods of the same owner: 90 minutes, of which 60 are over.
    let owner = |pod: Value, name: &str| {
        let mut pod = pod;
        merge(&mut pod, json!({"metadata": {"ownerReferences": [{"kind": "Job", "name": name}]}}));
        pod
    };
    let mut pods = vec![owner(full(json!({})), "train-28391230")];
    pods.extend(
        [(1, 70), (2, 90), (3, 1000)]
            .map(|(n, minutes)| owner(finished(&format!("f{n}"), minutes), &format!("train-2839100{n}"))),
    );
    assert_eq!(planned(&job(8), &nodes, &pods).fate, later(1800, Basis::Like));
    // Nothing is known: a day. Longer than expected: nothing is known either.
    assert_eq!(planned(&job(8), &nodes, &[full(json!({}))]).fate, later(86_400, Basis::Unknown));
    let overdue = full(json!({"metadata": {"annotations": {"llmci.dev/expected-hours": "0.5"}}}));
    assert_eq!(planned(&job(8), &nodes, &[overdue]).fate, later(86_400, Basis::Unknown));
}

#[test]
fn pods_of_the_same_or_a_higher_priority_go_first() {
    let nodes = [a100("a", json!({}))];
    let runs = running("r", 4, "a", "2026-01-01T11:00:00Z", json!({"spec": {"activeDeadlineSeconds": 7200}}));
    let waits = |priority: i64| gpu_pod("w", 4, json!({"spec": {"priority": priority, "activeDeadlineSeconds": 1800}}));
    // The one that waits is as urgent: it takes the four that are free, and is gone half an hour later.
    let plan = planned(&job(4), &nodes, &[runs.clone(), waits(0)]);
    assert_eq!((plan.ahead, plan.fate), (1, Fate::Later { node: Some("a".into()), seconds: 1800, basis: Basis::Said }));
    let plan = planned(&job(4), &nodes, &[runs.clone(), waits(-1)]);
    assert_eq!((plan.ahead, plan.fate), (0, Fate::Now("a".into())));
    let urgent = Job { priority: 10, ..job(4) };
    assert_eq!(planned(&urgent, &nodes, &[runs.clone(), waits(5)]).fate, Fate::Now("a".into()));
    // One that could go nowhere stands in nobody's way.
    let mut elsewhere = waits(9);
    merge(&mut elsewhere, json!({"spec": {"nodeSelector": {"zone": "x"}}}));
    assert_eq!(planned(&job(4), &nodes, &[runs, elsewhere]).fate, Fate::Now("a".into()));
}

#[test]
fn nodes_that_take_no_pods_are_no_place_and_shares_are_no_gpus() {
    let why = |node: Value, job: &Job| {
        let plan = planned(job, &[node], &[]);
        (plan.fate, plan.rows[0].why.clone().unwrap_or_default())
    };
    let nobody_knows = Fate::Later { node: None, seconds: 86_400, basis: Basis::Unknown };
    let cordoned = a100("a", json!({"spec": {"unschedulable": true}}));
    assert_eq!(why(cordoned, &job(1)), (nobody_knows.clone(), "cordoned".into()));
    let dead = a100("a", json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}));
    assert_eq!(why(dead, &job(1)), (nobody_knows.clone(), "not ready".into()));
    let pressed = json!([{"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}]);
    assert_eq!(why(a100("a", json!({"spec": {"taints": pressed}})), &job(1)).0, nobody_knows);
    let dedicated = json!([{"key": "team", "value": "b", "effect": "NoSchedule"}]);
    let theirs = a100("a", json!({"spec": {"taints": dedicated}}));
    let (fate, words) = why(theirs.clone(), &job(1));
    assert_eq!(fate, Fate::Never);
    assert!(words.contains("--tolerate team"), "{words}");
    assert_eq!(why(theirs, &Job { tolerate: vec!["team".into()], ..job(1) }).0, Fate::Now("a".into()));
    let preferred = json!([{"key": "team", "value": "b", "effect": "PreferNoSchedule"}]);
    assert_eq!(why(a100("a", json!({"spec": {"taints": preferred}})), &job(1)).0, Fate::Now("a".into()));
    for product in ["NVIDIA-A100-SXM4-80GB-MIG-1g.10gb", "NVIDIA-A100-SXM4-80GB-SHARED"] {
        let labels = json!({"metadata": {"labels": {"nvidia.com/gpu.product": product}}});
        assert_eq!(why(a100("a", labels), &job(1)).0, Fate::Never, "{product}");
    }
    let mixed = json!({"status": {"allocatable": {"nvidia.com/gpu": "0", "nvidia.com/mig-1g.10gb": "7"}}});
    assert!(why(a100("a", mixed), &job(1)).1.contains("MIG"));
}

#[test]
fn spot_machines_are_known_by_the_labels_of_every_cloud() {
    for (key, value) in [
        ("eks.amazonaws.com/capacityType", "SPOT"),
        ("karpenter.sh/capacity-type", "spot"),
        ("cloud.google.com/gke-spot", "true"),
        ("cloud.google.com/gke-preemptible", "true"),
        ("kubernetes.azure.com/scalesetpriority", "spot"),
    ] {
        let spot = a100("s", json!({"metadata": {"labels": {key: value}}}));
        let fate = |spot_is: Spot| planned(&Job { spot: spot_is, ..job(1) }, std::slice::from_ref(&spot), &[]).fate;
        assert_eq!(fate(Spot::Only), Fate::Now("s".into()), "{key}");
        assert_eq!(fate(Spot::Never), Fate::Never, "{key}");
    }
    let plain = a100("a", json!({"metadata": {"labels": {"eks.amazonaws.com/capacityType": "ON_DEMAND"}}}));
    assert_eq!(planned(&Job { spot: Spot::Only, ..job(1) }, &[plain], &[]).fate, Fate::Never);
}

#[test]
fn a_pods_gpus_are_counted_as_the_scheduler_counts_them() {
    let of = |spec: Value| {
        read::pod(&json!({"metadata": {"name": "p", "namespace": "n"}, "spec": spec})).map(|pod| pod.gpus)
    };
    let gpu = |n: u32| json!({"requests": {"nvidia.com/gpu": n.to_string()}});
    let one = |n: u32| json!({"name": "c", "resources": gpu(n)});
    let sidecar = |n: u32| json!({"name": "s", "restartPolicy": "Always", "resources": gpu(n)});
    assert_eq!(of(json!({"containers": [one(1), one(2)]})), Some(3));
    assert_eq!(of(json!({"containers": [one(1)], "initContainers": [one(4)]})), Some(4));
    assert_eq!(of(json!({"containers": [one(2)], "initContainers": [sidecar(1), one(4)]})), Some(5));
    assert_eq!(of(json!({"containers": [one(2)], "initContainers": [one(1), sidecar(1)]})), Some(3));
    assert_eq!(of(json!({"containers": [{"name": "c"}]})), None);
}

#[test]
fn the_cheapest_node_comes_first_and_the_cost_is_its_share() {
    let prices = "currency: USD\ninstances:\n  type-8: {on_demand: 32, spot: 12}\n  type-4: {on_demand: 4}\n";
    let prices = Prices::read("p", prices).unwrap();
    let spot = json!({"metadata": {"labels": {"karpenter.sh/capacity-type": "spot"}}});
    let nodes = [a100("dear", json!({})), a100("spot", spot), gpu_node("cheap", T4.0, T4.1, 4, json!({}))];
    let nodes: Vec<Node> = nodes.iter().map(read::node).collect();
    let cluster = Cluster { nodes: &nodes, pods: &[], now: NOW };
    let home = Home { namespace: None, queue: None };
    let of = |job: &Job| {
        let plan = plan(job, &cluster, &prices, &home);
        (plan.fate, plan.price.map(|price| price.job))
    };
    assert_eq!(of(&job(2)), (Fate::Now("cheap".into()), Some(2.0 * 2.0)));
    let a100s = Job { kinds: vec!["a100".to_owned()], ..job(2) };
    assert_eq!(of(&a100s), (Fate::Now("spot".into()), Some(2.0 * 2.0 * 1.5)));
    assert_eq!(of(&Job { spot: Spot::Never, ..a100s.clone() }), (Fate::Now("dear".into()), Some(2.0 * 2.0 * 4.0)));
    assert_eq!(of(&Job { spot: Spot::Never, max_price: Some(3.0), ..a100s }).0, Fate::Never);
}

/// The pod that a job with this patch would have, read as those of the cluster are.
fn pod_of(patch: &Value) -> Pod {
    let template = &patch["spec"]["template"];
    let pod = json!({"metadata": {"name": "p", "namespace": "n"}, "spec": template["spec"]});
    read::pod(&pod).unwrap()
}

#[test]
fn the_yaml_is_a_job_to_kubernetes_own_types() {
    let spot = json!({"metadata": {"labels": {"kubernetes.azure.com/scalesetpriority": "spot"}},
        "spec": {"taints": [{"key": "kubernetes.azure.com/scalesetpriority", "value": "spot", "effect": "NoSchedule"}]}});
    let nodes: Vec<Node> = [a100("a", json!({})), a100("s", spot)].iter().map(read::node).collect();
    let all: Vec<&Node> = nodes.iter().collect();
    let home = Home { namespace: Some("ml"), queue: Some("gpus") };
    for (spot, kinds) in [(Spot::Allow, "a100"), (Spot::Only, "a100-80gb"), (Spot::Never, "a100")] {
        let job = Job { spot, kinds: vec![kinds.to_owned()], ..job(2) };
        let suitable: Vec<&Node> =
            all.iter().filter(|node| job.suits(node, &Prices::default()) == Suits::Yes).copied().collect();
        let patch = patch::patch(&job, &home, &suitable, &nodes);
        let text = yaml(&patch);
        let read = parse_yaml("patch.yaml", &text).map_err(|found| format!("{found:?}\n{text}")).unwrap();
        assert_eq!(*read.value(), patch, "{text}");
        let typed: ApiJob = serde_json::from_value(patch.clone()).unwrap();
        assert_eq!(
            serde_json::to_value(&typed).unwrap(),
            patch,
            "a field that Kubernetes does not know is dropped by it"
        );
        assert_eq!(typed.metadata.labels.unwrap()["kueue.x-k8s.io/queue-name"], "gpus");
        for node in &nodes {
            let suits = suitable.iter().any(|one| one.name == node.name);
            assert_eq!(pod_of(&patch).may_go_to(node), suits, "{spot:?} {}\n{text}", node.name);
        }
    }
}

prop_compose! {
    fn any_node()(
        name in 0_u32..1_000_000,
        product in prop::sample::select(vec![A100, T4, ("NVIDIA-H100-80GB-HBM3", 81559), ("Tesla-T4-SHARED", 15360), ("NVIDIA-A100-SXM4-80GB-MIG-1g.10gb", 9728)]),
        gpus in 0_u32..9,
        spot in prop::sample::select(vec![None, Some(("karpenter.sh/capacity-type", "spot")), Some(("cloud.google.com/gke-spot", "true"))]),
        taint in prop::sample::select(vec!["nvidia.com/gpu", "team", "node.kubernetes.io/memory-pressure", ""]),
        ready in prop::bool::weighted(0.8),
        cordoned in prop::bool::weighted(0.1),
    ) -> Value {
        let taints = if taint.is_empty() { json!([]) } else { json!([{"key": taint, "effect": "NoSchedule"}]) };
        let mut more = json!({
            "spec": {"taints": taints, "unschedulable": cordoned},
            "status": {"conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]},
        });
        if let Some((key, value)) = spot {
            merge(&mut more, json!({"metadata": {"labels": {key: value}}}));
        }
        gpu_node(&format!("n{name}"), product.0, product.1, gpus, more)
    }
}

prop_compose! {
    fn any_pod()(
        name in 0_u32..1_000_000,
        gpus in 1_u32..5,
        on in prop::option::weighted(0.7, 0_usize..6),
        phase in prop::sample::select(vec!["Running", "Running", "Succeeded", "Failed"]),
        deadline in prop::option::of(60_i64..20_000),
        priority in -1_i64..2,
    ) -> (Option<usize>, Value) {
        let more = json!({"spec": {"priority": priority, "activeDeadlineSeconds": deadline}, "status": {
            "phase": if on.is_some() { phase } else { "Pending" }, "startTime": "2026-01-01T11:00:00Z"}});
        (on, gpu_pod(&format!("p{name}"), gpus, more))
    }
}

proptest! {
    #[test]
    fn a_job_is_never_sent_to_a_node_without_room(
        nodes in prop::collection::vec(any_node(), 1..6),
        pods in prop::collection::vec(any_pod(), 0..12),
        gpus in 1_u32..9,
        kind in prop::sample::select(vec![None, Some("a100-80gb"), Some("t4-16gb"), Some("h100-80gb")]),
        spot in prop::sample::select(vec![Spot::Allow, Spot::Only, Spot::Never]),
        max_price in prop::option::of(0.5_f64..4.0),
    ) {
        let pods: Vec<Value> = pods.into_iter().map(|(on, mut pod)| {
            if let Some(node) = on.and_then(|on| nodes.get(on)) {
                pod["spec"]["nodeName"] = node["metadata"]["name"].clone();
            }
            pod
        }).collect();
        let job = Job { kinds: kind.map(str::to_owned).into_iter().collect(), spot, max_price, ..job(gpus) };
        let text = "instances:\n  type-8: {on_demand: 16, spot: 5}\n  type-4: {on_demand: 4, spot: 3}\n  type-2: {on_demand: 7}\n";
        let prices = Prices::read("p", text).unwrap();
        let read_nodes: Vec<Node> = nodes.iter().map(read::node).collect();
        let read_pods: Vec<Pod> = pods.iter().filter_map(read::pod).collect();
        let cluster = Cluster { nodes: &read_nodes, pods: &read_pods, now: NOW };
        let plan = plan(&job, &cluster, &prices, &Home { namespace: None, queue: None });
        let object = |name: &str| nodes.iter().find(|node| node["metadata"]["name"] == name).unwrap();
        if let Fate::Now(name) | Fate::Later { node: Some(name), .. } = &plan.fate {
            let node = object(name);
            prop_assert_eq!(&node["status"]["conditions"][0]["status"], "True");
            prop_assert_eq!(&node["spec"]["unschedulable"], &json!(false));
            let there: u32 = node["status"]["allocatable"]["nvidia.com/gpu"].as_str().unwrap().parse().unwrap();
            prop_assert!(there >= gpus);
            if let Fate::Now(_) = &plan.fate {
                // Counted from the objects themselves, and not as the planner counts.
                let held: u32 = pods.iter()
                    .filter(|pod| pod["spec"]["nodeName"] == *name.as_str() && pod["status"]["phase"] == "Running")
                    .map(|pod| pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"].as_str().unwrap().parse::<u32>().unwrap())
                    .sum();
                prop_assert!(held + gpus <= there, "{} of {} are held", held, there);
            }
        }
        // What is printed lets the job go to the nodes that suit it, and to no other that has enough GPUs and takes pods.
        let Some(patch) = &plan.patch else { return Ok(()) };
        let pod = pod_of(patch);
        for (node, row) in read_nodes.iter().zip(&plan.rows) {
            let suits = job.suits(node, &prices);
            if suits == Suits::Yes {
                prop_assert!(pod.may_go_to(node), "{:?} {}", row, yaml(patch));
            } else if node.ready && !node.cordoned && node.gpus >= gpus {
                prop_assert!(!pod.may_go_to(node), "{:?} {}", row, yaml(patch));
            }
        }
    }
}
