//! What all rules of a look have in common: the levels that evidence must reach, and the shares of the two sides.

use super::super::Percent;
use super::super::plan::{CountRule, LevelRule, Plan, QuantileRule, ShadowSteps, StrategyName};
use super::SIMILARITY;
use crate::stats::{Alpha, log_level};

/// Whether a finding says how many more requests would decide.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Words {
    /// It does.
    WithForecast,
    /// It does not.
    Short,
}

/// A rule of the plan.
pub(super) enum Rule<'a> {
    /// A share of requests.
    Rate(&'a CountRule),
    /// A quantile.
    Quantile(&'a QuantileRule),
    /// A level.
    Level(&'a LevelRule),
    /// The answers of a shadow.
    Similarity(&'a ShadowSteps),
}

impl Rule<'_> {
    pub(super) fn name(&self) -> &str {
        match self {
            Rule::Rate(rule) => &rule.name,
            Rule::Quantile(rule) => &rule.name,
            Rule::Level(rule) => &rule.name,
            Rule::Similarity(_) => SIMILARITY,
        }
    }

    /// Whether it fails by evidence that has an error rate; levels count looks instead.
    fn has_error_rate(&self) -> bool {
        match self {
            Rule::Rate(_) | Rule::Quantile(_) | Rule::Similarity(_) => true,
            Rule::Level(_) => false,
        }
    }
}

/// All rules of a plan.
pub(super) fn rules(plan: &Plan) -> Vec<Rule<'_>> {
    let analysis = &plan.analysis;
    let answers = plan.strategy == StrategyName::Shadow && plan.shadow.answers.is_some();
    analysis
        .rates
        .iter()
        .map(Rule::Rate)
        .chain(analysis.quantiles.iter().map(Rule::Quantile))
        .chain(analysis.levels.iter().map(Rule::Level))
        .chain(answers.then_some(Rule::Similarity(&plan.shadow)))
        .collect()
}

/// What all rules of a look have in common.
pub(super) struct Settings {
    /// What evidence that a rule is broken must reach, as a logarithm.
    pub(super) broken_at: f64,
    /// What evidence that a bound is kept must reach.
    pub(super) kept_at: f64,
    /// The canary's share of the traffic, 0 to 1.
    pub(super) canary: f64,
    /// Stable's.
    pub(super) stable: f64,
    /// Where stable's numbers come from.
    pub(super) source: StableSource,
    /// How much a finding says.
    pub(super) words: Words,
}

/// Where stable's numbers come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StableSource {
    /// From the same window as the canary's.
    Beside,
    /// The canary has all users, so that stable's come from the last window in which it had some.
    Before,
}

impl Settings {
    pub(super) fn of(plan: &Plan, share: Percent, rules: &[Rule<'_>], words: Words) -> Self {
        let claims = rules.iter().filter(|rule| rule.has_error_rate()).count() as u64;
        // What is no error rate can never be reached.
        let level = |rate: f64, claims: u64| Alpha::new(rate).map_or(f64::INFINITY, |alpha| log_level(alpha, claims));
        let (canary, stable) = match plan.strategy {
            StrategyName::Shadow => (plan.shadow.sample.share(), 1.0),
            StrategyName::Canary | StrategyName::BlueGreen | StrategyName::Rolling | StrategyName::FeatureFlag => {
                (share.share(), share.rest().share())
            }
        };
        Self {
            broken_at: level(plan.analysis.false_rollback, claims),
            kept_at: level(plan.analysis.false_promotion, 1),
            canary,
            stable,
            source: if share == Percent::ALL { StableSource::Before } else { StableSource::Beside },
            words,
        }
    }

    /// What stable shows: beside the canary where both have users, else what was kept of it. It is kept on the way.
    pub(super) fn stable<T: Clone>(
        &self,
        reading: Result<T, super::NoData>,
        kept: &mut Option<super::Seen>,
        keep: impl Fn(T) -> super::Seen,
        take: impl Fn(&super::Seen) -> Option<T>,
    ) -> (Result<T, super::NoData>, StableSource) {
        match self.source {
            StableSource::Beside => {
                if let Ok(value) = &reading {
                    *kept = Some(keep(value.clone()));
                }
                (reading, StableSource::Beside)
            }
            StableSource::Before => match kept.as_ref().and_then(take) {
                Some(value) => (Ok(value), StableSource::Before),
                None => (reading, StableSource::Beside),
            },
        }
    }
}
