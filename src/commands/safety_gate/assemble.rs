//! From the samples of a run to its Report: what was judged, and what was found, without a word of the model.

use std::collections::BTreeSet;
use std::time::Instant;

use super::baseline::Earlier;
use super::judge::{only, screens};
use super::{NAMED, SafetyGateArgs, shown};
use crate::commands::eval_gate::Session;
use crate::commands::eval_gate::{Finished, frame, read_back};
use crate::commands::{CommandError, Context};
use crate::eval::early::filled;
use crate::eval::redteam::{Attack, AttackName, SuiteAttacks};
use crate::eval::reduce::{Drawn, facts, metrics};
use crate::eval::run::Ended;
use crate::eval::{Sample, Status};
use crate::gate::safety::{Asked, Attempts, Found, Judged, Pair, RiseRow, Severity, Side, judge, rise};
use crate::gate::{Reason, Verdict, decided, in_gravity, lacking};
use crate::report::{Finding, Report, Safety};
use crate::trust::{Digest, Untrusted};

/// A run that has come to its end.
pub(super) struct Frame<'a> {
    pub(super) args: &'a SafetyGateArgs,
    pub(super) session: &'a Session,
    pub(super) drawn: &'a [SuiteAttacks],
    pub(super) attempts: &'a Attempts,
    pub(super) ended: &'a Ended,
    /// Why nothing was asked; empty where something was.
    pub(super) stopped: Vec<Reason>,
    pub(super) earlier: Option<&'a Earlier>,
    /// Probes that a pull request adds, by suite and id.
    pub(super) added: &'a BTreeSet<(String, String)>,
    pub(super) began: Instant,
    pub(super) started_at: String,
}

/// Judges, and puts everything together.
pub(super) fn assemble(run: &Frame<'_>, context: &Context) -> Result<Report, CommandError> {
    let Frame { session, ended, .. } = run;
    let (gate, rules) = (&session.loaded.policy.gate, &session.loaded.policy.safety.rules);
    let watch = ended.watch.as_ref();
    let part = watch.and_then(|watch| Some(watch.schedule().part(watch.stopped_at()?)));
    let seen = |slot: usize| part.as_ref().is_none_or(|part| part.get(slot).copied().unwrap_or(false));
    let attempts = filled(run.attempts, ended.collected.rows(), seen);
    let rises = rises(run, &attempts)?;
    let screens = screens(rules);
    let judged = judge(Asked { rules, attempts: &attempts, screens: &screens, rises });
    let drawn = Drawn {
        suites: &session.suites,
        plan: &session.plan,
        rows: ended.collected.rows(),
        names: ended.collected.names(),
        part: part.as_deref(),
    };
    let Judged { rows, metrics: own, reasons, verdict } = judged;
    let mut reasons = decided((verdict, reasons));
    reasons.extend(without_added(run, &attempts, verdict));
    if run.stopped.is_empty() {
        let lacking = lacking(&facts(drawn, gate.error_budget, None));
        reasons.extend(lacking.into_iter().map(|reason| (true, reason)));
    } else {
        // Nothing was asked, so nothing was found: only what stopped the run has something to say.
        reasons = run.stopped.iter().map(|reason| (true, reason.clone())).collect();
    }
    let (verdict, reasons) = in_gravity(reasons);
    // What a gate of quality calls the pass rate would mix attacks that failed with requests that were helped.
    let metrics = if run.stopped.is_empty() { metrics(drawn, own) } else { own };
    let metrics = metrics.into_iter().filter(|metric| metric.name.as_str() != "pass_rate").collect();
    let (findings, findings_count) = findings(run, &attempts)?;
    let finished = Finished {
        program: "safety-gate",
        loaded: &session.loaded,
        suites: &session.suites,
        filter: &session.filter,
        plan: &session.plan,
        collected: &ended.collected,
        watch,
        model: &session.model,
        servers: session.servers.infos(),
        shard: None,
        seed: session.seed,
        concurrency: session.concurrency,
        started_at: run.started_at.clone(),
        finished_at: (context.clock)(),
        seconds: run.began.elapsed().as_secs_f64(),
        host: context.host.info(),
    };
    let safety = Some(Safety { rows, findings, findings_count });
    Ok(Report { verdict, reasons, metrics, safety, ..frame(&finished) })
}

/// What the base's own probes say, where that is another verdict: many harmless probes of a pull request would make any rate
/// look small.
fn without_added(run: &Frame<'_>, attempts: &Attempts, whole: Verdict) -> Vec<(bool, Reason)> {
    if run.added.is_empty() {
        return Vec::new();
    }
    let is_own = |(suite, attack): &(&SuiteAttacks, &Attack)| {
        !run.added.contains(&(suite.suite.name.to_string(), attack.probe.id.clone()))
    };
    let own: Vec<bool> = by_slot(run.drawn).iter().map(is_own).collect();
    let attempts = only(attempts, &own);
    let rules = &run.session.loaded.policy.safety.rules;
    let judged = judge(Asked { rules, attempts: &attempts, screens: &screens(rules), rises: Vec::new() });
    let Judged { rows: _, metrics: _, reasons, verdict } = judged;
    if verdict == Verdict::Pass || verdict == whole {
        return Vec::new();
    }
    let reason = reasons.into_iter().next();
    let text = reason.map(|reason| format!("without the probes that the pull request adds: {}", reason.text));
    text.map(|text| (true, Reason { verdict, metric: None, text })).into_iter().collect()
}

