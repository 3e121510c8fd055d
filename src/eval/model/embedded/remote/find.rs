//! Where the program `llmci-engine` is.

use std::path::{Path, PathBuf};

use super::super::serve::protocol::NAME;

/// The variable that names the program.
pub(super) const VARIABLE: &str = "LLMCI_ENGINE";

/// The program that the variable names; else the one beside our own; else the first of `PATH`.
pub(super) fn program(environment: &dyn Fn(&str) -> Option<String>, own: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(named) = environment(VARIABLE).filter(|named| !named.is_empty()) {
        // A bare name would be looked for on the PATH when it is started.
        let path = std::path::absolute(&named).unwrap_or_else(|_| PathBuf::from(&named));
        return if path.is_file() {
            Ok(path)
        } else {
            Err(format!("{VARIABLE} names {named}, and no such file is there"))
        };
    }
    let beside = own.and_then(Path::parent).map(|folder| folder.join(NAME));
    let path = environment("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute()).map(|folder| folder.join(NAME));
    beside.into_iter().chain(folders).find(|path| path.is_file()).ok_or_else(|| {
        format!(
            "the program {NAME} is neither beside this program nor on the PATH; take the image with the tag `cuda`, or build it \
             (docs/how-to/cuda.md) and name it in {VARIABLE}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "files of the test")]
    fn the_variable_comes_first_then_the_neighbour_then_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| {
            let folder = folder.path().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(NAME), "").unwrap();
            folder
        };
        let (beside, on_path, named) = (place("beside"), place("path"), place("named").join(NAME));
        let own = beside.join("eval-gate");
        let path = format!("relative:{}", on_path.display());
        let given = |variable: Option<String>| {
            let path = path.clone();
            move |name: &str| match name {
                VARIABLE => variable.clone(),
                "PATH" => Some(path.clone()),
                _ => None,
            }
        };
        assert_eq!(program(&given(Some(named.display().to_string())), Some(&own)), Ok(named));
        assert_eq!(program(&given(Some(String::new())), Some(&own)), Ok(beside.join(NAME)));
        assert_eq!(program(&given(None), Some(Path::new("/nowhere/eval-gate"))), Ok(on_path.join(NAME)));
        assert!(program(&given(Some("/nowhere".to_owned())), Some(&own)).unwrap_err().contains("/nowhere"));
        assert!(program(&|_| None, None).unwrap_err().contains("PATH"));
    }
}
