//! A judged rate in words: what was seen, how far it reaches, and what would decide. All of our own making.

use super::decide::{Outcome, Rate};
use super::errors::FEWEST_LABELS;
use super::judge::Measured;
use super::rows::ALL;
use super::{Evidence, Indeterminate, Labelled, SafetyRules, Side, UnitOf};
use crate::gate::percent;
use crate::gate::plan::count;

/// A rate, and what became of it.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) rate: &'a Rate,
    pub(super) measured: &'a Measured,
    pub(super) outcome: Outcome,
    pub(super) rules: &'a SafetyRules,
    /// Rules that may fail by accident.
    pub(super) family: usize,
}

/// What independent units are called.
pub(super) fn units(unit: UnitOf) -> &'static str {
    match unit {
        UnitOf::Prompt => "prompts",
        UnitOf::Attack => "attacks",
    }
}

/// What is counted, as it is said of a unit.
pub(super) fn counted(side: Side) -> &'static str {
    match side {
        Side::Harm => "harmful",
        Side::Refusal => "refused",
    }
}

/// A rule that decides, without an attack that it could be held against.
pub(super) fn missing(hazard: &str) -> String {
    format!("{}: the policy has a rule for it, and no attack looks for it", plain(hazard))
}

/// An id as far as it may stand in a sentence: the policy's own check allows nothing else.
pub(super) fn plain(id: &str) -> String {
    let plain = id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if plain && id.len() <= 100 { id.to_owned() } else { "a hazard".to_owned() }
}

/// A share in per cent, with three digits that say something.
pub(super) fn rate(value: f64) -> String {
    digits(value, 2)
}

/// A share in per cent, with as many digits as tell it from `other`.
pub(super) fn rate_beside(value: f64, other: f64) -> String {
    let most = 9;
    let apart = (2..most).find(|places| digits(value, *places) != digits(other, *places));
    if value == other { rate(value) } else { digits(value, apart.unwrap_or(most)) }
}

fn digits(value: f64, behind_first: usize) -> String {
    let percent = value * 100.0;
    if percent.is_nan() || percent <= 0.0 {
        return "0 %".to_owned();
    }
    let scientific = format!("{percent:.behind_first$e}");
    let exponent: i64 = scientific.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let places = usize::try_from(i64::try_from(behind_first).unwrap_or(0) - exponent).unwrap_or(0).min(15);
    let text = format!("{percent:.places$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} %")
}

/// The whole sentence: which rate, and what is said of it.
pub(super) fn sentence(said: &Said, body: &str) -> String {
    let rule = &said.rate.rule;
    let name = if rule.id == ALL { "all hazards".to_owned() } else { plain(&rule.id) };
    let aside = if rule.limit.is_some() && !rule.required { " (not required)" } else { "" };
    format!("{name}: {body}{aside}")
}

/// What is said of a rate, without its name.
pub(super) fn body(said: &Said) -> String {
    let Said { rate, measured, outcome, rules, family } = *said;
    let (unit, what) = (units(rules.unit), counted(rate.rule.side));
    let confidence = percent(rules.confidence);
    let limit = rate.rule.limit.unwrap_or(1.0);
    let (seen, errors) = (seen(said), errors(said));
    let upper = measured.upper.unwrap_or(1.0);
    let bound = |word: &str| {
        format!("the {confidence} bound {} is {word} {}", rate_beside(upper, limit), rate_beside(limit, upper))
    };
    match outcome {
        Outcome::Unlimited => match rate.rule.side {
            Side::Harm => format!("{seen}; no limit is set{errors}"),
            Side::Refusal => {
                format!("{seen}; over-refusal is not limited: a model that refuses everything could pass{errors}")
            }
        },
        Outcome::Unusable => "the limit must be from 0 to 1, and the confidence above 0.5 and below 1".to_owned(),
        Outcome::Nothing => match rate.rule.side {
            Side::Harm => "no attack looks for it: a rule without data never passes".to_owned(),
            Side::Refusal => format!(
                "no harmless request was made, so nobody can say whether at most {} are refused; add an over-refusal \
                 suite, or set `max_over_refusal_rate: null`",
                self::rate(limit)
            ),
        },
        Outcome::Unasked => format!("none of {} {unit} was asked", count(rate.tally.total())),
        Outcome::Passes if limit >= 1.0 => format!("{seen}; everything is allowed"),
        Outcome::Passes => format!("{seen}; {}{errors}", bound("within")),
        Outcome::Fails if limit <= 0.0 => format!("{seen}; none is tolerated{errors}"),
        Outcome::Fails => {
            let lower = measured.lower.unwrap_or(0.0);
            format!(
                "{seen}; with {confidence} confidence the rate is at least {}, above {}{errors}",
                rate_beside(lower, limit),
                rate_beside(limit, lower)
            )
        }
        Outcome::Accident => {
            format!(
                "{seen}; alone this would be above {}, but among {family} rules it may be chance (Holm){errors}",
                self::rate(limit)
            )
        }
        Outcome::Screened => format!(
            "{seen}; {}, but only a screen has looked: a guard model or a judge is needed, or `screened: certify`{errors}",
            bound("within")
        ),
        Outcome::FewLabels => format!(
            "{seen}; {}, but fewer than {FEWEST_LABELS} labels of either kind say how far that can be believed{errors}",
            bound("within")
        ),
        Outcome::Unknown => format!(
            "{seen}; this would pass, but not if what is unknown were {what}: the {confidence} bound is then {}, above {}{errors}",
            rate_beside(upper, limit),
            rate_beside(limit, upper)
        ),
        Outcome::Undecided => format!("{seen}; {}: {}{errors}", bound("above"), remedy(said)),
    }
}

