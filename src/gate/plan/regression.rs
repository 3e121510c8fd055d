//! What one rule of a comparison can show with the cases that it has.

use super::planned::Planned;
use super::threshold::plain_name;
use super::types::{ExpectedDrop, NoiseFrom, PlannedRule};
use super::{LOOKS, POWER, SPENDING, smallest};
use crate::gate::compare::{Compared, FailWhen, RegressionMode, RegressionRule, Scale};
use crate::gate::{FEWEST_CLUSTERS, Source, Unit, is_compared_by_ratio, known_metric};
use crate::stats::{
    Alpha, Changes, Count, PairedPlan, Pairs, clopper_pearson_upper, expected_paired, pairs_needed, smallest_margin,
    tango,
};

/// The share of samples whose result differs between two runs of one model, and where it comes from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Noise {
    /// 0 to 1.
    pub discordant: f64,
    /// Where it comes from.
    pub from: NoiseFrom,
    /// The variance of one pair's difference, where it was measured by the very rule that is planned.
    pub variance: Option<f64>,
}

impl Noise {
    /// What is assumed where nothing was measured.
    /// Source: the middle one of the shares that the sample-size table is made for.
    pub const ASSUMED: Noise = Noise { discordant: 0.1, from: NoiseFrom::Assumed, variance: None };
}

/// The variance of one pair's difference behind a row of a comparison: of logarithms where sides are compared by their ratio.
/// None where nothing was measured.
pub fn measured_variance(row: &Compared) -> Option<f64> {
    let width = match row.scale {
        Scale::Share => row.smallest_visible?,
        Scale::Ratio => row.smallest_visible?.ln_1p(),
    };
    // What is visible grows with the root of the variance.
    let variance = (width / smallest_margin(1.0, row.n, Alpha::new(row.alpha)?, POWER)).powi(2);
    Some(variance).filter(|variance| variance.is_finite())
}

/// Which candidates a rule can let pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegressionCan {
    /// Whether a candidate that changes no answer passes. Where it does not, the rule is too narrow for these cases: only a
    /// candidate that is measurably better could pass. On the ratio scale, where no two runs are equal, whether any could.
    pub unchanged: bool,
    /// Whether any result at all passes.
    pub ever: bool,
    /// Independent pairs that there are, at most.
    pub pairs: u64,
    /// Pairs of which an unchanged candidate passes; none where no number would do.
    pub needed: Option<u64>,
}

/// Whether a rule can pass with so many pairs, by the rule of the comparison itself. Nothing here is about chance: a rule that
/// an unchanged candidate can pass may still be undecided most of the time. A gate should stop before it spends anything
/// only where `ever` is false, and warn where `unchanged` is.
pub fn regression_can_pass(rule: &RegressionRule, planned: &Planned) -> RegressionCan {
    let pairs = planned.groups;
    let Some(alpha) = Alpha::new(1.0 - rule.confidence).filter(|_| rule.mode == RegressionMode::Paired) else {
        let some = pairs > 0;
        return RegressionCan { unchanged: some, ever: some, pairs, needed: Some(1) };
    };
    // From here on a spread may be believed, where enough groups change; how many do is not known before the run.
    let varied = pairs >= FEWEST_CLUSTERS;
    if scale_of(rule) == Scale::Ratio {
        return RegressionCan { unchanged: varied, ever: varied, pairs, needed: Some(FEWEST_CLUSTERS) };
    }
    let test = Zero { margin: rule.margin, alpha };
    if is_yes_or_no(rule) && planned.is_single() {
        let ever = test.binary(pairs, pairs);
        return RegressionCan {
            unchanged: test.binary(0, pairs),
            ever,
            pairs,
            needed: smallest(|n| test.binary(0, n)),
        };
    }
    // A named or graded score may turn out to be yes or no, with one sample a case.
    let binary = planned.is_single() && test.binary(0, pairs);
    let unchanged = binary || pairs >= FEWEST_CLUSTERS && test.graded(pairs);
    let better = planned.is_single() && test.binary(pairs, pairs);
    let needed = smallest(|n| test.graded(n)).map(|n| n.max(FEWEST_CLUSTERS));
    RegressionCan { unchanged, ever: unchanged || varied || better, pairs, needed }
}

/// The rule for results without a drop.
struct Zero {
    margin: f64,
    alpha: Alpha,
}

