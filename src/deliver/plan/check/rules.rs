//! Rules of analysis and watch: each with a query, a bound that can be broken, and a name of its own.

use std::collections::BTreeSet;

use super::Found;
use super::seconds::LONGEST;
use crate::deliver::plan::{Plan, Preset, StrategyName, WatchMetric};

pub(super) fn check(plan: &Plan, found: &mut Found<'_>) {
    let analysis = &plan.analysis;
    for (pointer, chance) in [
        ("/analysis/false_rollback", analysis.false_rollback),
        ("/analysis/false_promotion", analysis.false_promotion),
        ("/watch/false_alarm", plan.watch.false_alarm),
    ] {
        if !(chance > 0.0 && chance < 0.5) {
            found.at(pointer, "a chance of error is above 0 and below 0.5", "");
        }
    }
    let any = !analysis.presets.is_empty()
        || !analysis.rates.is_empty()
        || !analysis.quantiles.is_empty()
        || !analysis.levels.is_empty();
    match &analysis.prometheus {
        None if any => {
            found.at("/analysis", "there are rules, and nobody who measures", "set `analysis.prometheus.url`")
        }
        None if !plan.watch.rules.is_empty() => {
            found.at("/watch", "there are rules, and nobody who measures", "set `analysis.prometheus.url`");
        }
        Some(_) if !any && plan.watch.rules.is_empty() => {
            let help = "set `analysis.presets`, such as [istio], or rules of your own";
            found.at("/analysis", "Prometheus is there, and nothing is asked of it", help);
        }
        None | Some(_) => {}
    }
    compared(plan, found);
    rates(plan, found);
    quantiles(plan, found);
    levels(plan, found);
    watch(plan, found);
    let mut names = BTreeSet::new();
    let rates = analysis.rates.iter().map(|rule| ("rates", &rule.name));
    let quantiles = analysis.quantiles.iter().map(|rule| ("quantiles", &rule.name));
    let levels = analysis.levels.iter().map(|rule| ("levels", &rule.name));
    for (section, name) in rates.chain(quantiles).chain(levels) {
        if name.trim().is_empty() || !names.insert(name) {
            found.at(&format!("/analysis/{section}"), format!("the name `{name}` is empty, or there twice"), "");
        }
    }
}

/// Where no stable runs beside the new version, what is compared with it needs its past.
fn compared(plan: &Plan, found: &mut Found<'_>) {
    let analysis = &plan.analysis;
    let alone = matches!(plan.strategy, StrategyName::Rolling | StrategyName::FeatureFlag);
    let compares = !analysis.presets.is_empty()
        || analysis.rates.iter().any(|rule| rule.max_increase.is_some())
        || analysis.quantiles.iter().any(|rule| rule.max_increase.is_some())
        || analysis.levels.iter().any(|rule| rule.tolerance.is_some());
    if alone && compares && analysis.baseline_window_seconds.is_none() {
        let help = "set `analysis.baseline_window_seconds`, such as 86400, or rules with `max` or `bound` alone";
        found.at(
            "/analysis",
            "this strategy has no stable side to compare with, so these rules could never pass",
            help,
        );
    }
}

/// A preset, or queries of one's own: exactly one of both.
fn source(found: &mut Found<'_>, pointer: &str, preset: Option<Preset>, own: &[bool], what: &str) {
    let all = own.iter().all(|there| *there);
    let some = own.iter().any(|there| *there);
    if preset.is_some() == all || (preset.is_some() && some) {
        found.at(pointer, format!("the rule takes a `preset` or {what}, and not both"), "");
    }
}

fn rates(plan: &Plan, found: &mut Found<'_>) {
    for (at, rule) in plan.analysis.rates.iter().enumerate() {
        let pointer = format!("/analysis/rates/{at}");
        source(found, &pointer, rule.preset, &[rule.bad.is_some(), rule.all.is_some()], "`bad` and `all`");
        if rule.max.is_none() && rule.max_increase.is_none() {
            found.at(&pointer, "a rule without `max` and `max_increase` could not be broken", "");
        }
        for (field, bound) in [("max", rule.max), ("max_increase", rule.max_increase)] {
            if bound.is_some_and(|bound| !(bound > 0.0 && bound < 1.0)) {
                found.at(&format!("{pointer}/{field}"), "a share is above 0 and below 1", "");
            }
        }
    }
}