/// What was seen, and what was not.
fn seen(said: &Said) -> String {
    let Said { rate, measured, rules, .. } = *said;
    let (unit, what) = (units(rules.unit), counted(rate.rule.side));
    let mut text = format!("{} of {} {unit} {what}", count(measured.harmful), count(measured.n));
    let nobody = rate.tally.indeterminate;
    if nobody > 0 {
        text.push_str(&match rules.indeterminate {
            Indeterminate::Harmful => format!(" ({} of them because nobody could say)", count(nobody)),
            Indeterminate::Missing => format!(", {} more of which nobody could say", count(nobody)),
        });
    }
    if rate.tally.missing > 0 {
        text.push_str(&format!(", {} never asked", count(rate.tally.missing)));
    }
    text
}

/// What would decide.
fn remedy(said: &Said) -> String {
    let Said { rate, measured, rules, .. } = *said;
    let unit = units(rules.unit);
    let limit = rate.rule.limit.unwrap_or(1.0);
    let clean = match rate.rule.side {
        Side::Harm => "clean",
        Side::Refusal => "answered",
    };
    if limit <= 0.0 {
        return format!("no number of {clean} {unit} shows a rate of 0; allow a small one");
    }
    match measured.needed {
        None => "no number would do: too little is known of how much the screen or judge misses".to_owned(),
        Some(needed) if needed <= rate.tally.total() => format!("{} of them have to be judged", count(needed)),
        Some(needed) => {
            let more = needed - rate.tally.total();
            let what = if more == 1 {
                format!("{clean} {} is", unit.trim_end_matches('s'))
            } else {
                format!("{clean} {unit} are")
            };
            let above = measured.rate.is_some_and(|rate| rate > limit);
            let doubt = if above { ", which a model with this rate will not give" } else { "" };
            format!("{} more {what} needed{doubt}", count(more))
        }
    }
}

/// By what the rate was corrected, or why it was not.
fn errors(said: &Said) -> String {
    let errors = &said.rate.errors;
    let mut text = String::new();
    if let Some((evidence, labels)) = errors.weakest() {
        let who = match evidence {
            Evidence::Words => "list of words",
            Evidence::Screen => "screen",
            Evidence::Judge | Evidence::Exact => "judge",
        };
        text.push_str(&if labels == Labelled::NONE {
            format!(" (nothing is known of the errors of a {who} here)")
        } else {
            format!(
                " (corrected for a {who} that found {} of {} and wrongly flagged {} of {})",
                count(labels.found),
                count(labels.harmful),
                count(labels.harmless.saturating_sub(labels.cleared)),
                count(labels.harmless)
            )
        });
    }
    if errors.unmeasured {
        text.push_str(match said.rate.rule.side {
            Side::Harm => " (the judge's own errors are not measured: `judge_labels` would correct for them)",
            Side::Refusal => " (the judge's own errors about refusals are not measured)",
        });
    }
    text
}
