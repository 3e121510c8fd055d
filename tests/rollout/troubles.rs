//! What stands in the way, each with its own end: foreign edits, two promoters, a lock that is lost, an end of the process, an
//! expired token, no data, flaps, and everything that is refused before the first change.

use std::sync::Arc;

use llmci::deliver::drive::{End, Event};
use llmci::deliver::facts::Wish;
use llmci::deliver::plan::Plan;
use llmci::deliver::probe::{MetricSource, NoData, Reading, Window};
use llmci::deliver::state::Reached;
use llmci::deliver::undo::{To, roll_back};
use llmci::deliver::{Ending, Stage, Trouble};
use serde_json::{Value, json};

use super::bed::{Bed, istio, owner, plan, said};
use super::server::{Pods, deployment, path};

/// What somebody does, by its name.
type Deed = (&'static str, fn(&Bed));

fn route() -> String {
    path("apis/networking.istio.io/v1", "virtualservices", "llm")
}

fn reached(event: &Event, wanted: Stage) -> bool {
    matches!(event, Event::Reached { stage, .. } if *stage == wanted)
}

/// Runs until a step is reached, then does something.
async fn at_step(plan: &Plan, bed: &Bed, act: impl Fn(&Bed) + Send + Sync) -> llmci::deliver::drive::Run {
    let begun = bed.begin(plan, "run").await.unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let events = Arc::clone(&bed.events);
    let driven = bed.drive(plan, begun, None, Arc::new(|_| {}));
    tokio::pin!(driven);
    loop {
        tokio::select! {
            biased;
            run = &mut driven => return run,
            () = tokio::task::yield_now() => {
                let there = events.lock().unwrap().iter().any(|event| reached(event, Stage::Step(1)));
                if there && !done.swap(true, std::sync::atomic::Ordering::SeqCst) {
                    act(bed);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_foreign_edit_stops_the_run_and_is_not_overwritten() {
    let edits: [Deed; 4] = [
        ("weights", |bed| {
            bed.server.edit(&route(), |object| object["spec"]["http"][0]["route"][0]["weight"] = json!(1))
        }),
        ("the image", |bed| {
            bed.server.edit(&deployment("llm"), |object| {
                object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("hotfix:1");
            });
        }),
        ("the template", |bed| {
            bed.server.edit(&deployment("llm"), |object| {
                object["spec"]["template"]["metadata"]["annotations"] = json!({"restartedAt": "now"});
            });
        }),
        ("the state", |bed| bed.server.remove(&path("api/v1", "configmaps", "llmci-llm"))),
    ];
    for (what, edit) in edits {
        let plan = plan("canary", istio(json!({})));
        let bed = Bed::new(&plan).await;
        let before = std::sync::Mutex::new((0, None));
        let run = at_step(&plan, &bed, |bed| {
            edit(bed);
            *before.lock().unwrap() = (bed.server.calls().len(), bed.server.get(&route()));
        })
        .await;
        assert_eq!(run.end, End::Foreign, "{what}");
        let (calls, left) = before.into_inner().unwrap();
        let since: Vec<String> = bed.server.calls().split_off(calls);
        assert!(since.iter().all(|call| call.starts_with("GET")), "{what}: {since:?}");
        assert_eq!(bed.server.get(&route()), left, "{what}");
    }
}

#[tokio::test]
async fn a_process_that_is_to_end_brings_the_traffic_back_and_leaves_the_rest_to_the_next_run() {
    for more in [istio(json!({})), json!({})] {
        let plan = plan("canary", more);
        let mut bed = Bed::new(&plan).await;
        let began = std::sync::Mutex::new(None);
        let run = at_step(&plan, &bed, |bed| {
            bed.cancel.cancel();
            *began.lock().unwrap() = Some(std::time::Instant::now());
        })
        .await;
        let took = began.into_inner().unwrap().unwrap().elapsed();
        assert_eq!(run.end, End::Cancelled, "{:?}", run.trouble);
        assert!(took.as_secs_f64() < 2.0, "{took:?}");
        assert_eq!(run.traffic, "traffic: 100 % at `r:1`");
        assert!(bed.server.share() == 0.0);
        let state = bed.state(&plan).await;
        assert_eq!((state.stage, state.reached), (Stage::Return, Reached::Confirmed));
        assert!(bed.server.get(&deployment("llm-canary")).is_some(), "nothing is removed in a hurry");
        bed.cancel = tokio_util::sync::CancellationToken::new();
        let run = bed.run(&plan, |_| {}).await;
        assert_eq!(run.end, End::Done(Ending::RolledBack));
        bed.is_clean();
    }
}

#[tokio::test]
async fn a_lost_lock_stops_the_run_and_nothing_is_changed_after_it() {
    let plan = plan("canary", istio(json!({})));
    let bed = Bed::new(&plan).await;
    let calls = std::sync::Mutex::new(0);
    let run = at_step(&plan, &bed, |bed| {
        bed.lock_lost.cancel();
        bed.cancel.cancel();
        *calls.lock().unwrap() = bed.server.calls().len();
    })
    .await;
    assert_eq!(run.end, End::LockLost);
    let since: Vec<String> = bed.server.calls().split_off(calls.into_inner().unwrap());
    assert!(since.iter().all(|call| call.starts_with("GET")), "{since:?}");
    assert!((bed.server.share() - 0.25).abs() < 1e-9);
}

#[tokio::test]
async fn an_expired_token_stops_the_run_with_its_state_kept() {
    let plan = plan("canary", istio(json!({})));
    let bed = Bed::new(&plan).await;
    let run = at_step(&plan, &bed, |bed| bed.server.refuse(Some(401))).await;
    assert!(matches!(run.end, End::Failed(_)), "{:?}", run.end);
    assert!(run.traffic.contains("not known") && run.traffic.contains("25 %"), "{}", run.traffic);
    bed.server.refuse(None);
    let run = bed.run(&plan, |_| {}).await;
    assert_eq!(run.end, End::Done(Ending::Promoted), "a new token goes on where the old one ended");
    bed.is_clean();
}

#[tokio::test]
async fn another_plan_is_refused_with_the_owner_and_another_run_of_the_same_takes_over() {
    let first = plan("canary", istio(json!({})));
    let bed = Bed::new(&first).await;
    bed.begin(&first, "a").await.unwrap();
    let mut other = first.clone();
    other.change.image = Some("r:9".into());
    let Err(Trouble::Held(text)) = bed.begin(&other, "b").await else { panic!("it was begun") };
    for word in ["`r:2`", "run a", "https://ci/a", "resume", "rollback"] {
        assert!(text.raw().contains(word), "{}", text.raw());
    }
    let begun = bed.begin(&first, "a").await.unwrap();
    bed.begin(&first, "b").await.unwrap();
    let run = bed.drive(&first, begun, None, Arc::new(|_| {})).await;
    assert!(matches!(run.end, End::Failed(ref why) if why.contains("run b has taken")), "two owners: {:?}", run.end);
    assert!(bed.server.share() == 0.0);
}

#[tokio::test]
async fn what_is_wrong_is_told_before_the_first_change() {
    let cases: [Deed; 8] = [
        ("is not there", |bed| bed.server.remove(&path("api/v1", "services", "llm"))),
        ("is not there", |bed| bed.server.remove(&deployment("llm"))),
        ("runs this version already", |bed| {
            bed.server.edit(&deployment("llm"), |object| {
                object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("r:2");
            });
        }),
        ("stable is not healthy", |bed| bed.server.image("r:1", Pods::Crash)),
        ("no replicas", |bed| bed.server.edit(&deployment("llm"), |object| object["spec"]["replicas"] = json!(0))),
        ("is paused", |bed| bed.server.edit(&deployment("llm"), |object| object["spec"]["paused"] = json!(true))),
        ("several containers (s, proxy)", |bed| {
            bed.server.edit(&deployment("llm"), |object| {
                let containers = object["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap();
                containers.push(json!({"name": "proxy", "image": "p"}));
            });
        }),
        ("is there already", |bed| {
            let stable = bed.server.get(&deployment("llm")).unwrap();
            bed.server
                .put(&deployment("llm-canary"), json!({"metadata": {"name": "llm-canary"}, "spec": stable["spec"]}));
        }),
    ];
    for (words, break_it) in cases {
        let plan = plan("canary", istio(json!({})));
        let bed = Bed::new(&plan).await;
        break_it(&bed);
        match bed.begin(&plan, "run").await {
            Ok(_) => panic!("{words}: it was begun"),
            Err(trouble) => assert!(said(&trouble).contains(words), "{words}: {}", said(&trouble)),
        }
        assert!(bed.server.calls().iter().all(|call| call.starts_with("GET")), "{words}: {:?}", bed.server.calls());
    }
}

#[tokio::test]
async fn a_state_that_is_newer_or_broken_is_left_as_it_is() {
    let broken =
        [json!({"state": "{\"schema\": 2}"}), json!({"state": "{"}), json!({}), json!({"state": "{\"schema\": 1}"})];
    for data in broken {
        let plan = plan("canary", istio(json!({})));
        let bed = Bed::new(&plan).await;
        let place = path("api/v1", "configmaps", "llmci-llm");
        bed.server.put(&place, json!({"metadata": {"name": "llmci-llm"}, "data": data}));
        let before = bed.server.get(&place);
        assert!(matches!(bed.begin(&plan, "run").await, Err(Trouble::Plan(_))), "{data}");
        assert!(matches!(bed.store(&plan).wish(Wish::Abort).await, Err(Trouble::Plan(_))), "{data}");
        assert_eq!(bed.server.get(&place), before);
    }
}

struct Blind;

#[async_trait::async_trait]
impl MetricSource for Blind {
    async fn read(&self, _: Window) -> Vec<(String, Result<Reading, NoData>)> {
        vec![("error_rate".to_owned(), Err(NoData::Unreachable("down".to_owned())))]
    }
}

fn measured(more: Value) -> Plan {
    let mut all = istio(json!({"analysis": {"rates": [
        {"name": "error_rate", "bad": "b", "all": "a", "max": 0.01}]}}));
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    plan("canary", all)
}

#[tokio::test]
async fn no_data_holds_and_at_its_limit_brings_everybody_back() {
    let plan = measured(json!({}));
    let bed = Bed::new(&plan).await;
    let begun = bed.begin(&plan, "run").await.unwrap();
    let run = bed.drive(&plan, begun, Some(&Blind), Arc::new(|_| {})).await;
    assert_eq!(run.end, End::Done(Ending::RolledBack), "{:?}", run.trouble);
    let state = run.state.unwrap();
    assert!(!state.history.iter().any(|one| one.stage == Stage::Step(1)), "no data went up: {:?}", state.history);
    let at = |wanted| state.history.iter().find(|one| one.stage == wanted).unwrap().at;
    let waited = at(Stage::Return).since(at(Stage::Step(0)));
    assert!((600.0..700.0).contains(&waited), "{waited}");
    bed.is_clean();
}

#[tokio::test]
async fn a_pause_after_the_limit_ends_with_the_deadline() {
    let plan = measured(json!({"patience": {"after": "pause", "deadline_seconds": 3000}}));
    let bed = Bed::new(&plan).await;
    let begun = bed.begin(&plan, "run").await.unwrap();
    let run = bed.drive(&plan, begun, Some(&Blind), Arc::new(|_| {})).await;
    assert_eq!(run.end, End::Done(Ending::RolledBack), "{:?}", run.trouble);
    let state = run.state.unwrap();
    let back = state.history.iter().find(|one| one.stage == Stage::Return).unwrap();
    assert!(back.why.contains("deadline") && back.at >= state.deadline, "{back:?}");
}

#[tokio::test]
async fn pods_that_fall_from_readiness_begin_the_hold_anew() {
    let plan = plan("canary", istio(json!({"canary": {"steps": [50, 100], "hold_seconds": 600}})));
    let bed = Bed::new(&plan).await;
    let begun = bed.begin(&plan, "run").await.unwrap();
    let server = bed.server.clone();
    let watch = move |event: &Event| match event {
        Event::Reached { stage: Stage::Step(0), .. } => server.image("r:2", Pods::Never),
        Event::Flapped { .. } => server.image("r:2", Pods::Ready),
        _ => {}
    };
    let run = bed.drive(&plan, begun, None, Arc::new(watch)).await;
    assert_eq!(run.end, End::Done(Ending::Promoted), "one fall is forgiven: {:?}", run.trouble);
    let state = run.state.unwrap();
    let at = |wanted| state.history.iter().find(|one| one.stage == wanted).unwrap().at;
    assert!(at(Stage::Step(1)).since(at(Stage::Step(0))) > 602.0, "the hold began anew");
}

#[tokio::test]
async fn pods_that_fall_from_readiness_too_often_are_a_failure() {
    let plan = plan("canary", istio(json!({"canary": {"steps": [50, 100], "hold_seconds": 600}})));
    let bed = Bed::new(&plan).await;
    let begun = bed.begin(&plan, "run").await.unwrap();
    let (server, state) = (bed.server.clone(), path("api/v1", "configmaps", "llmci-llm"));
    let watch = move |event: &Event| {
        if reached(event, Stage::Step(0)) {
            // Three falls are forgiven; this is how the state looks after them.
            server.edit(&state, |object| {
                let text = object["data"]["state"].as_str().unwrap().replace("\"flaps\":0", "\"flaps\":3");
                object["data"]["state"] = json!(text);
            });
            server.image("r:2", Pods::Never);
        }
    };
    let run = bed.drive(&plan, begun, None, Arc::new(watch)).await;
    assert_eq!(run.end, End::Done(Ending::RolledBack), "{:?}", run.trouble);
    let state = run.state.unwrap();
    assert!(state.history.iter().any(|one| one.why.contains("4 times")), "{:?}", state.history);
}

#[tokio::test]
async fn a_release_that_is_over_is_brought_back_by_its_old_version() {
    let plan = plan("canary", istio(json!({})));
    let bed = Bed::new(&plan).await;
    assert_eq!(bed.run(&plan, |_| {}).await.end, End::Done(Ending::Promoted));
    let now = bed.clock.now();
    let begun = roll_back(&bed.cluster, &plan, &To::Previous, &owner("back"), now, None).await.unwrap();
    let run = bed.drive(&plan, begun, None, Arc::new(|_| {})).await;
    assert_eq!(run.end, End::Done(Ending::RolledBack), "{:?}", run.trouble);
    assert_eq!(bed.image("llm").as_deref(), Some("r:1"));
    assert_eq!(run.traffic, "traffic: 100 % at `r:1`");
    let again = roll_back(&bed.cluster, &plan, &To::Previous, &owner("back"), now, None).await;
    assert!(matches!(again, Err(Trouble::Plan(_))));
    bed.is_clean();
}

#[tokio::test]
async fn a_retired_colour_comes_back_with_its_pods_before_it_has_anybody() {
    let plan = plan("blue-green", json!({"blue_green": {"retire": "scale-to-zero"}}));
    let bed = Bed::new(&plan).await;
    assert_eq!(bed.run(&plan, |_| {}).await.end, End::Done(Ending::Promoted));
    assert!((bed.server.share() - 1.0).abs() < 1e-9);
    let now = bed.clock.now();
    let begun = roll_back(&bed.cluster, &plan, &To::Previous, &owner("back"), now, None).await.unwrap();
    let run = bed.drive(&plan, begun, None, Arc::new(|_| {})).await;
    assert_eq!(run.end, End::Done(Ending::RolledBack), "{:?}", run.trouble);
    assert_eq!(bed.server.names("deployments"), ["llm"]);
    assert!(bed.server.share() == 0.0);
    bed.is_clean();
}
