//! `safety-gate`: attacks a model, bounds its rate of harm from above, and says so where the attacks cannot show it.

mod args;
mod assemble;
mod baseline;
mod judge;
mod quota;
mod replay;
mod results;
mod suites;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::base::{Changes, Held, hold};
use super::eval_gate::prepare::{self, Prepared};
use super::eval_gate::{Drawing, Session, SessionArgs, clear, write_all};
use super::{CommandError, Context, Exit, Outcome};
use crate::eval::early::{SafetyTrial, Schedule, Trial, Watch};
use crate::eval::journal::FolderLock;
use crate::eval::policy::{self, EarlyStop, LoadedPolicy};
use crate::eval::redteam::{Attack, Draw, Hazard, Probe, ProbeSuite, Settings, Stack, SuiteAttacks, draw, prompts};
use crate::eval::suite::Filter;
use crate::gate::safety::{self, Attempts};
use crate::gate::{OnInconclusive, Preflight, Verdict};
use crate::store;
use crate::trust::Untrusted;

pub use args::SafetyGateArgs;
use assemble::{Frame, assemble};
use judge::{attempts, available, screens};
pub(crate) use suites::{
    FileSuite, check_probes, default_options, file_suites, looked_at, read as read_suites, selected,
};

/// Findings that a report names.
const NAMED: usize = 50;

/// All that a run is about, before a model is looked at.
struct Set {
    loaded: LoadedPolicy,
    changes: Changes,
    held: Vec<ProbeSuite>,
    stacks: Vec<Arc<Stack>>,
    baseline: Option<String>,
    seed: u64,
}

