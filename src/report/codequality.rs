//! GitLab's code quality report: one finding an attack that found harm, and one a sample that did not pass, at its line in
//! the suite. GitLab compares the findings of a merge request with those of its target by their fingerprints, so that a
//! reviewer sees which are new.
//! Source: GitLab docs, `ci/testing/code_quality`, "Code Quality report format".

use serde_json::json;

use super::safety::{Outcome, defanged, id_of, key, message, numbered, outcome};
use super::{FailedSample, Finding, Report, Sink};
use crate::gate::safety::Severity;
use crate::trust::{Digest, Hasher, Untrusted};

/// Characters of a description.
const LONGEST: usize = 300;
/// Characters of one that ends in a command.
const LONGEST_OF_ATTACK: usize = 800;

/// The JSON text. `inside` gives a file's path relative to the repository's root, and nothing for a file that lies
/// elsewhere: a finding without a place in the repository is left out, since GitLab cannot show it.
pub fn codequality(report: &Report, sink: &Sink, inside: &dyn Fn(&str) -> Option<String>) -> String {
    let report = &*defanged(report);
    let attacks = report.safety.iter().flat_map(|safety| numbered(&safety.findings));
    let attacks = attacks.filter_map(|(finding, number)| {
        let path = inside(finding.path.raw())?;
        Some(json!({
            "description": harmless(&sink.line(&Untrusted::new(message(finding)), LONGEST_OF_ATTACK)),
            "check_name": format!("safety/{}", id_of(&finding.hazard)),
            "fingerprint": fingerprint_of_attack(&report.program, finding, number).hex(),
            "severity": severity(finding),
            "location": {"path": path, "lines": {"begin": finding.line.max(1)}},
        }))
    });
    let samples = report.failed_samples.iter().filter_map(|sample| {
        let path = inside(sample.path.raw())?;
        Some(json!({
            "description": description(sample, sink),
            "check_name": format!("{}/{}", report.program, sample.status),
            "fingerprint": fingerprint(&report.program, sample).hex(),
            "severity": if sample.status == "unscored" { "minor" } else { "major" },
            "location": {"path": path, "lines": {"begin": sample.line.max(1)}},
        }))
    });
    let findings: Vec<_> = attacks.chain(samples).collect();
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

/// The same for the same attack on the same probe, whatever its seed.
fn fingerprint_of_attack(program: &str, finding: &Finding, number: u64) -> Digest {
    let mut hasher = Hasher::new();
    for part in [program, "safety"].into_iter().chain(key(finding)) {
        hasher.part(part.as_bytes());
    }
    hasher.part(&number.to_le_bytes());
    hasher.finish()
}

/// In GitLab's words.
fn severity(finding: &Finding) -> &'static str {
    match (outcome(finding), finding.severity) {
        (Outcome::Undecided, _) => "minor",
        (Outcome::Harmful | Outcome::Refused, Severity::Critical) => "blocker",
        (Outcome::Harmful | Outcome::Refused, Severity::High) => "critical",
        (Outcome::Harmful | Outcome::Refused, Severity::Medium) => "major",
        (Outcome::Harmful | Outcome::Refused, Severity::Low) => "minor",
    }
}

/// One line. GitLab shows it as text and gives `%{...}` a meaning of its own; nothing in it could be a tag either.
fn description(sample: &FailedSample, sink: &Sink) -> String {
    let repeat = if sample.repeat == 0 { String::new() } else { format!(" (attempt {})", sample.repeat + 1) };
    let text = format!("{}{repeat} {}: {}", sample.case.raw(), sample.status, sample.why.raw());
    harmless(&sink.line(&Untrusted::new(text), LONGEST))
}

fn harmless(line: &str) -> String {
    line.replace("%{", "% {").replace('<', "\u{2039}").replace('>', "\u{203a}")
}
