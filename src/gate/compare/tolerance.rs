//! The legacy rule: point estimates and a relative tolerance. It gives no guarantee, and says so.

use super::judge::{Compared, Judged, Row};
use super::words::Words;
use crate::gate::{Direction, Verdict};

impl Row<'_> {
    /// Judges by point estimates. `favoured` are both sides (baseline, candidate) with
    /// missing samples counted for the candidate: what a failure must survive. None where that has no bound.
    pub(super) fn by_tolerance(&self, mut compared: Compared, favoured: Option<(f64, f64)>) -> Judged {
        compared.method = "tolerance-legacy".to_owned();
        let tolerance = self.asked.rule.tolerance;
        compared.margin = tolerance;
        let (Some(baseline), Some(candidate)) = (compared.baseline, compared.candidate) else {
            return Judged { compared, strength: 0 };
        };
        let words = Words { row: self, compared: &compared };
        let holds = |baseline: f64, candidate: f64| match self.asked.subject.direction {
            Direction::Higher => candidate >= baseline * (1.0 - tolerance),
            Direction::Lower => candidate <= baseline * (1.0 + tolerance),
        };
        let surely_outside = favoured.is_some_and(|(baseline, candidate)| !holds(baseline, candidate));
        let (verdict, reason) = if baseline <= 0.0 {
            (Verdict::Error, format!("{}: a relative tolerance needs a baseline above 0", words.measured()))
        } else {
            match (holds(baseline, candidate), compared.missing) {
                (true, 0) => (Verdict::Pass, words.tolerance("is within")),
                (true, _) => {
                    (Verdict::Inconclusive, words.tolerance("would be within, but samples are missing from it:"))
                }
                (false, 0) => (Verdict::Fail, words.tolerance("is outside")),
                (false, _) if surely_outside => (Verdict::Fail, words.tolerance("is outside")),
                (false, _) => {
                    (Verdict::Inconclusive, words.tolerance("would be outside, but samples are missing from it:"))
                }
            }
        };
        let strength = if verdict == Verdict::Fail { self.asked.family } else { 0 };
        (compared.verdict, compared.reason) = (verdict, reason);
        Judged { compared, strength }
    }
}
