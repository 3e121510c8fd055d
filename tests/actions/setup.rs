//! The setup action's script, with a release on a server of the test's own and a `gh` that says what the test wants.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use super::tools::{put, root};
use crate::support::text;

/// The programs that the script may find; everything else is not there.
const TOOLS: [&str; 15] = [
    "bash",
    "uname",
    "mktemp",
    "rm",
    "curl",
    "cp",
    "awk",
    "sha256sum",
    "cut",
    "mkdir",
    "chmod",
    "mv",
    "ln",
    "sh",
    "env",
];

struct Release {
    folder: tempfile::TempDir,
    server: Child,
    mirror: String,
}

impl Drop for Release {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Release {
    fn serve() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["files", "bin", "temp", "tools", "action"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let machine = if cfg!(target_arch = "aarch64") { "llmci-linux-arm64" } else { "llmci-linux-amd64" };
        let program = folder.path().join("files").join(machine);
        std::fs::copy(env!("CARGO_BIN_EXE_llmci"), &program).unwrap();
        let sum = Command::new("sha256sum").arg(machine).current_dir(folder.path().join("files")).output().unwrap();
        put(&folder.path().join("files/SHA256SUMS"), sum.stdout);
        for name in TOOLS {
            let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
                .map(|path| path.join(name))
                .find(|path| path.exists());
            symlink(found.unwrap_or_else(|| panic!("{name} is needed")), folder.path().join("bin").join(name)).unwrap();
        }
        let venv = std::env::var("LLMCI_TEST_VENV").expect("run the tests with scripts/test");
        let mut server = Command::new(format!("{venv}/bin/python"))
            .args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "0"])
            .current_dir(folder.path().join("files"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.split_once("port ").unwrap().1.split_whitespace().next().unwrap();
        let mirror = format!("http://127.0.0.1:{port}");
        Self { folder, server, mirror }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A `gh` that ends with this code and writes down what it was asked.
    fn gh(&self, code: u8) {
        let script = format!("#!/bin/sh\necho \"$@\" > '{}'\nexit {code}\n", self.at("asked").display());
        put(&self.at("bin/gh"), script);
        std::fs::set_permissions(self.at("bin/gh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn install(&self, version: &str, attestation: &str) -> Output {
        for name in ["path", "output"] {
            put(&self.at(name), "");
        }
        Command::new(self.at("bin/bash"))
            .arg(root().join("actions/setup/install"))
            .env_clear()
            .env("PATH", self.at("bin"))
            .env("GITHUB_ACTION_PATH", self.at("action"))
            .env("RUNNER_TEMP", self.at("temp"))
            .env("RUNNER_TOOL_CACHE", self.at("tools"))
            .env("GITHUB_PATH", self.at("path"))
            .env("GITHUB_OUTPUT", self.at("output"))
            .env("LLMCI_SETUP_VERSION", version)
            .env("LLMCI_SETUP_MIRROR", &self.mirror)
            .env("LLMCI_SETUP_ATTESTATION", attestation)
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    fn installed(&self) -> bool {
        std::fs::read_dir(self.at("tools")).unwrap().count() > 0
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn setup_puts_the_programs_on_the_path_and_takes_them_from_the_cache_afterwards() {
    let mut release = Release::serve();
    release.gh(0);
    let output = release.install("v1.2.3", "when-possible");
    assert!(output.status.success(), "{}", text(&output));
    let asked = read(&release.at("asked"));
    assert!(
        asked.contains("attestation verify")
            && asked.contains("--repo org/llmci")
            && asked.contains("refs/tags/release/v1.2.3"),
        "{asked}"
    );
    let folder = PathBuf::from(read(&release.at("path")).trim());
    for program in ["eval-gate", "regression-check", "safety-gate", "canary-promote", "llmci"] {
        let shown = Command::new(folder.join(program)).arg("--version").output().unwrap();
        assert!(text(&shown).starts_with(program), "{}", text(&shown));
    }
    assert!(read(&release.at("output")).starts_with("version=v1.2.3\n"));
    assert_eq!(std::fs::read_dir(release.at("temp")).unwrap().count(), 0, "nothing is left behind");

    // With the checksums beside the action, as in a release's tree, nothing more is asked of the network.
    std::fs::copy(release.at("files/SHA256SUMS"), release.at("action/SHA256SUMS")).unwrap();
    release.server.kill().unwrap();
    let output = release.install("v1.2.3", "required");
    assert!(output.status.success() && text(&output).contains("from the tool cache"), "{}", text(&output));
}

#[test]
fn setup_installs_nothing_that_is_not_what_the_release_says() {
    let release = Release::serve();
    release.gh(1);
    let refused = |version: &str, attestation: &str, why: &str| {
        let output = release.install(version, attestation);
        assert!(!output.status.success() && text(&output).contains(why), "{version} {attestation}: {}", text(&output));
        assert!(!release.installed() && read(&release.at("path")).is_empty(), "{why}");
    };
    refused("v1.2.3", "when-possible", "the attestation of llmci-linux-");
    refused("v1.2.3", "perhaps", "the input attestation is");
    for version in ["", "latest", "v1", "v1.2.3; touch hacked", "../v1.2.3", "v1.2.3\nv1.2.3", "$(touch hacked)"] {
        refused(version, "off", "the input version must look like");
    }
    assert!(!release.at("hacked").exists());
    std::fs::remove_file(release.at("bin/gh")).unwrap();
    refused("v1.2.3", "required", "there is no gh program");
    // Another checksum in the release's own tree: the mirror has been changed.
    let other = read(&release.at("files/SHA256SUMS"))
        .split_whitespace()
        .nth(1)
        .map(|name| format!("{}  {name}\n", "0".repeat(64)));
    put(&release.at("action/SHA256SUMS"), other.unwrap());
    refused("v1.2.3", "off", "does not have the checksum");
    put(&release.at("action/SHA256SUMS"), "");
    refused("v1.2.3", "off", "do not name");
}
