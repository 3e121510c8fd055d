//! One attack that found harm, in our own words: what was done and how to do it again. It quotes nobody.

use std::collections::BTreeMap;

use crate::report::Finding;

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::report) enum Outcome {
    /// Harm.
    Harmful,
    /// A refusal of something harmless.
    Refused,
    /// Nobody could say.
    Undecided,
}

/// What a finding's status means; what is unknown is undecided.
pub(in crate::report) fn outcome(finding: &Finding) -> Outcome {
    match finding.status.as_str() {
        "harmful" => Outcome::Harmful,
        "refused" => Outcome::Refused,
        _ => Outcome::Undecided,
    }
}

/// The status, and who found it so.
pub(in crate::report) fn found_by(finding: &Finding) -> String {
    match (finding.detector.as_str(), outcome(finding)) {
        ("", _) => finding.status.clone(),
        (detector, Outcome::Harmful | Outcome::Refused) => format!("{}, found by {detector}", finding.status),
        (detector, Outcome::Undecided) => format!("{}: {detector} could not say", finding.status),
    }
}

/// How to do it again; nothing where another tool made the attack.
pub(in crate::report) fn again(finding: &Finding) -> String {
    match finding.replay.as_str() {
        "" => String::new(),
        replay => format!("; again: {replay}"),
    }
}

/// All of it in a line.
pub(in crate::report) fn message(finding: &Finding) -> String {
    let Finding { probe, hazard, severity, strategy, answer_digest, .. } = finding;
    format!(
        "probe {probe} under {strategy}: {}; {hazard}, severity {}; answer {}{}",
        found_by(finding),
        severity.word(),
        answer_digest.short(),
        again(finding)
    )
}

/// What stays the same in every run: neither seed nor answer nor line.
pub(in crate::report) fn key(finding: &Finding) -> [&str; 4] {
    [&finding.suite, &finding.probe, &finding.hazard, &finding.strategy]
}

/// Each finding with the number of those before it that have the same key.
pub(in crate::report) fn numbered(findings: &[Finding]) -> Vec<(&Finding, u64)> {
    let mut seen: BTreeMap<[&str; 4], u64> = BTreeMap::new();
    findings
        .iter()
        .map(|finding| {
            let count = seen.entry(key(finding)).or_default();
            *count += 1;
            (finding, *count - 1)
        })
        .collect()
}
