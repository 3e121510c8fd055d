//! Times: each a number of seconds, and none that would make a rollout blind or endless.

use super::Found;
use crate::deliver::plan::Plan;

/// A year.
pub(super) const LONGEST: f64 = 366.0 * 86_400.0;

pub(super) fn check(plan: &Plan, found: &mut Found<'_>) {
    let (patience, analysis, watch) = (&plan.patience, &plan.analysis, &plan.watch);
    let may_be_zero = [
        ("/canary/hold_seconds", plan.canary.hold_seconds),
        ("/blue_green/switch_delay_seconds", plan.blue_green.switch_delay_seconds),
        ("/blue_green/rollback_window_seconds", plan.blue_green.rollback_window_seconds),
        ("/shadow/hold_seconds", plan.shadow.hold_seconds),
        ("/rolling/hold_seconds", plan.rolling.hold_seconds),
        ("/feature_flag/hold_seconds", plan.feature_flag.hold_seconds),
        ("/watch/cooldown_seconds", watch.cooldown_seconds),
        ("/watch/for_seconds", watch.for_seconds),
    ];
    let above_zero = [
        ("/shadow/limit_seconds", plan.shadow.limit_seconds),
        ("/rolling/timeout_seconds", plan.rolling.timeout_seconds),
        ("/analysis/interval_seconds", analysis.interval_seconds),
        ("/watch/interval_seconds", watch.interval_seconds),
        ("/patience/ready_seconds", patience.ready_seconds),
        ("/patience/no_data_seconds", patience.no_data_seconds),
        ("/patience/step_seconds", patience.step_seconds),
        ("/patience/deadline_seconds", patience.deadline_seconds),
    ];
    for (pointer, seconds) in may_be_zero {
        if !(0.0..=LONGEST).contains(&seconds) {
            found.at(pointer, "seconds are at least 0 and at most a year", "");
        }
    }
    for (pointer, seconds) in above_zero {
        if !(seconds > 0.0 && seconds <= LONGEST) {
            found.at(pointer, "seconds are above 0 and at most a year", "");
        }
    }
    // A lock is kept in whole seconds (coordination.k8s.io/v1, leaseDurationSeconds).
    if !(3.0..=3600.0).contains(&patience.lock_seconds) {
        found.at("/patience/lock_seconds", "a lock is held for 3 to 3600 seconds", "");
    }
    if let Some(prometheus) = &analysis.prometheus {
        for (field, seconds) in
            [("scrape_seconds", prometheus.scrape_seconds), ("timeout_seconds", prometheus.timeout_seconds)]
        {
            if !(seconds > 0.0 && seconds <= 3600.0) {
                let pointer = format!("/analysis/prometheus/{field}");
                found.at(&pointer, "seconds are above 0 and at most an hour", "");
            }
        }
    }
    if analysis.baseline_window_seconds.is_some_and(|seconds| !(seconds > 0.0 && seconds <= LONGEST)) {
        found.at("/analysis/baseline_window_seconds", "seconds are above 0 and at most a year", "");
    }
}