/// Runs the gate.
pub async fn run(args: SafetyGateArgs, context: &Context) -> Result<Outcome, CommandError> {
    let began = Instant::now();
    let started_at = (context.clock)();
    args.check()?;
    let set = read(&args, context).await?;
    if let Some(path) = &args.results {
        return results::run(&args, path, set, (began, started_at), context);
    }
    if let Some(attack) = &args.replay {
        return replay::run(&args, attack, set, began, context).await;
    }
    if args.plan {
        return Ok(plan(&set));
    }
    let since = |what: &str| tracing::debug!("{what} after {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    since("read");
    let drawn = attacks(&set);
    since("chosen");
    let Set { loaded, changes, held: _, stacks: _, baseline, seed } = set;
    let attempts = Arc::new(attempts(&drawn));
    let earlier = match &baseline {
        Some(address) => Some(baseline::read(address)?),
        None => None,
    };
    let settings = settings(&loaded);
    let suites = drawn.iter().map(|suite| suite.suite(&settings)).collect::<Result<Vec<_>, _>>();
    let suites = suites.map_err(|problem| CommandError::Problems(vec![problem]))?;
    check_judges(&suites, &loaded)?;
    let prepared = Prepared { loaded, suites, filter: Filter::default(), seed };
    let session_args = SessionArgs { model: args.model.as_deref(), shard: None, concurrency: args.concurrency, began };
    let session = Session::open(prepared, session_args, context).await?;
    let rules = &session.loaded.policy.safety.rules;
    since("prepared");

    // From here on something is written: the folder is ours until the process ends.
    store::file::make_folder(&args.out).map_err(|error| CommandError::environment(&error))?;
    let _lock = FolderLock::take(&args.out).map_err(|error| CommandError::environment(&error))?;
    clear(&args.out)?;
    let stopped = stopped(&session, &attempts, context);
    since("planned");
    let mut checkpoint = None;
    let early = args.early_stop.or(session.loaded.policy.run.early_stop).unwrap_or(EarlyStop::Auto);
    let collected = if stopped.is_empty() {
        // A rise is judged on all pairs, or it would depend on which came first.
        // Likewise what the base's probes say by themselves.
        let whole = earlier.is_some() || !changes.added.is_empty();
        let watch = (early == EarlyStop::Auto && !whole).then(|| {
            let schedule = Schedule::new(&session.plan, &session.suites, |_, _| true);
            let trial = SafetyTrial::new(Attempts::clone(&attempts), rules.clone(), screens(rules));
            Watch::new(schedule, Trial::Safety(Box::new(trial)))
        });
        checkpoint = session.checkpoint("safety-gate", &args.preemption, context).await?;
        let kept = checkpoint.as_ref();
        let drawing = Drawing { folder: &args.out, resume: args.resume, quiet: args.quiet, watch, checkpoint: kept };
        session.draw(drawing, context).await?
    } else {
        session.nothing()
    };
    since("drawn");
    let frame = Frame {
        args: &args,
        session: &session,
        drawn: &drawn,
        attempts: &attempts,
        ended: &collected,
        stopped,
        earlier: earlier.as_ref(),
        added: &changes.added,
        began,
        started_at,
    };
    let mut report = assemble(&frame, context)?;
    since("judged");
    changes.judge(&session.loaded.policy.gate, &mut report);
    let path = write_all(&args.out, &report, &collected.collected, context)?;
    if let Some(checkpoint) = checkpoint.filter(|_| collected.is_whole()) {
        checkpoint.done().await;
    }
    since("written");
    let exit = Exit::of(report.verdict, &session.loaded.policy.gate, false);
    Ok(Outcome { exit, report: Some((Box::new(report), path)), rollout: None, text: String::new() })
}

/// Reads policy and suites as far as a pull request may decide them; inputs come before the policy.
async fn read(args: &SafetyGateArgs, context: &Context) -> Result<Set, CommandError> {
    let loaded = policy::load(&args.policy).map_err(prepare::problems)?;
    let held = hold(loaded, &args.policy, (&args.trust, args.model.as_deref()), context).await?;
    let baseline = match (&args.baseline, &held.loaded.policy.safety.baseline) {
        (Some(given), _) => Some(held.pinned(given.clone())?),
        (None, Some(address)) => Some(held.pinned(beside(&held, address))?),
        (None, None) => None,
    };
    let mut loaded = held.loaded.clone();
    overlay(&mut loaded, args)?;
    let suites = suites::read(&loaded, &args.suite)?;
    let stacks = suites::stacks(&loaded, &args.strategies)?;
    let changes = Changes::of_probes(held, &suites, &args.suite).await?;
    let seed = args.seed.unwrap_or(loaded.policy.run.seed);
    Ok(Set { loaded, changes, held: suites, stacks, baseline, seed })
}

/// A folder that the policy names is beside the policy; a commit is the repository's.
fn beside(held: &Held, address: &str) -> String {
    if address.starts_with("git:") {
        return address.to_owned();
    }
    let path = address.strip_prefix("dir:").unwrap_or(address);
    held.loaded.folder.join(path).display().to_string()
}

fn overlay(loaded: &mut LoadedPolicy, args: &SafetyGateArgs) -> Result<(), CommandError> {
    let safety = &mut loaded.policy.safety;
    let rate = |name: &str, rate: f64| {
        let text = format!("--{name}: a rate is more than 0 and less than 1");
        if rate > 0.0 && rate < 1.0 { Ok(rate) } else { Err(CommandError::Inputs(Untrusted::new(text))) }
    };
    if let Some(given) = args.max_harmful_rate {
        safety.rules.max_harmful_rate = rate("max-harmful-rate", given)?;
        safety.rules.max_hazard_rate = None;
        // A looser rate of one hazard does not outlive a stricter input.
        for rule in safety.rules.hazards.values_mut() {
            rule.max_rate = rule.max_rate.map(|own| own.min(given));
        }
    }
    if let Some(given) = args.max_over_refusal_rate {
        safety.rules.max_over_refusal_rate = Some(rate("max-over-refusal-rate", given)?);
    }
    safety.prompts_per_hazard = args.prompts.or(safety.prompts_per_hazard);
    safety.attacks_per_prompt = args.attacks_per_prompt.unwrap_or(safety.attacks_per_prompt);
    safety.completions = args.completions.unwrap_or(safety.completions);
    Ok(())
}

fn settings(loaded: &LoadedPolicy) -> Settings {
    let safety = &loaded.policy.safety;
    Settings {
        attacker: safety.attacker.clone(),
        attacker_budget: safety.attacker_budget,
        timeout: Duration::from_secs_f64(safety.timeout_seconds),
    }
}

/// The attacks of a run. What a pull request adds is drawn by itself, on top: the base's own prompts are those that its own run
/// would draw, and none of them is crowded out.
fn attacks(set: &Set) -> Vec<SuiteAttacks> {
    let added = &set.changes.added;
    if added.is_empty() {
        return chosen(set, &set.held);
    }
    let part = |is_added: bool| -> Vec<ProbeSuite> {
        let of = |suite: &ProbeSuite| {
            let name = suite.name.to_string();
            let fits = |probe: &&Arc<Probe>| added.contains(&(name.clone(), probe.id.clone())) == is_added;
            ProbeSuite { probes: suite.probes.iter().filter(fits).cloned().collect(), ..suite.clone() }
        };
        set.held.iter().map(of).collect()
    };
    let (own, new) = (chosen(set, &part(false)), chosen(set, &part(true)));
    let of = |drawn: &[SuiteAttacks], suite: &ProbeSuite| -> Vec<Attack> {
        let found = drawn.iter().find(|drawn| drawn.suite.name == suite.name);
        found.map(|drawn| drawn.attacks.to_vec()).unwrap_or_default()
    };
    let joined = |suite: &ProbeSuite| [of(&own, suite), of(&new, suite)].concat();
    let all = set.held.iter().map(|suite| (suite, joined(suite))).filter(|(_, attacks)| !attacks.is_empty());
    all.map(|(suite, attacks)| SuiteAttacks { suite: suite.clone(), attacks: Arc::new(attacks) }).collect()
}

/// As many attacks on prompts of these suites as show every limit when none is harmful, or as the policy says.
fn chosen(set: &Set, suites: &[ProbeSuite]) -> Vec<SuiteAttacks> {
    let safety = &set.loaded.policy.safety;
    let drawn = |most_prompts: &dyn Fn(&Hazard) -> u64| {
        let per_prompt = safety.attacks_per_prompt;
        draw(&Draw { suites, stacks: &set.stacks, per_prompt, most_prompts, seed: set.seed })
    };
    if let Some(most) = safety.prompts_per_hazard {
        return drawn(&|_| most);
    }
    // What a limit takes depends on what looks, which is known of the attacks.
    let everything = attempts(&drawn(&|_| u64::MAX));
    let rules = &safety.rules;
    let plan = safety::plan(rules, &available(&everything, rules.unit), &screens(rules));
    let quotas = quota::quotas(&plan, &prompts(suites));
    drawn(&|hazard| quotas.get(hazard.id).copied().unwrap_or(u64::MAX))
}

/// What the rules need, and what these suites can show.
fn plan(set: &Set) -> Outcome {
    let rules = &set.loaded.policy.safety.rules;
    let attempts = attempts(&attacks(set));
    let plan = safety::plan(rules, &available(&attempts, rules.unit), &screens(rules));
    let mut lines = plan.words();
    let there: u64 = prompts(&set.held).values().sum();
    lines.push(format!("{} attacks, on some of the {there} prompts of these suites", attempts.list.len()));
    Outcome { exit: Exit::Pass, report: None, rollout: None, text: format!("{}\n", lines.join("\n")) }
}

/// Why the run is not worth its money; nothing where it goes on, with a warning where there is cause for one.
fn stopped(session: &Session, attempts: &Attempts, context: &Context) -> Vec<crate::gate::Reason> {
    let (gate, rules) = (&session.loaded.policy.gate, &session.loaded.policy.safety.rules);
    let found = safety::unreachable(rules, &available(attempts, rules.unit), &screens(rules));
    if found.is_empty() {
        return found;
    }
    // With `on_inconclusive: pass` a stop would be exit 0 for a model that nobody has attacked.
    if gate.preflight == Preflight::Warn || gate.on_inconclusive == OnInconclusive::Pass {
        for reason in &found {
            tracing::warn!("{}", context.sink.line(&Untrusted::new(reason.text.as_str()), 500));
        }
        return Vec::new();
    }
    found
}

fn check_judges(suites: &[crate::eval::suite::Suite], loaded: &LoadedPolicy) -> Result<(), CommandError> {
    let mut found = crate::document::Problems::none();
    for suite in suites {
        prepare::check_judges(suite, loaded, &mut found);
    }
    found.or(()).map_err(prepare::problems)
}

/// The exit code of one attack by itself.
fn exit_of(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Pass => Exit::Pass,
        Verdict::Fail => Exit::Fail,
        Verdict::Inconclusive => Exit::Inconclusive,
        Verdict::Error => Exit::Environment,
    }
}

/// The policy as a command of a report names it.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
