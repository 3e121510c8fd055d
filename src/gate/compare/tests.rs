//! The rules of a comparison, in bulk.

mod conclude;
mod fallback;
mod missing;
mod simulation;
mod symmetry;
mod verdicts;

use super::*;
use crate::gate::{Direction, MetricName, Subject, Unit, Verdict, known_metric};
use crate::stats::Alpha;

/// A rule of the policy.
fn rule(text: &str) -> RegressionRule {
    serde_json::from_str(text).unwrap()
}

/// The standard rule on the pass rate, with this margin.
fn pass_rate(margin: f64) -> RegressionRule {
    rule(&format!("{{\"metric\": \"pass_rate\", \"margin\": {margin}}}"))
}

/// The standard rule on a graded score, with this margin.
fn mean_score(margin: f64) -> RegressionRule {
    rule(&format!("{{\"metric\": \"mean_score\", \"margin\": {margin}}}"))
}

fn subject(rule: &RegressionRule) -> Subject {
    let known = known_metric(rule.metric.as_str());
    Subject {
        name: rule.metric.clone(),
        scope: None,
        direction: known.map(|known| known.direction).or(rule.direction).unwrap(),
        unit: known.map_or(Unit::Share, |known| known.unit),
    }
}

/// Judges by a rule that is one of `family`.
fn judge_of(family: u32, rule: &RegressionRule, data: &Comparable) -> Judged {
    let subject = subject(rule);
    let alpha = Alpha::new(1.0 - rule.confidence).unwrap();
    compare(
        &Asked { subject: &subject, rule, against: "baseline", margin: rule.margin, alpha, family, staged: None },
        data,
    )
}

fn judge(rule: &RegressionRule, data: &Comparable) -> Compared {
    judge_of(1, rule, data).compared
}

fn verdict(rule: &RegressionRule, data: &Comparable) -> Verdict {
    judge(rule, data).verdict
}

/// Attempts, none where one could not be judged.
fn attempts(values: &[Option<f64>]) -> Attempts {
    let judged: Vec<f64> = values.iter().copied().flatten().collect();
    let count = |length: usize| u32::try_from(length).unwrap();
    Attempts { sum: judged.iter().sum(), judged: count(judged.len()), missing: count(values.len() - judged.len()) }
}

/// One case alone: baseline and candidate.
type Case = (Option<f64>, Option<f64>);

/// Cases alone, each with one attempt a side.
fn shares(cases: &[Case]) -> Comparable {
    let unit = |(index, (baseline, candidate)): (usize, &Case)| PairUnit {
        cluster: index as u64,
        baseline: attempts(&[*baseline]),
        candidate: attempts(&[*candidate]),
    };
    Comparable { units: cases.iter().enumerate().map(unit).collect(), scale: Scale::Share }
}

/// Yes-or-no cases: `up` only the candidate gets right, `down` only the baseline, the others both.
fn pairs(up: usize, down: usize, n: usize) -> Comparable {
    let case = |index: usize| match index {
        index if index < up => (Some(0.0), Some(1.0)),
        index if index < up + down => (Some(1.0), Some(0.0)),
        _ => (Some(1.0), Some(1.0)),
    };
    shares(&(0..n).map(case).collect::<Vec<_>>())
}

/// The same judged differences in each of `clusters` clusters of `each` cases.
fn clustered(differences: &[f64], each: usize) -> Comparable {
    let units = differences.iter().enumerate().flat_map(|(cluster, difference)| {
        let (baseline, candidate) = if *difference < 0.0 { (-difference, 0.0) } else { (0.0, *difference) };
        std::iter::repeat_n(
            PairUnit {
                cluster: cluster as u64,
                baseline: attempts(&[Some(baseline)]),
                candidate: attempts(&[Some(candidate)]),
            },
            each,
        )
    });
    Comparable { units: units.collect(), scale: Scale::Share }
}

fn name(text: &str) -> MetricName {
    MetricName::new(text).unwrap()
}

/// The better verdict is the larger number.
fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Pass => 2,
        Verdict::Inconclusive => 1,
        Verdict::Fail | Verdict::Error => 0,
    }
}

fn higher(text: &str) -> Subject {
    Subject { name: name(text), scope: None, direction: Direction::Higher, unit: Unit::Share }
}