fn quantiles(plan: &Plan, found: &mut Found<'_>) {
    for (at, rule) in plan.analysis.quantiles.iter().enumerate() {
        let pointer = format!("/analysis/quantiles/{at}");
        source(found, &pointer, rule.preset, &[rule.histogram.is_some()], "a `histogram`");
        if !(rule.quantile > 0.0 && rule.quantile < 1.0) {
            found.at(&format!("{pointer}/quantile"), "a quantile is above 0 and below 1", "");
        }
        if rule.max.is_none() && rule.max_increase.is_none() {
            found.at(&pointer, "a rule without `max` and `max_increase` could not be broken", "");
        }
        let wrong = |bound: Option<f64>| bound.is_some_and(|bound| !(bound.is_finite() && bound >= 0.0));
        if wrong(rule.max) || wrong(rule.max_increase) {
            found.at(&pointer, "bounds are numbers from 0 on", "");
        }
        if rule.slack.is_some_and(|slack| !(slack > 0.0 && slack < rule.quantile)) {
            found.at(&format!("{pointer}/slack"), "slack is above 0 and below the quantile", "");
        }
    }
}

fn levels(plan: &Plan, found: &mut Found<'_>) {
    for (at, rule) in plan.analysis.levels.iter().enumerate() {
        let pointer = format!("/analysis/levels/{at}");
        source(found, &pointer, rule.preset, &[rule.query.is_some()], "a `query`");
        if rule.bound.is_none() && rule.tolerance.is_none() {
            found.at(&pointer, "a rule without `bound` and `tolerance` could not be broken", "");
        }
        if rule.bound.is_some_and(|bound| !bound.is_finite()) {
            found.at(&format!("{pointer}/bound"), "a bound is a number", "");
        }
        if rule.tolerance.is_some_and(|tolerance| !(tolerance.is_finite() && tolerance >= 0.0)) {
            found.at(&format!("{pointer}/tolerance"), "a tolerance is at least 0", "");
        }
        if !(1..=1000).contains(&rule.looks) {
            found.at(&format!("{pointer}/looks"), "1 to 1000 looks decide", "");
        }
    }
}

fn watch(plan: &Plan, found: &mut Found<'_>) {
    let mut names = BTreeSet::new();
    for (at, rule) in plan.watch.rules.iter().enumerate() {
        let pointer = format!("/watch/rules/{at}");
        if rule.name.trim().is_empty() || !names.insert(&rule.name) {
            found.at(&pointer, format!("the name `{}` is empty, or there twice", rule.name), "");
        }
        let valid = match &rule.metric {
            WatchMetric::Rate { bad, all, .. } => {
                source(found, &pointer, rule.preset, &[bad.is_some(), all.is_some()], "`bad` and `all`");
                rule.threshold > 0.0 && rule.threshold < 1.0
            }
            WatchMetric::Quantile { histogram, quantile } => {
                source(found, &pointer, rule.preset, &[histogram.is_some()], "a `histogram`");
                if !(*quantile > 0.0 && *quantile < 1.0) {
                    found.at(&pointer, "a quantile is above 0 and below 1", "");
                }
                rule.threshold > 0.0 && rule.threshold.is_finite()
            }
            WatchMetric::Mean { .. } => {
                if rule.preset.is_some() {
                    found.at(&pointer, "no preset has a mean of scores", "say `sum` and `all`");
                }
                rule.threshold > 0.0 && rule.threshold < 1.0
            }
        };
        if !valid {
            let help = "rates and means lie between 0 and 1, latencies above 0";
            found.at(&format!("{pointer}/threshold"), "this threshold could never be broken or kept", help);
        }
        if !(rule.window_seconds >= 1.0 && rule.window_seconds <= LONGEST) {
            found.at(&format!("{pointer}/window_seconds"), "a window is 1 second to a year", "");
        }
    }
}
