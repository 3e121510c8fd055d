//! A metric that all samples together make, such as a perplexity, on both sides of pairs: the change when each case is left out
//! in turn says how sure it is. Kept out: metrics with a value for each sample (`judge`).

use super::data::Scale;
use super::decide::{Bounds, Decision};
use super::graded::FEWEST_CHANGED;
use super::judge::{Asked, Compared, Judged, POWER, Row};
use super::rule::{FailWhen, RegressionMode};
use super::words::{Words, undecided};
use crate::gate::bootstrap::jackknife;
use crate::gate::{Aggregate, DISPLAY_CONFIDENCE, Direction, FEWEST_CLUSTERS, Verdict};
use crate::stats::{Alpha, Count, clopper_pearson_upper, float, pairs_needed, smallest_margin, student_quantile};

/// The parts of one side, each with the group that its case belongs to.
type Side = Vec<(u64, Vec<f64>)>;

/// The samples of cases that both sides have.
#[derive(Clone, PartialEq, Debug)]
pub struct Together {
    /// How parts become a value.
    pub aggregate: Aggregate,
    /// The baseline's.
    pub baseline: Vec<(u64, Vec<f64>)>,
    /// The candidate's.
    pub candidate: Vec<(u64, Vec<f64>)>,
    /// Samples of both sides that have no part and should.
    pub missing: u64,
}

/// How far the candidate is from the baseline, on the scale on which higher is better.
struct Change {
    mean: f64,
    error: f64,
    groups: u64,
    /// Groups whose parts are not the same on both sides.
    changed: u64,
}

/// Judges by a rule. Without a value on one side, or with a sample missing, it never passes and never fails. What looks at a run
/// have shown is not asked: such a rule is judged once, on everything.
pub fn compare_together(asked: &Asked<'_>, data: &Together) -> Judged {
    let scale = data.aggregate.paired_by().unwrap_or(Scale::Share);
    let row = Row { asked, scale };
    let groups = groups(&data.baseline).max(groups(&data.candidate));
    let mut compared = row.blank("t-jackknife", groups);
    compared.missing = data.missing;
    let (base, cand) = (value(data.aggregate, &data.baseline), value(data.aggregate, &data.candidate));
    (compared.baseline, compared.candidate) = (base, cand);
    let (Some(base), Some(cand)) = (base, cand) else {
        let side = if compared.baseline.is_none() { asked.against } else { "candidate" };
        compared.reason = format!("{} could not be compared: the {side} has no value of it", row.name());
        return Judged { compared, strength: 0 };
    };
    if asked.rule.mode == RegressionMode::Tolerance {
        return row.by_tolerance(compared, None);
    }
    let turned = |value: f64| turned(value, scale, asked.subject.direction);
    if let Some((base, cand)) = turned(base).zip(turned(cand)) {
        compared.difference = Some(row.difference(cand - base));
    }
    let change = change(data, &turned).filter(|_| data.missing == 0);
    if let Some(bounds) = Alpha::new((1.0 - DISPLAY_CONFIDENCE) / 2.0).and_then(|alpha| change.as_ref()?.bounds(alpha))
    {
        row.span(&mut compared, bounds.low, bounds.high);
    }
    if let Some(change) = &change {
        let variance = change.error.powi(2) * float(change.groups);
        compared.smallest_visible = Some(row.natural_width(smallest_margin(variance, groups, asked.alpha, POWER)));
        compared.needed = pairs_needed(variance, 0.0, row.margin(), asked.alpha, POWER);
    }
    let limit = match asked.rule.fail_when {
        FailWhen::Worse => 0.0,
        FailWhen::BelowMargin => -row.margin(),
    };
    let at = |alpha: Alpha| match change.as_ref().and_then(|change| change.bounds(alpha)) {
        Some(_) if groups < FEWEST_CLUSTERS => Decision::Open,
        Some(bounds) if bounds.low > -row.margin() => Decision::Pass,
        Some(bounds) if bounds.high < limit => Decision::Fail,
        Some(_) | None => Decision::Open,
    };
    let strength = (1..=asked.family).take_while(|parts| at(asked.alpha.split(*parts)) == Decision::Fail).count();
    let (verdict, reason) = words(&row, &compared, at(asked.alpha), change.as_ref());
    (compared.verdict, compared.reason) = (verdict, reason);
    Judged { compared, strength: u32::try_from(strength).unwrap_or(0) }
}

