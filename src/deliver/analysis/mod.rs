//! From readings to a verdict, by tests that may be looked at every few seconds. Pure.
//! What is tested, with formulas and sources: `docs/how-to/rollout-analysis.md`.

mod evidence;
mod finding;
mod level;
mod quantile;
mod rate;
mod settings;
#[cfg(test)]
mod tests;
mod words;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use evidence::{Evidence, RuleEvidence, Seen};
pub use finding::Finding;
pub use settings::Words;

use super::Percent;
use super::plan::{Plan, StrategyName};
use super::probe::{NoData, Reading};
use crate::gate::Verdict;
use settings::{Rule, Settings, rules};

/// The name under which compared answers of a shadow are read.
pub const SIMILARITY: &str = "similarity";

/// What all rules say together: fail if one fails, pass if all pass, else inconclusive.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// Of all.
    pub verdict: Verdict,
    /// The sentence that decided.
    pub why: String,
    /// Each rule.
    pub findings: Vec<Finding>,
    /// Whether nothing at all could be measured.
    pub blind: bool,
}

/// Judges the readings of a look at a step where the canary has this share of the traffic. To be called once a look: levels
/// count looks. The plan's presets must have been written out as rules before.
pub fn judge(
    plan: &Plan,
    share: Percent,
    readings: &[(String, Result<Reading, NoData>)],
    evidence: &mut Evidence,
) -> Judgement {
    judge_with(plan, share, readings, evidence, Words::WithForecast)
}

/// The same; without the forecast of how many more requests would decide it is many times as fast.
pub fn judge_with(
    plan: &Plan,
    share: Percent,
    readings: &[(String, Result<Reading, NoData>)],
    evidence: &mut Evidence,
    words: Words,
) -> Judgement {
    let rules = rules(plan);
    if rules.is_empty() {
        return without_rules(plan);
    }
    let settings = Settings::of(plan, share, &rules, words);
    let findings: Vec<Finding> = rules
        .iter()
        .map(|rule| {
            let name = rule.name();
            if rules.iter().filter(|other| other.name() == name).count() > 1 {
                return Finding::undecided(name, "several rules have this name: their evidence cannot be told apart");
            }
            let mut found = readings.iter().filter(|(of, _)| of == name).map(|(_, reading)| reading);
            let reading = match (found.next(), found.next()) {
                (Some(reading), None) => reading.clone(),
                (None, _) => Err(NoData::Absent),
                (Some(_), Some(_)) => Err(NoData::Ambiguous(2)),
            };
            let memory = evidence.rules.entry(name.to_owned()).or_default();
            match rule {
                Rule::Rate(rule) => rate::judge(rule, reading, &settings, memory),
                Rule::Quantile(rule) => quantile::judge(rule, reading, &settings, memory),
                Rule::Level(rule) => level::judge(rule, reading, &settings, memory),
                Rule::Similarity(rule) => rate::similarity(rule, reading, &settings, memory),
            }
        })
        .collect();
    conclude(plan, share, findings)
}

fn conclude(plan: &Plan, share: Percent, findings: Vec<Finding>) -> Judgement {
    // Green has no users before the switch: a rule that needs their requests cannot be asked yet.
    let waits = |finding: &Finding| {
        plan.strategy == StrategyName::BlueGreen && share == Percent::ZERO && finding.no_data.as_ref().is_some_and(idle)
    };
    let asked: Vec<&Finding> = findings.iter().filter(|finding| !waits(finding)).collect();
    let blind = !asked.is_empty() && asked.iter().all(|finding| finding.no_data.is_some());
    let of = |verdict: Verdict| asked.iter().find(|finding| finding.verdict == verdict);
    let open = asked.iter().find(|finding| finding.verdict != Verdict::Pass && finding.verdict != Verdict::Fail);
    let (verdict, why) = match (of(Verdict::Fail), open) {
        (Some(broken), _) => (Verdict::Fail, broken.sentence()),
        (None, Some(open)) => (Verdict::Inconclusive, open.sentence()),
        (None, None) if asked.is_empty() => {
            (Verdict::Pass, "green has no users before the switch: health alone was judged".to_owned())
        }
        (None, None) => match asked.as_slice() {
            [only] => (Verdict::Pass, only.sentence()),
            several => (Verdict::Pass, format!("all {} rules are shown to be kept", several.len())),
        },
    };
    Judgement { verdict, why, findings, blind }
}

fn without_rules(plan: &Plan) -> Judgement {
    let analysis = &plan.analysis;
    let measured = analysis.prometheus.is_some() || !analysis.presets.is_empty();
    let (verdict, why) = if measured {
        (Verdict::Inconclusive, "there is a source of measurements and no rule that reads it: set `analysis.rates`")
    } else {
        (Verdict::Pass, "nothing is measured (`analysis` has no rules): health alone was judged")
    };
    Judgement { verdict, why: why.to_owned(), findings: Vec::new(), blind: measured }
}

/// Whether nothing is there since nobody asks, rather than since nobody can be asked.
fn idle(no_data: &NoData) -> bool {
    match no_data {
        NoData::Absent | NoData::NoTraffic | NoData::NoSide => true,
        NoData::Unreachable(_) | NoData::Ambiguous(_) | NoData::NotANumber | NoData::Stale(_) => false,
    }
}
