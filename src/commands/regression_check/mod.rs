//! `regression-check`: a candidate against a baseline, by pairs, with stated error rates.

mod args;
mod assemble;
mod evaluate;
mod hardware;
mod kept;
pub(crate) mod source;

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::base::{Held, OTHER_MODEL, hold, keep_back};
use super::eval_gate::{clear, clear_reports, prepare::problems, write_report};
use super::ledger::{Key, Ledger, identity, said_again};
use super::{CommandError, Context, Exit, Outcome};
use crate::eval::journal::FolderLock;
use crate::eval::policy::{self, LoadedPolicy};
use crate::gate::compare::{RegressionPolicy, RegressionRule};
use crate::gate::{GatePolicy, MetricName, Verdict};
use crate::report::HostInfo;
use crate::store::file::make_folder;
use crate::trust::{Digest, Untrusted};
use assemble::{Asked, Sides, Work};
use evaluate::{Planned, Question};
use kept::Keep;
use source::Found;

pub use args::RegressionCheckArgs;

/// Where verdicts are kept when nothing is said.
const VERDICTS: &str = ".llmci/verdicts";

/// Runs the gate.
pub async fn run(args: RegressionCheckArgs, context: &Context) -> Result<Outcome, CommandError> {
    let began = Instant::now();
    let started_at = (context.clock)();
    if args.preemption.checkpoint.is_some() && !args.evaluate {
        let text = "--checkpoint keeps a run that is asked now: say --evaluate too, or leave it out";
        return Err(CommandError::Inputs(Untrusted::new(text)));
    }
    if args.gpu.gpus > 0 && !args.evaluate {
        return Err(CommandError::Inputs(
            "--gpus has no meaning without --evaluate: two runs are compared as they are".into(),
        ));
    }
    let held = match args.policy.as_deref() {
        Some(path) => {
            let model = args.model.as_deref();
            Some(hold(policy::load(path).map_err(problems)?, path, (&args.trust, model), context).await?)
        }
        None => None,
    };
    let rules = rules_of(held.as_ref().map(|held| &held.loaded))?;
    let baseline = place(args.baseline.as_deref(), rules.baseline.as_deref(), held.as_ref())?;
    let baseline = baseline.ok_or_else(|| {
        CommandError::Inputs(Untrusted::new(
            "compared with what? give --baseline, or `regression.baseline` in the policy",
        ))
    })?;
    let anchor = place(args.anchor.as_deref(), rules.anchor.as_deref(), held.as_ref())?;
    if let Some(held) = held.as_ref().filter(|_| args.evaluate && args.suite.is_empty()) {
        held.made_results()?;
    }
    let other_model = args.evaluate && held.as_ref().is_some_and(|held| held.other_model);
    let (loaded, changes) = held.map(|held| (held.loaded, held.changes)).unzip();
    let keep = match (&args.bless, args.update_baseline) {
        (Some(reason), _) => Some(Keep::Blessed(reason)),
        (None, true) => Some(Keep::AfterPass),
        (None, false) => None,
    };
    let folder = keep.as_ref().map(|keep| kept::allowed(keep, &baseline, context)).transpose()?;
    if let (Some(keep @ Keep::Blessed(_)), Some(folder), false) = (&keep, &folder, args.evaluate)
        && !folder.join(kept::KEPT).exists()
    {
        // The very first baseline has nothing to be compared with.
        let candidate = source::find("candidate", &args.candidate)?;
        let text = kept::keep(keep, folder, &candidate, Verdict::Inconclusive, context)?;
        return Ok(Outcome { exit: Exit::Pass, report: None, rollout: None, text: format!("{text}\n") });
    }
    let planned = match args.evaluate {
        true => Some(evaluate::plan(&args, loaded.clone(), began, context).await?),
        false => None,
    };
    let (candidate, baseline, anchor) = sides(planned, &args.candidate, &baseline, anchor.as_deref())?;
    apart(&args.out, [candidate.file(), baseline.file(), anchor.as_ref().and_then(Found::file)])?;
    let rules_digest = digest_of(&rules)?;
    let key = Key {
        candidate: candidate.identity(context),
        baseline: [Some(&baseline), anchor.as_ref()].into_iter().flatten().map(|found| found.digest.clone()).collect(),
        suite: candidate.suite(),
        rules: rules_digest.clone(),
    };
    let ledger = open_ledger(&args, loaded.as_ref(), key, context).await?;
    let (earlier, stored) = ledger.last().await?;

    make_folder(&args.out).map_err(|error| CommandError::environment(&error))?;
    let _lock = FolderLock::take(&args.out).map_err(|error| CommandError::environment(&error))?;
    let mut checkpoint = None;
    let (mut report, candidate, said) = match (stored.filter(|_| !args.fresh), candidate) {
        (Some(stored), candidate) => {
            clear_reports(&args.out)?;
            (said_again(stored), candidate.found(), Said::Again)
        }
        (None, candidate) => {
            let (candidate, asked) = match candidate {
                Candidate::Found(found) => {
                    clear_reports(&args.out)?;
                    (*found, Asked::default())
                }
                Candidate::Planned(planned) => {
                    clear(&args.out)?;
                    let anchor = anchor.as_ref();
                    let question = Question { baseline: &baseline, anchor, rules: &rules, earlier };
                    planned.ask(&question, &args, context).await?
                }
            };
            let sides = Sides { baseline, anchor, candidate };
            let work = Work {
                rules: &rules,
                policy_digest: loaded.as_ref().map_or(&rules_digest, |loaded| &loaded.digest),
                sides: &sides,
                asked: &asked,
                earlier,
                started_at,
                finished_at: context.clock,
                began,
                host: context.host.info(),
            };
            let report = assemble::judge(&work)?;
            if report.verdict != Verdict::Error && asked.refused.is_empty() {
                ledger.add(earlier, &report).await?;
            }
            checkpoint = asked.checkpoint;
            (report, Some(sides.candidate), Said::New)
        }
    };
    let here = context.host.info();
    // The hardware is that of the candidate's run: a report that is said again and two runs that are compared were made elsewhere.
    let gpus = match (said, &candidate) {
        (Said::Again, _) => report.host.gpus.take(),
        (Said::New, _) if args.evaluate => here.gpus.clone(),
        (Said::New, candidate) => candidate.as_ref().and_then(|found| found.report.as_ref()?.host.gpus.clone()),
    };
    report.host = HostInfo { gpus, ..here };
    report.gate_changes = changes.unwrap_or_default();
    let gate = loaded.map_or_else(GatePolicy::default, |loaded| loaded.policy.gate);
    if other_model {
        keep_back(OTHER_MODEL, &gate, &mut report);
    }
    let mut text = String::new();
    if let (Some(keep), Some(folder), Some(candidate)) = (&keep, &folder, &candidate) {
        text = kept::keep(keep, folder, candidate, report.verdict, context)?;
    }
    if keep.is_some() && candidate.is_none() {
        tracing::warn!(
            "the baseline was left as it is: the verdict was a kept one, and nothing was asked (--fresh asks again)"
        );
    }
    if !text.is_empty() {
        tracing::info!("{}", context.sink.line(&Untrusted::new(text), 500));
    }
    let path = write_report(&args.out, &report, context)?;
    if let Some(checkpoint) = checkpoint {
        checkpoint.done().await;
    }
    Ok(Outcome {
        exit: Exit::of(report.verdict, &gate, false),
        report: Some((Box::new(report), path)),
        rollout: None,
        text: String::new(),
    })
}

