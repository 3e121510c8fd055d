//! A plan in words, for a terminal.

use super::planned::Planned;
use super::threshold::Bound;
use super::types::{NoiseFrom, PlanReport, PlannedRule, PlannedThreshold};
use crate::gate::compare::{RegressionMode, Scale, magnitude};
use crate::gate::words::{amount, percent, scope_words};
use crate::gate::{DecideBy, Direction, Threshold, Unit, known_metric, named_score_unit};

/// A count with a comma between each three digits.
pub(in crate::gate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A value as a person reads it. A share close to 0 or 1 has as many places as its distance needs: 0.99999 is not 1.
fn shown(value: f64, unit: Unit) -> String {
    let distance = value.min(1.0 - value);
    if unit != Unit::Share || !(distance > 0.0 && distance < 0.001) {
        return amount(value, unit);
    }
    let places = if distance < 1e-6 {
        8
    } else if distance < 1e-4 {
        6
    } else {
        5
    };
    format!("{value:.places$}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn unit_of(metric: &str) -> Unit {
    known_metric(metric).map_or_else(|| named_score_unit(plain_of(metric)), |known| known.unit)
}

fn plain_of(metric: &str) -> &str {
    metric.strip_prefix("score:").unwrap_or(metric)
}

/// What the units of a rule are called.
fn units_word(metric: &str, planned: &Planned) -> &'static str {
    if planned.is_single() || unit_of(metric) != Unit::Share { "samples" } else { "independent groups" }
}

fn rule(metric: &str, value: f64, side: Direction) -> String {
    let word = if side == Direction::Higher { "at least" } else { "at most" };
    format!("{word} {}", shown(value, unit_of(metric)))
}

/// Why a threshold can never pass with what is planned, and what helps. `units` are those that there are, and those that
/// would do.
pub fn never(threshold: &Threshold, scope: Option<&str>, planned: &Planned, units: (u64, Option<u64>)) -> String {
    let metric = threshold.metric.as_str();
    let name = format!("{}{}", metric.strip_prefix("score:").unwrap_or(metric), scope_words(scope));
    let (there, needed) = units;
    if there == 0 {
        return format!("{name}: no case is in its scope, so it could never pass");
    }
    let Some(bound) = Bound::of(threshold) else { return format!("{name} has not exactly one bound") };
    let needed =
        needed.map_or_else(|| "no number would do".to_owned(), |needed| format!("{} are needed", count(needed)));
    let looser = if bound.side() == Direction::Higher { "lower" } else { "raise" };
    format!(
        "{name}: even a perfect result of {} {} could not show {} at {} confidence: {needed}; add cases, {looser} the \
         bound, use `decide_by: point`, or set `gate.preflight: warn` to run anyway",
        count(there),
        units_word(metric, planned),
        rule(metric, bound.value(), bound.side()),
        percent(threshold.confidence)
    )
}

/// The plan as lines of text of our own, with names out of the policy in it: the caller escapes each for its sink.
pub fn plan_lines(plan: &PlanReport) -> Vec<String> {
    let mut lines = Vec::new();
    for suite in &plan.suites {
        let Planned { cases, samples, groups, .. } = suite.planned;
        let groups = if groups == cases { String::new() } else { format!(", {} independent groups", count(groups)) };
        lines.push(format!("suite {}: {} cases, {} samples{groups}", suite.name, count(cases), count(samples)));
    }
    for threshold in &plan.thresholds {
        threshold_lines(threshold, &mut lines);
    }
    for rule in &plan.rules {
        rule_lines(rule, &mut lines);
    }
    lines.push(if plan.possible {
        "every required rule can pass with these cases".to_owned()
    } else {
        "NOT POSSIBLE: at least one required rule can never pass with these cases".to_owned()
    });
    lines
}

fn optional(required: bool) -> &'static str {
    if required { "" } else { ", not required" }
}

