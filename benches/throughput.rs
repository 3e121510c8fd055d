//! How many cases a second `eval-gate` evaluates against an endpoint without latency, beside a bare client that sends the
//! same requests: `cargo bench --bench throughput`. Ratios of runs that follow each other; no absolute claim.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a benchmark"
)]

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[path = "support/processes.rs"]
mod processes;

use processes::{Run, median, peer, serve, timed};

const CASES: usize = 10_000;
const CONCURRENCY: usize = 64;
const PAIRS: usize = 7;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("--stub") => serve(Duration::from_millis(arguments[2].parse().unwrap())),
        Some("--bare") => bare(&arguments[2]),
        _ => compare(),
    }
}

fn body(number: usize) -> String {
    serde_json::json!({"model": "m", "messages": [{"role": "user", "content": format!("Say the word w{number}")}], "max_tokens": 100, "temperature": 0.0, "seed": 0}).to_string()
}

/// The same requests by the same HTTP library and nothing else: no suite, no scorers, no journal, no report.
fn bare(base: &str) {
    let url = format!("{base}/chat/completions");
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        llmci::net::install_tls_provider();
        let client = reqwest::Client::builder().pool_max_idle_per_host(CONCURRENCY).tcp_nodelay(true).build().unwrap();
        let next = Arc::new(AtomicUsize::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..CONCURRENCY {
            let (client, url, next) = (client.clone(), url.clone(), Arc::clone(&next));
            tasks.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= CASES {
                        break;
                    }
                    let request = client.post(&url).header("content-type", "application/json").body(body(number));
                    let reply = request.send().await.unwrap().bytes().await.unwrap();
                    assert!(!reply.is_empty());
                }
            });
        }
        tasks.join_all().await;
    });
}

fn write_suite(folder: &Path, cases: usize, base: &str) {
    let mut suite = std::io::BufWriter::new(std::fs::File::create(folder.join("words.jsonl")).unwrap());
    for number in 0..cases {
        writeln!(
            suite,
            "{{\"id\": \"w{number}\", \"prompt\": \"Say the word w{number}\", \"expected\": \"w{number}\"}}"
        )
        .unwrap();
    }
    let policy = format!(
        "version: 1\nmodels:\n  stub: {{provider: openai, base_url: \"{base}\", model: m}}\nsuites: [words.jsonl]\n\
         gate:\n  thresholds:\n    - {{metric: pass_rate, min: 0.9}}\nrun: {{concurrency: {CONCURRENCY}}}\n"
    );
    std::fs::File::create(folder.join("llmci.yaml")).unwrap().write_all(policy.as_bytes()).unwrap();
}

fn gate(folder: &Path) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eval-gate"));
    command.current_dir(folder).args(["--quiet", "--out"]).arg(folder.join("out"));
    timed(&mut command)
}

fn compare() {
    let own = std::env::current_exe().unwrap();
    for delay in [0, 1, 5] {
        let server = peer(delay);
        let folder = tempfile::tempdir().unwrap();
        write_suite(folder.path(), CASES, &server.base);
        let (mut ratios, mut ours, mut theirs, mut memory) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for pair in 0..=PAIRS {
            let bare = timed(Command::new(&own).arg("--bare").arg(&server.base));
            let gate = gate(folder.path());
            if pair > 0 {
                ratios.push(bare.seconds / gate.seconds);
                ours.push(gate.seconds);
                theirs.push(bare.seconds);
                memory.push(gate.megabytes);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of cases")]
        let rate = |seconds: f64| CASES as f64 / seconds;
        let (gate_seconds, bare_seconds) = (median(ours), median(theirs));
        println!(
            "endpoint with {delay} ms: bare {bare_seconds:.3} s ({:.0} cases/s), eval-gate {gate_seconds:.3} s ({:.0} cases/s), {:.0} % of bare, {:.0} MB",
            rate(bare_seconds),
            rate(gate_seconds),
            100.0 * median(ratios),
            median(memory)
        );
    }
    // Memory against the number of cases: more cases must not need much more.
    let server = peer(0);
    for factor in [1, 4, 16] {
        let folder = tempfile::tempdir().unwrap();
        write_suite(folder.path(), factor * CASES, &server.base);
        let run = gate(folder.path());
        println!("{} cases: {:.3} s, peak memory {:.0} MB", factor * CASES, run.seconds, run.megabytes);
    }
}
