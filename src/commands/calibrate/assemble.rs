//! From the runs of one model to its calibration.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use crate::commands::CommandError;
use crate::eval::compare::{How, Side, comparable, how, pair, runs_by_case, subject_of, together};
use crate::eval::model::ModelIdentity;
use crate::eval::policy::LoadedPolicy;
use crate::eval::suite::{Filter, Suite};
use crate::gate::compare::{Asked, RegressionPolicy, compare, compare_together, conclude_comparison};
use crate::gate::noise::{RunNoise, half_points_up, noise};
use crate::report::{CALIBRATION_VERSION, CalibratedSuite, Calibration, ModelInfo, SameModel};
use crate::stats::Alpha;
use crate::trust::Untrusted;

/// What the runs were drawn from.
pub(super) struct Drawn<'a> {
    pub(super) loaded: &'a LoadedPolicy,
    pub(super) suites: &'a [Suite],
    /// Cases after the filters, suite by suite.
    pub(super) cases: &'a [u64],
    pub(super) filter: &'a Filter,
    pub(super) model: &'a ModelIdentity,
    pub(super) rules: &'a RegressionPolicy,
    pub(super) finished_at: String,
}

/// Reads the samples of every run back, and measures what differs between them.
pub(super) fn assemble(
    drawn: &Drawn<'_>,
    runs: Vec<RunNoise>,
    folders: &[PathBuf],
) -> Result<Calibration, CommandError> {
    let sides = folders.iter().map(|folder| {
        let file = File::open(folder.join("samples.jsonl")).map_err(|error| CommandError::environment(&error))?;
        // We have written these lines ourselves.
        Side::read(BufReader::with_capacity(1 << 20, file)).map_err(|error| CommandError::Bug(error.what))
    });
    let sides = sides.collect::<Result<Vec<Side>, CommandError>>()?;
    let count = u32::try_from(sides.len()).unwrap_or(u32::MAX);
    let mut noise = noise(&runs_by_case(&sides), count).ok_or_else(|| {
        let text = "no case could be judged in two runs, so nothing can be said of its noise";
        CommandError::Environment(text.into())
    })?;
    let same_model = same_model(drawn.rules, &sides)?;
    // The comparison itself may need more: where hardly anything differs, it trusts no spread.
    let own = same_model.rows.iter().find(|row| row.name.as_str() == "pass_rate" && row.scope.is_none());
    if let Some(visible) = own.and_then(|row| row.smallest_visible) {
        noise.suggestion.margin = noise.suggestion.margin.max(half_points_up(visible));
    }
    Ok(Calibration {
        calibration_version: CALIBRATION_VERSION,
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        finished_at: drawn.finished_at.clone(),
        model: ModelInfo {
            name: drawn.model.name.clone(),
            provider: drawn.model.provider.to_owned(),
            digest: drawn.model.digest.clone(),
            description: drawn.model.description.clone(),
        },
        suites: drawn
            .suites
            .iter()
            .zip(drawn.cases)
            .map(|(suite, cases)| CalibratedSuite {
                name: suite.name().to_string(),
                digest: suite.digest().clone(),
                cases: *cases,
            })
            .collect(),
        filters: drawn.filter.describe(),
        policy_digest: drawn.loaded.digest.clone(),
        runs,
        noise,
        same_model,
    })
}

/// The second run against the first, once: each further pair would be another chance of a false alarm.
fn same_model(rules: &RegressionPolicy, sides: &[Side]) -> Result<SameModel, CommandError> {
    let [first, second, ..] = sides else { return Err(CommandError::Bug("fewer than two runs".to_owned())) };
    let paired = pair("first run", first, second);
    let required = rules.rules.iter().filter(|rule| rule.required).count();
    let wrong = |text: String| CommandError::Inputs(Untrusted::new(text));
    let mut judged = Vec::new();
    for rule in &rules.rules {
        let alpha = Alpha::new(1.0 - rule.confidence)
            .ok_or_else(|| wrong("the confidence is more than 0.5 and less than 1".to_owned()))?;
        let family = u32::try_from(required.max(1)).unwrap_or(u32::MAX);
        let margin = rule.margin;
        let (subject, _) = subject_of(rule).map_err(|error| wrong(error.to_string()))?;
        let how = how(rule, &subject, [first, second]);
        let asked = Asked { subject: &subject, rule, against: "first run", margin, alpha, family, staged: None };
        judged.push(match how {
            How::Together(aggregate) => {
                let (data, _) = together(rule, &subject, aggregate, &paired, [first, second]);
                compare_together(&asked, &data)
            }
            // What no two runs can be paired by is refused in the words of the comparison.
            How::Each | How::Recorded => {
                let (_, data, _) =
                    comparable(rule, &paired, first, second).map_err(|error| wrong(error.to_string()))?;
                compare(&asked, &data)
            }
        });
    }
    let (verdict, reasons, rows) = conclude_comparison(judged, &[paired.coverage], rules.coverage, Vec::new());
    Ok(SameModel { verdict, reasons, rows })
}
