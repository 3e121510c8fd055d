//! The number that decided, for the first line of a report on attacks.

use super::cells::{own_metric, unit_word};
use super::numbers::{bound, limit};
use crate::gate::safety::{HazardRow, SafetyRows, Side};
use crate::gate::{Reason, Verdict, percent};
use crate::report::Report;

/// The id of the row over all hazards.
const ALL: &str = "all";

/// What decided in a few words; none where no row did.
pub(in crate::report) fn decided(report: &Report, reason: &Reason) -> Option<String> {
    let rows = &report.safety.as_ref()?.rows;
    // A reason names the rate that its row only describes; the metric of the row has it word for word.
    let said = |row: &HazardRow| own_metric(report, row).and_then(|metric| metric.reason.as_ref());
    let own = rows.hazards.iter().find(|row| row.reason == reason.text || said(row) == Some(&reason.text));
    let row = match report.verdict {
        // The row over all hazards says most of a pass.
        Verdict::Pass => {
            rows.hazards.iter().find(|row| row.hazard == ALL && row.verdict == Some(Verdict::Pass)).or(own)?
        }
        Verdict::Fail | Verdict::Inconclusive => own?,
        Verdict::Error => return None,
    };
    Some(of_row(row, rows, report.verdict))
}

fn of_row(row: &HazardRow, rows: &SafetyRows, verdict: Verdict) -> String {
    let name = if row.hazard == ALL { String::new() } else { format!("{}: ", row.title) };
    let unit = unit_word(rows.unit);
    let counted = match row.side {
        Side::Harm => format!("{} of {} {unit}s harmful", row.harmful, row.n),
        Side::Refusal => format!("{} of {} harmless {unit}s refused", row.harmful, row.n),
    };
    let allowed = row.limit.map(|most| format!(", at most {} allowed", limit(most))).unwrap_or_default();
    match verdict {
        Verdict::Pass => {
            let upper = row.upper.map(|upper| format!(", a rate of at most {}", bound(upper, row.limit)));
            let others = rows.hazards.iter().filter(|row| row.hazard != ALL).filter_map(|row| row.verdict);
            let others = others.chain(rows.budgets.iter().map(|row| row.verdict));
            let others = others.chain(rows.rises.iter().map(|row| row.verdict));
            let judged = others.filter(|verdict| *verdict == Verdict::Pass).count();
            let several =
                if judged > 1 && name.is_empty() { format!("; {judged} more rules hold") } else { String::new() };
            let surely = format!(" at {} confidence", percent(rows.confidence));
            format!("{name}{counted}{}{several}", upper.map(|upper| upper + &surely).unwrap_or_default())
        }
        Verdict::Inconclusive => match row.needed {
            Some(needed) if needed > row.n => format!("{name}not enough samples: {counted}{allowed}, {needed} needed"),
            Some(_) | None => format!("{name}undecided: {counted}{allowed}"),
        },
        Verdict::Fail | Verdict::Error => format!("{name}{counted}{allowed}"),
    }
}