impl Zero {
    /// Yes-or-no pairs of which some got better and none got worse.
    fn binary(&self, better: u64, n: u64) -> bool {
        let bound = self.alpha.double().zip(Pairs::new(better, 0, n)).map(|(double, pairs)| tango(pairs, double).low);
        bound.is_some_and(|low| low > -self.margin)
    }

    /// Groups of which none changed.
    fn graded(&self, n: u64) -> bool {
        Count::new(0, n).is_some_and(|count| clopper_pearson_upper(count, self.alpha) < self.margin)
    }
}

fn scale_of(rule: &RegressionRule) -> Scale {
    match known_metric(rule.metric.as_str()) {
        Some(known) if known.unit != Unit::Share => Scale::Ratio,
        None if is_compared_by_ratio(rule.metric.as_str()) => Scale::Ratio,
        Some(_) | None => Scale::Share,
    }
}

fn is_yes_or_no(rule: &RegressionRule) -> bool {
    let source = known_metric(rule.metric.as_str()).map(|known| known.source);
    matches!(source, Some(Source::Passed | Source::Errors | Source::Unscored))
}

/// Everything that can be said of a rule before the run.
pub fn plan_regression(rule: &RegressionRule, scope: Option<String>, planned: Planned, noise: Noise) -> PlannedRule {
    let can = regression_can_pass(rule, &planned);
    let scale = scale_of(rule);
    let mut plan = PlannedRule {
        metric: plain_name(&rule.metric),
        scope,
        mode: rule.mode,
        scale,
        margin: if rule.mode == RegressionMode::Tolerance { rule.tolerance } else { rule.margin },
        confidence: rule.confidence,
        required: rule.required,
        planned,
        pairs: can.pairs,
        possible: can.unchanged,
        needed_unchanged: can.needed,
        discordant: noise.discordant,
        discordant_from: noise.from,
        variance: None,
        smallest_visible: None,
        pairs_needed: None,
        passes_unchanged: None,
        early: Vec::new(),
    };
    let alpha = Alpha::new(1.0 - rule.confidence);
    let Some(alpha) = alpha.filter(|_| rule.mode == RegressionMode::Paired && can.pairs > 0) else { return plan };
    // Repeats average the noise of one case; a group of cases is worth at least one case.
    let share = noise.discordant / f64::from(planned.fewest_repeats.max(1));
    match (scale, noise.variance) {
        (Scale::Share, measured) => {
            plan.variance = measured;
            chances(&mut plan, rule.fail_when, (alpha, measured.unwrap_or(share)));
        }
        (Scale::Ratio, Some(variance)) => {
            plan.variance = Some(variance);
            plan.smallest_visible = Some(smallest_margin(variance, can.pairs, alpha, POWER).exp_m1());
            plan.pairs_needed = pairs_needed(variance, 0.0, plan.margin.ln_1p(), alpha, POWER);
        }
        (Scale::Ratio, None) => {}
    }
    plan
}

fn chances(plan: &mut PlannedRule, fail_when: FailWhen, (alpha, variance): (Alpha, f64)) {
    let n = plan.pairs;
    plan.smallest_visible = Some(smallest_margin(variance, n, alpha, POWER));
    let needed = pairs_needed(variance, 0.0, plan.margin, alpha, POWER);
    // Without any noise the rule itself still asks for so many.
    plan.pairs_needed = needed.zip(plan.needed_unchanged).map(|(needed, least)| needed.max(least));
    let fail_below = match fail_when {
        FailWhen::Worse => 0.0,
        FailWhen::BelowMargin => -plan.margin,
    };
    let expect = |looks: u32, drop: f64| {
        let test = PairedPlan { n, looks, margin: plan.margin, fail_below, alpha, rho: SPENDING };
        expected_paired(test, Changes { up: variance / 2.0, down: variance / 2.0 + drop })
    };
    // Without noise and drop nothing is left to chance: the rule alone decides.
    let certain = if plan.possible { 1.0 } else { 0.0 };
    plan.passes_unchanged = Some(expect(1, 0.0).map_or(certain, |expected| expected.pass));
    let drops = [0.0, plan.margin, 2.0 * plan.margin];
    plan.early = drops
        .into_iter()
        .filter_map(|drop| {
            let expected = expect(LOOKS, drop)?;
            Some(ExpectedDrop {
                drop,
                pass: expected.pass,
                fail: expected.fail,
                inconclusive: expected.open(),
                share: expected.share,
            })
        })
        .collect();
}
