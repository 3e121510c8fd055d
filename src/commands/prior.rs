//! Who may have put there what earlier runs keep: a checkpoint, answers, verdicts. A pull request brings files; none of them may be what
//! judges it.

use std::path::Path;

use crate::commands::tracked::{Tracked, Whose};
use crate::commands::{CommandError, Context};
use crate::trust::Untrusted;

/// Refuses a store that is a folder of which a checkout brings anything, where the run is about a pull request. `what` it holds. A
/// folder that is not there holds nothing, but is not made behind a link of the checkout either.
pub(super) fn check(what: &str, address: &str, relative_to: &Path, context: &Context) -> Result<(), CommandError> {
    let folder = relative_to.join(address);
    if context.host.review().is_none() || address.contains("://") {
        return Ok(());
    }
    let here = std::env::current_dir().map_err(|error| CommandError::environment(&error))?;
    let why = match is_brought(&folder, &[&here, relative_to]) {
        Ok(false) => return Ok(()),
        Err(_) if !folder.exists() => return Ok(()),
        Ok(true) => "holds files of the repository, or is behind a link or in a submodule of it".to_owned(),
        Err(why) => format!("cannot be told from files of the repository ({why})"),
    };
    Err(CommandError::Inputs(Untrusted::new(format!(
        "the folder of the {what} ({address}) {why}: a pull request could bring what judges it; \
         give a folder that is no part of the repository, or a bucket"
    ))))
}

/// Whether a checkout brings anything of a folder. What cannot be told is an error.
fn is_brought(folder: &Path, around: &[&Path]) -> Result<bool, String> {
    match Tracked::default().whose(folder)? {
        Whose::Checkouts(_) => Ok(true),
        Whose::Step => Ok(false),
        Whose::Elsewhere => {
            // Files of a repository without their history may be anywhere below.
            let real = |path: &Path| path.canonicalize().map_err(|error| format!("{}: {error}", path.display()));
            let folder = real(folder)?;
            for around in around {
                let around = if around.as_os_str().is_empty() { Path::new(".") } else { around };
                if folder.starts_with(real(around)?) {
                    return Err("there is no checkout here that git could tell about".to_owned());
                }
            }
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::git::made;

    #[test]
    fn only_files_that_git_knows_make_a_folder_the_pull_requests() {
        let folder = tempfile::tempdir().unwrap();
        let (top, outside) = (folder.path().join("checkout"), folder.path().join("outside"));
        for each in [top.join("kept/ab"), top.join("free/ab"), outside.clone()] {
            std::fs::create_dir_all(each).unwrap();
        }
        // Outside of any checkout nothing can be told of what is below.
        assert!(is_brought(&top.join("kept"), &[&top]).is_err());
        assert!(is_brought(&top.join("kept"), &[&outside, &top]).is_err());
        assert_eq!(is_brought(&outside, &[&top]), Ok(false));
        made(&top, &["init", "-q"]);
        for file in ["kept/ab/cd", "free/ab/cd"] {
            std::fs::File::create(top.join(file)).unwrap();
        }
        made(&top, &["add", "kept"]);
        assert_eq!(is_brought(&top.join("kept"), &[&top]), Ok(true));
        assert_eq!(is_brought(&top.join("free"), &[&top]), Ok(false));
        assert_eq!(is_brought(&outside, &[&top]), Ok(false));
        // A link that the pull request brings leads to files that it brings.
        std::os::unix::fs::symlink("kept", top.join("link")).unwrap();
        assert_eq!(is_brought(&top.join("link"), &[&top]), Ok(true));
        // The head may be checked out beside what is run.
        std::fs::create_dir_all(outside.join("cache")).unwrap();
        assert_eq!(is_brought(&top.join("kept"), &[&outside]), Ok(true));
        assert_eq!(is_brought(&top.join("free"), &[&outside]), Ok(false));
    }
}
