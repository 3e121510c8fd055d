//! The judges, as scripts/test installs them: what they are asked, and what they say.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn node_folder() -> PathBuf {
    std::env::var_os("LLMCI_PACK_TOOLS")
        .map(PathBuf::from)
        .expect("run the tests with scripts/test: it installs the judges")
}

/// Runs a script under node: JSON in, JSON out.
pub(crate) fn node(script: &str, asked: &Value) -> Value {
    let mut child = Command::new("node")
        .arg(node_folder().join(script))
        .current_dir(node_folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{script} failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs a Python tool of the test's environment in a folder; its text where it complains.
pub(crate) fn python(tool: &str, arguments: &[&str], files: &[PathBuf], folder: &Path) -> Result<(), String> {
    let venv = std::env::var("LLMCI_TEST_VENV").expect("run the tests with scripts/test");
    judge(Command::new(format!("{venv}/bin/{tool}")).args(arguments).args(files).current_dir(folder))
}

/// Runs action-validator on one file. The schema in its npm package is older than the permission `attestations`, which is
/// left out for it; check-jsonschema knows it.
pub(crate) fn action_validator(file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file).unwrap();
    let known: String =
        text.lines().filter(|line| line.trim() != "attestations: write").map(|line| format!("{line}\n")).collect();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join(file.file_name().unwrap());
    put(&copy, known);
    judge(Command::new("node").arg(node_folder().join("node_modules/.bin/action-validator")).arg(copy))
        .map_err(|text| format!("{}: {text}", file.display()))
}

fn judge(command: &mut Command) -> Result<(), String> {
    let output = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {text}")) }
}

/// Files under a folder whose name ends so, in order.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no {ending} under {}", folder.display());
    found
}

/// Writes a file of a test.
pub(crate) fn put(path: &Path, text: impl AsRef<[u8]>) {
    llmci::store::file::write_atomically(path, text.as_ref()).unwrap();
}
