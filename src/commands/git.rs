//! Questions to git: files of other commits. Nothing is checked out, and no hook runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What git prints in a folder of a checkout; none where it refuses, and outside of one.
///
/// Git takes any folder that looks like a repository for one, its configuration with commands among it, and whoever writes a pull
/// request can commit such a folder. What git cannot commit is the name `.git`: only what is called so is asked. The checkout may
/// belong to somebody else than a container's user, which git would take for an attack.
pub(super) fn git(folder: &Path, arguments: &[&str]) -> Result<Option<Vec<u8>>, String> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Some(top) = top_of(folder) else { return Ok(None) };
    let output = Command::new("git")
        .args(["-c", "safe.directory=*", "-c", "core.fsmonitor=false"])
        .env("GIT_DIR", top.join(".git"))
        .env("GIT_WORK_TREE", &top)
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|error| format!("git could not be started: {error}"))?;
    Ok(output.status.success().then_some(output.stdout))
}

/// The innermost checkout around a folder; none within what git keeps for itself.
fn top_of(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let top = folder.ancestors().find(|above| above.join(".git").symlink_metadata().is_ok())?;
    (!folder.starts_with(top.join(".git"))).then(|| top.to_owned())
}

/// Whether a commit is in this checkout.
pub(super) fn has_commit(folder: &Path, commit: &str) -> Result<bool, String> {
    Ok(git(folder, &["cat-file", "-e", &format!("{commit}^{{commit}}")])?.is_some())
}

/// A file of a commit; its path is relative to the folder.
pub(super) fn file_of(folder: &Path, commit: &str, path: &str) -> Result<Option<Vec<u8>>, String> {
    git(folder, &["cat-file", "blob", &format!("{commit}:./{path}")])
}

/// The files of a commit below a path, relative to the folder; none where the commit has none there.
pub(super) fn files_below(folder: &Path, commit: &str, path: &str) -> Result<Option<Vec<String>>, String> {
    let below = if path.is_empty() { "." } else { path };
    let names = git(folder, &["ls-tree", "-r", "-z", "--name-only", commit, "--", below])?;
    Ok(names.map(|names| {
        let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }))
}

/// Any command of git, to make checkouts with.
#[cfg(test)]
pub(super) fn made(folder: &Path, arguments: &[&str]) {
    let status = Command::new("git").arg("-C").arg(folder).args(arguments).stdout(Stdio::null()).status();
    assert!(status.unwrap().success(), "{arguments:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with all that a repository has, but for the name.
    fn disguised(folder: &Path, config: &str) {
        std::fs::create_dir_all(folder.join("objects")).unwrap();
        std::fs::create_dir_all(folder.join("refs")).unwrap();
        for (name, text) in [("HEAD", "ref: refs/heads/main\n"), ("config", config)] {
            std::io::Write::write_all(&mut std::fs::File::create(folder.join(name)).unwrap(), text.as_bytes()).unwrap();
        }
    }

    #[test]
    fn a_folder_that_looks_like_a_repository_is_none() {
        let top = tempfile::tempdir().unwrap();
        let (top, kept) = (top.path().canonicalize().unwrap(), top.path().join("kept"));
        let mark = top.join("ran");
        let config = format!(
            "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = .\n\tfsmonitor = \"touch {}; false\"\n",
            mark.display()
        );
        disguised(&kept, &config);
        assert_eq!(git(&kept, &["ls-files"]), Ok(None), "it is in no checkout");
        made(&top, &["init", "-q"]);
        made(&top, &["add", "--force", "kept"]);
        let shown = git(&kept, &["rev-parse", "--show-toplevel"]).unwrap().unwrap();
        assert_eq!(String::from_utf8(shown).unwrap().trim(), top.to_str().unwrap());
        let files = String::from_utf8(git(&kept, &["ls-files"]).unwrap().unwrap()).unwrap();
        assert_eq!(files, "HEAD\nconfig\n");
        assert!(!mark.exists(), "a command of the pull request was started");
        assert_eq!(git(&top.join(".git"), &["rev-parse", "--show-toplevel"]), Ok(None));
    }
}
