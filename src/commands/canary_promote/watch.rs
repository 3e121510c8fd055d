//! The order `watch`: a release that has reached everybody is looked at, and comes back when a rule of its plan is broken beyond
//! chance. Each look is a line of `watch.jsonl`; a rollback leaves its reason and a picture of all measurements in
//! `rollback.json` and as an Event of the workload.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::record::{self, Said, instant};
use super::run::{abort, back};
use super::session::Session;
use super::sources::{Whose, prometheus};
use super::status::status;
use super::telling::{Telling, beside};
use crate::cluster::{EventType, Note};
use crate::commands::{CommandError, Exit, Outcome};
use crate::deliver::alert::{Kind, Notice};
use crate::deliver::plan::WatchRule;
use crate::deliver::probe::PrometheusSource;
use crate::deliver::reach::resource;
use crate::deliver::state::State;
use crate::deliver::undo::To;
use crate::deliver::watch::{Memory, Next, Says, WatchFinding, decide, default_rules, next};
use crate::deliver::{Ending, where_the_traffic_is};
use crate::gate::Verdict;
use crate::host::print_error;
use crate::report::RolloutFinding;
use crate::store::file::{make_folder, write_atomically};
use crate::trust::Untrusted;

/// How long a notice may still be sent at the end.
const LAST_NOTICES: Duration = Duration::from_secs(15);

/// How a watch ended.
enum Ended {
    /// Its time is over.
    Over,
    /// A rule is broken.
    Broken(String),
    /// The process is to end.
    Cancelled,
    /// The release is gone: somebody else has brought it back.
    Gone,
}

/// What a watch has seen.
struct Seen {
    lines: Vec<String>,
    last: Vec<WatchFinding>,
    /// Looks at which each rule had as many samples as it needs.
    adequate: BTreeMap<String, u64>,
}

/// Watches the release that the state in the cluster speaks of.
pub(super) async fn watch(session: &Session<'_>) -> Result<Outcome, CommandError> {
    let Some(kept) = session.state().await? else {
        let text =
            format!("no rollout of `{}` is known: there is no release to bring back", session.plan.workload.name);
        return Err(CommandError::Inputs(text.into()));
    };
    let mut state = kept.state;
    if state.ending() == Some(Ending::RolledBack) {
        let mut outcome = status(session, "there is no release to watch").await?;
        outcome.exit = Exit::Fail;
        return Ok(outcome);
    }
    // The rules may be newer than the release; the release's own plan says how it comes back.
    if session.plan.analysis.prometheus.is_some() {
        state.plan.analysis.prometheus = session.plan.analysis.prometheus.clone();
    }
    let rules = rules(session, &state);
    state.plan.watch = crate::deliver::plan::Watch { rules: rules.clone(), ..session.plan.watch.clone() };
    // Asked once before anything is told: what is wrong with it is wrong at every look.
    source(session, &state)?;
    if rules.is_empty() {
        let text = "there are no rules to watch: say some under `watch.rules`, or a preset that has some";
        return Err(CommandError::Inputs(text.into()));
    }
    let (telling, sending) = Telling::new(session, &state.plan, &state.id);
    let mut seen = Seen { lines: Vec::new(), last: Vec::new(), adequate: BTreeMap::new() };
    let work = async {
        let ended = looks(session, &mut state, &rules, &telling, &mut seen).await;
        telling.close();
        ended
    };
    let (ended, unsent) = beside(work, sending, |_| LAST_NOTICES).await;
    let (_, _, mut warnings) = telling.end();
    warnings.extend(unsent);
    make_folder(&session.args.out).map_err(|error| CommandError::environment(&error))?;
    let written = |name: &str, text: &str| {
        write_atomically(&session.args.out.join(name), text.as_bytes())
            .map_err(|error| CommandError::environment(&error))
    };
    written("watch.jsonl", &session.context.sink.whole(&seen.lines.concat()))?;
    match ended {
        Ended::Broken(why) => {
            let record = record_of(session, &state, &why, &seen.last);
            written("rollback.json", &session.context.sink.whole(&record))?;
            warnings.extend(event(session, &state, &why).await);
            for warning in &warnings {
                print_error(&format!("warning: {}\n", session.context.sink.line(warning, 500)));
            }
            let under_way = session.state().await?.is_some_and(|kept| !kept.state.stage.is_done());
            let mut outcome = if under_way {
                // Whoever drives the rollout returns its traffic at once; where nobody does, this run.
                abort(session).await?
            } else {
                let lock = session.lock_or_stop().await?;
                back(session, &To::Previous, lock).await?
            };
            // What was asked for was a release that stays.
            if outcome.exit == Exit::Pass {
                outcome.exit = Exit::Fail;
            }
            Ok(outcome)
        }
        Ended::Over | Ended::Cancelled | Ended::Gone => over(session, &state, &ended, seen, warnings).await,
    }
}

