//! What happens before anything is asked, when a required threshold could never pass with the cases that there are.

use std::time::Instant;

use super::{Finished, Session, assemble};
use crate::commands::{CommandError, Context};
use crate::eval::planned::{RuleScope, planned};
use crate::eval::run::Collected;
use crate::gate::plan::preflight;
use crate::gate::{OnInconclusive, Preflight, Reason, Threshold, in_gravity};
use crate::report::Report;
use crate::trust::Untrusted;

/// The report of a run that is not worth its money: it says why, and nothing was asked. None where the run goes
/// on, with a warning where there is cause for one. A shard is judged on the whole plan.
pub(super) fn stop(
    session: &Session,
    (began, started_at): (Instant, &str),
    context: &Context,
) -> Result<Option<Report>, CommandError> {
    let gate = &session.loaded.policy.gate;
    let found = preflight(&gate.thresholds, |threshold| {
        let scope = RuleScope::of_threshold(threshold);
        (planned(&session.suites, &session.filter, scope), scope.words())
    });
    if found.is_empty() {
        return Ok(None);
    }
    // With `on_inconclusive: pass` a stop would be exit 0 for a model that nobody has evaluated.
    if gate.preflight == Preflight::Warn || gate.on_inconclusive == OnInconclusive::Pass {
        for (_, reason) in &found {
            tracing::warn!("{}", context.sink.line(&Untrusted::new(reason.text.as_str()), 500));
        }
        return Ok(None);
    }
    let finished = Finished {
        program: "eval-gate",
        loaded: &session.loaded,
        suites: &session.suites,
        filter: &session.filter,
        plan: &session.plan,
        collected: &Collected::empty(session.plan.slots().len()),
        watch: None,
        model: &session.model,
        servers: session.servers.infos(),
        shard: session.shard,
        seed: session.seed,
        concurrency: session.concurrency,
        started_at: started_at.to_owned(),
        finished_at: (context.clock)(),
        seconds: began.elapsed().as_secs_f64(),
        host: context.host.info(),
    };
    Ok(Some(unasked(assemble(&finished)?, found)))
}

/// The report of a run in which nothing was asked: only the rules that stopped it have something to say.
fn unasked(mut report: Report, found: Vec<(Threshold, Reason)>) -> Report {
    report.metrics.retain(|metric| metric.threshold.is_some());
    for metric in &mut report.metrics {
        // Nothing is missing from what was never asked for.
        (metric.value, metric.low, metric.high) = (None, None, None);
        (metric.n, metric.unscored) = (0, 0);
        let reason = found.iter().find(|(threshold, _)| metric.threshold.as_ref() == Some(threshold));
        metric.verdict = Some(reason.map_or(crate::gate::Verdict::Inconclusive, |(_, reason)| reason.verdict));
        metric.reason = Some(reason.map_or_else(
            || format!("{} was not measured: nothing was asked", metric.name),
            |(_, reason)| reason.text.clone(),
        ));
    }
    let reasons = found.into_iter().map(|(_, reason)| (true, reason)).collect();
    (report.verdict, report.reasons) = in_gravity(reasons);
    report
}
