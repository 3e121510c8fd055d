//! `llmci merge`: puts the shards of a run together and judges the whole. Every sample that the policy's suites ask for
//! must be there once, drawn from one model with one seed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use super::base::TrustArgs;
use super::eval_gate::{Finished, Inputs, Tools, assemble, clear, read_held, write_all, write_lm_eval};
use super::{CommandError, Context, Exit, Outcome};
use crate::document::{Problem, Spot};
use crate::eval::journal::{self, Entry, FolderLock, Header, Journal};
use crate::eval::model::{ModelIdentity, provider};
use crate::eval::run::{Collected, Plan, Selection};
use crate::eval::suite::{Filter, Suite};
use crate::eval::{Level, Sample};
use crate::host::PublishArgs;
use crate::report::{Gpu, HostInfo, Report};
use crate::store;
use crate::trust::Untrusted;

/// The inputs of `llmci merge`.
#[derive(Args, Clone, Debug)]
pub struct MergeArgs {
    /// The output folders of the shards
    #[arg(value_name = "DIR", required = true)]
    pub shards: Vec<PathBuf>,
    /// The policy file
    #[arg(long, value_name = "PATH", default_value = "llmci.yaml")]
    pub policy: PathBuf,
    /// A suite instead of the policy's, as the shards were given it
    #[arg(long, value_name = "PATH")]
    pub suite: Vec<PathBuf>,
    /// The folder of the merged report
    #[arg(long, value_name = "DIR", default_value = "llmci-out")]
    pub out: PathBuf,
    /// How far a pull request is trusted
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Comments, check runs and statuses
    #[command(flatten)]
    pub publish: PublishArgs,
}

/// Merges and judges.
pub async fn run(args: MergeArgs, context: &Context) -> Result<Outcome, CommandError> {
    let began = Instant::now();
    let started_at = (context.clock)();
    let reports = args.shards.iter().map(|folder| read_report(folder)).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = reports.first() else {
        return Err(CommandError::Inputs("no shard was given".into()));
    };
    agree(&reports, &args.shards)?;
    let filter = filter_of(first)?;
    let model = Some(first.model.name.as_str());
    let inputs = Inputs {
        policy: &args.policy,
        suites: &args.suite,
        filter,
        seed: Some(first.seed),
        trust: &args.trust,
        model,
        tools: Tools::Refuse,
    };
    let (prepared, changes) = read_held(inputs, context).await?;
    let model = identity(first)?;
    let selection =
        Selection { filter: &prepared.filter, shard: None, seed: first.seed, model: &model.digest, judges: &[] };
    let plan = prepared.plan(&selection)?;
    same_suites(first, &prepared.suites)?;
    if args.shards.iter().any(|folder| folder.canonicalize().ok() == args.out.canonicalize().ok() && args.out.exists())
    {
        let text = format!("--out {} is one of the shards: give another folder", args.out.display());
        return Err(CommandError::Inputs(Untrusted::new(text)));
    }

    let slots = index(&plan, &prepared.suites)?;
    let environment = |error: &dyn std::error::Error| CommandError::environment(error);
    // All shards are read once before anything is written: a sample that is there twice or unknown is an input error.
    let mut collected = Collected::empty(plan.slots().len());
    for folder in &args.shards {
        each_sample(folder, &slots, &mut |slot, sample, place| match collected.add(slot, &sample) {
            true => Ok(()),
            false => Err(place("the sample is there twice: two shards hold it")),
        })?;
    }
    store::file::make_folder(&args.out).map_err(|error| environment(&error))?;
    let _lock = FolderLock::take(&args.out).map_err(|error| environment(&error))?;
    clear(&args.out)?;
    let header = Header::new(plan.key(), plan.slots().len());
    let mut merged = Journal::create(&args.out, &header).map_err(|error| environment(&error))?;
    for folder in &args.shards {
        each_sample(folder, &slots, &mut |slot, sample, _| {
            let (line, start) = journal::encode(slot, &sample).map_err(|error| CommandError::environment(&error))?;
            merged.append(&[Entry { slot, line, start }]).map_err(|error| CommandError::environment(&error))
        })?;
    }
    merged.sync().map_err(|error| environment(&error))?;
    collected.keep(merged);

    let finished = Finished {
        program: "eval-gate",
        loaded: &prepared.loaded,
        suites: &prepared.suites,
        filter: &prepared.filter,
        plan: &plan,
        collected: &collected,
        watch: None,
        model: &model,
        servers: reports.iter().flat_map(|report| report.run.servers.iter().cloned()).collect(),
        shard: None,
        seed: first.seed,
        concurrency: u32::try_from(first.run.concurrency).unwrap_or(u32::MAX),
        started_at: reports.iter().map(|report| report.timing.started_at.clone()).min().unwrap_or(started_at),
        finished_at: (context.clock)(),
        seconds: began.elapsed().as_secs_f64() + reports.iter().map(|report| report.timing.seconds).fold(0.0, f64::max),
        host: HostInfo { gpus: gpus_of(&reports), cpus: cpus_of(&reports), ..context.host.info() },
    };
    let mut report = assemble(&finished)?;
    changes.judge(&prepared.loaded.policy.gate, &mut report);
    write_lm_eval(&args.out, &prepared.suites, &plan, &collected)?;
    let path = write_all(&args.out, &report, &collected, context)?;
    let exit = Exit::of(report.verdict, &prepared.loaded.policy.gate, false);
    Ok(Outcome { exit, report: Some((Box::new(report), path)), rollout: None, text: String::new() })
}

