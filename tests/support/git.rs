//! A git repository of a test.

use std::path::Path;
use std::process::Command;

/// Runs git in a folder, without any settings of this machine, and gives what it printed.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(arguments);
    let output = command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", super::text(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Commits everything that is there, and gives the commit.
pub fn commit(folder: &Path) -> String {
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "-qm", "x", "--allow-empty"]);
    git(folder, &["rev-parse", "HEAD"])
}
