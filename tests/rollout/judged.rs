//! The same rollouts against the API server of `tests/support/kube`, which is strict about what it is sent: each strategy to its
//! end and back, with the share of users on each image after each step, and calls whose answer is lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use llmci::cluster::{Cluster, Connection};
use llmci::deliver::begin::{Begin, begin};
use llmci::deliver::clock::Clock;
use llmci::deliver::drive::{Deps, End, Event, Run, WhenAsked, drive};
use llmci::deliver::plan::Plan;
use llmci::deliver::reach::Hands;
use llmci::deliver::state::Moment;
use llmci::deliver::store::Store;
use llmci::deliver::{Ending, Stage};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::bed::{istio, owner, plan, said};
use super::kube::{Fault, Kube};

fn kube(plan: &Plan) -> Kube {
    let kube = Kube::start();
    kube.deployment("llm", "r/llm:1", 4);
    if plan.traffic.istio.is_some() {
        kube.put(json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "llm"},
            "spec": {"hosts": ["llm"], "http": [{"route": [{"destination": {"host": "llm"}}]}]}}));
    }
    kube
}

fn brings(image: &str, strategy: &str, more: serde_json::Value) -> Plan {
    let mut plan = plan(strategy, more);
    plan.change.image = Some(image.to_owned());
    plan
}

async fn run(kube: &Kube, plan: &Plan, watch: impl Fn(&Event) + Send + Sync) -> Run {
    let connection = Connection { kubeconfig: Some(kube.kubeconfig()), ..Connection::default() };
    let cluster = Cluster::connect(&connection).await.unwrap();
    let (clock, cancel, lock_lost) =
        (Clock::by_hand(Moment(1_000_000)), CancellationToken::new(), CancellationToken::new());
    let begun = begin(&Begin { cluster: &cluster, plan, owner: owner("run"), now: clock.now(), flag: None }).await;
    let begun = begun.unwrap_or_else(|trouble| panic!("{}", said(&trouble)));
    let hands =
        Hands { cluster: &cluster, router: &*begun.router, clock: &clock, cancel: &cancel, lock_lost: &lock_lost };
    let store = Store::new(&cluster, plan.workload.namespace(), &plan.workload.name);
    let run = "run".to_owned();
    drive(&Deps { hands, store, source: None, run, when_asked: WhenAsked::Wait, told: &watch }).await
}

/// Runs, and notes how many of a hundred users have the new image each time that a stage is reached.
async fn shares(kube: &Kube, plan: &Plan) -> (Run, Vec<(Stage, i64)>) {
    let seen: Arc<Mutex<Vec<(Stage, i64)>>> = Arc::default();
    let into = Arc::clone(&seen);
    let image = plan.change.image.clone().unwrap();
    let run = run(kube, plan, |event| {
        if let Event::Reached { stage, .. } = event {
            let traffic: BTreeMap<String, f64> = kube.traffic("llm");
            assert_eq!(traffic.get(""), None, "nobody answers some of the users: {traffic:?}");
            #[expect(clippy::cast_possible_truncation, reason = "0 to 100")]
            let share = (traffic.get(&image).copied().unwrap_or(0.0) * 100.0).round() as i64;
            into.lock().unwrap().push((*stage, share));
        }
    })
    .await;
    let seen = seen.lock().unwrap().clone();
    (run, seen)
}

