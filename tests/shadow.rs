//! The comparison of a shadow's answers against endpoints that speak OpenAI's protocol: what is not answered is never alike.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::path::Path;

use llmci::commands::canary_promote::shadow::{Compared, RULE, ShadowSource, check_requests};
use llmci::deliver::plan::{Answers, ShadowSteps};
use llmci::deliver::probe::{MetricSource, NoData, Reading, Window};
use llmci::eval::model::Surroundings;
use serde_json::{Value, json};
use support::stub::{Act, Stub, chat, reply};
use tokio_util::sync::CancellationToken;

const LOOK: Window = Window { seconds: 60 };

fn requests(folder: &Path, count: usize) {
    let lines: String = (0..count)
        .map(|number| json!({"messages": [{"role": "user", "content": format!("Say w{number}")}]}).to_string() + "\n")
        .collect();
    support::write(folder, "log.jsonl", &lines);
}

fn plan(stable: &str, canary: &str, similarity: Value) -> (ShadowSteps, Answers) {
    let answers = json!({"requests": "log.jsonl", "stable_url": stable, "canary_url": canary, "model": "m", "similarity": similarity});
    let steps = json!({"sample": 100, "min_samples": 40, "answers": answers});
    let steps: ShadowSteps = serde_json::from_value(steps).unwrap();
    let answers = steps.answers.clone().unwrap();
    (steps, answers)
}

/// Looks so many times; the last reading, and the account.
async fn look(folder: &Path, plan: &(ShadowSteps, Answers), times: usize) -> (Result<Reading, NoData>, Compared) {
    let around = Surroundings {
        folder,
        environment: &|_| None,
        connections: 4,
        trusted: &[],
        visible_devices: None,
        cancel: None,
    };
    let source = ShadowSource::new(&plan.0, &plan.1, &around, 7, CancellationToken::new());
    let (source, _) = source.unwrap_or_else(|error| panic!("{error}"));
    let mut last = Err(NoData::NoTraffic);
    for _ in 0..times {
        let mut readings = source.read(LOOK).await;
        let (rule, reading) = readings.remove(0);
        assert!(readings.is_empty() && rule == RULE);
        last = reading;
    }
    (last, source.compared().await)
}

fn similarity(reading: &Result<Reading, NoData>) -> (f64, u64) {
    match reading {
        Ok(Reading::Similarity { sum, n }) => (*sum, *n),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_look_compares_some_more_and_no_request_is_asked_twice() {
    let folder = tempfile::tempdir().unwrap();
    requests(folder.path(), 50);
    let stable = Stub::start(|_, _| Act::Echo(std::time::Duration::ZERO)).await.unwrap();
    // One in ten is answered otherwise; white space is no difference.
    let canary = Stub::start(|_, body| {
        let value: Value = serde_json::from_str(body).unwrap();
        let word = value["messages"][0]["content"].as_str().unwrap().split(' ').next_back().unwrap().to_owned();
        chat(&if word.ends_with('7') { "no".to_owned() } else { format!("  {word}\n") })
    })
    .await
    .unwrap();
    let plan = plan(&stable.base, &canary.base, json!("exact"));
    assert!(check_requests(folder.path(), &plan.0, &plan.1).is_empty());
    let (once, _) = look(folder.path(), &plan, 1).await;
    assert_eq!(similarity(&once).1, 32);
    let (reading, compared) = look(folder.path(), &plan, 3).await;
    assert_eq!(similarity(&reading), (45.0, 50));
    assert_eq!(compared, Compared { sum: 45.0, n: 50, ..Compared::default() });
    assert_eq!((stable.asked(), canary.asked()), (82, 82));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_without_answers_is_unlike_and_a_stable_without_answers_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    requests(folder.path(), 20);
    let good = Stub::start(|_, _| Act::Echo(std::time::Duration::ZERO)).await.unwrap();
    let bad = Stub::start(|_, _| reply(400, "", "{}")).await.unwrap();
    let (reading, compared) = look(folder.path(), &plan(&good.base, &bad.base, json!("exact")), 1).await;
    assert_eq!((similarity(&reading), compared.canary_failed), ((0.0, 20), 20));
    let (reading, compared) = look(folder.path(), &plan(&bad.base, &good.base, json!("exact")), 1).await;
    assert!(matches!(reading, Err(NoData::Unreachable(_))) && compared.n == 0 && compared.stable_failed == 20);
    let few = plan(&good.base, &good.base, json!("exact"));
    assert!(!check_requests(folder.path(), &few.0, &few.1).is_empty(), "20 requests never make 40");
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_and_a_judge_compare_what_is_not_word_for_word() {
    let folder = tempfile::tempdir().unwrap();
    requests(folder.path(), 10);
    let stable = Stub::start(|_, _| chat("Paris")).await.unwrap();
    let canary = Stub::start(|_, _| chat("It is Paris.")).await.unwrap();
    let embeddings = Stub::start(|_, body| {
        assert!(body.contains("Paris") && body.contains("It is Paris."));
        reply(200, "", r#"{"data": [{"index": 0, "embedding": [1, 0]}, {"index": 1, "embedding": [0.6, 0.8]}]}"#)
    })
    .await
    .unwrap();
    let by = |kind: &str, base: &str| json!({kind: {"base_url": base, "model": "e"}});
    let (reading, _) =
        look(folder.path(), &plan(&stable.base, &canary.base, by("embedding", &embeddings.base)), 1).await;
    let (sum, n) = similarity(&reading);
    assert!((sum - 6.0).abs() < 1e-9 && n == 10);

    // A judge that says its check word, which stands in its instructions alone.
    let judge = Stub::start(|_, body| {
        let value: Value = serde_json::from_str(body).unwrap();
        let word = value["messages"][0]["content"].as_str().unwrap().rsplit(' ').next().unwrap().to_owned();
        chat(&json!({"check": word, "reason": "the same city", "score": 0.9}).to_string())
    })
    .await
    .unwrap();
    let (reading, _) = look(folder.path(), &plan(&stable.base, &canary.base, by("judge", &judge.base)), 1).await;
    let (sum, n) = similarity(&reading);
    assert!((sum - 9.0).abs() < 1e-9 && n == 10);

    // One that does not is no judge, and what it says is no comparison.
    let liar = Stub::start(|_, _| chat(r#"{"reason": "fine", "score": 1}"#)).await.unwrap();
    for kind in ["judge", "embedding"] {
        let (reading, compared) = look(folder.path(), &plan(&stable.base, &canary.base, by(kind, &liar.base)), 1).await;
        assert!(matches!(reading, Err(NoData::Unreachable(_))) && compared.uncompared == 10, "{kind}");
    }
}