fn threshold_lines(plan: &PlannedThreshold, lines: &mut Vec<String>) {
    let metric = plan.metric.as_str();
    let how = match plan.decide_by {
        DecideBy::Interval => format!("{} confidence", percent(plan.confidence)),
        DecideBy::Point => "by the point estimate, without a guarantee".to_owned(),
    };
    let word = units_word(metric, &plan.planned);
    // Which cases carry a named score is known only after the run.
    let most = if known_metric(metric).is_none() { "at most " } else { "" };
    // A point estimate is no matter of groups.
    let (units, counted) = match plan.decide_by {
        DecideBy::Interval => (plan.units, word),
        DecideBy::Point => (plan.planned.samples, "samples"),
    };
    lines.push(format!(
        "{metric}{} {} ({how}, {most}{} {counted}{})",
        scope_words(plan.scope.as_deref()),
        rule(metric, plan.bound, plan.direction),
        count(units),
        optional(plan.required)
    ));
    if !plan.possible {
        lines.push(format!("  CAN NEVER PASS: {}", too_few(plan, word)));
        return;
    }
    let needed = match plan.needed.filter(|_| plan.decide_by == DecideBy::Interval) {
        Some(needed) if needed <= plan.units && unit_of(metric) == Unit::Share => {
            format!("; a perfect result of {} would do", count(needed))
        }
        Some(needed) if needed <= plan.units => format!("; {} are the fewest that can", count(needed)),
        Some(_) | None => String::new(),
    };
    let allowed = match plan.failures_allowed {
        Some(allowed) => format!(" with up to {} of {} failing", count(allowed), count(plan.units)),
        None => String::new(),
    };
    lines.push(format!("  can pass{allowed}{needed}"));
    let show = |rate: f64| shown(rate, unit_of(metric));
    let (better, worse) = match plan.direction {
        Direction::Higher => ("or more", "or less"),
        Direction::Lower => ("or less", "or more"),
    };
    match (plan.passes_at, plan.fails_at) {
        (Some(pass), Some(fail)) => lines.push(format!(
            "  4 times of 5 it passes at a true {} {better}, and fails at {} {worse}; between them it often decides nothing",
            show(pass),
            show(fail)
        )),
        (Some(pass), None) => lines
            .push(format!("  4 times of 5 it passes at a true {} {better}; it can never fail", show(pass))),
        (None, _) => {}
    }
    if plan.decide_by == DecideBy::Interval && unit_of(metric) == Unit::Share && !plan.planned.is_single() {
        lines.push(
            "  how many may fail depends on how samples fail together, which is not known before a run".to_owned(),
        );
    }
    if !plan.early.is_empty() {
        let at =
            |expected: &super::ExpectedAt| format!("{} at {}", count(rounded(expected.units)), show(expected.rate));
        let samples = plan.early.iter().map(at).collect::<Vec<_>>().join(", ");
        lines.push(format!("  samples with early stopping, by true rate: {samples}"));
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of a count lies within it")]
fn rounded(mean: f64) -> u64 {
    mean.round() as u64
}

/// In the numbers of the user's own rule.
fn too_few(plan: &PlannedThreshold, word: &str) -> String {
    if plan.units == 0 {
        return "no case is in its scope".to_owned();
    }
    let n = count(plan.units);
    let needed =
        plan.needed.map_or_else(|| "no number would do".to_owned(), |needed| format!("{} are needed", count(needed)));
    match (unit_of(plan.metric.as_str()), plan.direction) {
        (Unit::Share, Direction::Higher) => format!("even {n} of {n} {word} cannot show it; {needed}"),
        (Unit::Share, Direction::Lower) => format!("even 0 of {n} {word} cannot show it; {needed}"),
        (Unit::Milliseconds | Unit::Dollars | Unit::Tokens | Unit::Number, _) => {
            format!("{n} {word} cannot bound it, whatever they are; {needed}")
        }
    }
}

fn rule_lines(plan: &PlannedRule, lines: &mut Vec<String>) {
    let margin = magnitude(plan.margin, plan.scale);
    let scope = scope_words(plan.scope.as_deref());
    let optional = optional(plan.required);
    if plan.mode == RegressionMode::Tolerance {
        lines.push(format!("comparison: {}{scope}, legacy tolerance {margin}{optional}", plan.metric));
        lines.push("  point estimates without a guarantee: nothing can be planned".to_owned());
        return;
    }
    let noise = match (plan.scale, plan.discordant_from) {
        (_, _) if plan.variance.is_some() => ", spread measured by the calibration".to_owned(),
        (Scale::Ratio, _) => String::new(),
        (Scale::Share, NoiseFrom::Calibration) => {
            format!(", {} of results differ between two runs (calibration)", percent(plan.discordant))
        }
        (Scale::Share, NoiseFrom::Baseline) => {
            format!(", {} of results differ between repeats of the baseline", percent(plan.discordant))
        }
        (Scale::Share, NoiseFrom::Assumed) => format!(", {} of results differ (ASSUMED)", percent(plan.discordant)),
    };
    lines.push(format!(
        "comparison: {}{scope}, margin {margin} ({} confidence, {} pairs{noise}{optional})",
        plan.metric,
        percent(plan.confidence),
        count(plan.pairs)
    ));
    if !plan.possible {
        let needed = plan
            .needed_unchanged
            .map_or_else(|| "no number would do".to_owned(), |needed| format!("{} pairs are needed", count(needed)));
        let why = if plan.pairs == 0 { "no case is in its scope" } else { "not even when no result changes" };
        lines.push(format!("  CAN NOT PASS: {why}; {needed}"));
        if let Some(needed) = plan.pairs_needed {
            lines.push(format!("  {} pairs would let an unchanged model pass 4 times of 5", count(needed)));
        }
        return;
    }
    if let Some(visible) = plan.smallest_visible {
        let needed = plan
            .pairs_needed
            .map_or_else(|| "no number of pairs".to_owned(), |needed| format!("{} pairs", count(needed)));
        let passes = plan
            .passes_unchanged
            .map_or_else(String::new, |passes| format!("; an unchanged model passes {} of the time", whole(passes)));
        lines.push(format!(
            "  sees {} of {} or more 4 times of 5; this margin needs {needed}{passes}",
            if plan.scale == Scale::Ratio { "changes" } else { "drops" },
            magnitude(visible, plan.scale),
        ));
    } else {
        lines.push("  its spread is not known before a run: `llmci calibrate` measures it".to_owned());
    }
    if !plan.early.is_empty() {
        let at = |expected: &super::ExpectedDrop| {
            let drop = if expected.drop == 0.0 { "no drop".to_owned() } else { magnitude(expected.drop, plan.scale) };
            format!("{} at {drop}", whole(expected.share))
        };
        let shares = plan.early.iter().map(at).collect::<Vec<_>>().join(", ");
        lines.push(format!("  share of samples with early stopping, by true drop: {shares}"));
    }
    if plan.discordant_from == NoiseFrom::Assumed && plan.scale == Scale::Share {
        lines.push("  the share of differing results is an assumption: measure it with `llmci calibrate`".to_owned());
    }
}

fn whole(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
