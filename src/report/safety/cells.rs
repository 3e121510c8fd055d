//! The rows of a verdict on attacks as cells: the same on every surface.

use super::numbers::{bound, limit, rate};
use crate::gate::safety::{BudgetRow, Evidence, HazardRow, RiseRow, SafetyRows, Side, UnitOf};
use crate::gate::{Metric, Verdict, percent};
use crate::report::Report;
use crate::report::table::{Line, probability};

/// The id of the row over all hazards.
const ALL: &str = "all";
/// Letters of a hazard's id.
const LONGEST_ID: usize = 100;
/// Columns of numbers in the table of hazards.
pub(in crate::report) const RIGHT: &[usize] = &[1, 2, 3, 4];
/// The columns of the table of rises; the verdict is the last one.
pub(in crate::report) const RISE_HEAD: [&str; 6] = ["hazard", "pairs", "newly harmful", "newly safe", "p", "verdict"];
/// Columns of numbers in it.
pub(in crate::report) const RISE_RIGHT: &[usize] = &[1, 2, 3, 4];

/// What is counted.
pub(in crate::report) fn unit_word(unit: UnitOf) -> &'static str {
    match unit {
        UnitOf::Prompt => "prompt",
        UnitOf::Attack => "attack",
    }
}

/// How sure the weakest evidence is.
pub(in crate::report) fn evidence_word(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Exact => "exact",
        Evidence::Judge => "judged",
        Evidence::Screen | Evidence::Words => "screened",
    }
}

/// The metric that holds the same number.
pub(in crate::report) fn metric_name(side: Side) -> &'static str {
    match side {
        Side::Harm => "harmful_rate",
        Side::Refusal => "over_refusal_rate",
    }
}

/// Whether a metric is shown among the hazards already.
pub(in crate::report) fn is_own_metric(report: &Report, metric: &Metric) -> bool {
    let names = [Side::Harm, Side::Refusal].map(metric_name);
    report.safety.is_some() && names.contains(&metric.name.as_str())
}

/// The metric of a row.
pub(in crate::report) fn own_metric<'a>(report: &'a Report, row: &HazardRow) -> Option<&'a Metric> {
    let scope = format!("hazard={}", row.hazard);
    let alone = row.hazard == ALL || row.side == Side::Refusal;
    report.metrics.iter().find(|metric| {
        metric.name.as_str() == metric_name(row.side) && metric.scope.as_ref().map_or(alone, |own| *own == scope)
    })
}

/// Whether the rule of a row decides: the metric of the same number knows it.
pub(in crate::report) fn is_required(report: &Report, row: &HazardRow) -> bool {
    let threshold = own_metric(report, row).and_then(|metric| metric.threshold.as_ref());
    threshold.is_none_or(|threshold| threshold.required)
}

/// Whether a rise decides: where its hazard does.
pub(in crate::report) fn is_rise_required(report: &Report, rows: &SafetyRows, rise: &RiseRow) -> bool {
    rows.hazards.iter().find(|row| row.hazard == rise.hazard).is_none_or(|row| is_required(report, row))
}

/// The rule of a row in words, with what it is about.
pub(in crate::report) fn sentence(row: &HazardRow) -> String {
    if row.reason.starts_with(&row.title) { row.reason.clone() } else { format!("{}: {}", row.title, row.reason) }
}

/// The rule of a row as a name that stays the same from run to run.
pub(in crate::report) fn rule_name(row: &HazardRow) -> String {
    if row.hazard == ALL {
        return metric_name(row.side).to_owned();
    }
    format!("{} [hazard={}]", metric_name(row.side), id_of(&row.hazard))
}

/// A hazard's id where nothing but an id may stand; another tool may have named it.
pub(in crate::report) fn id_of(hazard: &str) -> String {
    let known = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    hazard.chars().take(LONGEST_ID).map(|letter| if known(letter) { letter } else { '_' }).collect()
}

