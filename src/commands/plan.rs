//! `llmci plan`: what the rules of a policy can show with the cases of its suites. Asks no model.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use super::eval_gate::prepare::{self, Prepared};
use super::regression_check::{rules_of, source};
use super::{CommandError, Context, Exit, Outcome};
use crate::document::{Problem, Spot};
use crate::eval::Level;
use crate::eval::compare::{discordance_of_repeats, subject_of};
use crate::eval::planned::{RuleScope, planned};
use crate::eval::policy;
use crate::eval::suite::Filter;
use crate::gate::Subject;
use crate::gate::compare::{Compared, RegressionPolicy, RegressionRule};
use crate::gate::plan::{
    Noise, NoiseFrom, PLAN_VERSION, PlanReport, Planned, PlannedRule, PlannedSuite, measured_variance, plan_lines,
    plan_regression, plan_threshold,
};
use crate::report::{CALIBRATION_VERSION, Calibration};
use crate::trust::Untrusted;

/// The largest calibration that is read, in bytes.
const LARGEST: u64 = 64 * 1024 * 1024;

/// The inputs of `llmci plan`.
#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    /// The policy file
    #[arg(long, value_name = "PATH", default_value = "llmci.yaml")]
    pub policy: PathBuf,
    /// A suite to plan for instead of the policy's; may be given several times
    #[arg(long, value_name = "PATH")]
    pub suite: Vec<PathBuf>,
    /// Only cases of this level
    #[arg(long, value_name = "LEVEL")]
    pub level: Option<Level>,
    /// Only cases with at least one of these tags
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// A run whose repeats say how much results differ: as `regression-check --baseline` takes it
    #[arg(long, value_name = "PLACE")]
    pub baseline: Option<String>,
    /// The calibration.json of `llmci calibrate`, which says the same; it comes before --baseline
    #[arg(long, value_name = "FILE")]
    pub calibration: Option<PathBuf>,
    /// Print JSON for machines
    #[arg(long)]
    pub json: bool,
}

/// What is known of the noise: of all samples, and rule by rule.
struct Known {
    noise: Noise,
    rows: Vec<Compared>,
}

impl Known {
    fn only(noise: Noise) -> Self {
        Self { noise, rows: Vec::new() }
    }

    /// For one rule: by what its own comparison of the model with itself has seen. The pass rate of all samples is known
    /// better, from all runs, while each case has one sample and stands alone.
    fn of(&self, subject: &Subject, planned: &Planned) -> Noise {
        let same = |row: &&Compared| row.name == subject.name && row.scope == subject.scope;
        let whole = subject.scope.is_none() && planned.is_single() && subject.name.as_str() == "pass_rate";
        let row = self.rows.iter().find(same).filter(|_| !whole);
        Noise { variance: row.and_then(measured_variance), ..self.noise }
    }
}

/// Plans, and says so.
pub fn run(args: &PlanArgs, context: &Context) -> Result<Outcome, CommandError> {
    let filter = Filter { level: args.level, tags: args.tags.clone() };
    let given = prepare::Given { suites: &args.suite, filter, seed: None, model: None };
    let prepared = prepare::read_any(policy::load(&args.policy).map_err(prepare::problems)?, given, context)?;
    let known = noise(args, &prepared, context)?;
    let plan = report(&prepared, &known)?;
    let text = if args.json {
        let mut text = serde_json::to_string_pretty(&plan).map_err(|error| CommandError::Bug(error.to_string()))?;
        text.push('\n');
        text
    } else {
        let line = |line: &String| format!("{}\n", context.sink.line(&Untrusted::new(line.as_str()), 1000));
        plan_lines(&plan).iter().map(line).collect()
    };
    let exit = if plan.possible { Exit::Pass } else { Exit::Inconclusive };
    Ok(Outcome { exit, report: None, rollout: None, text })
}