/// Reads the sides, all at once.
fn sides(
    planned: Option<Planned>,
    candidate: &str,
    baseline: &str,
    anchor: Option<&str>,
) -> Result<(Candidate, Found, Option<Found>), CommandError> {
    let mut places = vec![("baseline", baseline)];
    places.extend(anchor.map(|anchor| ("anchor", anchor)));
    if planned.is_none() {
        places.push(("candidate", candidate));
    }
    let mut found = source::find_all(&places)?.into_iter();
    let missing = || CommandError::Bug("a side was not read".to_owned());
    let baseline = found.next().ok_or_else(missing)?;
    let anchor = if anchor.is_some() { Some(found.next().ok_or_else(missing)?) } else { None };
    let candidate = match planned {
        Some(planned) => Candidate::Planned(Box::new(planned)),
        None => Candidate::Found(Box::new(found.next().ok_or_else(missing)?)),
    };
    Ok((candidate, baseline, anchor))
}

/// Refuses to write a comparison into the folder of a run that it compares: that run's own report would be lost.
fn apart(out: &Path, compared: [Option<&Path>; 3]) -> Result<(), CommandError> {
    let Ok(out) = out.canonicalize() else { return Ok(()) };
    let inside = |file: &&Path| file.parent().and_then(|folder| folder.canonicalize().ok()).is_some_and(|at| at == out);
    match compared.into_iter().flatten().find(inside) {
        Some(file) => {
            let text = format!(
                "--out is the folder of {}, whose report would be overwritten: give another folder",
                file.display()
            );
            Err(CommandError::Inputs(Untrusted::new(text)))
        }
        None => Ok(()),
    }
}

