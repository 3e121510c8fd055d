//! One config of promptfoo with 10,000 tests, run by promptfoo itself and by `eval-gate`, in turns on one machine, whole processes
//! each: with the echo provider, and against a local endpoint. `. scripts/promptfoo-tool && cargo bench --bench promptfoo`.
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
use std::time::Duration;

#[path = "support/processes.rs"]
mod processes;

use processes::{Run, median, peer, serve, timed};

const TESTS: usize = 10_000;
const PAIRS: usize = 3;
const CONCURRENCY: usize = 64;
/// How many requests promptfoo is allowed at once: it is timed at each, and its best counts.
const THEIRS: &[usize] = &[4, 64];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).map(String::as_str) == Some("--stub") {
        return serve(Duration::from_millis(arguments[2].parse().unwrap()));
    }
    let Ok(tools) = std::env::var("LLMCI_TEST_PROMPTFOO") else {
        println!("skipped: LLMCI_TEST_PROMPTFOO is not set; `. scripts/promptfoo-tool` installs promptfoo and sets it");
        return;
    };
    let server = peer(0);
    let endpoint = format!("  - id: openai:chat:m\n    config: {{apiBaseUrl: \"{}\", max_tokens: 100}}\n", server.base);
    for (name, provider) in [("echo", "  - echo\n".to_owned()), ("endpoint without latency", endpoint)] {
        compare(name, &provider, &tools);
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::File::create(folder.join(name)).unwrap().write_all(text.as_bytes()).unwrap();
}

fn write_config(folder: &Path, provider: &str) {
    let config = format!(
        "prompts:\n  - \"Say the word {{{{word}}}}\"\nproviders:\n{provider}defaultTest:\n  assert:\n    - {{type: contains, value: \"{{{{word}}}}\"}}\n\
         \x20   - {{type: regex, value: \"w[0-9]+$\"}}\n    - {{type: javascript, value: \"output.length > 1\"}}\ntests: file://tests.csv\n"
    );
    write(folder, "promptfooconfig.yaml", &config);
    let rows: String = (0..TESTS).map(|number| format!("w{number}\n")).collect();
    write(folder, "tests.csv", &format!("word\n{rows}"));
    let policy = format!(
        "version: 1\nsuites: [promptfooconfig.yaml]\ngate:\n  model: suite\n  thresholds:\n    - {{metric: pass_rate, min: 0.9}}\nrun: {{concurrency: {CONCURRENCY}}}\n"
    );
    write(folder, "llmci.yaml", &policy);
}

fn gate(folder: &Path) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eval-gate"));
    command.current_dir(folder).env("OPENAI_API_KEY", "none").args(["--quiet", "--out"]).arg(folder.join("out"));
    timed(&mut command)
}

fn promptfoo(folder: &Path, tools: &str, concurrency: usize) -> Run {
    let mut command = Command::new("node");
    command
        .arg(format!("{tools}/node_modules/promptfoo/dist/src/entrypoint.js"))
        .args(["eval", "-c", "promptfooconfig.yaml", "--no-cache", "--no-write", "--no-table", "--no-progress-bar"])
        .args(["-o", "promptfoo.json", "-j", &concurrency.to_string()])
        .current_dir(folder)
        .env("OPENAI_API_KEY", "none")
        .env("LOG_LEVEL", "error")
        .env("PROMPTFOO_CONFIG_DIR", folder.join("settings"))
        .env("PROMPTFOO_DISABLE_TELEMETRY", "1")
        .env("PROMPTFOO_DISABLE_UPDATE", "1")
        .env("PROMPTFOO_DISABLE_REMOTE_GENERATION", "1");
    timed(&mut command)
}

fn compare(name: &str, provider: &str, tools: &str) {
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), provider);
    let best = THEIRS
        .iter()
        .map(|concurrency| (promptfoo(folder.path(), tools, *concurrency).seconds, *concurrency))
        .inspect(|(seconds, concurrency)| println!("{name}: promptfoo with -j {concurrency}: {seconds:.2} s"))
        .min_by(|one, other| one.0.total_cmp(&other.0))
        .unwrap();
    // Once for nothing, so that neither side pays for the first look at its files.
    gate(folder.path());
    let (mut ratios, mut ours, mut theirs, mut memory) = (Vec::new(), Vec::new(), Vec::new(), (Vec::new(), Vec::new()));
    for _ in 0..PAIRS {
        let gate = gate(folder.path());
        let promptfoo = promptfoo(folder.path(), tools, best.1);
        ratios.push(promptfoo.seconds / gate.seconds);
        ours.push(gate.seconds);
        theirs.push(promptfoo.seconds);
        memory.0.push(gate.megabytes);
        memory.1.push(promptfoo.megabytes);
    }
    println!(
        "{name}, {TESTS} tests: eval-gate {:.3} s, {:.0} MB; promptfoo (-j {}) {:.2} s, {:.0} MB; promptfoo / eval-gate {:.1}",
        median(ours),
        median(memory.0),
        best.1,
        median(theirs),
        median(memory.1),
        median(ratios)
    );
}