/// Who measures: during a rollout its canary, afterwards the workload that users reach.
fn source(session: &Session<'_>, state: &State) -> Result<PrometheusSource, CommandError> {
    let whose = if state.stage.is_done() { Whose::Release } else { Whose::Sides };
    prometheus(session, &state.plan, state, whose)?
        .ok_or_else(|| CommandError::Inputs("there is nobody who measures: set `analysis.prometheus.url`".into()))
}

/// The rules of the plan; without any, those of its presets.
fn rules(session: &Session<'_>, state: &State) -> Vec<WatchRule> {
    for watch in [&session.plan.watch, &state.plan.watch] {
        if !watch.rules.is_empty() {
            return watch.rules.clone();
        }
    }
    // Presets are written out in a plan that is under way: their rules name them.
    let analysis =
        if session.plan.analysis.prometheus.is_some() { &session.plan.analysis } else { &state.plan.analysis };
    let named = analysis.rates.iter().filter_map(|rule| rule.preset);
    let named = named.chain(analysis.quantiles.iter().filter_map(|rule| rule.preset));
    let mut presets = Vec::new();
    for preset in named {
        if !presets.contains(&preset) {
            presets.push(preset);
        }
    }
    presets.into_iter().flat_map(default_rules).collect()
}

async fn looks(
    session: &Session<'_>,
    state: &mut State,
    rules: &[WatchRule],
    telling: &Telling,
    seen: &mut Seen,
) -> Ended {
    let watch = &state.plan.watch.clone();
    let until = session.clock.now().after(watch.for_seconds);
    let mut memory = Memory { last_rollback: state.last_rollback(), ..Memory::default() };
    let mut blind = false;
    loop {
        // A rollout that ends meanwhile changes who is watched; what cannot be read stays as it was.
        if let Ok(Some(kept)) = session.state().await {
            state.stage = kept.state.stage;
            if kept.state.ending() == Some(Ending::RolledBack) {
                return Ended::Gone;
            }
        }
        let Ok(source) = source(session, state) else { return Ended::Gone };
        let readings = source.read_watch().await;
        let now = session.clock.now();
        let findings: Vec<WatchFinding> = rules
            .iter()
            .map(|rule| {
                let reading = readings.iter().find(|(name, _)| *name == rule.name).map(|(_, reading)| reading.clone());
                let reading = reading.unwrap_or(Err(crate::deliver::probe::NoData::Absent));
                decide(rule, &reading, watch.false_alarm)
            })
            .collect();
        seen.lines.push(format!("{}\n", json!({"at": instant(now), "findings": findings})));
        for finding in findings.iter().filter(|finding| matches!(finding.says, Says::Stay | Says::RollBack)) {
            *seen.adequate.entry(finding.rule.clone()).or_default() += 1;
        }
        for finding in findings.iter().filter(|finding| finding.says != Says::Stay && !session.args.quiet) {
            let why = Untrusted::new(finding.why.as_str());
            print_error(&format!("{}\n", session.context.sink.line(&why, 500)));
        }
        let patience = state.plan.patience.no_data_seconds;
        let decided = next(watch, &findings, &mut memory, now, patience);
        seen.last = findings;
        match decided {
            Next::RollBack(why) => return Ended::Broken(why),
            Next::CoolingDown(why, left) => {
                let text = format!("{why}; the last rollback was a moment ago: nothing is done for {left} s");
                print_error(&format!("{}\n", session.context.sink.line(&text.into(), 500)));
            }
            Next::Blind(rule) if !blind => {
                blind = true;
                let mut notice = Notice::of(state, Kind::NoData, now);
                notice.why = Untrusted::new(format!("the release is watched, and `{rule}` has no data"));
                telling.say(notice);
            }
            Next::Blind(_) => {}
            Next::Look => blind = false,
        }
        let left = until.since(now);
        if left <= 0.0 {
            return Ended::Over;
        }
        if session.clock.wait(watch.interval_seconds.min(left), &session.context.cancel).await {
            return Ended::Cancelled;
        }
    }
}

