//! What the flows share: the real binaries in a clean environment, and folders with suites and policies.
#![expect(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a part of test binaries, each of which uses a part of it"
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub mod exporter;
pub mod git;
pub mod hostile;
pub mod rendered;
pub mod safety;
pub mod stub;

/// The project's folder.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// `eval-gate` in a folder, without any variable that a CI host would set.
pub fn eval_gate(folder: &Path) -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_eval-gate")), folder)
}

/// `regression-check` likewise.
pub fn regression_check(folder: &Path) -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_regression-check")), folder)
}

/// `safety-gate` likewise.
pub fn safety_gate(folder: &Path) -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_safety-gate")), folder)
}

/// `canary-promote` likewise.
pub fn canary_promote(folder: &Path) -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_canary-promote")), folder)
}

/// `llmci` likewise.
pub fn llmci(folder: &Path) -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_llmci")), folder)
}

fn clean(mut command: Command, folder: &Path) -> Command {
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("RUST_LIB_BACKTRACE", "0")
        .current_dir(folder);
    command
}

/// The exit code, and both streams for a message.
pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

/// Both streams as text.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Writes a file of a test.
pub fn write(folder: &Path, name: &str, content: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(path).and_then(|mut file| file.write_all(content.as_bytes())).unwrap();
}

/// Writes bytes over a file of a test.
pub fn write_bytes(path: &Path, bytes: &[u8]) {
    std::fs::File::create(path).and_then(|mut file| file.write_all(bytes)).unwrap();
}

/// A suite of `count` cases whose right answer is the prompt's last word, and a policy for an endpoint.
pub fn words(folder: &Path, count: usize, base: &str, more: &str) {
    let lines: String = (0..count)
        .map(|number| {
            format!("{{\"id\": \"w{number}\", \"prompt\": \"Say w{number}\", \"expected\": \"w{number}\"}}\n")
        })
        .collect();
    write(folder, "words.jsonl", &lines);
    let policy = format!(
        "version: 1\nmodels:\n  stub: {{provider: openai, base_url: \"{base}\", model: m, retry: {{attempts: 2, max_wait_seconds: 0.05}}}}\n\
         suites: [words.jsonl]\ngate:\n  thresholds:\n    - {{metric: pass_rate, min: 0.8}}\n{more}"
    );
    write(folder, "llmci.yaml", &policy);
}

/// A JSON file of an output folder.
pub fn report(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.join("report.json")).unwrap()).unwrap()
}

/// Answers of recorded completions: `{"case", "text"}` lines.
pub fn recording(answers: &[(&str, &str)]) -> String {
    answers.iter().map(|(case, text)| format!("{}\n", serde_json::json!({"case": case, "text": text}))).collect()
}
