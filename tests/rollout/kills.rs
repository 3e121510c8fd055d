//! A run that is killed after each single call, and the one that goes on.

use std::sync::Arc;

use llmci::deliver::Ending;
use llmci::deliver::drive::End;
use serde_json::{Value, json};

use super::bed::{Bed, istio, plan};
use super::server::Pods;

/// Kills a run after so many calls; whether it was over before.
async fn killed(bed: &Bed, plan: &llmci::deliver::plan::Plan, calls: usize) -> bool {
    bed.server.stop_after(Some(calls));
    let over = tokio::select! {
        () = bed.server.stopped() => false,
        begun = bed.begin(plan, "first") => match begun {
            Err(_) => true,
            Ok(begun) => tokio::select! {
                () = bed.server.stopped() => false,
                _ = bed.drive(plan, begun, None, Arc::new(|_| {})) => true,
            },
        },
    };
    bed.server.stop_after(None);
    over
}

async fn killed_after_every_call(strategy: &str, more: Value, pods: Pods) {
    let plan = plan(strategy, more);
    let wanted = if pods == Pods::Ready { Ending::Promoted } else { Ending::RolledBack };
    let whole = {
        let bed = Bed::new(&plan).await;
        bed.server.image("r:2", pods);
        bed.run(&plan, |_| {}).await;
        bed.server.calls().len()
    };
    assert!(whole > 20, "{whole}");
    for calls in 0..whole {
        let bed = Bed::new(&plan).await;
        bed.server.image("r:2", pods);
        killed(&bed, &plan, calls).await;
        let begun = bed.begin(&plan, "second").await;
        match begun {
            Ok(begun) => {
                let run = bed.drive(&plan, begun, None, Arc::new(|_| {})).await;
                assert_eq!(run.end, End::Done(wanted), "{strategy} after {calls} calls: {:?}", run.trouble);
            }
            // The first run had ended, but for what nobody waits for: the version runs already.
            Err(trouble) => {
                assert!(super::bed::said(&trouble).contains("runs this version already"), "{calls}: {trouble:?}")
            }
        }
        assert_eq!(bed.server.names("services"), ["llm"]);
        assert_eq!(bed.server.names("deployments").len(), 1);
        assert_eq!(bed.server.faults(), Vec::<String>::new(), "{strategy} after {calls} calls");
        bed.is_clean();
    }
}

/// Short holds: what counts are the calls, not the looks.
fn brief() -> Value {
    json!({"canary": {"steps": [50, 100], "hold_seconds": 1}, "blue_green": {"switch_delay_seconds": 1,
        "rollback_window_seconds": 1}, "rolling": {"hold_seconds": 1}})
}

#[tokio::test]
async fn a_canary_behind_a_mesh_goes_on_after_a_kill_at_any_call() {
    killed_after_every_call("canary", istio(brief()), Pods::Ready).await;
}

#[tokio::test]
async fn a_canary_behind_one_service_goes_on_after_a_kill_at_any_call() {
    killed_after_every_call("canary", brief(), Pods::Ready).await;
}

#[tokio::test]
async fn blue_green_goes_on_after_a_kill_at_any_call() {
    killed_after_every_call("blue-green", brief(), Pods::Ready).await;
}

#[tokio::test]
async fn a_rolling_update_goes_on_after_a_kill_at_any_call() {
    killed_after_every_call("rolling", brief(), Pods::Ready).await;
}

#[tokio::test]
async fn the_way_back_goes_on_after_a_kill_at_any_call() {
    killed_after_every_call("canary", istio(brief()), Pods::Crash).await;
    killed_after_every_call("rolling", brief(), Pods::Crash).await;
}
