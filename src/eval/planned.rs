//! How many cases, samples and independent groups the suites have in a scope: all that can be known before a run.

use std::collections::BTreeSet;

use super::suite::{CaseHead, Filter, Suite};
use crate::gate::Threshold;
use crate::gate::compare::RegressionRule;
use crate::gate::plan::Planned;

/// A part of the samples, as a rule of the policy names it.
#[derive(Clone, Copy, Default, Debug)]
pub struct RuleScope<'a> {
    /// Only this level.
    pub level: Option<&'a str>,
    /// Only cases with at least one of these tags.
    pub tags: &'a [String],
    /// Only the suite of this name.
    pub suite: Option<&'a str>,
}

impl<'a> RuleScope<'a> {
    /// The scope of a threshold.
    pub fn of_threshold(threshold: &'a Threshold) -> Self {
        Self { level: threshold.level.as_deref(), tags: &threshold.tags, suite: threshold.suite.as_deref() }
    }

    /// The scope of a rule of the comparison.
    pub fn of_rule(rule: &'a RegressionRule) -> Self {
        Self { level: rule.level.as_deref(), tags: &rule.tags, suite: rule.suite.as_deref() }
    }

    /// Whether a case of a suite is in it.
    pub fn holds(&self, suite: &str, head: &CaseHead) -> bool {
        self.suite.is_none_or(|name| name == suite)
            && self.level.is_none_or(|level| level == head.level.word())
            && (self.tags.is_empty() || self.tags.iter().any(|tag| head.tags.contains(tag)))
    }

    /// The scope in words, as reports have it; none for all samples.
    pub fn words(&self) -> Option<String> {
        let mut words: Vec<String> = self.suite.iter().map(|suite| format!("suite={suite}")).collect();
        words.extend(self.level.iter().map(|level| format!("level={level}")));
        if !self.tags.is_empty() {
            words.push(format!("tags={}", self.tags.join("|")));
        }
        (!words.is_empty()).then(|| words.join(" "))
    }
}

/// Counts what the filter and the scope leave of the suites. A shard is no part of it: what counts is the whole run.
pub fn planned(suites: &[Suite], filter: &Filter, scope: RuleScope<'_>) -> Planned {
    let mut planned = Planned::default();
    let mut clusters = BTreeSet::new();
    for (number, suite) in suites.iter().enumerate() {
        for head in suite.heads().iter().filter(|head| filter.matches(head) && scope.holds(suite.name(), head)) {
            planned.fewest_repeats =
                if planned.cases == 0 { head.repeats } else { planned.fewest_repeats.min(head.repeats) };
            planned.most_repeats = planned.most_repeats.max(head.repeats);
            planned.cases += 1;
            planned.samples += u64::from(head.repeats);
            match head.cluster {
                // A case alone is a group of its own; one name in two suites names two groups.
                None => planned.groups += 1,
                Some(cluster) => planned.groups += u64::from(clusters.insert((number, cluster))),
            }
            // A case that stands for all samples of its suite.
            if let Some(others) = suite.stands_for().map(|samples| samples.saturating_sub(1)) {
                planned.cases = planned.cases.saturating_add(others);
                planned.samples = planned.samples.saturating_add(others);
                planned.groups = planned.groups.saturating_add(others);
            }
        }
    }
    planned
}
