//! The queries of rules and presets on the real Prometheus, which scrapes an exporter that the test steers: what each server
//! counts is what is read, and whatever is missing, old or doubtful is no data.
#![expect(clippy::unwrap_used, reason = "tests")]

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
const CANARY_POD: &str = r#"namespace="prod",pod="chat-canary-6c8d7f9b5-q2w4r""#;
/// Series that look alike and belong to somebody else.
const STRANGERS: [&str; 3] = [
    r#"namespace="prod",pod="chat-big-7d9c5b8f4-x2x4z""#,
    r#"namespace="dev",pod="chat-7d9c5b8f4-x2x4z""#,
    r#"namespace="prod",pod="chat-canary-big-6c8d7f9b5-q2w4r""#,
];

/// A histogram with nine of ten requests under the first bound, and all under the second.
fn buckets(exporter: &Exporter, name: &str, labels: &str, all: u64) {
    for (le, count) in [("0.5", all * 9 / 10), ("2.5", all), ("+Inf", all)] {
        exporter.set(&format!("{name}_bucket{{{labels},le=\"{le}\"}}"), count);
    }
    exporter.set(&format!("{name}_count{{{labels}}}"), all);
}

/// What every server says of one side after `all` requests of which `bad` went wrong.
fn serve(exporter: &Exporter, canary: bool, all: u64, bad: u64) {
    let pod = if canary { CANARY_POD } else { STABLE_POD };
    pod_series(exporter, pod, canary, all, bad);
    // The mesh: both ends report each request, of which one counts.
    let workload = if canary { "chat-canary" } else { "chat" };
    for reporter in ["source", "destination"] {
        let labels =
            format!(r#"reporter="{reporter}",destination_workload="{workload}",destination_workload_namespace="prod""#);
        exporter.set(&format!("istio_requests_total{{{labels},response_code=\"200\"}}"), all - bad);
        if bad > 0 {
            exporter.set(&format!("istio_requests_total{{{labels},response_code=\"503\"}}"), bad);
        }
        buckets(exporter, "istio_request_duration_milliseconds", &labels, all);
    }
    // The gateway, scraped as its own chart says: its labels were renamed. The canary has the Ingress and Service of stable.
    let upstream = if canary { "prod-chat-canary-http-web-canary" } else { "" };
    let labels = format!(
        r#"namespace="ingress-nginx",service="metrics",exported_namespace="prod",exported_service="chat",ingress="chat",canary="{upstream}""#
    );
    exporter.set(&format!("nginx_ingress_controller_requests{{{labels},status=\"200\"}}"), all - bad);
    if bad > 0 {
        exporter.set(&format!("nginx_ingress_controller_requests{{{labels},status=\"502\"}}"), bad);
    }
    buckets(exporter, "nginx_ingress_controller_request_duration_seconds", &labels, all);
}

fn pod_series(exporter: &Exporter, pod: &str, canary: bool, all: u64, bad: u64) {
    let vllm = format!(r#"{pod},engine="0",model_name="m""#);
    buckets(exporter, "vllm:e2e_request_latency_seconds", &vllm, all);
    buckets(exporter, "vllm:time_to_first_token_seconds", &vllm, all);
    // The canary is of a later version, in which two names have changed.
    let (tokens, cache) = match canary {
        true => ("vllm:inter_token_latency_seconds", "vllm:kv_cache_usage_perc"),
        false => ("vllm:time_per_output_token_seconds", "vllm:gpu_cache_usage_perc"),
    };
    buckets(exporter, tokens, &vllm, all);
    exporter.set(&format!("{cache}{{{vllm}}}"), 0.5);
    exporter.set(&format!("vllm:generation_tokens_total{{{vllm}}}"), all * 60);
    exporter.set(&format!("vllm:num_requests_waiting{{{vllm}}}"), 7);

    for name in ["e2e_request_latency", "time_to_first_token", "inter_token_latency"] {
        buckets(exporter, &format!("sglang:{name}_seconds"), pod, all);
    }
    exporter.set(&format!("sglang:generation_tokens_total{{{pod}}}"), all * 60);
    exporter.set(&format!("sglang:num_queue_reqs{{{pod}}}"), 7);
    exporter.set(&format!("sglang:token_usage{{{pod}}}"), 0.5);

    for name in ["tgi_request_duration", "tgi_request_mean_time_per_token_duration"] {
        buckets(exporter, name, pod, all);
    }
    exporter.set(&format!("tgi_request_count{{{pod}}}"), all);
    exporter.set(&format!("tgi_request_failure{{{pod},err=\"validation\"}}"), all);
    if bad > 0 {
        exporter.set(&format!("tgi_request_failure{{{pod},err=\"overloaded\"}}"), bad);
    }
    exporter.set(&format!("tgi_request_generated_tokens_sum{{{pod}}}"), all * 60);
    exporter.set(&format!("tgi_queue_size{{{pod}}}"), 7);

    for (gpu, used) in [("0", 4096), ("1", 8192)] {
        exporter.set(&format!("DCGM_FI_DEV_FB_USED{{{pod},gpu=\"{gpu}\"}}"), used);
        exporter.set(&format!("DCGM_FI_DEV_GPU_UTIL{{{pod},gpu=\"{gpu}\"}}"), used / 128);
    }
}

const RATES: [&str; 3] = ["istio_error_rate", "ingress-nginx_error_rate", "tgi_error_rate"];
const QUANTILES: [&str; 10] = [
    "istio_latency",
    "ingress-nginx_latency",
    "vllm_latency",
    "vllm_ttft",
    "vllm_inter_token_latency",
    "tgi_latency",
    "tgi_inter_token_latency",
    "sglang_latency",
    "sglang_ttft",
    "sglang_inter_token_latency",
];
const LEVELS: [(&str, f64); 7] = [
    ("vllm_queue", 7.0),
    ("vllm_cache", 0.5),
    ("sglang_queue", 7.0),
    ("sglang_cache", 0.5),
    ("tgi_queue", 7.0),
    ("dcgm_gpu_memory", 8192.0),
    ("dcgm_gpu_utilisation", 64.0),
];
const THROUGHPUTS: [&str; 3] = ["vllm_throughput", "sglang_throughput", "tgi_throughput"];

fn presets() -> Plan {
    let rule = |name: &str| {
        let preset = ["ingress-nginx", "istio", "vllm", "tgi", "sglang", "dcgm"]
            .into_iter()
            .find(|preset| name.starts_with(preset))
            .unwrap();
        json!({"name": name, "preset": preset})
    };
    let levels: Vec<Value> = LEVELS.iter().map(|(name, _)| rule(name)).collect();
    let quantiles: Vec<Value> = QUANTILES.iter().map(|name| rule(name)).collect();
    let all = ["istio", "ingress-nginx", "vllm", "tgi", "sglang", "dcgm"];
    plan(json!({"presets": all, "levels": levels, "quantiles": quantiles}), json!({}))
}

/// Every count is exact.
fn told_right(found: &Found, window: Window) -> bool {
    let rates = RATES.iter().all(|rule| {
        let want = Sides { stable: Ok(Tally { bad: 20, all: 2000 }), canary: Ok(Tally { bad: 25, all: 500 }) };
        counts(found, rule) == Some(want)
    });
    let quantile = |all: u64| Ok(Buckets { upto: vec![(0.5, all * 9 / 10), (2.5, all)], all });
    let quantiles = QUANTILES
        .iter()
        .all(|rule| histogram(found, rule) == Some(Sides { stable: quantile(2000), canary: quantile(500) }));
    let levels = LEVELS.iter().all(|(rule, want)| {
        level(found, rule).is_some_and(|sides| sides.stable == Ok(*want) && sides.canary == Ok(*want))
    });
    // Sixty tokens a request.
    #[expect(clippy::cast_precision_loss, reason = "seconds of a test")]
    let a_second = |all: f64| all * 60.0 / window.seconds as f64;
    let close = |level: Result<f64, NoData>, all: f64| level.is_ok_and(|level| (level - a_second(all)).abs() < 1e-6);
    let throughputs = THROUGHPUTS
        .iter()
        .all(|rule| level(found, rule).is_some_and(|sides| close(sides.stable, 2000.0) && close(sides.canary, 500.0)));
    rates && quantiles && levels && throughputs
}

#[tokio::test(flavor = "multi_thread")]
async fn every_preset_reads_what_its_server_counts_of_each_side() {
    let Some(program) = program() else { return };
    let exporter = Exporter::start().await;
    serve(&exporter, false, 1000, 10);
    for stranger in STRANGERS {
        pod_series(&exporter, stranger, false, 0, 0);
        pod_series(&exporter, stranger, true, 0, 0);
    }
    let server = Server::start(&program, &[("chat", &exporter)]).await;
    let plan = presets();
    let source = source(&server.url, &plan);

    // Stable has been seen twice, the canary not at all.
    let found = until(&source, "stable without a canary", |found| {
        RATES.iter().all(|rule| counts(found, rule).is_none() && canary_lacks(found, rule) == Some(NoData::Absent))
            && QUANTILES.iter().all(|rule| canary_lacks(found, rule) == Some(NoData::Absent))
            && LEVELS.iter().all(|(rule, _)| level(found, rule).is_some_and(|sides| sides.stable.is_ok()))
            && THROUGHPUTS.iter().all(|rule| level(found, rule).is_some_and(|sides| sides.stable == Ok(0.0)))
    })
    .await;
    assert_eq!(found.len(), RATES.len() + QUANTILES.len() + LEVELS.len() + THROUGHPUTS.len());

    // The step begins. Its window grows from here.
    let began = Instant::now();
    // The canary comes with everything that it will ever count: its first scrape is its last news.
    serve(&exporter, false, 3000, 30);
    serve(&exporter, true, 500, 25);
    for stranger in STRANGERS {
        pod_series(&exporter, stranger, false, 90_000, 9000);
        pod_series(&exporter, stranger, true, 90_000, 9000);
    }
    loop {
        let window = Window { seconds: began.elapsed().as_secs() + 1 };
        let found = read(&source, window).await;
        if told_right(&found, window) {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{window:?}: {found:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
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