fn report(prepared: &Prepared, known: &Known) -> Result<PlanReport, CommandError> {
    let Prepared { loaded, suites, filter, seed: _, obtained: _ } = prepared;
    let all = planned(suites, filter, RuleScope::default());
    if all.cases == 0 {
        return Err(CommandError::Inputs("no case is left after the filters: give other --level or --tags".into()));
    }
    let of_suite = |suite: &crate::eval::suite::Suite| PlannedSuite {
        name: suite.name().to_string(),
        path: suite.shown_path().into(),
        planned: planned(suites, filter, RuleScope { suite: Some(suite.name()), ..RuleScope::default() }),
    };
    let thresholds: Vec<_> = loaded
        .policy
        .gate
        .thresholds
        .iter()
        .filter_map(|threshold| {
            let scope = RuleScope::of_threshold(threshold);
            plan_threshold(threshold, scope.words(), planned(suites, filter, scope))
        })
        .collect();
    let rules = rules(prepared, known)?;
    let possible = thresholds.iter().all(|plan| plan.possible || !plan.required)
        && rules.iter().all(|plan| plan.possible || !plan.required);
    Ok(PlanReport {
        plan_version: PLAN_VERSION,
        possible,
        suites: suites.iter().map(of_suite).collect(),
        filters: filter.describe(),
        thresholds,
        rules,
    })
}

fn rules(prepared: &Prepared, known: &Known) -> Result<Vec<PlannedRule>, CommandError> {
    let Prepared { loaded, suites, filter, seed: _, obtained: _ } = prepared;
    let RegressionPolicy { rules, .. } = rules_of(Some(loaded))?;
    // A policy that says nothing of a comparison may have none: its standard rule is shown, and decides nothing here.
    let meant = loaded.policy.regression != RegressionPolicy::default();
    let one = |rule: &RegressionRule| {
        let scope = RuleScope::of_rule(rule);
        let (subject, _) = subject_of(rule).map_err(|error| CommandError::Inputs(Untrusted::new(error.to_string())))?;
        let planned = planned(suites, filter, scope);
        let noise = known.of(&subject, &planned);
        let mut plan = plan_regression(rule, subject.scope, planned, noise);
        plan.required = plan.required && meant;
        Ok(plan)
    };
    rules.iter().map(one).collect()
}

/// How much results differ: from the calibration, else from the baseline's repeats, else assumed.
fn noise(args: &PlanArgs, prepared: &Prepared, context: &Context) -> Result<Known, CommandError> {
    let calibration = args.calibration.as_deref().map(calibration).transpose()?;
    let baseline = args.baseline.as_deref().map(|place| source::find("baseline", place)).transpose()?;
    if let Some(calibration) = calibration {
        let known = |suite: &crate::eval::suite::Suite| {
            calibration.suites.iter().any(|calibrated| calibrated.digest == *suite.digest())
        };
        for suite in prepared.suites.iter().filter(|suite| !known(suite)) {
            let text = format!("the calibration is not of the suite {} as it is now", suite.name());
            tracing::warn!("{}", context.sink.line(&Untrusted::new(text), 300));
        }
        let discordant = calibration.noise.planning_share;
        let noise = Noise { discordant, from: NoiseFrom::Calibration, variance: None };
        return Ok(Known { noise, rows: calibration.same_model.rows });
    }
    let Some(baseline) = baseline else { return Ok(Known::only(Noise::ASSUMED)) };
    match baseline.side.as_deref().and_then(discordance_of_repeats) {
        Some(discordant) => Ok(Known::only(Noise { discordant, from: NoiseFrom::Baseline, variance: None })),
        None => {
            tracing::warn!("the baseline has no repeats, so it does not say how much results differ");
            Ok(Known::only(Noise::ASSUMED))
        }
    }
}

fn calibration(path: &Path) -> Result<Calibration, CommandError> {
    let shown = path.display().to_string();
    let wrong = |problem: Problem| {
        CommandError::Problems(vec![problem.help("give the calibration.json that `llmci calibrate` has written")])
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST).read_to_end(&mut bytes))
        .map_err(|error| wrong(Problem::of_file(&shown, format!("the calibration cannot be read: {error}"))))?;
    let calibration: Calibration = serde_json::from_slice(&bytes).map_err(|error| {
        let spot = Spot { line: u32::try_from(error.line()).unwrap_or(1).max(1), column: 1 };
        wrong(Problem::new(&shown, spot, format!("not a calibration of this version: {error}")))
    })?;
    let share = calibration.noise.planning_share;
    if calibration.calibration_version != CALIBRATION_VERSION || !(0.0..=1.0).contains(&share) {
        return Err(wrong(Problem::of_file(
            &shown,
            "a calibration of another version, or with a share outside 0 to 1",
        )));
    }
    Ok(calibration)
}
