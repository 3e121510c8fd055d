//! From two sides and the rules to a report.

use std::time::Instant;

use super::hardware::notes;
use super::source::Found;
use crate::commands::CommandError;
use crate::commands::checkpoint::Checkpoint;
use crate::eval::Status;
use crate::eval::compare::{
    CaseNumbers, How, MetricProblem, Paired, Side, changed_cases, comparable, how, one_sided, pair, recorded_summary,
    scale_of, subject_of, summary, together,
};
use crate::gate::compare::{
    Asked as Question, Coverage, Judged, RegressionPolicy, RegressionRule, Staged, compare, compare_summaries,
    compare_together, conclude_comparison,
};
use crate::gate::{Reason, Subject, Verdict, in_gravity};
use crate::report::{
    ComparedSide, Comparison, Counts, FailedSample, HostInfo, ModelInfo, Report, RunInfo, SCHEMA_VERSION, SuiteInfo,
    Timing,
};
use crate::stats::float;
use crate::trust::{Digest, Untrusted};

/// Everything that is compared.
pub(super) struct Sides {
    /// What the candidate must not be worse than.
    pub baseline: Found,
    /// The release that drops are added up against.
    pub anchor: Option<Found>,
    /// What is judged.
    pub candidate: Found,
}

/// What is known of a candidate that was asked for this comparison.
#[derive(Default)]
pub(super) struct Asked {
    /// How each rule came out of the looks, side by side, rule by rule; none where all pairs are judged at once.
    pub staged: Option<Vec<Option<Staged>>>,
    /// How far the whole planned run and each side hold the same cases, where the run may have stopped early.
    pub coverages: Option<Vec<Coverage>>,
    /// What its run lacks.
    pub lacking: Vec<Reason>,
    /// Why nothing was asked at all.
    pub refused: Vec<Reason>,
    /// Where the run is kept that has now come to its end.
    pub checkpoint: Option<Checkpoint>,
}

/// One comparison to be made.
pub(super) struct Work<'a> {
    /// The rules, at least one.
    pub rules: &'a RegressionPolicy,
    /// The policy that they came from.
    pub policy_digest: &'a Digest,
    /// What is compared.
    pub sides: &'a Sides,
    /// What is known of a candidate that was asked just now.
    pub asked: &'a Asked,
    /// Verdicts that were given on the same things before: each halves the error.
    pub earlier: u32,
    /// RFC 3339.
    pub started_at: String,
    /// Gives RFC 3339.
    pub finished_at: fn() -> String,
    /// The monotonic start.
    pub began: Instant,
    /// Where it runs.
    pub host: HostInfo,
}

/// Judges.
pub(super) fn judge(work: &Work<'_>) -> Result<Report, CommandError> {
    if !work.asked.refused.is_empty() {
        return Ok(unasked(work));
    }
    let Sides { baseline, anchor, candidate } = work.sides;
    let mut judged = Vec::new();
    let mut coverages = Vec::new();
    let mut sides = Vec::new();
    let mut changed = None;
    let against = [Some(("baseline", baseline)), anchor.as_ref().map(|anchor| ("anchor", anchor))];
    let family = work.rules.family(anchor.is_some());
    for (role, found) in against.iter().copied().flatten() {
        let mut side = described(role, found);
        let one = OneSide { work, role, found, family, before: judged.len() };
        match (&found.side, &candidate.side) {
            (Some(theirs), Some(ours)) => {
                let mut paired = pair(role, theirs, ours);
                let planned = work.asked.coverages.iter().flatten().find(|coverage| coverage.against == role);
                if let Some(planned) = planned {
                    // What was never asked has not left the dataset.
                    paired.coverage = planned.clone();
                }
                side.paired = Some(paired.coverage.paired);
                side.coverage = Some(paired.coverage.share());
                judged.extend(one.by_pairs(&paired, theirs, ours)?);
                if role == "baseline" {
                    changed = Some(changed_cases(&paired));
                }
                coverages.push(paired.coverage);
            }
            (_, _) => judged.extend(one.by_summaries()?),
        }
        sides.push(side);
    }
    let (verdict, reasons, rows) =
        conclude_comparison(judged, &coverages, work.rules.coverage, work.asked.lacking.clone());
    let [(newly_failing, newly_failing_count), (newly_passing, newly_passing_count)] = changed.unwrap_or_default();
    let comparison = Comparison {
        rows,
        sides,
        newly_failing,
        newly_failing_count,
        newly_passing,
        newly_passing_count,
        earlier_verdicts: work.earlier,
        notes: notes(against.into_iter().flatten(), candidate),
    };
    Ok(report(work, verdict, reasons, comparison))
}

