//! From the samples of a run to its Report.

use std::io::{Read, Seek, SeekFrom};

use crate::commands::CommandError;
use crate::eval::early::{Part, Trial, Watch};
use crate::eval::model::ModelIdentity;
use crate::eval::policy::LoadedPolicy;
use crate::eval::reduce::{Drawn, facts, judge, metrics};
use crate::eval::run::{Collected, Plan, Row};
use crate::eval::shard::Shard;
use crate::eval::suite::{Filter, Suite};
use crate::eval::{Answer, Prompt, Request, Sample, Status};
use crate::gate::{LOOKS, Verdict, conclude};
use crate::report::{
    Counts, EarlyStopInfo, FailedSample, HostInfo, ModelInfo, Report, RunInfo, SCHEMA_VERSION, ServerInfo, ShardInfo,
    SuiteInfo, SuitePart, Timing,
};
use crate::trust::{Hasher, Untrusted};

/// Characters of a quoted prompt or completion.
const QUOTE: usize = 300;

/// A run that has come to its end.
pub(crate) struct Finished<'a> {
    pub(crate) program: &'a str,
    pub(crate) loaded: &'a LoadedPolicy,
    pub(crate) suites: &'a [Suite],
    pub(crate) filter: &'a Filter,
    pub(crate) plan: &'a Plan,
    pub(crate) collected: &'a Collected,
    pub(crate) watch: Option<&'a Watch>,
    pub(crate) model: &'a ModelIdentity,
    pub(crate) servers: Vec<ServerInfo>,
    pub(crate) shard: Option<Shard>,
    pub(crate) seed: u64,
    pub(crate) concurrency: u32,
    pub(crate) started_at: String,
    pub(crate) finished_at: String,
    pub(crate) seconds: f64,
    pub(crate) host: HostInfo,
}

/// Measures, judges, and puts everything together.
pub(crate) fn assemble(finished: &Finished<'_>) -> Result<Report, CommandError> {
    let Finished { loaded, suites, plan, collected, watch, shard, .. } = *finished;
    let gate = &loaded.policy.gate;
    // A run that was cut off is judged as a whole one: the samples that it lacks shut the gate.
    let part = watch.and_then(|watch| Some(watch.schedule().part(watch.stopped_at()?)));
    let drawn = Drawn { suites, plan, rows: collected.rows(), names: collected.names(), part: part.as_deref() };
    let judged = match (watch.map(Watch::trial), &part) {
        (Some(Trial::Thresholds(trial)), Some(slots)) => {
            trial.judge(&Part { slots, rows: collected.rows(), names: collected.names() })
        }
        (Some(Trial::Thresholds(_) | Trial::Pairs(_) | Trial::Safety(_)) | None, _) => judge(drawn, &gate.thresholds),
    };
    let metrics = metrics(drawn, judged);
    let place = shard.map(|shard| (shard.index(), shard.count()));
    let facts = facts(drawn, gate.error_budget, place);
    let (verdict, reasons) = conclude(&metrics, &facts);
    let failed_samples = failed_samples(finished)?;
    Ok(Report { verdict, reasons, metrics, failed_samples, ..frame(finished) })
}

/// A report that has everything but what was found: it says Error until somebody has judged.
pub(crate) fn frame(finished: &Finished<'_>) -> Report {
    let Finished { loaded, suites, plan, collected, model, .. } = *finished;
    Report {
        schema_version: SCHEMA_VERSION,
        program: finished.program.to_owned(),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        verdict: Verdict::Error,
        reasons: Vec::new(),
        metrics: Vec::new(),
        comparison: None,
        safety: None,
        gate_changes: Vec::new(),
        counts: counts(plan, collected),
        model: ModelInfo {
            name: model.name.clone(),
            provider: model.provider.to_owned(),
            digest: model.digest.clone(),
            description: model.description.clone(),
        },
        suite: suite_info(suites, plan, finished.filter),
        policy_digest: loaded.digest.clone(),
        host: finished.host.clone(),
        timing: Timing {
            started_at: finished.started_at.clone(),
            finished_at: finished.finished_at.clone(),
            seconds: finished.seconds,
        },
        run: run_info(finished),
        seed: finished.seed,
        failed_samples: Vec::new(),
    }
}

fn counts(plan: &Plan, collected: &Collected) -> Counts {
    let rows = || collected.rows().iter().flatten();
    let with = |status| rows().filter(|row| row.status == status).count() as u64;
    Counts {
        cases: plan.cases(),
        samples: rows().count() as u64,
        passed: with(Status::Passed),
        failed: with(Status::Failed),
        unscored: with(Status::Unscored),
        errors: with(Status::Error),
        cached: rows().filter(|row| row.cached).count() as u64,
        resumed: collected.from_earlier_run(),
    }
}

/// What a run is about.
pub(crate) fn suite_info(suites: &[Suite], plan: &Plan, filter: &Filter) -> SuiteInfo {
    let filters = filter.describe();
    let mut hasher = Hasher::new();
    hasher.part(filters.join(",").as_bytes());
    let mut parts = Vec::new();
    for (suite, cases) in suites.iter().zip(plan.cases_by_suite()) {
        hasher.part(suite.name().as_bytes()).part(suite.digest().hex().as_bytes());
        parts.push(SuitePart {
            name: suite.name().to_string(),
            path: suite.shown_path().into(),
            digest: suite.digest().clone(),
            cases: *cases,
        });
    }
    let name = parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join("+");
    SuiteInfo { name, digest: hasher.finish(), parts, filters }
}