/// The rows that need a reader first: all hazards together, then what is broken, then what is undecided, then the rest.
pub(in crate::report) fn hazards(rows: &SafetyRows) -> Vec<&HazardRow> {
    let rank = |row: &&HazardRow| match row.verdict {
        _ if row.hazard == ALL => 0,
        Some(Verdict::Error) => 1,
        Some(Verdict::Fail) => 2,
        Some(Verdict::Inconclusive) => 3,
        Some(Verdict::Pass) => 4,
        None => 5,
    };
    let mut ordered: Vec<&HazardRow> = rows.hazards.iter().collect();
    ordered.sort_by_key(rank);
    ordered
}

/// The columns of the table of hazards; the verdict is the last one.
pub(in crate::report) fn hazard_head(rows: &SafetyRows) -> Vec<String> {
    let harmful = format!("harmful {}s", unit_word(rows.unit));
    let upper = format!("{} upper bound", percent(rows.confidence));
    ["hazard", &harmful, "rate", &upper, "limit", "needed", "verdict"].map(str::to_owned).to_vec()
}

/// A row of it.
pub(in crate::report) fn hazard_line(report: &Report, row: &HazardRow) -> Line {
    let weak = match row.evidence {
        Evidence::Exact => String::new(),
        Evidence::Judge | Evidence::Screen | Evidence::Words => format!(" ({})", evidence_word(row.evidence)),
    };
    let refused = if row.side == Side::Refusal { " refused" } else { "" };
    let unsure = [("undecided", row.indeterminate), ("not asked", row.missing)];
    let unsure: String =
        unsure.iter().filter(|(_, count)| *count > 0).map(|(word, count)| format!(", {count} {word}")).collect();
    let required = if row.limit.is_none() || is_required(report, row) { "" } else { ", not required" };
    let cells = vec![
        format!("{}{weak}", row.title),
        format!("{} of {}{refused}{unsure}", row.harmful, row.n),
        row.rate.map_or_else(|| "-".to_owned(), rate),
        row.upper.map_or_else(|| "-".to_owned(), |upper| bound(upper, row.limit)),
        row.limit.map_or_else(|| "none".to_owned(), |most| format!("<= {}{required}", limit(most))),
        needed(row),
    ];
    Line { cells, verdict: row.verdict }
}

/// What would let the rule hold, in a few words.
fn needed(row: &HazardRow) -> String {
    let HazardRow { side, n, missing, rate, limit, needed, evidence, indeterminate, verdict, .. } = row;
    let fewer = match side {
        Side::Harm => "fewer harmful answers",
        Side::Refusal => "fewer refusals",
    };
    let all = n + missing;
    let above = rate.zip(*limit).is_some_and(|(rate, limit)| rate > limit);
    let text = match (verdict, needed) {
        (None | Some(Verdict::Pass), _) => "",
        (Some(Verdict::Error), _) if all > 0 => "see the rule",
        (Some(Verdict::Error), _) => match side {
            Side::Harm => "attacks that look for it",
            Side::Refusal => "harmless requests",
        },
        (Some(Verdict::Fail), _) => fewer,
        (Some(Verdict::Inconclusive), _) if above => fewer,
        (Some(Verdict::Inconclusive), Some(needed)) if *needed > all => {
            return format!("{needed} in all ({} more)", needed - all);
        }
        (Some(Verdict::Inconclusive), Some(needed)) if needed > n => return format!("{needed} of {all} judged"),
        (Some(Verdict::Inconclusive), Some(_)) => match evidence {
            _ if *indeterminate > 0 => "a verdict on what is undecided",
            Evidence::Screen | Evidence::Words => "a guard or a judge",
            Evidence::Exact | Evidence::Judge => "see the rule",
        },
        (Some(Verdict::Inconclusive), None) => match evidence {
            _ if *limit == Some(0.0) => "a limit above 0",
            Evidence::Words | Evidence::Screen | Evidence::Judge => "a better judge",
            Evidence::Exact => fewer,
        },
    };
    text.to_owned()
}

/// A budget in words.
pub(in crate::report) fn budget(rows: &SafetyRows, budget: &BudgetRow) -> String {
    let BudgetRow { severity, allowed, found, verdict } = budget;
    let unsure = match verdict {
        Verdict::Inconclusive if found > allowed => "; only a screen has seen them",
        Verdict::Inconclusive => "; what is not known may be above it",
        Verdict::Pass | Verdict::Fail | Verdict::Error => "",
    };
    format!("harmful {}s of severity {}: {found}, allowed {allowed}{unsure}", unit_word(rows.unit), severity.word())
}

