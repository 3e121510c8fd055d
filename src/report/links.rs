//! GitLab's annotations report: links from the job's page to the report's files among its artifacts.
//! Source: GitLab docs, `ci/yaml/artifacts_reports`, "artifacts:reports:annotations".

use std::fmt::Write as _;

use serde_json::json;

use super::{Report, Sink};

/// Characters of a link that are surely taken.
const LONGEST: usize = 255;

/// The JSON text. `job` is the job's own address, `folder` the report's folder relative to the repository's root.
/// Nothing where there is no link to give.
pub fn job_links(report: &Report, sink: &Sink, job: &str, folder: &str) -> Option<String> {
    let files = [("report.md", "report"), ("report.json", "report for programs"), ("junit.xml", "JUnit")];
    let links: Vec<_> = files
        .iter()
        .filter_map(|(file, what)| {
            let url = format!("{}/artifacts/file/{}", job.trim_end_matches('/'), encoded(&format!("{folder}/{file}")));
            let label = format!("{} {}: {what}", report.program, report.verdict.word());
            let fits = url.len() <= LONGEST && (url.starts_with("https://") || url.starts_with("http://"));
            fits.then(|| json!({"external_link": {"label": label, "url": url}}))
        })
        .collect();
    if links.is_empty() {
        return None;
    }
    let mut text = serde_json::to_string_pretty(&json!({format!("llmci {}", report.program): links})).ok()?;
    text.push('\n');
    Some(sink.whole(&text))
}

/// A path as part of a URL. Source: RFC 3986, section 2.3 (unreserved characters).
fn encoded(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_one_path_in_a_link() {
        assert_eq!(encoded("a b/c?d#e/ü.md"), "a%20b/c%3Fd%23e/%C3%BC.md");
    }
}