fn image(kube: &Kube, name: &str) -> String {
    kube.get("Deployment", name)["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_strategy_reaches_its_end_with_the_shares_that_it_says() {
    for (strategy, more, shown, left) in [
        ("canary", istio(json!({})), vec![0, 10, 25, 50, 100, 100, 100], "llm"),
        ("canary", json!({}), vec![0, 20, 20, 50, 100, 100, 100], "llm"),
        ("blue-green", json!({}), vec![0, 0, 100, 100, 100], "llm-green"),
        ("shadow", istio(json!({})), vec![0, 0, 100, 100], "llm"),
        ("rolling", json!({}), vec![0, 100, 100], "llm"),
    ] {
        let plan = brings("r/llm:2", strategy, more);
        let kube = kube(&plan);
        let (run, seen) = shares(&kube, &plan).await;
        assert_eq!(run.end, End::Done(Ending::Promoted), "{strategy} {:?} {:?}", run.trouble.as_ref().map(said), seen);
        assert_eq!(seen.iter().map(|(_, share)| *share).collect::<Vec<_>>(), shown, "{strategy} {seen:?}");
        assert_eq!(image(&kube, left), "r/llm:2");
        assert_eq!(kube.all("Deployment").len(), 1, "{strategy}");
        assert_eq!(kube.all("Service").len(), 1, "{strategy}");
        assert_eq!(kube.traffic("llm"), BTreeMap::from([("r/llm:2".to_owned(), 1.0)]), "{strategy}");
    }
}

#[tokio::test]
async fn what_never_gets_ready_has_nobody_and_leaves_nothing() {
    for (tag, words) in [
        ("crash-loop", "ends again and again"),
        ("never-pulls", "cannot be pulled"),
        ("unschedulable", "no node takes"),
        ("slow", "undecided until its limit"),
    ] {
        let brief = json!({"patience": {"ready_seconds": 90}, "rolling": {"timeout_seconds": 90}});
        for (strategy, more) in [
            ("canary", istio(brief.clone())),
            ("canary", brief.clone()),
            ("blue-green", brief.clone()),
            ("shadow", istio(brief.clone())),
            ("rolling", brief.clone()),
        ] {
            let plan = brings(&format!("r/llm:{tag}"), strategy, more);
            let kube = kube(&plan);
            let (run, seen) = shares(&kube, &plan).await;
            let state = run.state.as_ref().unwrap();
            assert_eq!(run.end, End::Done(Ending::RolledBack), "{strategy} {tag} {:?}", run.trouble.as_ref().map(said));
            assert!(seen.iter().all(|(_, share)| *share == 0), "{strategy} {tag} {seen:?}");
            let said = state.history.iter().any(|one| one.why.contains(words));
            assert!(said, "{strategy} {tag} {:?}", state.history);
            assert_eq!(image(&kube, "llm"), "r/llm:1");
            assert_eq!(kube.all("Deployment").len(), 1, "{strategy} {tag}");
            assert_eq!(kube.traffic("llm"), BTreeMap::from([("r/llm:1".to_owned(), 1.0)]), "{strategy} {tag}");
        }
    }
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_read_again_and_not_made_twice() {
    for call in [
        "POST /api/v1/namespaces/prod/services",
        "POST /apis/apps/v1/namespaces/prod/deployments",
        "PATCH /apis/networking.istio.io",
        "PATCH /apis/apps",
        "PUT /api/v1/namespaces/prod/configmaps",
        "DELETE /apis/apps",
    ] {
        for fault in [Fault::CloseAfter, Fault::Status(500, "InternalError")] {
            let plan = brings("r/llm:2", "canary", istio(json!({"canary": {"steps": [50, 100], "hold_seconds": 1}})));
            let kube = kube(&plan);
            kube.fail(call, fault.clone());
            let (run, seen) = shares(&kube, &plan).await;
            assert_eq!(run.end, End::Done(Ending::Promoted), "{call} {fault:?} {:?}", run.trouble.as_ref().map(said));
            assert_eq!(seen.len(), 5, "{call} {fault:?} {seen:?}");
            assert_eq!(kube.all("Deployment").len(), 1);
        }
    }
}

#[tokio::test]
async fn the_new_version_follows_the_autoscaler_and_never_fights_it() {
    let plan = brings("r/llm:2", "canary", istio(json!({"canary": {"steps": [50, 100], "hold_seconds": 60}})));
    let kube = kube(&plan);
    kube.put(json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "llm"},
        "spec": {"minReplicas": 1, "maxReplicas": 20,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}}}));
    let seen: Arc<Mutex<Vec<u64>>> = Arc::default();
    let run = run(&kube, &plan, |event| match event {
        Event::Reached { stage: Stage::Step(0), .. } => kube.hpa_wants("llm", 10),
        Event::Moved { from: Stage::Step(0), .. } => {
            let canary = kube.get("Deployment", "llm-canary");
            seen.lock().unwrap().push(canary["spec"]["replicas"].as_u64().unwrap());
        }
        Event::Moved { .. }
        | Event::Reached { .. }
        | Event::Began(_)
        | Event::Waiting { .. }
        | Event::Look { .. }
        | Event::Flapped { .. }
        | Event::Asked { .. }
        | Event::Paused { .. }
        | Event::Foreign { .. }
        | Event::Again { .. }
        | Event::Ended { .. } => {}
    })
    .await;
    assert_eq!(run.end, End::Done(Ending::Promoted), "{:?}", run.trouble.as_ref().map(said));
    assert_eq!(*seen.lock().unwrap(), [5], "half of ten");
    assert_eq!(kube.get("Deployment", "llm")["spec"]["replicas"], 10);
    let scaled = kube.writes().into_iter().filter(|call| call.path.ends_with("/deployments/llm"));
    assert!(scaled.clone().all(|call| !call.body.contains("/spec/replicas")), "stable's replicas are the autoscaler's");
}
