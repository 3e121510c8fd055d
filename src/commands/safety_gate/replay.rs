//! One attack of an earlier run, made again: what it asks follows from its name alone.

use std::sync::Arc;
use std::time::Instant;

use super::assemble::verdict_of;
use super::{SafetyGateArgs, Set, check_judges, exit_of, settings};
use crate::commands::eval_gate::prepare::Prepared;
use crate::commands::eval_gate::{Drawing, Session, SessionArgs, clear, read_back, write_samples};
use crate::commands::{CommandError, Context, Outcome};
use crate::eval::journal::FolderLock;
use crate::eval::redteam::{Attack, AttackName, Stack, SuiteAttacks, shipped, takes};
use crate::eval::suite::Filter;
use crate::store;
use crate::trust::Untrusted;

/// Makes it, and says what it found. The answer is in `samples.jsonl` alone.
pub(super) async fn run(
    args: &SafetyGateArgs,
    attack: &str,
    set: Set,
    began: Instant,
    context: &Context,
) -> Result<Outcome, CommandError> {
    let named = find(attack, &set)?;
    let settings = settings(&set.loaded);
    let suite = named.suite(&settings).map_err(|problem| CommandError::Problems(vec![problem]))?;
    let suites = vec![suite];
    check_judges(&suites, &set.loaded)?;
    let prepared = Prepared { loaded: set.loaded, suites, filter: Filter::default(), seed: set.seed };
    let session_args = SessionArgs { model: args.model.as_deref(), shard: None, concurrency: Some(1), began };
    let session = Session::open(prepared, session_args, context).await?;
    store::file::make_folder(&args.out).map_err(|error| CommandError::environment(&error))?;
    let _lock = FolderLock::take(&args.out).map_err(|error| CommandError::environment(&error))?;
    clear(&args.out)?;
    let drawing = Drawing { folder: &args.out, resume: false, quiet: true, watch: None, checkpoint: None };
    let ended = session.draw(drawing, context).await?;
    write_samples(&args.out, &ended.collected)?;
    let samples = read_back(&ended.collected, [0])?;
    let Some((_, sample)) = samples.first() else {
        return Err(CommandError::Environment(Untrusted::new(
            "the attack was not made: the run's deadline had passed",
        )));
    };
    let line = |text: &Untrusted| context.sink.line(text, 300);
    let verdict = verdict_of(sample.status);
    let mut text = format!("{}: {}\n", line(&attack.into()), verdict.word());
    for row in &sample.assertions {
        let score = row.score.map_or_else(|| "not judged".to_owned(), |score| score.value().to_string());
        text.push_str(&format!("  {} {score}\n", row.assertion));
    }
    if let Some(error) = &sample.error {
        text.push_str(&format!("  {}: {}\n", error.kind, line(&error.message)));
    }
    let place = args.out.join("samples.jsonl").display().to_string();
    // What a detector or judge says of an answer may quote it, and this is printed into a log.
    text.push_str(&format!("  the answer, and what was said of it: {}\n", line(&place.into())));
    Ok(Outcome { exit: exit_of(verdict), report: None, rollout: None, text })
}

/// The attack of a name, as a suite of its own.
fn find(attack: &str, set: &Set) -> Result<SuiteAttacks, CommandError> {
    let wrong = |what: String| CommandError::Inputs(Untrusted::new(format!("--replay {attack}: {what}")));
    let Some(name) = AttackName::parse(attack) else {
        return Err(wrong("not of the form suite/probe/strategies/seed".to_owned()));
    };
    let suite = set.held.iter().find(|suite| *suite.name == *name.suite).cloned();
    let Some(suite) = suite.or_else(|| shipped(&name.suite)) else {
        let names = set.held.iter().map(|suite| suite.name.to_string()).collect::<Vec<_>>().join(", ");
        return Err(wrong(format!("no suite of that name; suites: {names}")));
    };
    let Some(probe) = suite.probes.iter().find(|probe| probe.id == name.probe).cloned() else {
        return Err(wrong(format!("the suite {} has no such probe", suite.name)));
    };
    let stack =
        Stack::parse(&name.strategy).map_err(|problem| wrong(format!("{}; {}", problem.message, problem.help)))?;
    if !takes(&probe, &stack) {
        return Err(wrong(format!("the probe is asked as it is, without {}", stack.name())));
    }
    let attack = Attack { probe, stack: Arc::new(stack), seed: name.seed };
    Ok(SuiteAttacks { suite, attacks: Arc::new(vec![attack]) })
}
