//! The files that GitLab reads from a job's artifacts, beside `report.json`. The templates name them as reports.
//! Source: GitLab docs, `ci/yaml/artifacts_reports`.

use std::path::{Component, Path, PathBuf};

use super::super::warning;
use crate::report::{Report, Sink, codequality, job_links, openmetrics};
use crate::store::file::write_atomically;
use crate::trust::Untrusted;

const DOTENV: &str = "llmci.env";
const CODE_QUALITY: &str = "gl-code-quality-report.json";
const METRICS: &str = "metrics.txt";
const ANNOTATIONS: &str = "gl-annotations.json";

/// The kinds of `artifacts:reports`, each with its file. `metrics` is read by GitLab Premium only.
pub const GITLAB_REPORTS: [(&str, &str); 5] = [
    ("junit", "junit.xml"),
    ("dotenv", DOTENV),
    ("codequality", CODE_QUALITY),
    ("metrics", METRICS),
    ("annotations", ANNOTATIONS),
];

/// Characters of a value in the dotenv file: the UUIDs of eight GPUs; the whole file may have 5 KB.
const LONGEST: usize = 340;
/// Variables of the dotenv file: a server of one's own takes 20 of a job by default.
const MOST: usize = 15;

/// Where the job runs.
pub(super) struct Place<'a> {
    /// The checkout, which paths in reports are relative to.
    pub(super) workspace: &'a Path,
    /// The job's own address.
    pub(super) job: Option<&'a str>,
}

/// Writes `llmci.env` into a folder that is there.
pub(super) fn write_dotenv(outputs: &[(&'static str, String)], folder: &Path) -> Vec<Untrusted> {
    let lines: String = outputs.iter().filter_map(|(name, value)| line(name, value)).take(MOST).collect();
    write(folder, DOTENV, &lines)
}

/// Writes the other reports.
pub(super) fn write_reports(report: &Report, sink: &Sink, folder: &Path, place: &Place<'_>) -> Vec<Untrusted> {
    let root = place.workspace.canonicalize().ok();
    let inside = |path: &str| relative(root.as_deref()?, &Path::new(path).canonicalize().ok()?);
    let mut warnings = write(folder, CODE_QUALITY, &codequality(report, sink, &inside));
    warnings.extend(write(folder, METRICS, &openmetrics(report, sink)));
    let shown = folder.to_str().and_then(inside);
    let links = place.job.zip(shown).and_then(|(job, shown)| job_links(report, sink, job, &shown));
    warnings.extend(links.iter().flat_map(|links| write(folder, ANNOTATIONS, links)));
    warnings
}

/// A path below a root, with slashes. The root itself, and what lies elsewhere, has none.
fn relative(root: &Path, path: &Path) -> Option<String> {
    let below = path.strip_prefix(root).ok()?;
    let parts: Option<Vec<&str>> = below
        .components()
        .map(|part| match part {
            Component::Normal(name) => name.to_str(),
            Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
        })
        .collect();
    parts.filter(|parts| !parts.is_empty()).map(|parts| parts.join("/"))
}

fn write(folder: &Path, name: &str, text: &str) -> Vec<Untrusted> {
    let path: PathBuf = folder.join(name);
    match write_atomically(&path, text.as_bytes()) {
        Ok(()) => Vec::new(),
        Err(error) => vec![warning("a report for GitLab", &path, &std::io::Error::other(error.to_string()))],
    }
}

/// `LLMCI_PASS_RATE=0.97`. A value that a later shell could read as more than itself is left out: `$` is expanded there.
fn line(name: &str, value: &str) -> Option<String> {
    let safe = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-' | '/' | ',');
    if value.is_empty() || value.len() > LONGEST || !value.chars().all(safe) {
        return None;
    }
    Some(format!("LLMCI_{}={value}\n", name.to_uppercase().replace('-', "_")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_stay_themselves_are_written() {
        assert_eq!(line("pass-rate", "0.97").as_deref(), Some("LLMCI_PASS_RATE=0.97\n"));
        for value in ["$CI_JOB_TOKEN", "a\nb", "", "`id`", "[{\"name\":1}]", "a b", "\u{e9}"] {
            assert_eq!(line("verdict", value), None, "{value}");
        }
    }

    #[test]
    fn a_path_is_relative_to_the_checkout_or_none() {
        let of = |path: &str| relative(Path::new("/builds/p"), Path::new(path));
        assert_eq!(of("/builds/p/a/b.jsonl").as_deref(), Some("a/b.jsonl"));
        assert_eq!(of("/builds/p"), None);
        assert_eq!(of("/builds/other/a"), None);
    }
}
