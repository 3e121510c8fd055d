//! A comparison in words.

use super::data::Scale;
use super::judge::{Compared, Row};
use crate::gate::words::{amount, interval_words, percent};
use crate::gate::{FEWEST_CLUSTERS, Stage, Unit};

/// A row with what is needed to speak of it.
pub(super) struct Words<'a> {
    pub(super) row: &'a Row<'a>,
    pub(super) compared: &'a Compared,
}

impl Words<'_> {
    fn value(&self, value: f64) -> String {
        amount(value, self.row.asked.subject.unit)
    }

    /// A difference with its sign.
    fn change(&self, value: f64) -> String {
        change(value, self.row.scale)
    }

    /// What was measured.
    pub(super) fn measured(&self) -> String {
        let Compared { baseline, candidate, difference, low, high, n, missing, against, .. } = self.compared;
        let side = |value: &Option<f64>| value.map_or_else(|| "unknown".to_owned(), |value| self.value(value));
        let interval = match (low, high) {
            (Some(low), Some(high)) => {
                format!(
                    "{} {} to {}, ",
                    interval_words(self.compared.confidence, self.compared.stage),
                    self.change(*low),
                    self.change(*high)
                )
            }
            (Some(_), None) | (None, Some(_)) | (None, None) => String::new(),
        };
        let missing = if *missing > 0 { format!(", {} missing", samples(*missing)) } else { String::new() };
        let difference = difference.map_or_else(String::new, |difference| format!(": {}", self.change(difference)));
        format!(
            "{} {} against {} of the {against}{difference} ({interval}n={n}{missing})",
            self.row.name(),
            side(candidate),
            side(baseline)
        )
    }

    fn margin(&self) -> String {
        magnitude(self.compared.margin, self.row.scale)
    }

    fn sure(&self) -> String {
        percent(1.0 - self.compared.alpha)
    }

    /// When it was decided, where that was before the end.
    fn stage(&self) -> String {
        let words = |stage: Stage| format!(", decided at look {} of {}", stage.look, stage.of);
        self.compared.stage.map(words).unwrap_or_default()
    }

    pub(super) fn pass(&self, drop: bool) -> String {
        let note = if drop { "; it is measurably worse, inside the margin" } else { "" };
        let (measured, margin, sure) = (self.measured(), self.margin(), self.sure());
        format!("{measured} is not worse by {margin} or more at {sure} confidence{}{note}", self.stage())
    }

    pub(super) fn fail(&self, below_margin: bool) -> String {
        let (measured, margin, sure) = (self.measured(), self.margin(), self.sure());
        if below_margin {
            format!("{measured} is worse by more than {margin} at {sure} confidence{}", self.stage())
        } else {
            let stage = self.stage();
            format!(
                "{measured} is worse at {sure} confidence{stage}, and not shown to be within the margin of {margin}"
            )
        }
    }

    pub(super) fn tolerance(&self, holds: &str) -> String {
        let tolerance = percent(self.compared.margin);
        format!(
            "{} {holds} {tolerance} of the baseline (legacy rule on point estimates, without a guarantee)",
            self.measured()
        )
    }
}

/// Why nothing was decided, and what would help.
pub(super) fn undecided(words: &Words<'_>, few_clusters: Option<u64>) -> String {
    let Compared { needed, smallest_visible, n, missing, .. } = words.compared;
    let measured = words.measured();
    if let Some(few) = few_clusters {
        return format!("{measured} rests on {few} independent groups: at least {FEWEST_CLUSTERS} are needed");
    }
    let margin = words.margin();
    let open = format!("{measured} does not decide at {} confidence whether it is worse by {margin}", words.sure());
    if *missing > 0 {
        let are = if *missing == 1 { "is" } else { "are" };
        return format!("{open}: {} {are} missing, which may have gone either way", samples(*missing));
    }
    let Some(visible) = smallest_visible else { return format!("{open}: more samples are needed") };
    let visible = magnitude(*visible, words.row.scale);
    match needed {
        Some(needed) if needed > n => {
            format!("{open}: n={n} is enough to see drops of {visible}, this margin needs about n={needed}")
        }
        Some(_) | None => format!("{open}: the difference lies close to the margin; more samples would decide"),
    }
}

fn samples(count: u64) -> String {
    if count == 1 { "1 sample".to_owned() } else { format!("{count} samples") }
}

/// A difference with its sign.
pub fn change(value: f64, scale: Scale) -> String {
    let sign = if value > 0.0 { "+" } else { "" };
    match scale {
        Scale::Share => format!("{sign}{}", amount(value, Unit::Share)),
        Scale::Ratio => format!("{sign}{}", percent(value)),
    }
}

/// A width without a sign.
pub fn magnitude(value: f64, scale: Scale) -> String {
    match scale {
        Scale::Share => amount(value, Unit::Share),
        Scale::Ratio => percent(value),
    }
}
