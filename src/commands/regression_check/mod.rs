//! `regression-check`: a candidate against a baseline, by pairs, with stated error rates.

mod args;
mod assemble;
mod kept;
mod ledger;
pub(crate) mod source;

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::eval_gate::{clear, prepare::problems, write_report};
use super::{CommandError, Context, Exit, Outcome};
use crate::eval::policy::{self, LoadedPolicy};
use crate::gate::compare::{RegressionPolicy, RegressionRule};
use crate::gate::{GatePolicy, MetricName, Verdict};
use crate::store::file::make_folder;
use crate::trust::{Digest, Hasher, Untrusted};
use assemble::{Sides, Work};
use kept::Keep;
use ledger::{Key, Ledger};

pub use args::RegressionCheckArgs;

/// Where verdicts are kept when nothing is said.
const VERDICTS: &str = ".llmci/verdicts";

/// Runs the gate.
pub async fn run(args: RegressionCheckArgs, context: &Context) -> Result<Outcome, CommandError> {
    let began = Instant::now();
    let started_at = (context.clock)();
    let loaded = args.policy.as_deref().map(policy::load).transpose().map_err(problems)?;
    let rules = rules_of(loaded.as_ref())?;
    let baseline = place(args.baseline.as_deref(), rules.baseline.as_deref(), loaded.as_ref());
    let baseline = baseline.ok_or_else(|| {
        CommandError::Inputs(Untrusted::new(
            "compared with what? give --baseline, or `regression.baseline` in the policy",
        ))
    })?;
    let anchor = place(args.anchor.as_deref(), rules.anchor.as_deref(), loaded.as_ref());
    let keep = match (&args.bless, args.update_baseline) {
        (Some(reason), _) => Some(Keep::Blessed(reason)),
        (None, true) => Some(Keep::AfterPass),
        (None, false) => None,
    };
    let folder = keep.as_ref().map(|keep| kept::allowed(keep, &baseline, context)).transpose()?;
    let candidate = source::find("candidate", &args.candidate)?;
    if let (Some(Keep::Blessed(_)), Some(folder)) = (&keep, &folder)
        && !folder.join(kept::KEPT).exists()
    {
        // The very first baseline has nothing to be compared with.
        let text = kept::keep(
            &Keep::Blessed(args.bless.as_deref().unwrap_or_default()),
            folder,
            &candidate,
            Verdict::Inconclusive,
            context,
        )?;
        return Ok(Outcome { exit: Exit::Pass, report: None, text: format!("{text}\n") });
    }
    let sides = Sides {
        baseline: source::find("baseline", &baseline)?,
        anchor: anchor.map(|anchor| source::find("anchor", &anchor)).transpose()?,
        candidate,
    };
    let rules_digest = digest_of(&rules)?;
    let ledger = open_ledger(&args, loaded.as_ref(), &sides, &rules_digest).await?;
    let (earlier, stored) = ledger.last().await?;

    make_folder(&args.out).map_err(|error| CommandError::environment(&error))?;
    clear(&args.out)?;
    let mut report = match stored.filter(|_| !args.fresh) {
        Some(stored) => assemble::stored(stored),
        None => {
            let work = Work {
                rules: &rules,
                policy_digest: loaded.as_ref().map_or(&rules_digest, |loaded| &loaded.digest),
                sides: &sides,
                earlier,
                started_at,
                finished_at: context.clock,
                began,
                host: context.host.info(),
            };
            let report = assemble::judge(&work)?;
            if report.verdict != Verdict::Error {
                ledger.add(earlier, &report).await?;
            }
            report
        }
    };
    report.host = context.host.info();
    let mut text = String::new();
    if let (Some(keep), Some(folder)) = (&keep, &folder) {
        text = kept::keep(keep, folder, &sides.candidate, report.verdict, context)?;
    }
    if !text.is_empty() {
        tracing::info!("{}", context.sink.line(&Untrusted::new(text), 500));
    }
    let path = write_report(&args.out, &report, context)?;
    let gate = loaded.map_or_else(GatePolicy::default, |loaded| loaded.policy.gate);
    Ok(Outcome {
        exit: Exit::of(report.verdict, &gate, false),
        report: Some((Box::new(report), path)),
        text: String::new(),
    })
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

/// The command line's place, else the policy's, which is relative to the policy.
fn place(given: Option<&str>, policy: Option<&str>, loaded: Option<&LoadedPolicy>) -> Option<String> {
    given.map(str::to_owned).or_else(|| {
        let policy = policy?;
        if policy.starts_with("git:") {
            return Some(policy.to_owned());
        }
        let (scheme, path) = policy.strip_prefix("dir:").map_or(("", policy), |path| ("dir:", path));
        Some(format!("{scheme}{}", loaded?.folder.join(path).display()))
    })
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
    sides: &Sides,
    rules: &Digest,
) -> Result<Ledger, CommandError> {
    let from_policy = loaded.and_then(|loaded| Some((loaded.policy.run.verdicts.clone()?, loaded.folder.clone())));
    let here = PathBuf::new();
    let (address, folder) = match (&args.verdicts, from_policy) {
        (Some(given), _) => (given.clone(), here),
        (None, Some(policy)) => policy,
        (None, None) => (VERDICTS.to_owned(), here),
    };
    let baseline = [Some(&sides.baseline), sides.anchor.as_ref()].into_iter().flatten();
    let key = Key {
        candidate: identity(sides),
        baseline: baseline.map(|found| found.digest.clone()).collect(),
        suite: suite_of(sides),
        rules: rules.clone(),
    };
    Ledger::open(&address, Path::new(&folder), key).await
}

/// Who is judged: the model by its digest; with its commit where the digest does not hold the weights. Without a report
/// only the samples themselves are known.
fn identity(sides: &Sides) -> Digest {
    let Some(report) = &sides.candidate.report else { return sides.candidate.digest.clone() };
    let mut hasher = Hasher::new();
    hasher.part(report.model.digest.hex().as_bytes());
    if report.model.provider == "openai"
        && let Some(commit) = &report.host.commit
    {
        hasher.part(commit.raw().as_bytes());
    }
    hasher.finish()
}

fn suite_of(sides: &Sides) -> Digest {
    sides.candidate.report.as_ref().map_or_else(|| Digest::of(b"unknown"), |report| report.suite.digest.clone())
}
