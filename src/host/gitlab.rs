//! GitLab's runner: variables, and a dotenv file for later jobs. Source: GitLab docs, `artifacts:reports:dotenv`.

use std::path::Path;

use super::warning;
use crate::report::HostInfo;
use crate::store::file::write_atomically;
use crate::trust::Untrusted;

/// Characters of a value; the whole file may have 5 KB.
const LONGEST: usize = 200;

/// What GitLab names.
pub(super) struct Paths;

impl Paths {
    /// Reads the variables, and what they say of the run.
    pub(super) fn read(variable: &dyn Fn(&str) -> Option<String>, info: &mut HostInfo) -> Self {
        let text = |name: &str| variable(name).filter(|value| !value.is_empty());
        info.repository = text("CI_PROJECT_PATH").map(Untrusted::from);
        info.commit = text("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA").or_else(|| text("CI_COMMIT_SHA")).map(Untrusted::from);
        info.reference = text("CI_COMMIT_REF_NAME").map(Untrusted::from);
        info.run_url = text("CI_JOB_URL").map(Untrusted::from);
        info.pull_request = text("CI_MERGE_REQUEST_IID").and_then(|number| number.parse().ok());
        Self
    }

    /// Writes `llmci.env` beside the report.
    pub(super) fn publish(&self, outputs: &[(&'static str, String)], report: &Path) -> Vec<Untrusted> {
        let path = report.with_file_name("llmci.env");
        let Some(folder) = path.parent().filter(|folder| folder.is_dir()) else { return Vec::new() };
        let lines: String = outputs.iter().filter_map(|(name, value)| line(name, value)).collect();
        match write_atomically(&folder.join("llmci.env"), lines.as_bytes()) {
            Ok(()) => Vec::new(),
            Err(error) => vec![warning("the dotenv file", &path, &std::io::Error::other(error.to_string()))],
        }
    }
}

/// `LLMCI_PASS_RATE=0.97`. A value that a later shell could read as more than itself is left out: `$` is expanded there.
fn line(name: &str, value: &str) -> Option<String> {
    let safe = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, ' ' | '.' | '_' | '-' | '/');
    if value.is_empty() || value.len() > LONGEST || !value.chars().all(safe) {
        return None;
    }
    Some(format!("LLMCI_{}={value}\n", name.to_uppercase().replace('-', "_")))
}

/// Whether the pipeline is one of the default branch, and of no merge request.
pub(super) fn on_default_branch(variable: &dyn Fn(&str) -> Option<String>) -> Option<bool> {
    let text = |name: &str| variable(name).filter(|value| !value.is_empty());
    if text("CI_MERGE_REQUEST_IID").is_some() {
        return Some(false);
    }
    Some(text("CI_COMMIT_BRANCH")? == text("CI_DEFAULT_BRANCH")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_stay_themselves_are_written() {
        assert_eq!(line("pass-rate", "0.97").as_deref(), Some("LLMCI_PASS_RATE=0.97\n"));
        for value in ["$CI_JOB_TOKEN", "a\nb", "", "`id`", "[{\"name\":1}]"] {
            assert_eq!(line("verdict", value), None, "{value}");
        }
    }
}