fn words(row: &Row<'_>, compared: &Compared, decision: Decision, change: Option<&Change>) -> (Verdict, String) {
    let words = Words { row, compared };
    match decision {
        Decision::Pass => {
            let drop = change.and_then(|change| change.bounds(row.asked.alpha)).is_some_and(|bounds| bounds.high < 0.0);
            (Verdict::Pass, words.pass(drop))
        }
        Decision::Fail => (Verdict::Fail, words.fail(row.asked.rule.fail_when == FailWhen::BelowMargin)),
        Decision::Open => {
            let few = Some(compared.n).filter(|groups| *groups < FEWEST_CLUSTERS);
            (Verdict::Inconclusive, undecided(&words, few))
        }
    }
}

/// A value on the scale on which higher is better; none where it has no logarithm.
pub(super) fn turned(value: f64, scale: Scale, direction: Direction) -> Option<f64> {
    let value = match scale {
        Scale::Share => value,
        Scale::Ratio => value.ln(),
    };
    let turned = match (scale, direction) {
        (_, Direction::Higher) => value,
        (Scale::Share, Direction::Lower) => 1.0 - value,
        (Scale::Ratio, Direction::Lower) => -value,
    };
    turned.is_finite().then_some(turned)
}

fn groups(side: &Side) -> u64 {
    side.iter().map(|(group, _)| *group).collect::<std::collections::BTreeSet<u64>>().len() as u64
}

fn parts(side: &Side) -> Vec<(u64, &[f64])> {
    side.iter().map(|(group, parts)| (*group, parts.as_slice())).collect()
}

fn value(aggregate: Aggregate, side: &Side) -> Option<f64> {
    let parts: Vec<&[f64]> = side.iter().map(|(_, parts)| parts.as_slice()).collect();
    (!parts.is_empty()).then(|| aggregate.combine(&parts)).flatten()
}

fn change(data: &Together, turned: &dyn Fn(f64) -> Option<f64>) -> Option<Change> {
    let whole = |side: &Side| turned(value(data.aggregate, side)?);
    let without = |side: &Side| -> Option<Vec<f64>> {
        data.aggregate.without_each(&parts(side))?.into_iter().map(turned).collect()
    };
    let (base, cand) = (without(&data.baseline)?, without(&data.candidate)?);
    if base.len() != cand.len() {
        return None;
    }
    let differences: Vec<f64> = cand.iter().zip(&base).map(|(cand, base)| cand - base).collect();
    Some(Change {
        mean: whole(&data.candidate)? - whole(&data.baseline)?,
        error: jackknife(&differences)?,
        groups: base.len() as u64,
        changed: changed(data),
    })
}

fn changed(data: &Together) -> u64 {
    let by_group = |side: &Side| {
        let mut groups: std::collections::BTreeMap<u64, Vec<u64>> = std::collections::BTreeMap::new();
        for (group, parts) in side {
            groups.entry(*group).or_default().extend(parts.iter().map(|part| part.to_bits()));
        }
        groups
    };
    let (base, cand) = (by_group(&data.baseline), by_group(&data.candidate));
    base.iter().filter(|(group, parts)| cand.get(group) != Some(parts)).count() as u64
}

impl Change {
    /// Where few groups have changed, a spread is not believed: then the share of groups that so few do not exclude widens both sides.
    fn bounds(&self, alpha: Alpha) -> Option<Bounds> {
        let width = student_quantile(1.0 - alpha.value(), float(self.groups.saturating_sub(1)).max(1.0)) * self.error;
        let guard = if self.changed >= FEWEST_CHANGED.min(self.groups) {
            0.0
        } else {
            Count::new(self.changed, self.groups).map(|count| clopper_pearson_upper(count, alpha))?
        };
        let (low, high) = ((self.mean - width).min(self.mean - guard), (self.mean + width).max(self.mean + guard));
        Some(Bounds { low, high, best_low: low }).filter(|bounds| bounds.low.is_finite() && bounds.high.is_finite())
    }
}
