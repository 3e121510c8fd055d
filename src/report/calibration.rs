//! `calibration.json`: what `llmci calibrate` has measured, and its text. It is versioned; `llmci plan` reads it.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ModelInfo, Sink};
use crate::gate::compare::Compared;
use crate::gate::noise::{NoiseReport, RunNoise};
use crate::gate::{Reason, Verdict};
use crate::trust::{Digest, Untrusted};

/// The version of `calibration.json`; it changes only with the changelog.
pub const CALIBRATION_VERSION: u32 = 1;
/// Flaky cases that the text names.
const NAMED: usize = 10;

/// Several runs of one model on the same cases.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// [`CALIBRATION_VERSION`] at the time of writing.
    pub calibration_version: u32,
    /// The program's own version.
    pub program_version: String,
    /// RFC 3339, UTC.
    pub finished_at: String,
    /// Who was asked.
    pub model: ModelInfo,
    /// What was asked.
    pub suites: Vec<CalibratedSuite>,
    /// `--level` and `--tags` as they were given.
    pub filters: Vec<String>,
    /// The policy that was followed.
    pub policy_digest: Digest,
    /// Each run.
    pub runs: Vec<RunNoise>,
    /// What differs between them.
    pub noise: NoiseReport,
    /// The second run against the first one, by the policy's own rules for a comparison.
    pub same_model: SameModel,
}

/// One suite.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CalibratedSuite {
    /// `name:` of the suite.
    pub name: String,
    /// Over every byte that defines its cases.
    pub digest: Digest,
    /// Cases after the filters.
    pub cases: u64,
}

/// A model against itself.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SameModel {
    /// Should never be `fail`: then the endpoint changes between two runs, or one of 20 runs was unlucky.
    pub verdict: Verdict,
    /// Why, the deciding reason first.
    pub reasons: Vec<Reason>,
    /// Every rule, with the numbers behind it.
    pub rows: Vec<Compared>,
}

/// The published schema: file name and text.
pub fn calibration_schema() -> (&'static str, String) {
    let settings = schemars::generate::SchemaSettings::draft2020_12();
    let schema = settings.into_generator().into_root_schema_for::<Calibration>();
    let mut text = serde_json::to_string_pretty(&schema.to_value()).unwrap_or_default();
    text.push('\n');
    ("calibration.schema.json", text)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// The text for a terminal, with a newline at its end.
pub fn calibration_text(calibration: &Calibration, sink: &Sink) -> String {
    let Calibration { runs, noise, same_model, .. } = calibration;
    let mut text = String::new();
    let line = |text: &str| sink.line(&Untrusted::new(text), 1000);
    // Writing into a String cannot fail.
    for run in runs {
        let rate = run.pass_rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.4}"));
        let _ = writeln!(
            text,
            "run {}: pass rate {rate} ({} of {} samples; {} in error, {} unscored; seed {})",
            run.run, run.passed, run.samples, run.errors, run.unscored, run.seed
        );
    }
    for pair in &noise.pairs {
        let share = pair.discordant.map_or_else(
            || "nothing to compare".to_owned(),
            |share| {
                format!(
                    "{} differ (95 % interval {} to {})",
                    percent(share.value),
                    percent(share.low),
                    percent(share.high)
                )
            },
        );
        let missing = if pair.missing > 0 { format!(", {} not judged in one", pair.missing) } else { String::new() };
        let (up, down) = (pair.newly_passing, pair.newly_failing);
        let _ = writeln!(text, "runs {} and {}: {share}: {up} up, {down} down{missing}", pair.first, pair.second);
    }
    let share = noise.discordant;
    let _ = writeln!(
        text,
        "discordant share: {} (95 % interval {} to {}, {} cases)",
        percent(share.value),
        percent(share.low),
        percent(share.high),
        share.n
    );
    let floor = noise.noise_floor * 100.0;
    let _ = writeln!(text, "noise floor: {floor:.2} points (standard error of the difference of two runs)");
    if let Some(variance) = noise.variance {
        let _ = writeln!(
            text,
            "variance: {:.4} within cases, {:.4} between them ({} cases judged in every run)",
            variance.within, variance.between, variance.cases
        );
    }
    let margin = noise.suggestion.margin;
    let _ = writeln!(text, "suggested margin: {margin} or more (what these cases show 4 times of 5)");
    match noise.suggestion.repeats {
        Some(repeats) => {
            let _ = writeln!(text, "suggested repeats: {repeats} (results of one case vary more than cases do)");
        }
        None => {
            let _ = writeln!(text, "suggested repeats: none (more cases help more)");
        }
    }
    flaky(&mut text, noise, sink);
    let why = same_model.reasons.first().map(|reason| line(&reason.text)).unwrap_or_default();
    let _ = writeln!(text, "the model against itself: {}: {why}", same_model.verdict.word());
    if same_model.verdict == Verdict::Fail {
        let _ = writeln!(
            text,
            "WARNING: one model fails against itself: the endpoint changes between runs, or this is the one run of 20 \
             that is unlucky; calibrate again before you trust a comparison"
        );
    }
    sink.whole(&text)
}

fn flaky(text: &mut String, noise: &NoiseReport, sink: &Sink) {
    let _ = writeln!(text, "flaky cases: {}", noise.flaky_count);
    for case in noise.flaky.iter().take(NAMED) {
        let suite = sink.line(&case.suite.as_str().into(), 100);
        let _ = writeln!(text, "  {suite} {}: {} of {} passed", sink.line(&case.case, 80), case.passed, case.judged);
    }
    if noise.flaky_count > NAMED as u64 {
        let _ = writeln!(text, "  and {} more, in calibration.json", noise.flaky_count - NAMED as u64);
    }
}