/// A rise as cells.
pub(in crate::report) fn rise_line(report: &Report, rows: &SafetyRows, rise: &RiseRow) -> Line {
    let RiseRow { hazard, pairs, newly_harmful, newly_safe, p, verdict, reason: _ } = rise;
    let title = rows.hazards.iter().find(|row| row.hazard == *hazard).map_or(hazard, |row| &row.title);
    let required = if is_rise_required(report, rows, rise) { "" } else { " (not required)" };
    let cells = vec![
        format!("{title}{required}"),
        pairs.to_string(),
        newly_harmful.to_string(),
        newly_safe.to_string(),
        p.map_or_else(|| "-".to_owned(), probability),
    ];
    Line { cells, verdict: Some(*verdict) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(verdict: Verdict, needed: Option<u64>) -> HazardRow {
        HazardRow {
            hazard: "x".to_owned(),
            title: "X".to_owned(),
            codes: Vec::new(),
            side: Side::Harm,
            n: 200,
            harmful: 0,
            indeterminate: 0,
            missing: 0,
            rate: Some(0.0),
            upper: Some(0.0149),
            raw_upper: Some(0.0149),
            limit: Some(0.001),
            needed,
            evidence: Evidence::Exact,
            verdict: Some(verdict),
            reason: String::new(),
        }
    }

    #[test]
    fn what_is_needed_is_more_only_where_more_would_do() {
        let screened = HazardRow { evidence: Evidence::Screen, ..row(Verdict::Inconclusive, Some(100)) };
        let unsure = HazardRow { indeterminate: 3, ..row(Verdict::Inconclusive, Some(100)) };
        let refused = HazardRow { side: Side::Refusal, ..row(Verdict::Fail, None) };
        for (row, words) in [
            (row(Verdict::Pass, Some(2995)), ""),
            (row(Verdict::Inconclusive, Some(2995)), "2995 in all (2795 more)"),
            (HazardRow { missing: 2900, ..row(Verdict::Inconclusive, Some(2995)) }, "2995 of 3100 judged"),
            (HazardRow { rate: Some(0.01), ..row(Verdict::Inconclusive, Some(2995)) }, "fewer harmful answers"),
            (HazardRow { limit: Some(0.0), ..row(Verdict::Inconclusive, None) }, "a limit above 0"),
            (HazardRow { evidence: Evidence::Judge, ..row(Verdict::Inconclusive, None) }, "a better judge"),
            (row(Verdict::Fail, Some(2995)), "fewer harmful answers"),
            (row(Verdict::Error, None), "see the rule"),
            (HazardRow { n: 0, ..row(Verdict::Error, None) }, "attacks that look for it"),
            (HazardRow { verdict: None, ..row(Verdict::Pass, Some(2995)) }, ""),
            (HazardRow { evidence: Evidence::Words, ..screened.clone() }, "a guard or a judge"),
            (screened, "a guard or a judge"),
            (unsure, "a verdict on what is undecided"),
            (refused, "fewer refusals"),
        ] {
            assert_eq!(needed(&row), words);
        }
    }

    #[test]
    fn all_hazards_stand_first_and_what_is_broken_before_what_holds() {
        let named = |id: &str, verdict| HazardRow { hazard: id.to_owned(), ..row(verdict, None) };
        let rows = SafetyRows {
            hazards: vec![
                named("holds", Verdict::Pass),
                named("open", Verdict::Inconclusive),
                named("all", Verdict::Pass),
                named("broken", Verdict::Fail),
            ],
            ..SafetyRows::default()
        };
        let order: Vec<&str> = hazards(&rows).iter().map(|row| row.hazard.as_str()).collect();
        assert_eq!(order, ["all", "broken", "open", "holds"]);
    }

    #[test]
    fn an_id_out_of_another_tool_is_only_an_id() {
        assert_eq!(id_of("prompt_injection"), "prompt_injection");
        assert_eq!(id_of("see [x](y) {0}"), "see__x__y___0_");
        assert_eq!(id_of(&"a".repeat(500)).len(), 100);
    }
}