/// The record of a rollback: the rule, both versions, and a picture of all measurements.
fn record_of(session: &Session<'_>, state: &State, why: &str, findings: &[WatchFinding]) -> String {
    let record = json!({
        "schema": 1, "rollout": state.id, "at": instant(session.clock.now()), "reason": why,
        "from": state.new, "to": state.old, "run": session.owner.run, "measurements": findings,
    });
    format!("{record:#}\n")
}

async fn event(session: &Session<'_>, state: &State, why: &str) -> Option<Untrusted> {
    let workload = &state.plan.workload;
    let place = resource(workload.kind).at(workload.namespace(), &workload.name);
    let note = Note { event_type: EventType::Warning, reason: "ReleaseRolledBack", message: why };
    let made = session.cluster.note(&place, None, &note).await;
    made.err().map(|error| Untrusted::new(format!("the event was not recorded: {}", error.words().raw())))
}

async fn over(
    session: &Session<'_>,
    state: &State,
    ended: &Ended,
    seen: Seen,
    warnings: Vec<Untrusted>,
) -> Result<Outcome, CommandError> {
    let split = session.split(state).await;
    let rules = state.plan.watch.rules.iter().map(|rule| &rule.name);
    let lacking: Vec<&String> = rules.filter(|name| !seen.adequate.contains_key(*name)).collect();
    let (verdict, why) = match (ended, lacking.first()) {
        (Ended::Cancelled, _) => (Verdict::Error, "the watch was told to end".to_owned()),
        (Ended::Gone, _) => (Verdict::Fail, "the release was brought back by somebody else".to_owned()),
        (_, Some(rule)) => {
            (Verdict::Inconclusive, format!("`{rule}` had at no look as many samples as it needs: it was not watched"))
        }
        (_, None) => {
            let looks = seen.adequate.values().min().copied().unwrap_or_default();
            (Verdict::Pass, format!("no rule was shown to be broken; each was judged at {looks} looks at least"))
        }
    };
    let said = Said {
        verdict,
        why: why.into(),
        split,
        findings: Vec::new(),
        next: Vec::new(),
        warnings,
        traffic: where_the_traffic_is(split, state).into(),
    };
    let mut report = record::report(session.order, &session.plan, Some(state), said, session.context);
    report.findings = seen.last.into_iter().map(finding).collect();
    let path = record::write(&report, &session.args.out, session.context)?;
    let exit = match verdict {
        Verdict::Pass => Exit::Pass,
        Verdict::Inconclusive => Exit::Inconclusive,
        Verdict::Fail => Exit::Fail,
        Verdict::Error => Exit::Environment,
    };
    Ok(Outcome { exit, report: None, rollout: Some((Box::new(report), path)), text: String::new() })
}

fn finding(finding: WatchFinding) -> RolloutFinding {
    let WatchFinding { rule, says, value, bound, limit, n, why, no_data: _ } = finding;
    let verdict = match says {
        Says::RollBack => Verdict::Fail,
        Says::Stay => Verdict::Pass,
        Says::TooFew | Says::Nothing => Verdict::Inconclusive,
    };
    RolloutFinding {
        rule: rule.into(),
        verdict,
        canary: value,
        stable: None,
        low: bound,
        high: None,
        bound: Some(limit),
        n,
        why: why.into(),
    }
}