fn described(role: &str, found: &Found) -> ComparedSide {
    ComparedSide {
        role: role.to_owned(),
        address: Untrusted::new(found.address.as_str()),
        digest: found.digest.clone(),
        model: found.report.as_ref().map(|report| report.model.name.clone()),
        commit: found.report.as_ref().and_then(|report| report.host.commit.clone()),
        run_url: found.report.as_ref().and_then(|report| report.host.run_url.clone()),
        paired: None,
        coverage: None,
    }
}

/// The candidate against one side.
struct OneSide<'a> {
    work: &'a Work<'a>,
    role: &'a str,
    found: &'a Found,
    family: u32,
    /// Rows of the sides before this one.
    before: usize,
}

impl OneSide<'_> {
    fn asked<'b>(
        &'b self,
        subject: &'b Subject,
        rule: &'b RegressionRule,
        margin: f64,
        staged: Option<Staged>,
    ) -> Result<Question<'b>, CommandError> {
        let alpha = rule
            .alpha(self.work.earlier)
            .ok_or_else(|| CommandError::Inputs(Untrusted::new("the confidence is more than 0.5 and less than 1")))?;
        Ok(Question { subject, rule, against: self.role, margin, alpha, family: self.family, staged })
    }

    fn by_pairs(&self, paired: &Paired<'_>, theirs: &Side, ours: &Side) -> Result<Vec<Judged>, CommandError> {
        let mut judged = Vec::new();
        for (index, (rule, margin)) in self.work.rules.held_against(self.role).enumerate() {
            let staged = self.work.asked.staged.as_ref();
            let staged = staged.and_then(|staged| staged.get(self.before + index).copied().flatten());
            let (subject, _) = subject_of(rule).map_err(|error| refused(&error))?;
            let (mut one, cases, one_sided) = match how(rule, &subject, [theirs, ours]) {
                How::Each => {
                    let (subject, data, one_sided) =
                        comparable(rule, paired, theirs, ours).map_err(|error| refused(&error))?;
                    let asked = self.asked(&subject, rule, margin, staged)?;
                    (compare(&asked, &data), data.units.len() as u64, one_sided)
                }
                How::Together(aggregate) => {
                    let (data, one_sided) = together(rule, &subject, aggregate, paired, [theirs, ours]);
                    let asked = self.asked(&subject, rule, margin, None)?;
                    (compare_together(&asked, &data), data.baseline.len() as u64, one_sided)
                }
                How::Recorded => {
                    let mut one = self.by_values(rule, &subject, margin)?;
                    let alone = one_sided(rule, &subject, paired, [theirs, ours]);
                    if alone > 0 {
                        let why =
                            format!("what is recorded of it is not of the same cases: {alone} are on one side only");
                        one.compared.verdict = Verdict::Inconclusive;
                        one.compared.reason = format!("{}: {why}", one.compared.name);
                        one.strength = 0;
                    }
                    judged.push(one);
                    continue;
                }
            };
            let all = one_sided + cases;
            let known = if all == 0 { 1.0 } else { float(cases) / float(all) };
            if known < self.work.rules.coverage {
                one.compared.verdict = Verdict::Inconclusive;
                one.compared.reason =
                    format!("{}: {one_sided} of {all} cases have it only on one side", one.compared.name);
                one.strength = 0;
            }
            judged.push(one);
        }
        Ok(judged)
    }

    fn by_summaries(&self) -> Result<Vec<Judged>, CommandError> {
        let mut judged = Vec::new();
        for (rule, margin) in self.work.rules.held_against(self.role) {
            let (subject, _) = subject_of(rule).map_err(|error| refused(&error))?;
            judged.push(self.by_values(rule, &subject, margin)?);
        }
        Ok(judged)
    }

    /// What is known of each side without its samples: what another tool has recorded, or its report.
    fn by_values(&self, rule: &RegressionRule, subject: &Subject, margin: f64) -> Result<Judged, CommandError> {
        let of_side = |found: &Found| {
            let recorded = found.side.as_deref().and_then(|side| recorded_summary(rule, subject, side));
            let metrics = found.report.as_ref().map(|report| report.metrics.as_slice()).unwrap_or_default();
            let same =
                |name: &str, scope: Option<&str>| name == subject.name.as_str() && scope == subject.scope.as_deref();
            let row = || metrics.iter().find(|metric| same(metric.name.as_str(), metric.scope.as_deref()));
            recorded.or_else(|| row().and_then(summary))
        };
        let (Some(theirs), Some(ours)) = (of_side(self.found), of_side(&self.work.sides.candidate)) else {
            let text = format!(
                "{}: there are no samples of it to pair, and one side has no value with a standard error to compare unpaired; \
                 keep samples.jsonl beside report.json, and run lm_eval with `--log_samples`",
                subject.name
            );
            return Err(CommandError::Inputs(Untrusted::new(text)));
        };
        Ok(compare_summaries(&self.asked(subject, rule, margin, None)?, scale_of(subject), theirs, ours))
    }
}