fn run_info(finished: &Finished<'_>) -> RunInfo {
    let rows = || finished.collected.rows().iter().flatten();
    let sum = |tokens: fn(&Row) -> Option<u64>| rows().filter_map(tokens).sum();
    let costs: Vec<f64> = rows().filter_map(|row| row.cost_usd).collect();
    RunInfo {
        concurrency: u64::from(finished.concurrency),
        shard: finished.shard.map(|shard| ShardInfo { index: shard.index(), count: shard.count() }),
        early_stop: finished.watch.and_then(|watch| early_stop(watch, finished)),
        servers: finished.servers.clone(),
        prompt_tokens: sum(|row| row.prompt_tokens),
        completion_tokens: sum(|row| row.completion_tokens),
        cost_usd: (!costs.is_empty()).then(|| costs.iter().sum()),
    }
}

/// What stopping early has saved; none for a run that was cut off.
fn early_stop(watch: &Watch, finished: &Finished<'_>) -> Option<EarlyStopInfo> {
    let look = watch.stopped_at()?;
    let (planned, judged) = (finished.plan.slots().len() as u64, finished.collected.finished() as u64);
    let not_judged = finished.collected.left_over();
    Some(EarlyStopInfo {
        look,
        looks: LOOKS,
        planned_samples: planned,
        judged_samples: judged,
        not_judged,
        saved_samples: planned.saturating_sub(judged + not_judged),
    })
}

/// Reads samples back from the journal of a run, by their slots; those that are not there are left out.
pub(crate) fn read_back(
    collected: &Collected,
    slots: impl IntoIterator<Item = u32>,
) -> Result<Vec<(u32, Sample)>, CommandError> {
    let Some(journal) = collected.journal() else { return Ok(Vec::new()) };
    let mut file = std::fs::File::open(journal.path()).map_err(|error| CommandError::environment(&error))?;
    let mut samples = Vec::new();
    for slot in slots {
        let Some(span) = journal.spans().get(slot as usize) else { continue };
        let mut bytes = vec![0; span.length as usize];
        let read = file.seek(SeekFrom::Start(span.offset)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|error| CommandError::environment(&error))?;
        let sample = serde_json::from_slice(&bytes).map_err(|error| CommandError::Bug(error.to_string()))?;
        samples.push((slot, sample));
    }
    Ok(samples)
}

/// The first samples that did not pass.
fn failed_samples(finished: &Finished<'_>) -> Result<Vec<FailedSample>, CommandError> {
    let samples = read_back(finished.collected, finished.collected.notable().iter().copied())?;
    Ok(samples.iter().filter_map(|(slot, sample)| failed_sample(finished, *slot, sample)).collect())
}

fn failed_sample(finished: &Finished<'_>, slot: u32, sample: &Sample) -> Option<FailedSample> {
    let slot = finished.plan.slots().get(slot as usize)?;
    let case = finished.suites.get(usize::from(slot.suite))?.case(slot.case as usize).ok()?;
    let status = match sample.status {
        Status::Passed => return None,
        Status::Failed => "failed",
        Status::Unscored => "unscored",
        Status::Error => "error",
    };
    let why = match &sample.error {
        Some(error) => Untrusted::new(format!("{}: {}", error.kind, error.message.raw())),
        None => {
            let decisive = |row: &&crate::eval::AssertionScore| {
                row.weight > 0.0 && row.score.is_none_or(|score| score.value() < 1.0)
            };
            sample.assertions.iter().find(decisive).map(|row| row.why.clone()).unwrap_or_default()
        }
    };
    let completion = match &sample.answer {
        Some(Answer::Completion(completion)) => quote(completion.text.raw()),
        Some(Answer::LogLikelihoods(likelihoods)) => {
            let sums: Vec<String> = likelihoods.iter().map(|likelihood| format!("{:.3}", likelihood.sum)).collect();
            Untrusted::new(format!("log-likelihoods {}", sums.join(", ")))
        }
        Some(Answer::Embedding(numbers)) => Untrusted::new(format!("an embedding of {} numbers", numbers.len())),
        None => Untrusted::default(),
    };
    Some(FailedSample {
        case: sample.case.text().clone(),
        suite: sample.suite.clone(),
        path: Untrusted::new(&*case.place.path),
        line: case.place.line,
        repeat: sample.repeat,
        status: status.to_owned(),
        why,
        prompt: quote(&prompt_of(&case.request)),
        completion,
    })
}

fn prompt_of(request: &Request) -> String {
    match request.prompt() {
        Prompt::Text(text) => text.clone(),
        Prompt::Chat(messages) => messages.last().map(|message| message.content.clone()).unwrap_or_default(),
        Prompt::Written(written) => written.turns().pop().map(|message| message.content).unwrap_or_default(),
    }
}

fn quote(text: &str) -> Untrusted {
    Untrusted::new(text.chars().take(QUOTE).collect::<String>())
}
