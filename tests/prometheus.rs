//! The queries of rules and presets on the real Prometheus, which scrapes an exporter that the test steers: what each server
//! counts is what is read, and whatever is missing, old or doubtful is no data.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "prometheus/presets.rs"]
mod presets;
mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use llmci::deliver::clock::Clock;
use llmci::deliver::plan::{Plan, PrometheusSpec};
use llmci::deliver::probe::{
    Buckets, MetricSource, Naming, NoData, Prometheus, PrometheusSource, Reading, Sides, Tally, Window,
};
use llmci::deliver::state::Moment;
use serde_json::{Value, json};
use support::exporter::{Exporter, Server, program};
use support::stub::{Act, Stub, reply};

/// The step is a minute old as far as the queries know, so that everything that happens here lies within it.
const STEP: Window = Window { seconds: 60 };
const PATIENCE: Duration = Duration::from_secs(25);

type Found = BTreeMap<String, Result<Reading, NoData>>;

fn plan(analysis: Value, more: Value) -> Plan {
    let mut plan = json!({"version": 1, "workload": {"name": "chat", "namespace": "prod"}, "analysis": analysis});
    plan.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(plan).unwrap()
}

fn prometheus(url: &str) -> Prometheus {
    let spec = PrometheusSpec { url: url.to_owned(), token_env: None, scrape_seconds: 1.0, timeout_seconds: 5.0 };
    Prometheus::new(&spec, None).unwrap()
}

fn source(url: &str, plan: &Plan) -> PrometheusSource {
    PrometheusSource::new(prometheus(url), plan, Naming::of(plan), Clock::by_hand(Moment(0)), Moment(0))
}

async fn read(source: &PrometheusSource, window: Window) -> Found {
    source.read(window).await.into_iter().collect()
}

