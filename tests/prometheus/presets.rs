//! Every preset against what its server says: of each side, exactly, and of nobody else.

use std::time::{Duration, Instant};

use llmci::deliver::plan::Plan;
use llmci::deliver::probe::{Buckets, NoData, Sides, Tally, Window};
use serde_json::{Value, json};

use super::support::exporter::{Exporter, Server, program};
use super::{Found, PATIENCE, STABLE_POD, buckets, canary_lacks, counts, histogram, level, plan, read, source, until};

const CANARY_POD: &str = r#"namespace="prod",pod="chat-canary-6c8d7f9b5-q2w4r""#;
/// Series that look alike and belong to somebody else.
const STRANGERS: [&str; 3] = [
    r#"namespace="prod",pod="chat-big-7d9c5b8f4-x2x4z""#,
    r#"namespace="dev",pod="chat-7d9c5b8f4-x2x4z""#,
    r#"namespace="prod",pod="chat-canary-big-6c8d7f9b5-q2w4r""#,
];

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
