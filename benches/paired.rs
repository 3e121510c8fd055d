//! One million paired samples judged by the real `regression-check`, whole process, beside a Python script that computes the
//! same numbers from the same files: `cargo bench --bench paired`. The two sides are made from a seed, in a folder that
//! vanishes. `LLMCI_PEER_PYTHON` names the Python with `benches/requirements.txt`; without it only our own side is run.
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark")]

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use llmci::stats::Generator;
use llmci::trust::Digest;
use serde_json::Value;

const SEED: u64 = 20_261_125;
const RUNS: usize = 5;

fn main() {
    let cases = std::env::var("LLMCI_BENCH_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir().unwrap();
    let bytes = write_sides(folder.path(), cases);
    println!("{cases} pairs, {:.0} MB a side", bytes / 2.0 / 1e6);
    let ours: Vec<Run> = (0..RUNS).map(|number| gate(folder.path(), number)).collect();
    let mine = show("regression-check", &ours);
    let report: Value = serde_json::from_slice(&std::fs::read(folder.path().join("out/report.json")).unwrap()).unwrap();
    let row = &report["comparison"]["rows"][0];
    println!("  {} of {}: {}", row["discordance"], row["n"], report["reasons"][0]["text"]);
    let Some(python) = std::env::var_os("LLMCI_PEER_PYTHON") else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/support/paired_peer.py");
    for reader in ["orjson", "json", "pandas"] {
        let theirs: Vec<Run> = (0..RUNS.min(3))
            .map(|_| {
                let mut command = Command::new(&python);
                command.arg(&script).arg(reader).args(["base/samples.jsonl", "cand/samples.jsonl"]);
                timed(
                    command
                        .current_dir(folder.path())
                        .stdout(std::fs::File::create(folder.path().join("peer.json")).unwrap()),
                )
            })
            .collect();
        let peer = show(&format!("Python, {reader}"), &theirs);
        println!(
            "  {:.1} times the time, {:.1} times the memory of regression-check",
            peer.seconds / mine.seconds,
            peer.megabytes / mine.megabytes
        );
        let found: Value = serde_json::from_slice(&std::fs::read(folder.path().join("peer.json")).unwrap()).unwrap();
        for (one, two) in [("newly_passing", "up"), ("newly_failing", "down"), ("pairs", "n")] {
            assert_eq!(row["discordance"][one], found[two], "{one}");
        }
        let (p, q) = (row["discordance"]["mcnemar_p"].as_f64().unwrap(), found["mcnemar_p"].as_f64().unwrap());
        assert!((p - q).abs() <= 1e-9 + 1e-6 * q, "{p} and {q}");
        println!("  the same counts, McNemar p {p:e} and {q:e}; {found}");
    }
}

/// Two sides whose baseline is right in 75 %, of which 5 % change each way, and half a per cent more gets worse; bytes of both.
fn write_sides(folder: &Path, cases: u64) -> f64 {
    let mut generator = Generator::new(SEED);
    let mut files = ["base", "cand"].map(|side| {
        std::fs::create_dir(folder.join(side)).unwrap();
        BufWriter::with_capacity(1 << 20, std::fs::File::create(folder.join(side).join("samples.jsonl")).unwrap())
    });
    for number in 0..cases {
        let (prompt, expected) = (Digest::of(&number.to_le_bytes()), Digest::of(&number.to_be_bytes()));
        let before = generator.unit() < 0.75;
        let change = generator.unit();
        let after = if before { change >= 0.055 / 0.75 } else { change < 0.05 / 0.25 };
        for (file, right) in files.iter_mut().zip([before, after]) {
            let (status, score) = if right { ("passed", "1.0") } else { ("failed", "0.0") };
            let latency = 20.0 + 400.0 * generator.unit();
            writeln!(
                file,
                "{{\"suite\":\"facts\",\"case\":\"case-{number}\",\"repeat\":0,\"level\":\"evaluation\",\"tags\":[\"core\",\"completion\"],\"prompt_digest\":\"{prompt}\",\"expected_digest\":\"{expected}\",\"status\":\"{status}\",\"score\":{score},\"assertions\":[{{\"assertion\":\"icontains\",\"weight\":1.0,\"score\":{score},\"why\":\"\"}}],\"answer\":{{\"completion\":{{\"text\":\"The answer to question {number} is Paris.\",\"finish\":\"stop\"}}}},\"usage\":{{\"prompt_tokens\":11,\"completion_tokens\":9}},\"latency_ms\":{latency:.6},\"ttft_ms\":{:.6},\"attempts\":1,\"cached\":false}}",
                latency / 3.0
            )
            .unwrap();
        }
    }
    let sizes = files.map(|file| file.into_inner().unwrap().metadata().unwrap().len());
    sizes.into_iter().map(llmci::stats::float).sum()
}

#[derive(Clone, Copy)]
struct Run {
    seconds: f64,
    megabytes: f64,
}

/// The median time and the largest memory.
fn show(what: &str, runs: &[Run]) -> Run {
    let mut seconds: Vec<f64> = runs.iter().map(|run| run.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let megabytes = runs.iter().map(|run| run.megabytes).fold(0.0, f64::max);
    let median = seconds[seconds.len() / 2];
    println!(
        "{what}: median {median:.2} s of {} runs ({:.2} to {:.2} s), peak memory {megabytes:.0} MB",
        seconds.len(),
        seconds[0],
        seconds[seconds.len() - 1]
    );
    Run { seconds: median, megabytes }
}

fn gate(folder: &Path, number: usize) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_regression-check"));
    command.current_dir(folder).args(["--baseline", "base", "--candidate", "cand", "--out", "out"]);
    // A store of its own for each run: a kept verdict would be said again.
    timed(command.arg("--verdicts").arg(format!("verdicts-{number}")).stdout(Stdio::null()))
}

/// Wall time of a whole process, and its peak memory as the kernel counts it. 0 and 1 are verdicts, all else is a failure.
fn timed(command: &mut Command) -> Run {
    let began = Instant::now();
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0_f64;
    loop {
        if let Some(kilobytes) = std::fs::read_to_string(&status).ok().and_then(|text| high_water(&text)) {
            peak = peak.max(kilobytes / 1024.0);
        }
        if let Some(exit) = child.try_wait().unwrap() {
            assert!(exit.code().is_some_and(|code| code < 2), "{exit}");
            return Run { seconds: began.elapsed().as_secs_f64(), megabytes: peak };
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn high_water(status: &str) -> Option<f64> {
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().trim_end_matches("kB").trim().parse().ok()
}