/// The policy's rules; the standard one where it has none.
pub(crate) fn rules_of(loaded: Option<&LoadedPolicy>) -> Result<RegressionPolicy, CommandError> {
    let mut rules = loaded.map(|loaded| loaded.policy.regression.clone()).unwrap_or_default();
    if rules.rules.is_empty() {
        let name = MetricName::new("pass_rate").map_err(|error| CommandError::Bug(error.to_string()))?;
        rules.rules.push(RegressionRule::standard(name));
    }
    Ok(rules)
}

/// The command line's place, else the policy's, which is relative to the policy and, in a pull request, its base's.
fn place(given: Option<&str>, policy: Option<&str>, held: Option<&Held>) -> Result<Option<String>, CommandError> {
    let (None, Some(policy), Some(held)) = (given, policy, held) else { return Ok(given.map(str::to_owned)) };
    if policy.starts_with("git:") {
        return Ok(Some(policy.to_owned()));
    }
    let (scheme, path) = policy.strip_prefix("dir:").map_or(("", policy), |path| ("dir:", path));
    held.pinned(format!("{scheme}{}", held.loaded.folder.join(path).display())).map(Some)
}

fn digest_of(rules: &RegressionPolicy) -> Result<Digest, CommandError> {
    // The places of the sides are no rules: their contents have digests of their own.
    let rules = RegressionPolicy { baseline: None, anchor: None, ..rules.clone() };
    let text = serde_json::to_vec(&rules).map_err(|error| CommandError::Bug(error.to_string()))?;
    Ok(Digest::of(&text))
}

async fn open_ledger(
    args: &RegressionCheckArgs,
    loaded: Option<&LoadedPolicy>,
    key: Key,
    context: &Context,
) -> Result<Ledger, CommandError> {
    let from_policy = loaded.and_then(|loaded| Some((loaded.policy.run.verdicts.clone()?, loaded.folder.clone())));
    let here = PathBuf::new();
    let (address, folder) = match (&args.verdicts, from_policy) {
        (Some(given), _) => (given.clone(), here),
        (None, Some(policy)) => policy,
        (None, None) => (VERDICTS.to_owned(), here),
    };
    super::prior::check("verdicts", &address, &folder, context)?;
    Ledger::open(&address, &folder, key).await
}

/// Where a report comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    /// It was made now.
    New,
    /// It was kept, and is shown once more.
    Again,
}

/// What is judged: a run that is there, or one that is made now.
enum Candidate {
    Found(Box<Found>),
    Planned(Box<Planned>),
}

impl Candidate {
    /// Who is judged: the model by its digest; with its commit where the digest does not hold the weights. Without a report
    /// only the samples themselves are known.
    fn identity(&self, context: &Context) -> Digest {
        let (model, provider, commit) = match self {
            Candidate::Found(found) => match &found.report {
                Some(report) => (&report.model.digest, report.model.provider.as_str(), report.host.commit.clone()),
                None => return found.digest.clone(),
            },
            Candidate::Planned(planned) => {
                let model = &planned.session.model;
                (&model.digest, model.provider, context.host.info().commit)
            }
        };
        identity(model, provider, commit.as_ref())
    }

    fn file(&self) -> Option<&Path> {
        match self {
            Candidate::Found(found) => found.file(),
            Candidate::Planned(_) => None,
        }
    }

    fn suite(&self) -> Digest {
        match self {
            Candidate::Found(found) => {
                found.report.as_ref().map_or_else(|| Digest::of(b"unknown"), |report| report.suite.digest.clone())
            }
            Candidate::Planned(planned) => planned.suite.digest.clone(),
        }
    }

    fn found(self) -> Option<Found> {
        match self {
            Candidate::Found(found) => Some(*found),
            Candidate::Planned(_) => None,
        }
    }
}
