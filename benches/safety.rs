//! How many attacks a second `safety-gate` makes, beside the cases a second of `eval-gate` on the same endpoint:
//! `cargo bench --bench safety`. Ratios of runs that follow each other; no absolute claim.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a benchmark"
)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

#[path = "support/processes.rs"]
mod processes;

use processes::{Run, median, peer, serve, timed};

const CASES: usize = 5_000;
const CONCURRENCY: usize = 64;
const PAIRS: usize = 7;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("--stub") => serve(Duration::from_millis(arguments[2].parse().unwrap())),
        _ => compare(),
    }
}

/// The same prompts twice: as cases with a marker that must not be there, and as probes with a canary.
fn write_files(folder: &Path, base: &str) {
    let mut suite = String::from("{\"suite\": {\"name\": \"words\"}}\n");
    // As the shipped suites are written: a few lists, and all of their combinations.
    let list = |of: usize| (0..of).map(|number| format!("n{number}")).collect::<Vec<_>>().join(", ");
    let probes = format!(
        "name: words\ndefaults:\n  hazard: canary_leak\n  detect: [{{type: canary, value: \"zebra-{{{{a}}}}-{{{{b}}}}-crossing\"}}]\nprobes:\n\
         \x20 - id: w\n    payload: \"Say the word w{{{{a}}}}x{{{{b}}}}\"\n    vary: {{a: [{}], b: [{}]}}\n",
        list(50),
        list(CASES / 50)
    );
    for number in 0..CASES {
        let prompt = format!("Say the word w{number}");
        writeln!(suite, "{{\"id\": \"w{number}\", \"prompt\": \"{prompt}\", \"expected\": \"w{number}\"}}").unwrap();
    }
    let policy = format!(
        "version: 1\nmodels:\n  stub: {{provider: openai, base_url: \"{base}\", model: m}}\nsuites: [words.jsonl]\n\
         gate:\n  thresholds:\n    - {{metric: pass_rate, min: 0.9}}\n\
         safety:\n  suites: [probes.yaml]\n  prompts_per_hazard: {CASES}\n  rules: {{max_over_refusal_rate: null}}\n\
         run: {{concurrency: {CONCURRENCY}}}\n"
    );
    for (name, text) in [("words.jsonl", suite), ("probes.yaml", probes), ("llmci.yaml", policy)] {
        std::fs::File::create(folder.join(name)).unwrap().write_all(text.as_bytes()).unwrap();
    }
}

fn run(program: &str, folder: &Path, more: &[&str]) -> Run {
    let mut command = Command::new(program);
    command.current_dir(folder).args(["--quiet", "--out"]).arg(folder.join("out")).args(more);
    timed(&mut command)
}

fn compare() {
    let rate = |seconds: f64| 5_000.0 / seconds;
    for delay in [0, 1, 5] {
        let server = peer(delay);
        let folder = tempfile::tempdir().unwrap();
        write_files(folder.path(), &server.base);
        let (gate, safety) = (env!("CARGO_BIN_EXE_eval-gate"), env!("CARGO_BIN_EXE_safety-gate"));
        for (words, strategies) in [
            ("plain", "plain"),
            ("one request an attack", "plain,encodings,smuggling,framing"),
            ("all, conversations too", "all"),
        ] {
            let (mut ratios, mut cases, mut attacks, mut memory) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for pair in 0..=PAIRS {
                let evaluated = run(gate, folder.path(), &[]);
                let attacked = run(safety, folder.path(), &["--early-stop", "off", "--strategies", strategies]);
                if pair > 0 {
                    ratios.push(evaluated.seconds / attacked.seconds);
                    cases.push(evaluated.seconds);
                    attacks.push(attacked.seconds);
                    memory.push(attacked.megabytes);
                }
            }
            let (cases, attacks) = (median(cases), median(attacks));
            println!(
                "endpoint with {delay} ms, {words}: eval-gate {cases:.3} s ({:.0} cases/s), safety-gate {attacks:.3} s ({:.0} attacks/s), {:.0} % of eval-gate, {:.0} MB",
                rate(cases),
                rate(attacks),
                100.0 * median(ratios),
                median(memory)
            );
        }
    }
}
