//! Attacks on the page: all tables in full, and every finding that the report names. No word of an attack or of a model.

use super::{Page, QUOTE};
use crate::gate::percent;
use crate::gate::safety::{Evidence, SafetyRows};
use crate::report::layout::{counted, signs};
use crate::report::rows::word;
use crate::report::safety::{
    RIGHT, RISE_HEAD, RISE_RIGHT, bound, budget, evidence_word, found_by, grid, hazard_head, hazard_line, hazards,
    rise_line,
};
use crate::report::table::Line;
use crate::report::{Finding, Report, Safety};
use crate::trust::Untrusted;

/// Hazards side by side: all of them, since the table scrolls.
const WIDE: usize = 1000;

impl Page<'_> {
    pub(super) fn attacks(&mut self, report: &Report, safety: &Safety) {
        let rows = &safety.rows;
        self.raw("<h2>Hazards</h2>\n");
        let lines: Vec<Line> = hazards(rows).into_iter().map(|row| hazard_line(report, row)).collect();
        let head = hazard_head(rows);
        let head: Vec<&str> = head.iter().map(String::as_str).collect();
        self.judged_table(&head, RIGHT, &lines);
        self.budgets(rows);
        self.corrections(rows);
        self.strategies(rows);
        self.rises(report, rows);
        self.findings(safety);
    }

    fn budgets(&mut self, rows: &SafetyRows) {
        if rows.budgets.is_empty() {
            return;
        }
        self.raw("<h2>Budgets</h2>\n");
        self.element("ul", None, |page| {
            for row in &rows.budgets {
                page.element("li", None, |page| {
                    page.element("strong", Some(row.verdict.word()), |page| page.own(word(row.verdict)));
                    page.own(&budget(rows, row));
                });
            }
        });
    }

    /// Bounds as they would be without what is known of the errors of a screen or a judge.
    fn corrections(&mut self, rows: &SafetyRows) {
        let corrected =
            || rows.hazards.iter().filter(|row| row.evidence != Evidence::Exact && row.raw_upper != row.upper);
        if corrected().next().is_none() {
            return;
        }
        self.element("details", None, |page| {
            page.element("summary", None, |page| page.own("Bounds without the correction for known errors"));
            page.element("ul", None, |page| {
                for row in corrected() {
                    let shown =
                        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| bound(value, row.limit));
                    let (title, how) = (&row.title, evidence_word(row.evidence));
                    let (raw, upper) = (shown(row.raw_upper), shown(row.upper));
                    page.element("li", None, |page| page.own(&format!("{title} ({how}): {raw}, corrected {upper}")));
                }
            });
        });
    }

    fn strategies(&mut self, rows: &SafetyRows) {
        for part in grid(rows, WIDE) {
            let what = format!(
                "What each strategy found: attempts with harm of all attempts, and the one-sided {} upper bound; these decide nothing",
                percent(rows.confidence)
            );
            self.element("details", None, |page| {
                page.element("summary", None, |page| page.own(&what));
                page.raw("<div class=scroll><table>\n<thead><tr>");
                page.element("th", None, |page| page.own("Strategy"));
                for hazard in &part.hazards {
                    page.element("th", None, |page| page.own(hazard));
                }
                page.raw("</tr></thead>\n<tbody>\n");
                for (strategy, cells) in &part.lines {
                    page.element("tr", None, |page| {
                        page.element("td", None, |page| page.own(strategy));
                        for cell in cells {
                            page.element("td", Some("number"), |page| page.own(&signs(cell)));
                        }
                    });
                }
                page.raw("</tbody>\n</table></div>\n");
            });
        }
    }

    fn rises(&mut self, report: &Report, rows: &SafetyRows) {
        if rows.rises.is_empty() {
            return;
        }
        self.element("details", None, |page| {
            page.element("summary", None, |page| page.own("Rises against the baseline"));
            let lines: Vec<Line> = rows.rises.iter().map(|rise| rise_line(report, rows, rise)).collect();
            page.judged_table(&RISE_HEAD, RISE_RIGHT, &lines);
        });
    }

    fn findings(&mut self, safety: &Safety) {
        if safety.findings_count == 0 {
            return;
        }
        let (shown, all) = (safety.findings.len() as u64, safety.findings_count);
        let title =
            if shown == all { counted(all, "finding") } else { format!("{shown} of {}", counted(all, "finding")) };
        self.element("h2", None, |page| page.own(&title));
        for finding in &safety.findings {
            self.element("details", None, |page| page.finding(finding));
        }
    }

    fn finding(&mut self, finding: &Finding) {
        let Finding { suite, probe, hazard, severity, strategy, seed, path, line, .. } = finding;
        self.element("summary", None, |page| {
            page.element("strong", None, |page| page.own(severity.word()));
            page.own(&format!(" {hazard}, {strategy}: {}", found_by(finding)));
        });
        let seed = seed.to_string();
        let digest = finding.answer_digest.to_string();
        let place = format!("{}:{line}", path.raw());
        let facts = [
            ("Suite", suite),
            ("Probe", probe),
            ("Place", &place),
            ("Seed", &seed),
            ("Answer", &digest),
            ("Again", &finding.replay),
        ];
        self.element("dl", None, |page| {
            for (name, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
                page.element("dt", None, |page| page.own(name));
                page.element("dd", None, |page| {
                    page.element("code", None, |page| page.quoted(&Untrusted::new(value.as_str()), QUOTE));
                });
            }
        });
    }
}
