//! GitLab's runner: what its variables say of the run. Source: GitLab docs, `ci/variables/predefined_variables`.

use std::path::{Path, PathBuf};

use super::reports::{self, Place};
use crate::host::optional_path;
use crate::report::{HostInfo, Report, Sink};
use crate::trust::Untrusted;

/// What GitLab names.
pub(in crate::host) struct Paths {
    workspace: PathBuf,
    job: Option<String>,
}

impl Paths {
    /// Reads the variables, and what they say of the run.
    pub(in crate::host) fn read(variable: &dyn Fn(&str) -> Option<String>, info: &mut HostInfo) -> Self {
        let text = |name: &str| variable(name).filter(|value| !value.is_empty());
        info.repository = text("CI_PROJECT_PATH").map(Untrusted::from);
        info.commit = text("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA").or_else(|| text("CI_COMMIT_SHA")).map(Untrusted::from);
        info.reference = text("CI_COMMIT_REF_NAME").map(Untrusted::from);
        info.run_url = text("CI_JOB_URL").map(Untrusted::from);
        info.pull_request = text("CI_MERGE_REQUEST_IID").and_then(|number| number.parse().ok());
        Self {
            // A job begins in its checkout. A container may see it elsewhere than the variable says.
            workspace: optional_path(variable("CI_PROJECT_DIR"))
                .filter(|path| path.is_dir())
                .unwrap_or_else(|| PathBuf::from(".")),
            job: text("CI_JOB_URL"),
        }
    }

    /// Writes GitLab's reports beside `report.json`.
    pub(in crate::host) fn publish(
        &self,
        report: &Report,
        outputs: &[(&'static str, String)],
        path: &Path,
        sink: &Sink,
    ) -> Vec<Untrusted> {
        let Some(folder) = path.parent().filter(|folder| folder.is_dir()) else { return Vec::new() };
        let place = Place { workspace: &self.workspace, job: self.job.as_deref() };
        let mut warnings = reports::write_dotenv(outputs, folder);
        warnings.extend(reports::write_reports(report, sink, folder, &place));
        warnings
    }

    /// Writes only the outputs, of a command without a report for GitLab's own pages.
    pub(in crate::host) fn publish_outputs(&self, outputs: &[(&'static str, String)], folder: &Path) -> Vec<Untrusted> {
        if folder.is_dir() { reports::write_dotenv(outputs, folder) } else { Vec::new() }
    }
}

/// Whether the pipeline is one of the default branch, and of no merge request.
pub(in crate::host) fn on_default_branch(variable: &dyn Fn(&str) -> Option<String>) -> Option<bool> {
    let text = |name: &str| variable(name).filter(|value| !value.is_empty());
    if text("CI_MERGE_REQUEST_IID").is_some() {
        return Some(false);
    }
    Some(text("CI_COMMIT_BRANCH")? == text("CI_DEFAULT_BRANCH")?)
}