/// The attack of each slot, with the number of its suite.
fn by_slot(drawn: &[SuiteAttacks]) -> Vec<(&SuiteAttacks, &Attack)> {
    drawn.iter().flat_map(|suite| suite.attacks.iter().map(move |attack| (suite, attack))).collect()
}

/// Harm now against harm then, attack by attack.
fn rises(run: &Frame<'_>, attempts: &Attempts) -> Result<Vec<RiseRow>, CommandError> {
    let Some(earlier) = run.earlier else { return Ok(Vec::new()) };
    let mut pairs = Vec::new();
    let mut expected = vec![0_u64; attempts.hazards.len()];
    let mut slots = attempts.list.iter().zip(by_slot(run.drawn));
    for suite in run.session.suites.iter() {
        for index in 0..suite.heads().len() {
            let Some((attempt, (_, attack))) = slots.next() else { continue };
            // What a pull request adds has no baseline, and is judged by itself.
            if run.added.contains(&(suite.name().to_string(), attack.probe.id.clone())) {
                continue;
            }
            if let Some(count) = expected.get_mut(usize::from(attempt.hazard)) {
                *count += 1;
            }
            let case = suite.case(index).map_err(|problem| CommandError::Problems(vec![problem]))?;
            let baseline = earlier.of(suite.name(), case.id.text().raw(), &case.prompt_digest);
            if let (Some(baseline), Some(candidate)) = (baseline, attempt.found) {
                pairs.push(Pair { hazard: attempt.hazard, prompt: attempt.prompt, baseline, candidate });
            }
        }
    }
    let rules = &run.session.loaded.policy.safety.rules;
    Ok(rise(&pairs, &expected, &attempts.hazards, rules))
}

/// What was found, the most severe first: harm before what nobody could say, and that before needless refusals.
fn findings(run: &Frame<'_>, attempts: &Attempts) -> Result<(Vec<Finding>, u64), CommandError> {
    let slots = by_slot(run.drawn);
    let mut bad: Vec<(u8, std::cmp::Reverse<Severity>, u32)> = Vec::new();
    for (slot, attempt) in (0_u32..).zip(&attempts.list) {
        let refusal = attempts.hazards.get(usize::from(attempt.hazard)).is_some_and(|key| key.side == Side::Refusal);
        let rank = match (attempt.found, refusal) {
            (Some(Found::Harmful), false) => 0,
            (Some(Found::Indeterminate), _) => 1,
            (Some(Found::Harmful), true) => 2,
            (Some(Found::Safe) | None, _) => continue,
        };
        bad.push((rank, std::cmp::Reverse(attempt.severity), slot));
    }
    bad.sort_unstable();
    let count = bad.len() as u64;
    let samples = read_back(&run.ended.collected, bad.into_iter().take(NAMED).map(|(_, _, slot)| slot))?;
    let finding = |(slot, sample): &(u32, Sample)| {
        let (suite, attack) = slots.get(*slot as usize)?;
        Some(finding(run, suite, attack, sample))
    };
    Ok((samples.iter().filter_map(finding).collect(), count))
}

fn finding(run: &Frame<'_>, suite: &SuiteAttacks, attack: &Attack, sample: &Sample) -> Finding {
    let probe = &*attack.probe;
    let refusal = probe.hazard.side == Side::Refusal;
    let status = match sample.status {
        Status::Passed | Status::Failed if refusal => "refused",
        Status::Passed | Status::Failed => "harmful",
        Status::Unscored => "indeterminate",
        Status::Error => "error",
    };
    let spoke =
        |row: &&crate::eval::AssertionScore| row.weight > 0.0 && row.score.is_none_or(|score| score.value() < 1.0);
    let spoke = sample.assertions.iter().filter(|_| sample.answer.is_some()).find(spoke);
    let name = AttackName {
        suite: suite.suite.name.to_string(),
        probe: probe.id.clone(),
        strategy: attack.stack.name(),
        seed: attack.seed,
    };
    Finding {
        suite: suite.suite.name.to_string(),
        probe: probe.id.clone(),
        hazard: probe.hazard.id.to_owned(),
        severity: probe.severity,
        strategy: attack.stack.name(),
        seed: attack.seed,
        path: Untrusted::new(&*probe.place.path),
        line: probe.place.line,
        status: status.to_owned(),
        // Without an answer no detector had anything to look at.
        detector: spoke.map(|row| row.assertion.clone()).unwrap_or_default(),
        answer_digest: sample.answer_digest.clone().unwrap_or_else(|| Digest::of(b"")),
        replay: replay(run.args, &name),
    }
}

/// The command that makes an attack again.
fn replay(args: &SafetyGateArgs, name: &AttackName) -> String {
    let mut command = format!("safety-gate --policy {}", quoted(&shown(&args.policy)));
    for suite in &args.suite {
        command.push_str(&format!(" --suite {}", quoted(suite)));
    }
    if let Some(model) = &args.model {
        command.push_str(&format!(" --model {}", quoted(model)));
    }
    command.push_str(&format!(" --replay {}", quoted(&name.to_string())));
    command
}

/// A word of a shell's command line.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_./+-".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Which verdict one attack by itself gives.
pub(super) fn verdict_of(status: Status) -> Verdict {
    match status {
        Status::Passed => Verdict::Pass,
        Status::Failed => Verdict::Fail,
        Status::Unscored => Verdict::Inconclusive,
        Status::Error => Verdict::Error,
    }
}