fn refused(error: &MetricProblem) -> CommandError {
    CommandError::Inputs(Untrusted::new(error.to_string()))
}

fn report(work: &Work<'_>, verdict: Verdict, reasons: Vec<Reason>, comparison: Comparison) -> Report {
    let candidate = &work.sides.candidate;
    let own = candidate.report.as_ref();
    Report {
        schema_version: SCHEMA_VERSION,
        program: "regression-check".to_owned(),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        verdict,
        reasons,
        metrics: Vec::new(),
        gate_changes: Vec::new(),
        counts: candidate.side.as_deref().map(counts).or_else(|| own.map(|own| own.counts)).unwrap_or_default(),
        model: own.map_or_else(|| unknown_model(candidate), |own| own.model.clone()),
        suite: own.map_or_else(|| unknown_suite(candidate), |own| own.suite.clone()),
        policy_digest: work.policy_digest.clone(),
        host: work.host.clone(),
        timing: Timing {
            started_at: work.started_at.clone(),
            finished_at: (work.finished_at)(),
            seconds: work.began.elapsed().as_secs_f64(),
        },
        run: own.map_or_else(RunInfo::default, |own| own.run.clone()),
        seed: own.map_or(0, |own| own.seed),
        failed_samples: own.map(|own| newly_failing(own, &comparison)).unwrap_or_default(),
        comparison: Some(comparison),
        safety: None,
    }
}

/// The candidate's samples of cases that the baseline gets right, as far as its own report quotes them.
fn newly_failing(own: &Report, comparison: &Comparison) -> Vec<FailedSample> {
    let newly = |sample: &&FailedSample| {
        comparison.newly_failing.iter().any(|changed| changed.suite == sample.suite && changed.case == sample.case)
    };
    own.failed_samples.iter().filter(newly).cloned().collect()
}

/// Two runs that have too little in common for a question to be worth its price.
fn unasked(work: &Work<'_>) -> Report {
    let Sides { baseline, anchor, .. } = work.sides;
    let sides = [Some(("baseline", baseline)), anchor.as_ref().map(|anchor| ("anchor", anchor))];
    let comparison = Comparison {
        rows: Vec::new(),
        sides: sides.into_iter().flatten().map(|(role, found)| described(role, found)).collect(),
        newly_failing: Vec::new(),
        newly_failing_count: 0,
        newly_passing: Vec::new(),
        newly_passing_count: 0,
        earlier_verdicts: work.earlier,
        notes: Vec::new(),
    };
    let (verdict, reasons) = in_gravity(work.asked.refused.iter().cloned().map(|reason| (true, reason)).collect());
    report(work, verdict, reasons, comparison)
}

fn counts(side: &Side) -> Counts {
    let attempts = || side.cases().flat_map(CaseNumbers::attempts);
    let count = |status: Status| attempts().filter(|attempt| attempt.status() == status).count() as u64;
    Counts {
        cases: side.len() as u64,
        samples: side.samples,
        passed: count(Status::Passed),
        failed: count(Status::Failed),
        unscored: count(Status::Unscored),
        errors: count(Status::Error),
        cached: 0,
        resumed: 0,
    }
}

fn unknown_model(found: &Found) -> ModelInfo {
    ModelInfo {
        name: "unknown".to_owned(),
        provider: "samples".to_owned(),
        digest: found.digest.clone(),
        description: Untrusted::new("samples without a report"),
    }
}

fn unknown_suite(found: &Found) -> SuiteInfo {
    let names: std::collections::BTreeSet<&str> =
        found.side.as_deref().into_iter().flat_map(Side::cases).map(CaseNumbers::suite).collect();
    SuiteInfo {
        name: names.into_iter().collect::<Vec<_>>().join("+"),
        digest: found.digest.clone(),
        parts: Vec::new(),
        filters: Vec::new(),
    }
}