/// The GPUs of all shards, each once; none where one shard does not know its own. Those of the machine that merges did no work.
fn gpus_of(reports: &[Report]) -> Option<Vec<Gpu>> {
    let mut all: Vec<Gpu> = Vec::new();
    for report in reports {
        for gpu in report.host.gpus.as_ref()? {
            if !all.iter().any(|known| known.uuid_digest == gpu.uuid_digest) {
                all.push(gpu.clone());
            }
        }
    }
    Some(all)
}

/// The processors of each shard's machine; none where they differ, or one is not known.
fn cpus_of(reports: &[Report]) -> Option<u64> {
    let (first, rest) = reports.split_first()?;
    first.host.cpus.filter(|_| rest.iter().all(|report| report.host.cpus == first.host.cpus))
}

fn refused(path: &Path, message: impl Into<String>) -> CommandError {
    CommandError::Problems(vec![Problem::of_file(&path.display().to_string(), message)])
}

fn read_report(folder: &Path) -> Result<Report, CommandError> {
    let path = folder.join("report.json");
    let text =
        std::fs::read(&path).map_err(|error| refused(&path, format!("the shard's report cannot be read: {error}")))?;
    serde_json::from_slice(&text).map_err(|error| refused(&path, format!("not a report of this version: {error}")))
}

