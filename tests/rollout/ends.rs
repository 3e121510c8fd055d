//! Every strategy that needs only Deployments, to its end and back.

use std::sync::{Arc, Mutex};

use llmci::deliver::drive::{End, Event, WhenAsked};
use llmci::deliver::facts::Wish;
use llmci::deliver::{Ending, Stage};
use serde_json::json;

use super::bed::{Bed, istio, plan};
use super::server::{Pods, deployment, path};

/// Stages in the order in which they were reached, and the share of users then.
type Shares = Arc<Mutex<Vec<(Stage, i64)>>>;

/// The share of users on the new version's pods each time that a stage was reached.
fn shares(bed: &Bed) -> (Shares, impl Fn(&Event) + Send + Sync + 'static) {
    let seen = Shares::default();
    let (server, into) = (bed.server.clone(), Arc::clone(&seen));
    let watch = move |event: &Event| {
        if let Event::Reached { stage, .. } = event {
            #[expect(clippy::cast_possible_truncation, reason = "0 to 100")]
            into.lock().unwrap().push((*stage, (server.share() * 100.0).round() as i64));
        }
    };
    (seen, watch)
}

#[tokio::test]
async fn a_canary_behind_a_mesh_climbs_its_steps_and_leaves_only_the_new_version() {
    let plan = plan("canary", istio(json!({})));
    let bed = Bed::new(&plan).await;
    let (seen, watch) = shares(&bed);
    let run = bed.run(&plan, watch).await;
    assert_eq!(run.end, End::Done(Ending::Promoted), "{:?}", run.trouble);
    assert_eq!(
        *seen.lock().unwrap(),
        [
            (Stage::Prepare, 0),
            (Stage::Step(0), 10),
            (Stage::Step(1), 25),
            (Stage::Step(2), 50),
            (Stage::Step(3), 100),
            (Stage::Promote, 100),
            (Stage::Clean, 0)
        ]
    );
    assert_eq!(run.traffic, "traffic: 100 % at the new version, `r:2`");
    assert_eq!(bed.image("llm").as_deref(), Some("r:2"));
    assert_eq!(bed.server.names("deployments"), ["llm"]);
    bed.is_clean();
}

#[tokio::test]
async fn a_canary_behind_one_service_takes_the_share_that_its_pods_give() {
    let plan = plan("canary", json!({}));
    let bed = Bed::new(&plan).await;
    let (seen, watch) = shares(&bed);
    let run = bed.run(&plan, watch).await;
    assert_eq!(run.end, End::Done(Ending::Promoted), "{:?}", run.trouble);
    let shares: Vec<i64> = seen.lock().unwrap().iter().map(|(_, share)| *share).collect();
    assert_eq!(shares, [0, 20, 20, 50, 100, 100, 0], "one of five pods is the nearest to 10 % and to 25 %");
    assert_eq!(bed.image("llm").as_deref(), Some("r:2"));
    assert_eq!(bed.server.names("deployments"), ["llm"]);
    assert_eq!(bed.server.get(&path("api/v1", "services", "llm")).unwrap()["spec"]["selector"], json!({"app": "llm"}));
    bed.is_clean();
}

#[tokio::test]
async fn blue_green_switches_at_once_and_the_next_one_goes_to_blue() {
    let mut first = plan("blue-green", json!({}));
    let bed = Bed::new(&first).await;
    let (seen, watch) = shares(&bed);
    let run = bed.run(&first, watch).await;
    assert_eq!(run.end, End::Done(Ending::Promoted), "{:?}", run.trouble);
    let shares: Vec<i64> = seen.lock().unwrap().iter().map(|(_, share)| *share).collect();
    assert_eq!(shares, [0, 0, 100, 100, 100]);
    assert_eq!(bed.server.names("deployments"), ["llm-green"]);
    assert_eq!(bed.image("llm-green").as_deref(), Some("r:2"));
    first.change.image = Some("r:3".into());
    let run = bed.run(&first, |_| {}).await;
    assert_eq!(run.end, End::Done(Ending::Promoted), "{:?}", run.trouble);
    assert_eq!(bed.server.names("deployments"), ["llm-blue"]);
    let service = bed.server.get(&path("api/v1", "services", "llm")).unwrap();
    assert_eq!(service["spec"]["selector"], json!({"app": "llm-blue"}));
    bed.is_clean();
}

#[tokio::test]
async fn colours_that_were_left_without_pods_are_replaced() {
    let mut plan = plan("blue-green", json!({"blue_green": {"retire": "scale-to-zero"}}));
    let bed = Bed::new(&plan).await;
    for (image, live) in [("r:2", "llm-green"), ("r:3", "llm-blue"), ("r:4", "llm-green")] {
        plan.change.image = Some(image.into());
        let run = bed.run(&plan, |_| {}).await;
        assert_eq!(run.end, End::Done(Ending::Promoted), "{image} {:?}", run.trouble);
        assert_eq!(bed.image(live).as_deref(), Some(image));
    }
    assert_eq!(bed.server.names("deployments"), ["llm", "llm-blue", "llm-green"]);
    bed.is_clean();
}

