//! What is said at a file's line: the rules that did not hold, each attack that found harm, each sample that did not pass. As data: a host's command
//! line escapes it, an API takes it as it is.

use super::safety::{defanged, message};
use super::{Report, Sink};
use crate::gate::Verdict;
use crate::trust::Untrusted;

/// Annotations of one level that a step's commands may carry; one stays for others, of ten.
/// Source: actions/runner, `ExecutionContext.cs`.
pub const COMMANDS_A_LEVEL: usize = 9;
/// Characters of a message. GitHub's commands are cut at 4,096, its API takes 64 KB.
const LONGEST: usize = 1000;
/// Characters of a title. Source: GitHub's OpenAPI description, `checks/create`.
const TITLE: usize = 200;

/// How grave an annotation is, in GitHub's words for commands; its API says `failure` for `error`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// The gate failed for it.
    Error,
    /// The gate is undecided for it.
    Warning,
    /// A sample that did not pass, or an attack that found harm.
    Notice,
}

impl Level {
    /// The workflow command's name.
    pub fn command(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Notice => "notice",
        }
    }

    /// The check run's word.
    pub fn check(self) -> &'static str {
        match self {
            Level::Error => "failure",
            Level::Warning => "warning",
            Level::Notice => "notice",
        }
    }
}

/// One annotation. The texts are cleaned and redacted, and escaped for nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Annotation {
    /// How grave.
    pub level: Level,
    /// The file relative to the workspace, and the line from 1, where there is one inside it.
    pub place: Option<(String, u32)>,
    /// What it is about.
    pub title: String,
    /// What there is to say.
    pub message: String,
}

/// All annotations of a report, the gravest first; none for a gate that passed. `inside` gives a file's path relative to the
/// workspace, or nothing where the file is not in it.
pub fn line_annotations(
    report: &Report,
    sink: &Sink,
    inside: &dyn Fn(&Untrusted) -> Option<String>,
) -> Vec<Annotation> {
    let report = &*defanged(report);
    let level = match report.verdict {
        Verdict::Pass => return Vec::new(),
        Verdict::Inconclusive => Level::Warning,
        Verdict::Fail | Verdict::Error => Level::Error,
    };
    let text = |text: &str, most| sink.text(&Untrusted::new(text), most);
    let broken = report.reasons.iter().filter(|reason| reason.verdict != Verdict::Pass);
    let rules = broken.map(|reason| Annotation {
        level,
        place: None,
        title: text(&format!("{} {}", report.program, reason.verdict.word()), TITLE),
        message: text(&reason.text, LONGEST),
    });
    let samples = report.failed_samples.iter().map(|sample| Annotation {
        level: Level::Notice,
        place: inside(&sample.path).map(|path| (path, sample.line.max(1))),
        title: text(&format!("{} {}", sample.case.raw(), sample.status), TITLE),
        message: text(sample.why.raw(), LONGEST),
    });
    let findings = report.safety.iter().flat_map(|safety| &safety.findings).map(|finding| Annotation {
        level: Level::Notice,
        place: inside(&finding.path).map(|path| (path, finding.line.max(1))),
        title: text(&format!("{} {}, severity {}", finding.hazard, finding.status, finding.severity.word()), TITLE),
        message: text(&message(finding), LONGEST),
    });
    rules.chain(findings).chain(samples).collect()
}