/// One model, one seed, one set of suites and filters, and each shard of the run once.
fn agree(reports: &[Report], folders: &[PathBuf]) -> Result<(), CommandError> {
    let Some(first) = reports.first() else { return Ok(()) };
    let mut seen = BTreeMap::new();
    for (report, folder) in reports.iter().zip(folders) {
        let path = folder.join("report.json");
        let differs = [
            ("model", report.model.digest != first.model.digest),
            (
                "suites",
                report.suite.parts.iter().map(|part| &part.digest).ne(first
                    .suite
                    .parts
                    .iter()
                    .map(|part| &part.digest)),
            ),
            ("filters", report.suite.filters != first.suite.filters),
            ("seed", report.seed != first.seed),
            ("number of shards", report.run.shard.map(|shard| shard.count) != first.run.shard.map(|shard| shard.count)),
        ];
        if let Some((what, _)) = differs.iter().find(|(_, differs)| *differs) {
            return Err(refused(&path, format!("its {what} differ from those of {}", folders[0].display())));
        }
        let Some(shard) = report.run.shard else {
            return Err(refused(&path, "it is no shard: it was run without --shard"));
        };
        if let Some(other) = seen.insert(shard.index, folder) {
            return Err(refused(&path, format!("shard {} is there twice, also in {}", shard.index, other.display())));
        }
    }
    let count = first.run.shard.map_or(0, |shard| shard.count);
    let missing: Vec<String> =
        (1..=count).filter(|index| !seen.contains_key(index)).map(|index| index.to_string()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let text = format!("shard {} of {count} is missing: give the folders of all shards", missing.join(", "));
    Err(CommandError::Inputs(Untrusted::new(text)))
}

fn filter_of(report: &Report) -> Result<Filter, CommandError> {
    let mut filter = Filter::default();
    for word in &report.suite.filters {
        match word.split_once('=') {
            Some(("level", level)) => filter.level = Level::from_word(level),
            Some(("tag", tag)) => filter.tags.push(tag.to_owned()),
            Some(_) | None => {
                return Err(CommandError::Inputs("a shard's report names a filter that is not known".into()));
            }
        }
    }
    Ok(filter)
}

fn identity(report: &Report) -> Result<ModelIdentity, CommandError> {
    let provider = provider(&report.model.provider)
        .ok_or_else(|| CommandError::Inputs("a shard's report names a provider that is not known".into()))?;
    Ok(ModelIdentity {
        name: report.model.name.clone(),
        provider,
        digest: report.model.digest.clone(),
        // Nobody is asked here.
        cacheable: false,
        description: report.model.description.clone(),
    })
}

fn same_suites(report: &Report, suites: &[Suite]) -> Result<(), CommandError> {
    let same = report.suite.parts.iter().map(|part| &part.digest).eq(suites.iter().map(Suite::digest));
    if same {
        return Ok(());
    }
    Err(CommandError::Inputs("the shards were run on other suites than the policy names now".into()))
}

/// The number of each sample of the plan by suite, case and repeat.
fn index(plan: &Plan, suites: &[Suite]) -> Result<BTreeMap<(String, String, u32), u32>, CommandError> {
    let mut slots = BTreeMap::new();
    for (number, slot) in (0_u32..).zip(plan.slots()) {
        let Some(suite) = suites.get(usize::from(slot.suite)) else { continue };
        let case = suite.case(slot.case as usize).map_err(|problem| CommandError::Problems(vec![problem]))?;
        slots.insert((suite.name().to_string(), case.id.text().raw().to_owned(), slot.repeat), number);
    }
    Ok(slots)
}

type Each<'a> = dyn FnMut(u32, Sample, &dyn Fn(&str) -> CommandError) -> Result<(), CommandError> + 'a;

fn each_sample(
    folder: &Path,
    slots: &BTreeMap<(String, String, u32), u32>,
    each: &mut Each<'_>,
) -> Result<(), CommandError> {
    let path = folder.join("samples.jsonl");
    let file =
        File::open(&path).map_err(|error| refused(&path, format!("the shard's samples cannot be read: {error}")))?;
    for (number, line) in (1_u32..).zip(BufReader::new(file).lines()) {
        let place = |message: &str| {
            let spot = Spot { line: number, column: 1 };
            CommandError::Problems(vec![Problem::new(&path.display().to_string(), spot, message)])
        };
        let line = line.map_err(|_| place("the line cannot be read"))?;
        let sample: Sample = serde_json::from_str(&line).map_err(|error| place(&format!("not a sample: {error}")))?;
        let key = (sample.suite.clone(), sample.case.text().raw().to_owned(), sample.repeat);
        let slot = slots.get(&key).ok_or_else(|| place("the sample belongs to no case of the suites"))?;
        each(*slot, sample, &place)?;
    }
    Ok(())
}