#[tokio::test]
async fn a_shadow_gives_nobody_to_the_new_version_until_it_is_the_stable_one() {
    let plan = plan("shadow", istio(json!({})));
    let bed = Bed::new(&plan).await;
    let (seen, watch) = shares(&bed);
    let run = bed.run(&plan, watch).await;
    assert_eq!(run.end, End::Done(Ending::Promoted), "{:?}", run.trouble);
    assert!(seen.lock().unwrap().iter().all(|(_, share)| *share == 0));
    assert_eq!(bed.image("llm").as_deref(), Some("r:2"));
    bed.is_clean();
}

#[tokio::test]
async fn a_rolling_update_is_the_workloads_own() {
    let plan = plan("rolling", json!({}));
    let bed = Bed::new(&plan).await;
    let run = bed.run(&plan, |_| {}).await;
    assert_eq!(run.end, End::Done(Ending::Promoted), "{:?}", run.trouble);
    assert_eq!(bed.image("llm").as_deref(), Some("r:2"));
    bed.is_clean();
}

#[tokio::test]
async fn an_abort_at_any_stage_brings_everybody_back_and_removes_what_was_made() {
    for (strategy, more, at) in [
        ("canary", istio(json!({})), Stage::Step(1)),
        ("canary", istio(json!({})), Stage::Promote),
        ("canary", json!({}), Stage::Step(3)),
        ("canary", json!({}), Stage::Step(0)),
        ("blue-green", json!({}), Stage::Keep),
        ("shadow", istio(json!({})), Stage::Step(0)),
        ("rolling", json!({}), Stage::Step(0)),
    ] {
        let plan = plan(strategy, more);
        let bed = Bed::new(&plan).await;
        let (server, cm) = (bed.server.clone(), path("api/v1", "configmaps", "llmci-llm"));
        let run = bed
            .run(&plan, move |event| {
                if matches!(event, Event::Reached { stage, .. } if *stage == at) {
                    server.edit(&cm, |object| {
                        let text = object["data"]["state"]
                            .as_str()
                            .unwrap()
                            .replace("\"wish\":\"proceed\"", "\"wish\":\"abort\"");
                        object["data"]["state"] = json!(text);
                    });
                }
            })
            .await;
        assert_eq!(run.end, End::Done(Ending::RolledBack), "{strategy} {at:?} {:?}", run.trouble);
        assert_eq!(run.traffic, "traffic: 100 % at `r:1`", "{strategy} {at:?}");
        assert_eq!(bed.image("llm").as_deref(), Some("r:1"));
        assert_eq!(bed.server.names("deployments"), ["llm"], "{strategy} {at:?}");
        assert!(bed.server.share() == 0.0);
        bed.is_clean();
    }
}

#[tokio::test]
async fn pods_that_never_get_ready_fail_before_anybody_is_sent_to_them() {
    for (pods, words) in [
        (Pods::Crash, "ends again and again"),
        (Pods::NoImage, "cannot be pulled"),
        (Pods::Never, "undecided until its limit"),
    ] {
        for (strategy, more) in [("canary", json!({})), ("blue-green", json!({}))] {
            let plan = plan(strategy, more);
            let bed = Bed::new(&plan).await;
            bed.server.image("r:2", pods);
            let run = bed.run(&plan, |_| {}).await;
            assert_eq!(run.end, End::Done(Ending::RolledBack), "{strategy} {pods:?} {:?}", run.trouble);
            let state = run.state.unwrap();
            assert!(state.history.iter().any(|one| one.why.contains(words)), "{strategy} {pods:?} {:?}", state.history);
            assert_eq!(bed.image("llm").as_deref(), Some("r:1"));
            assert_eq!(bed.server.names("deployments"), ["llm"]);
            bed.is_clean();
        }
    }
}

#[tokio::test]
async fn a_crash_while_the_new_version_has_users_brings_them_back() {
    let plan = plan("canary", istio(json!({})));
    let bed = Bed::new(&plan).await;
    let server = bed.server.clone();
    let run = bed
        .run(&plan, move |event| {
            if matches!(event, Event::Reached { stage: Stage::Step(2), .. }) {
                // A pod that was ready crashes: the other one is still there.
                server.edit(&deployment("llm-canary"), |object| object["status"]["availableReplicas"] = json!(1));
                server.image("r:2", Pods::Crash);
            }
        })
        .await;
    assert_eq!(run.end, End::Done(Ending::RolledBack), "{:?}", run.trouble);
    assert_eq!(bed.image("llm").as_deref(), Some("r:1"));
    assert_eq!(bed.server.names("deployments"), ["llm"]);
}

#[tokio::test]
async fn a_person_is_asked_and_an_approval_counts_once() {
    let plan = plan("canary", istio(json!({"canary": {"steps": [50, 100], "approval": "each"}})));
    let mut bed = Bed::new(&plan).await;
    bed.when_asked = WhenAsked::Leave;
    for stage in [Stage::Prepare, Stage::Step(0), Stage::Step(1)] {
        let run = bed.run(&plan, |_| {}).await;
        assert_eq!(run.end, End::Asked);
        assert_eq!(run.state.unwrap().stage, stage);
        bed.store(&plan).wish(Wish::Approve).await.unwrap();
    }
    let run = bed.run(&plan, |_| {}).await;
    assert_eq!(run.end, End::Done(Ending::Promoted), "{:?}", run.trouble);
    bed.is_clean();
}
