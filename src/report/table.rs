//! The one table of a report, as cells: metrics with their rules, or a comparison's rows. The same words on every surface.

use super::Report;
use super::rows::{in_order, row, stage_words, word};
use super::safety::is_own_metric;
use crate::gate::compare::{Compared, Scale, change, magnitude};
use crate::gate::{Direction, Unit, Verdict, amount, known_metric};

/// A table that a surface lays out.
pub(super) struct Table {
    /// The columns' names; the verdict is the last one.
    pub(super) head: &'static [&'static str],
    /// Columns of numbers, which stand right.
    pub(super) right: &'static [usize],
    /// Rows that need a reader first.
    pub(super) lines: Vec<Line>,
}

/// One row.
pub(super) struct Line {
    /// All cells but the verdict.
    pub(super) cells: Vec<String>,
    /// Its verdict; absent for what is only reported.
    pub(super) verdict: Option<Verdict>,
}

impl Line {
    /// The verdict as a word.
    pub(super) fn word(&self) -> &'static str {
        self.verdict.map_or("", word)
    }
}

/// The table of a report.
pub(super) fn table(report: &Report) -> Table {
    match &report.comparison {
        Some(comparison) => Table {
            head: &["metric", "candidate", "baseline", "change", "95 % interval", "n", "margin", "verdict"],
            right: &[1, 2, 3, 5],
            lines: graver_first(&comparison.rows).into_iter().map(compared).collect(),
        },
        None => Table {
            head: &["metric", "value", "95 % interval", "n", "rule", "verdict"],
            right: &[1, 3],
            lines: in_order(&report.metrics)
                .into_iter()
                .filter(|metric| !is_own_metric(report, metric))
                .map(|metric| {
                    let cells = row(metric);
                    let verdict = metric.verdict;
                    Line { cells: vec![cells.name, cells.value, cells.interval, cells.n, cells.rule], verdict }
                })
                .collect(),
        },
    }
}

fn graver_first(rows: &[Compared]) -> Vec<&Compared> {
    let rank = |verdict: Verdict| match verdict {
        Verdict::Error => 0,
        Verdict::Fail => 1,
        Verdict::Inconclusive => 2,
        Verdict::Pass => 3,
    };
    let mut ordered: Vec<&Compared> = rows.iter().collect();
    // Within one verdict the largest change first, in margins, since units differ.
    let size = |row: &Compared| row.difference.map_or(0.0, |change| (change / row.margin).abs());
    ordered.sort_by(|a, b| rank(a.verdict).cmp(&rank(b.verdict)).then(size(b).total_cmp(&size(a))));
    ordered
}

/// What a change means: the arrow shows better or worse, never the sign, and a word says the same.
pub(super) fn goodness(compared: &Compared) -> &'static str {
    let Some(change) = compared.difference else { return "unknown" };
    let (up, down) = match (compared.low, compared.high) {
        (None, None) => (change > 0.0, change < 0.0),
        (low, high) => (low.is_some_and(|low| low > 0.0), high.is_some_and(|high| high < 0.0)),
    };
    match (compared.direction, up, down) {
        (_, false, false) => "≈ within noise",
        (Direction::Higher, true, _) | (Direction::Lower, false, true) => "▲ better",
        (Direction::Higher, false, true) | (Direction::Lower, true, _) => "▼ worse",
    }
}

/// A comparison's name: metric, scope, and the side where it is not the baseline.
pub(super) fn compared_name(compared: &Compared) -> String {
    let scope = compared.scope.as_ref().map(|scope| format!(" [{scope}]")).unwrap_or_default();
    let against =
        if compared.against == "baseline" { String::new() } else { format!(" (against the {})", compared.against) };
    format!("{}{scope}{against}", compared.name)
}

/// A comparison's rule.
pub(super) fn compared_rule(compared: &Compared) -> String {
    let required = if compared.required { "" } else { ", not required" };
    format!("{}{required}", magnitude(compared.margin, compared.scale))
}

fn compared(compared: &Compared) -> Line {
    let unit = known_metric(compared.name.as_str()).map_or(Unit::Share, |known| known.unit);
    let show = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| amount(value, unit));
    let difference = |value: f64| change(value, compared.scale);
    let interval = match (compared.low, compared.high) {
        (Some(low), Some(high)) => format!("{} to {}", difference(low), difference(high)),
        (Some(low), None) => format!("at least {}", difference(low)),
        (None, Some(high)) => format!("at most {}", difference(high)),
        (None, None) => "-".to_owned(),
    };
    let missing = if compared.missing > 0 { format!(" ({} missing)", compared.missing) } else { String::new() };
    let cells = vec![
        compared_name(compared),
        show(compared.candidate),
        show(compared.baseline),
        compared
            .difference
            .map_or_else(|| "-".to_owned(), |value| format!("{} {}", goodness(compared), difference(value))),
        format!("{interval}{}", stage_words(compared.stage, compared.confidence)),
        format!("{}{missing}", compared.n),
        compared_rule(compared),
    ];
    Line { cells, verdict: Some(compared.verdict) }
}

/// What a comparison could see: changed cases, McNemar's p, the smallest visible drop, pairs needed.
pub(super) fn power(compared: &Compared) -> String {
    let mut parts = Vec::new();
    if let Some(changed) = compared.discordance {
        parts.push(format!(
            "{} newly failing, {} newly passing of {} pairs ({} changed, McNemar p {})",
            changed.newly_failing,
            changed.newly_passing,
            changed.pairs,
            magnitude(changed.share, Scale::Ratio),
            probability(changed.mcnemar_p)
        ));
    }
    if let Some(visible) = compared.smallest_visible {
        let visible = magnitude(visible, compared.scale);
        parts.push(format!("with n={} a drop of {visible} would be seen 4 times out of 5", compared.n));
    }
    if let Some(needed) = compared.needed {
        parts.push(format!("this margin needs about n={needed}"));
    }
    if compared.smallest_visible.is_some() {
        parts.push(format!("error at most {} on each side", magnitude(compared.alpha, Scale::Ratio)));
    }
    parts.push(format!("method {}", compared.method));
    format!("{}: {}", compared_name(compared), parts.join("; "))
}

/// A p-value, which may be very small.
pub(super) fn probability(p: f64) -> String {
    if p >= 0.001 || p == 0.0 { amount(p, Unit::Share) } else { format!("{p:.1e}") }
}
