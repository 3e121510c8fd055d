//! GitLab's code quality report: one finding a sample that did not pass, at its line in the suite. GitLab compares the
//! findings of a merge request with those of its target by their fingerprints, so that a reviewer sees which are new.
//! Source: GitLab docs, `ci/testing/code_quality`, "Code Quality report format".

use serde_json::json;

use super::{FailedSample, Report, Sink};
use crate::trust::{Digest, Hasher, Untrusted};

/// Characters of a description.
const LONGEST: usize = 300;

/// The JSON text. `inside` gives a file's path relative to the repository's root, and nothing for a file that lies
/// elsewhere: a finding without a place in the repository is left out, since GitLab cannot show it.
pub fn codequality(report: &Report, sink: &Sink, inside: &dyn Fn(&str) -> Option<String>) -> String {
    let findings: Vec<_> = report
        .failed_samples
        .iter()
        .filter_map(|sample| {
            let path = inside(sample.path.raw())?;
            Some(json!({
                "description": description(sample, sink),
                "check_name": format!("{}/{}", report.program, sample.status),
                "fingerprint": fingerprint(&report.program, sample).hex(),
                "severity": if sample.status == "unscored" { "minor" } else { "major" },
                "location": {"path": path, "lines": {"begin": sample.line.max(1)}},
            }))
        })
        .collect();
    let mut text = serde_json::to_string_pretty(&findings).unwrap_or_default();
    text.push('\n');
    sink.whole(&text)
}

/// The same for the same sample of the same case, wherever in its file it stands and whatever was answered.
fn fingerprint(program: &str, sample: &FailedSample) -> Digest {
    let mut hasher = Hasher::new();
    for part in [program, &sample.suite, sample.path.raw(), sample.case.raw()] {
        hasher.part(part.as_bytes());
    }
    hasher.part(&sample.repeat.to_le_bytes());
    hasher.finish()
}

/// One line. GitLab shows it as text and gives `%{...}` a meaning of its own; nothing in it could be a tag either.
fn description(sample: &FailedSample, sink: &Sink) -> String {
    let repeat = if sample.repeat == 0 { String::new() } else { format!(" (attempt {})", sample.repeat + 1) };
    let text = format!("{}{repeat} {}: {}", sample.case.raw(), sample.status, sample.why.raw());
    let line = sink.line(&Untrusted::new(text), LONGEST);
    line.replace("%{", "% {").replace('<', "\u{2039}").replace('>', "\u{203a}")
}
