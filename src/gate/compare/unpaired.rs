//! The fallback where one side is known by its summary only: two independent samples.

use super::data::{Scale, Summary};
use super::decide::Decision;
use super::judge::{Asked, Compared, Judged, Row};
use super::rule::{FailWhen, RegressionMode};
use super::words::Words;
use crate::gate::{DISPLAY_CONFIDENCE, FEWEST_CLUSTERS, Verdict};
use crate::stats::{Alpha, Interval, float, newcombe_unpaired, pairs_needed, smallest_margin, welch_of};

/// The share of cases that change between two runs of like models, where no pair says it.
/// Source: the middle one of the shares that the sample-size table is made for.
const USUAL_DISCORDANCE: f64 = 0.1;

/// Judges two independent summaries by a rule, and says what pairs would have saved.
pub fn compare_summaries(asked: &Asked<'_>, scale: Scale, baseline: Summary, candidate: Summary) -> Judged {
    let row = Row { asked, scale };
    let (method, n) = match (baseline.count, candidate.count) {
        (Some(_), Some(_)) => ("newcombe-unpaired", baseline.n.min(candidate.n)),
        (_, _) => ("welch-unpaired", baseline.n.min(candidate.n)),
    };
    let mut compared = row.blank(method, n);
    compared.missing = baseline.missing + candidate.missing;
    compared.baseline = Some(row.natural_value(baseline.value));
    compared.candidate = Some(row.natural_value(candidate.value));
    compared.difference = Some(row.difference(candidate.value - baseline.value));
    if asked.rule.mode == RegressionMode::Tolerance {
        // A summary does not say what its missing samples were counted as: a failure must not hang on them.
        return row.by_tolerance(compared, None);
    }
    let limit = match asked.rule.fail_when {
        FailWhen::Worse => 0.0,
        FailWhen::BelowMargin => -row.margin(),
    };
    let bounds = |alpha: Alpha| unpaired(baseline, candidate, alpha.double()?);
    if let Some(shown) = Alpha::new((1.0 - DISPLAY_CONFIDENCE) / 2.0).and_then(bounds) {
        row.span(&mut compared, shown.low, shown.high);
    }
    let variance =
        baseline.standard_error.powi(2) * float(baseline.n) + candidate.standard_error.powi(2) * float(candidate.n);
    compared.smallest_visible = Some(row.natural_width(smallest_margin(variance, n, asked.alpha, super::judge::POWER)));
    compared.needed = pairs_needed(variance, 0.0, row.margin(), asked.alpha, super::judge::POWER);
    let enough = n >= FEWEST_CLUSTERS && compared.missing == 0;
    let at = |alpha: Alpha| match bounds(alpha) {
        Some(bounds) if enough && bounds.low > -row.margin() => Decision::Pass,
        Some(bounds) if enough && bounds.high < limit => Decision::Fail,
        Some(_) | None => Decision::Open,
    };
    let strength = (1..=asked.family).take_while(|parts| at(asked.alpha.split(*parts)) == Decision::Fail).count();
    let drop = bounds(asked.alpha).is_some_and(|bounds| bounds.high < 0.0);
    let (verdict, reason) = words(&row, &compared, at(asked.alpha), drop, variance);
    (compared.verdict, compared.reason) = (verdict, reason);
    Judged { compared, strength: u32::try_from(strength).unwrap_or(0) }
}

fn unpaired(baseline: Summary, candidate: Summary, alpha: Alpha) -> Option<Interval> {
    match (candidate.count, baseline.count) {
        (Some(candidate), Some(baseline)) => Some(newcombe_unpaired(candidate, baseline, alpha)),
        (_, _) => {
            let side = |side: Summary| (side.value, side.standard_error.powi(2), float(side.n));
            Some(welch_of(side(candidate), side(baseline))?.interval(alpha))
        }
    }
}

fn words(row: &Row<'_>, compared: &Compared, decision: Decision, drop: bool, variance: f64) -> (Verdict, String) {
    let words = Words { row, compared };
    let saved = variance / USUAL_DISCORDANCE;
    let fewer = format!(": pairs would need about 1/{saved:.1} of the samples where 10 % of cases change");
    let fewer = if row.scale == Scale::Share && saved > 1.0 { fewer } else { String::new() };
    let note = format!("; unpaired, since the samples of one side are not there{fewer}");
    let (verdict, text) = match decision {
        Decision::Pass => (Verdict::Pass, words.pass(drop)),
        Decision::Fail => (Verdict::Fail, words.fail(row.asked.rule.fail_when == FailWhen::BelowMargin)),
        Decision::Open => (Verdict::Inconclusive, super::words::undecided(&words, None)),
    };
    (verdict, format!("{text}{note}"))
}