/// Looks until the readings are as they should be; at the end of patience shows them as they are.
async fn until(source: &PrometheusSource, what: &str, holds: impl Fn(&Found) -> bool) -> Found {
    let end = Instant::now() + PATIENCE;
    loop {
        let found = read(source, STEP).await;
        if holds(&found) {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not come about: {found:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn counts(found: &Found, rule: &str) -> Option<Sides<Tally>> {
    match found.get(rule)? {
        Ok(Reading::Counts(sides)) => Some(sides.clone()),
        Ok(Reading::Buckets(_) | Reading::Level(_) | Reading::Similarity { .. }) | Err(_) => None,
    }
}

fn histogram(found: &Found, rule: &str) -> Option<Sides<Buckets>> {
    match found.get(rule)? {
        Ok(Reading::Buckets(sides)) => Some(sides.clone()),
        Ok(Reading::Counts(_) | Reading::Level(_) | Reading::Similarity { .. }) | Err(_) => None,
    }
}

fn level(found: &Found, rule: &str) -> Option<Sides<f64>> {
    match found.get(rule)? {
        Ok(Reading::Level(sides)) => Some(sides.clone()),
        Ok(Reading::Counts(_) | Reading::Buckets(_) | Reading::Similarity { .. }) | Err(_) => None,
    }
}

/// Why the canary has no number.
fn canary_lacks(found: &Found, rule: &str) -> Option<NoData> {
    match found.get(rule)? {
        Ok(Reading::Counts(sides)) => sides.canary.clone().err(),
        Ok(Reading::Buckets(sides)) => sides.canary.clone().err(),
        Ok(Reading::Level(sides)) => sides.canary.clone().err(),
        Ok(Reading::Similarity { .. }) => None,
        Err(why) => Some(why.clone()),
    }
}

const STABLE_POD: &str = r#"namespace="prod",pod="chat-7d9c5b8f4-x2x4z""#;
/// A histogram with nine of ten requests under the first bound, and all under the second.
fn buckets(exporter: &Exporter, name: &str, labels: &str, all: u64) {
    for (le, count) in [("0.5", all * 9 / 10), ("2.5", all), ("+Inf", all)] {
        exporter.set(&format!("{name}_bucket{{{labels},le=\"{le}\"}}"), count);
    }
    exporter.set(&format!("{name}_count{{{labels}}}"), all);
}

fn own(queries: &[(&str, &str, &str)]) -> Plan {
    let rates: Vec<Value> = queries
        .iter()
        .filter(|(kind, ..)| *kind == "rate")
        .map(|(_, name, query)| json!({"name": name, "bad": query, "all": query}))
        .collect();
    let levels: Vec<Value> = queries
        .iter()
        .filter(|(kind, ..)| *kind == "level")
        .map(|(_, name, query)| json!({"name": name, "query": query}))
        .collect();
    plan(json!({"rates": rates, "levels": levels}), json!({}))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_missing_old_or_doubtful_is_no_data() {
    let Some(program) = program() else { return };
    let (exporter, mortal) = (Exporter::start().await, Exporter::start().await);
    for side in ["stable", "canary"] {
        exporter.set(&format!("idle_total{{side=\"{side}\"}}"), 0);
        exporter.set(&format!("nan_gauge{{side=\"{side}\"}}"), "NaN");
        exporter.set(&format!("infinite_gauge{{side=\"{side}\"}}"), "+Inf");
        exporter.set(&format!("twice{{side=\"{side}\",pod=\"a\"}}"), 1);
        exporter.set(&format!("twice{{side=\"{side}\",pod=\"b\"}}"), 1);
        exporter.set(&format!("reset_total{{side=\"{side}\"}}"), 400);
        exporter.set(&format!("shrinks{{side=\"{side}\"}}"), 400);
        mortal.set(&format!("mortal_total{{side=\"{side}\"}}"), 100);
        mortal.set(&format!("mortal{{side=\"{side}\"}}"), 100);
    }
    let mut server = Server::start(&program, &[("lasting", &exporter), ("mortal", &mortal)]).await;
    let mut plan = own(&[
        ("rate", "typo", "requets_total{side=\"{side}\"}"),
        ("rate", "typo behind a fallback", "sum(increase(requets_total{side=\"{side}\"}[{window}])) or vector(0)"),
        ("rate", "idle", "idle_total{side=\"{side}\"}"),
        ("rate", "reset", "reset_total{side=\"{side}\"}"),
        ("rate", "mortal", "mortal_total{side=\"{side}\"}"),
        ("rate", "negative", "sum(delta(shrinks{side=\"{side}\"}[{window}]))"),
        ("level", "mortal level", "sum(last_over_time(mortal{side=\"{side}\"}[5m]))"),
        ("level", "nan", "nan_gauge{side=\"{side}\"}"),
        ("level", "nan by division", "sum(idle_total{side=\"{side}\"}) / sum(idle_total{side=\"{side}\"})"),
        ("level", "infinite", "infinite_gauge{side=\"{side}\"}"),
        ("level", "twice", "twice{side=\"{side}\"}"),
        ("level", "range", "nan_gauge{side=\"{side}\"}[1m]"),
        ("level", "scalar", "scalar(twice{side=\"{side}\",pod=\"a\"})"),
        ("level", "not PromQL", "sum(twice{side=\"{side}\"} twice{side=\"{side}\"})"),
    ]);
    plan.watch = serde_json::from_value(json!({"rules": [
        {"name": "idle", "threshold": 0.1, "metric": {"rate": {"bad": "idle_total{side=\"{side}\"}", "all": "idle_total{side=\"{side}\"}"}}},
        {"name": "reset", "threshold": 0.1, "window_seconds": 30, "metric": {"mean": {"sum": "reset_total{side=\"{side}\"}", "all": "reset_total{side=\"{side}\"}"}}},
    ]}))
    .unwrap();
    let source = source(&server.url, &plan);
    let found = until(&source, "living targets", |found| {
        counts(found, "mortal").is_some_and(|sides| sides.canary.is_ok())
            && counts(found, "reset").is_some_and(|sides| sides.canary.is_ok())
            && level(found, "mortal level").is_some()
            && canary_lacks(found, "idle") == Some(NoData::NoTraffic)
    })
    .await;
    for (rule, why) in [
        ("typo", NoData::Absent),
        ("typo behind a fallback", NoData::Absent),
        ("nan", NoData::NotANumber),
        ("nan by division", NoData::NotANumber),
        ("infinite", NoData::NotANumber),
        ("twice", NoData::Ambiguous(2)),
        ("range", NoData::Ambiguous(1)),
        ("scalar", NoData::Ambiguous(0)),
    ] {
        assert_eq!(canary_lacks(&found, rule), Some(why), "{rule}");
    }
    let Some(NoData::Unreachable(said)) = canary_lacks(&found, "not PromQL") else { panic!("{found:?}") };
    assert!(said.contains("status 400") && said.contains("parse error"), "{said}");
    assert_eq!(canary_lacks(&read(&source, Window { seconds: 1 }).await, "reset"), Some(NoData::Absent), "too early");

    // A pod restarts, and its counter with it: what it counted before is not lost, and nothing is negative.
    for side in ["stable", "canary"] {
        exporter.set(&format!("reset_total{{side=\"{side}\"}}"), 50);
        exporter.set(&format!("shrinks{{side=\"{side}\"}}"), 50);
    }
    // At the same time a target dies. Its counts can still be asked for, and are no longer believed.
    mortal.down(true);
    let died = Instant::now();
    let found = until(&source, "a dead target", |found| {
        let stale = |rule| matches!(canary_lacks(found, rule), Some(NoData::Stale(_)));
        stale("mortal") && stale("mortal level")
    })
    .await;
    assert!(died.elapsed() < Duration::from_secs(12), "two scrapes are two seconds");
    let reset = counts(&found, "reset").and_then(|sides| sides.canary.ok()).unwrap();
    assert!((45..=130).contains(&reset.all) || (445..=600).contains(&reset.all), "{reset:?}");
    assert_eq!(canary_lacks(&found, "negative"), Some(NoData::NotANumber));

    let watched: Found = source.read_watch().await.into_iter().collect();
    assert_eq!(watched.get("idle"), Some(&Err(NoData::NoTraffic)));
    let Some(Ok(Reading::Similarity { sum, n })) = watched.get("reset") else { panic!("{watched:?}") };
    assert!(*n > 0 && *sum <= *n as f64);

    server.stop();
    let found = read(&source, STEP).await;
    assert!(
        found.values().all(|reading| matches!(reading, Err(NoData::Unreachable(why)) if why.contains("connection")))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_is_no_data_and_a_password_stays_unsaid() {
    let Some(program) = program() else { return };
    let exporter = Exporter::start().await;
    exporter.set("a{side=\"canary\"}", 1);
    // A store that is asked for every query and does not answer.
    let more = "remote_read: [{url: 'http://127.0.0.1:1/read', read_recent: true}]\n";
    let server = Server::start_with(&program, &[("a", &exporter)], more).await;
    let plan = own(&[("level", "a", "a{side=\"{side}\"}")]);
    let found = read(&source(&server.url, &plan), STEP).await;
    let Some(NoData::Unreachable(said)) = canary_lacks(&found, "a") else { panic!("{found:?}") };
    assert!(said.contains("warning"), "{said}");

    let nobody = source("http://user:hunter22@127.0.0.1:1", &plan);
    let found = read(&nobody, STEP).await;
    assert!(!format!("{found:?}").contains("hunter22") && matches!(found["a"], Err(NoData::Unreachable(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_stable_side_its_own_past_stands_for_it() {
    let Some(program) = program() else { return };
    let exporter = Exporter::start().await;
    let serve = |all: u64| buckets(&exporter, "vllm:e2e_request_latency_seconds", STABLE_POD, all);
    serve(100);
    let server = Server::start(&program, &[("chat", &exporter)]).await;
    let rolling = |baseline: Value| {
        let analysis =
            json!({"quantiles": [{"name": "latency", "preset": "vllm"}], "baseline_window_seconds": baseline});
        plan(analysis, json!({"strategy": "rolling"}))
    };
    let without = source(&server.url, &rolling(Value::Null));
    until(&without, "a first sample", |found| histogram(found, "latency").is_some()).await;
    serve(300);
    let found = until(&without, "traffic before the rollout", |found| {
        histogram(found, "latency").is_some_and(|sides| sides.canary.is_ok_and(|canary| canary.all >= 290))
    })
    .await;
    assert_eq!(histogram(&found, "latency").unwrap().stable, Err(NoData::NoSide));

    // The rollout begins here, by Prometheus' clock; afterwards there are thirty times as many requests.
    let client = prometheus(&server.url);
    let began = client.now().await.unwrap();
    serve(9300);
    let end = Instant::now() + PATIENCE;
    loop {
        #[expect(clippy::cast_possible_truncation, reason = "seconds of a test")]
        let since = ((client.now().await.unwrap() - began) * 1000.0) as i64;
        let plan = rolling(json!(60));
        let clock = Clock::by_hand(Moment(since));
        let source = PrometheusSource::new(prometheus(&server.url), &plan, Naming::of(&plan), clock, Moment(0));
        let found = read(&source, STEP).await;
        if let Some(Sides { stable: Ok(stable), canary: Ok(canary) }) = histogram(&found, "latency")
            && canary.all >= 9000
        {
            assert!((200..500).contains(&stable.all), "{stable:?}");
            return;
        }
        assert!(Instant::now() < end, "{found:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_misbehaves_is_unreachable_and_costs_no_more_than_its_time() {
    let whole = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#;
    let Act::Raw(good) = reply(200, "", whole) else { panic!("a reply") };
    let half = good[..good.len() - 9].to_vec();
    for (act, part) in [
        (Act::Silent, "did not answer within"),
        (Act::Drip(Duration::from_millis(20)), ""),
        (Act::Cut(half), "broke"),
        (reply(200, "", "<html>log in</html>"), "not of its form"),
        (reply(302, "location: http://127.0.0.1:1/\r\n", ""), "status 302"),
        (reply(500, "", r#"{"status":"error","error":"secret <script>"}"#), "status 500: secret script"),
        // The clock is right, and nothing after it.
        (Act::Raw(good), "Ambiguous"),
    ] {
        let shown = format!("{act:?}");
        let stub = Stub::start(move |_, _| act.clone()).await.unwrap();
        let spec = json!({"url": stub.base, "scrape_seconds": 1.0, "timeout_seconds": 0.4});
        let client = Prometheus::new(&serde_json::from_value(spec).unwrap(), None).unwrap();
        let plan = own(&[("level", "a", "a{side=\"{side}\"}"), ("rate", "b", "b_total{side=\"{side}\"}")]);
        let naming = Naming::of(&plan);
        let source = PrometheusSource::new(client, &plan, naming, Clock::by_hand(Moment(0)), Moment(0));
        let began = Instant::now();
        let found = read(&source, STEP).await;
        assert!(began.elapsed() < Duration::from_secs(5), "{shown}");
        for rule in ["a", "b"] {
            let why = format!("{:?}", canary_lacks(&found, rule).unwrap());
            assert!(why.contains(part) && !why.contains("127.0.0.1"), "{shown}: {why}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_in_the_scrapes_does_not_make_an_old_counter_new() {
    let Some(program) = program() else { return };
    let exporter = Exporter::start().await;
    exporter.set("all_total{pod=\"chat-canary-b5d7c-xzw42\"}", 100_000);
    exporter.set("bad_total{pod=\"chat-canary-b5d7c-xzw42\"}", 50_000);
    let server = Server::start(&program, &[("chat", &exporter)]).await;
    let rules = json!({"rates": [{"name": "errors", "max": 0.01,
        "bad": "bad_total{pod=~\"{pods}\"}", "all": "all_total{pod=~\"{pods}\"}"}]});
    let source = source(&server.url, &plan(rules, json!({})));
    let counted = async || {
        let found = read(&source, Window { seconds: 3 }).await;
        counts(&found, "errors").and_then(|sides| sides.canary.ok()).map(|tally| tally.all)
    };
    let end = Instant::now() + PATIENCE;
    while counted().await.is_none()
        && canary_lacks(&read(&source, Window { seconds: 3 }).await, "errors") != Some(NoData::NoTraffic)
    {
        assert!(Instant::now() < end, "no first sample: {:?}", read(&source, Window { seconds: 3 }).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Until the window begins within the gap, the series looks as if it had not been there before.
    exporter.down(true);
    tokio::time::sleep(Duration::from_secs(4)).await;
    exporter.down(false);
    let until = Instant::now() + Duration::from_secs(6);
    while Instant::now() < until {
        if let Some(all) = counted().await {
            assert!(all < 1000, "{all} requests in a window without any");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
