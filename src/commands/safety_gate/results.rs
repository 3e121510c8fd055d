//! What garak or promptfoo's red team has found, under the same verdict. No model is asked.

use std::path::Path;
use std::time::Instant;

use super::judge::Gathered;
use super::{NAMED, SafetyGateArgs, Set};
use crate::commands::eval_gate::{clear_reports, write_report};
use crate::commands::{CommandError, Context, Exit, Outcome};
use crate::eval::harness::{IngestedAttempt, IngestedSafety, read_safety};
use crate::gate::safety::{Asked, Attempt, Attempts, Found, Judged, Labelled, Screens, Side, judge};
use crate::gate::{Reason, Verdict, decided, in_gravity};
use crate::report::{
    Counts, Finding, ModelInfo, Report, RunInfo, SCHEMA_VERSION, Safety, SuiteInfo, SuitePart, Timing,
};
use crate::store;
use crate::trust::{Digest, Hasher, Untrusted};

/// Reads, judges and reports.
pub(super) fn run(
    args: &SafetyGateArgs,
    path: &Path,
    set: Set,
    (began, started_at): (Instant, String),
    context: &Context,
) -> Result<Outcome, CommandError> {
    let shown = path.display().to_string();
    let read = read_safety(path, &shown).map_err(|problems| CommandError::Problems(problems.sorted()))?;
    store::file::make_folder(&args.out).map_err(|error| CommandError::environment(&error))?;
    clear_reports(&args.out)?;
    let rules = &set.loaded.policy.safety.rules;
    let attempts = attempts(&read);
    // The screens of another tool are not ours: nobody has measured them here.
    let screens = Screens { screen: Labelled::NONE, words: Labelled::NONE, judge: rules.judge_labels };
    let judged = judge(Asked { rules, attempts: &attempts, screens: &screens, rises: Vec::new() });
    let Judged { rows, metrics, reasons, verdict } = judged;
    let mut reasons = decided((verdict, reasons));
    if !read.complete {
        let text = format!("the run of {} has not come to its end: what it lacks is not known", read.tool);
        reasons.push((true, Reason { verdict: Verdict::Error, metric: None, text }));
    }
    if set.baseline.is_some() {
        let text = "the policy wants a comparison with a baseline, and the results of another tool cannot be compared with one";
        reasons.push((true, Reason { verdict: Verdict::Inconclusive, metric: None, text: text.to_owned() }));
    }
    let (verdict, reasons) = in_gravity(reasons);
    let (findings, findings_count) = findings(&read, &shown);
    let model = ModelInfo {
        name: args.model.clone().unwrap_or_else(|| "unknown".to_owned()),
        provider: read.tool.to_owned(),
        digest: Digest::of(read.model.as_ref().map(|model| model.raw().as_bytes()).unwrap_or_default()),
        description: read.model.clone().unwrap_or_else(|| Untrusted::new("the results do not name it")),
    };
    let part = SuitePart {
        name: read.tool.to_owned(),
        path: Untrusted::new(shown.as_str()),
        digest: read.digest.clone(),
        cases: attempts.list.len() as u64,
    };
    let mut hasher = Hasher::new();
    hasher.part(read.digest.hex().as_bytes());
    let mut report = Report {
        schema_version: SCHEMA_VERSION,
        program: "safety-gate".to_owned(),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        verdict,
        reasons,
        metrics,
        comparison: None,
        safety: Some(Safety { rows, findings, findings_count }),
        gate_changes: Vec::new(),
        counts: counts(&attempts),
        model,
        suite: SuiteInfo {
            name: read.tool.to_owned(),
            digest: hasher.finish(),
            parts: vec![part],
            filters: Vec::new(),
        },
        policy_digest: set.loaded.digest.clone(),
        host: context.host.info(),
        timing: Timing { started_at, finished_at: (context.clock)(), seconds: began.elapsed().as_secs_f64() },
        run: RunInfo::default(),
        seed: set.seed,
        failed_samples: Vec::new(),
    };
    set.changes.judge(&set.loaded.policy.gate, &mut report);
    let path = write_report(&args.out, &report, context)?;
    let exit = Exit::of(report.verdict, &set.loaded.policy.gate, false);
    Ok(Outcome { exit, report: Some((Box::new(report), path)), rollout: None, text: String::new() })
}

fn attempts(read: &IngestedSafety) -> Attempts {
    let mut gathered = Gathered::default();
    for one in &read.attempts {
        let IngestedAttempt { hazard, strategy, prompt, severity, evidence, found, .. } = one;
        let attempt = Attempt {
            hazard: 0,
            strategy: 0,
            prompt: *prompt,
            severity: *severity,
            evidence: *evidence,
            found: Some(*found),
        };
        gathered.add(hazard, strategy.clone(), attempt);
    }
    gathered.finish()
}

fn counts(attempts: &Attempts) -> Counts {
    let with = |found| attempts.list.iter().filter(|attempt| attempt.found == Some(found)).count() as u64;
    Counts {
        cases: attempts.list.len() as u64,
        samples: attempts.list.len() as u64,
        passed: with(Found::Safe),
        failed: with(Found::Harmful),
        unscored: with(Found::Indeterminate),
        errors: 0,
        cached: 0,
        resumed: 0,
    }
}

/// What was found, the most severe first. The other tool knows how to make an attack again; we do not.
fn findings(read: &IngestedSafety, shown: &str) -> (Vec<Finding>, u64) {
    let mut bad: Vec<&IngestedAttempt> = read.attempts.iter().filter(|one| one.found != Found::Safe).collect();
    bad.sort_by_key(|one| (one.found != Found::Harmful, std::cmp::Reverse(one.severity), one.line));
    let finding = |one: &&IngestedAttempt| {
        let status = match (one.found, one.hazard.side) {
            (Found::Harmful, Side::Refusal) => "refused",
            (Found::Harmful | Found::Safe, _) => "harmful",
            (Found::Indeterminate, _) => "indeterminate",
        };
        Finding {
            suite: read.tool.to_owned(),
            probe: one.id.clone(),
            hazard: one.hazard.id.to_owned(),
            severity: one.severity,
            strategy: one.strategy.clone(),
            seed: 0,
            path: Untrusted::new(shown),
            line: one.line,
            status: status.to_owned(),
            detector: one.detector.clone(),
            answer_digest: one.answer_digest.clone(),
            replay: String::new(),
        }
    };
    (bad.iter().take(NAMED).map(finding).collect(), bad.len() as u64)
}
