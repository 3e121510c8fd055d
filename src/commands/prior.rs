//! Who may have put there what earlier runs keep: a checkpoint, answers, verdicts. A pull request brings files; none of them may be what
//! judges it.

use std::path::Path;

use crate::commands::git::git;
use crate::commands::{CommandError, Context};
use crate::trust::Untrusted;

/// Refuses a store that is a folder of the checkout whose files git knows, where the run is about a pull request. `what` it holds; a
/// folder that is not there holds nothing.
pub(super) fn check(what: &str, address: &str, relative_to: &Path, context: &Context) -> Result<(), CommandError> {
    let folder = relative_to.join(address);
    if context.host.review().is_none() || address.contains("://") || !folder.exists() {
        return Ok(());
    }
    let here = std::env::current_dir().map_err(|error| CommandError::environment(&error))?;
    let why = match is_of_git(&folder, &here) {
        Ok(false) => return Ok(()),
        Ok(true) => "holds files of the repository".to_owned(),
        Err(why) => why,
    };
    Err(CommandError::Inputs(Untrusted::new(format!(
        "the folder of the {what} ({address}) {why}: a pull request could bring what judges it; \
         give a folder that is no part of the repository, or a bucket"
    ))))
}

/// Whether git knows files in a folder. What cannot be told is an error.
fn is_of_git(folder: &Path, here: &Path) -> Result<bool, String> {
    let untold = || "is in a checkout that git cannot tell about".to_owned();
    let place = here.join(folder).canonicalize().map_err(|_| untold())?;
    let Some(top) = git(here, &["rev-parse", "--show-toplevel"])? else {
        // Files of a repository without their history may be anywhere below.
        let here = here.canonicalize().map_err(|_| untold())?;
        return if place.starts_with(here) { Err(untold()) } else { Ok(false) };
    };
    let top = String::from_utf8(top).map_err(|_| untold())?;
    let top = Path::new(top.trim_end_matches('\n')).canonicalize().map_err(|_| untold())?;
    if !place.starts_with(&top) {
        return Ok(false);
    }
    let path = place.to_str().ok_or_else(untold)?;
    let known = git(here, &["--literal-pathspecs", "ls-files", "-z", "--", path])?;
    known.map(|files| !files.is_empty()).ok_or_else(untold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_git_knows_make_a_folder_the_pull_requests() {
        let folder = tempfile::tempdir().unwrap();
        let (top, outside) = (folder.path().join("checkout"), folder.path().join("outside"));
        for made in [top.join("kept/ab"), top.join("free/ab"), outside.clone()] {
            std::fs::create_dir_all(made).unwrap();
        }
        // Outside of any checkout nothing can be told of what is below.
        assert!(is_of_git(Path::new("kept"), &top).is_err());
        assert_eq!(is_of_git(&outside, &top), Ok(false));
        let run = |arguments: &[&str]| assert!(git(&top, arguments).unwrap().is_some(), "{arguments:?}");
        run(&["init", "-q"]);
        for file in ["kept/ab/cd", "free/ab/cd"] {
            std::fs::File::create(top.join(file)).unwrap();
        }
        run(&["add", "kept"]);
        assert_eq!(is_of_git(Path::new("kept"), &top), Ok(true));
        assert_eq!(is_of_git(Path::new("free"), &top), Ok(false));
        assert_eq!(is_of_git(&outside, &top), Ok(false));
        // A link that the pull request brings leads to files that it brings.
        std::os::unix::fs::symlink("kept", top.join("link")).unwrap();
        assert_eq!(is_of_git(Path::new("link"), &top), Ok(true));
        assert!(is_of_git(Path::new("not-there"), &top).is_err());
    }
}
