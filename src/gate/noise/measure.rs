//! From the results of several runs to what differs between them.

use std::collections::BTreeMap;

use super::types::{CaseRuns, Decomposition, FlakyCase, NoiseReport, PairNoise, Share, Suggestion};
use crate::gate::DISPLAY_CONFIDENCE;
use crate::stats::{
    Alpha, Count, Interval, Variance, clopper_pearson_upper, clustered_mean, float, smallest_margin,
    variance_of_repeats, wilson,
};

/// Cases that must change before their share is believed to say how much changes.
/// Source: as the least number of changes that a comparison believes.
const FEWEST_CHANGED: u64 = 20;
/// Flaky cases that are named.
const NAMED: usize = 50;
/// The most repeats that are suggested: beyond, more cases help more.
const MOST_REPEATS: u64 = 10;
/// How much larger the variance within cases must be than the one between them, before repeats are worth their price.
const MUCH: f64 = 4.0;
/// The chance that "four times of five" means.
const POWER: f64 = 0.8;

/// The chance that two of `judged` results differ, of which `passed` passed: without bias. None for fewer than two.
/// Source: the within-case variance with n - 1, twice: (x - y)^2 has that mean.
pub fn flips(passed: u64, judged: u64) -> Option<f64> {
    let (c, m) = (float(passed), float(judged));
    (judged >= 2 && passed <= judged).then(|| 2.0 * c * (m - c) / (m * (m - 1.0)))
}

/// Measures the noise of at least two runs. None where no case could be judged twice.
pub fn noise(cases: &[CaseRuns], runs: u32) -> Option<NoiseReport> {
    let display = Alpha::new(1.0 - DISPLAY_CONFIDENCE)?;
    let judged: Vec<(&CaseRuns, u64, u64)> = cases
        .iter()
        .map(|case| {
            let results = || case.results.iter().flatten().flatten();
            (case, results().filter(|passed| **passed).count() as u64, results().count() as u64)
        })
        .filter(|(_, _, judged)| *judged >= 2)
        .collect();
    let mut groups: BTreeMap<u64, (f64, u64)> = BTreeMap::new();
    for (case, passed, judged) in &judged {
        let total = groups.entry(case.cluster).or_default();
        *total = (total.0 + flips(*passed, *judged)?, total.1 + 1);
    }
    let groups: Vec<(f64, u64)> = groups.into_values().collect();
    let all = judged.len() as u64;
    let mut flaky: Vec<FlakyCase> =
        judged.iter().filter_map(|(case, passed, judged)| flaky(case, *passed, *judged)).collect();
    let flaky_count = flaky.len() as u64;
    flaky.sort_by_key(|case| (case.passed * 2).abs_diff(case.judged) * 1_000_000 / case.judged.max(1));
    flaky.truncate(NAMED);
    let pairs: Vec<PairNoise> = (1..=runs)
        .flat_map(|first| (first + 1..=runs).map(move |second| (first, second)))
        .map(|(first, second)| pair(cases, first, second, display))
        .collect();
    let discordant = overall(&groups, all, flaky_count, &pairs, display)?;
    let repeats = cases.iter().flat_map(|case| case.results.iter().map(Vec::len)).filter(|count| *count > 0).min();
    let per_run = float(repeats.unwrap_or(1).max(1) as u64);
    let variance = decomposition(cases);
    let planning_share = planning_share(discordant.value, flaky_count, groups.len() as u64);
    Some(NoiseReport {
        pairs,
        discordant,
        planning_share,
        noise_floor: (discordant.value / per_run / float(groups.len() as u64)).sqrt(),
        groups: groups.len() as u64,
        variance,
        flaky,
        flaky_count,
        suggestion: Suggestion {
            margin: margin(planning_share, groups.len() as u64, per_run)?,
            repeats: variance.and_then(repeats_worth),
        },
    })
}

fn flaky(case: &CaseRuns, passed: u64, judged: u64) -> Option<FlakyCase> {
    (passed > 0 && passed < judged).then(|| FlakyCase {
        suite: case.suite.clone(),
        case: case.case.clone(),
        passed,
        judged,
    })
}

fn pair(cases: &[CaseRuns], first: u32, second: u32, display: Alpha) -> PairNoise {
    let run = |case: &CaseRuns, run: u32| case.results.get(run as usize - 1).cloned().unwrap_or_default();
    let (mut up, mut down, mut same, mut missing) = (0_u64, 0_u64, 0_u64, 0_u64);
    for case in cases {
        let (one, two) = (run(case, first), run(case, second));
        for index in 0..one.len().max(two.len()) {
            match (one.get(index).copied().flatten(), two.get(index).copied().flatten()) {
                (Some(false), Some(true)) => up += 1,
                (Some(true), Some(false)) => down += 1,
                (Some(_), Some(_)) => same += 1,
                (None, _) | (_, None) => missing += 1,
            }
        }
    }
    let n = up + down + same;
    let discordant = Count::new(up + down, n).map(|count| {
        let Interval { low, high } = wilson(count, display);
        Share { value: float(up + down) / float(n), low, high, n }
    });
    PairNoise { first, second, newly_passing: up, newly_failing: down, missing, discordant }
}

/// By groups of cases; by the one pair where there is only one and every case stands alone; and never narrower than few
/// changes allow.
fn overall(groups: &[(f64, u64)], cases: u64, flaky: u64, pairs: &[PairNoise], display: Alpha) -> Option<Share> {
    let n = groups.iter().map(|(_, count)| count).sum::<u64>();
    if n == 0 {
        return None;
    }
    let value = groups.iter().map(|(sum, _)| sum).sum::<f64>() / float(n);
    let single = groups.len() as u64 == cases;
    if let ([only], true) = (pairs, single)
        && let Some(share) = only.discordant.filter(|share| share.n == cases)
    {
        return Some(share);
    }
    let spread = clustered_mean(groups).map(|mean| mean.interval(display));
    let (mut low, mut high) = spread.map_or((0.0, 1.0), |spread| (spread.low.max(0.0), spread.high.min(1.0)));
    if flaky < FEWEST_CHANGED {
        let changed = groups.iter().filter(|(sum, _)| *sum > 0.0).count() as u64;
        let bound = Count::new(changed, groups.len() as u64).map(|count| clopper_pearson_upper(count, display.half()));
        (low, high) = (low.min(value), high.max(bound.unwrap_or(1.0)));
    }
    Some(Share { value, low, high, n: cases })
}

/// From the first sample of each run, over the cases that could be judged in all.
fn decomposition(cases: &[CaseRuns]) -> Option<Decomposition> {
    let values: Vec<Vec<f64>> = cases
        .iter()
        .filter_map(|case| {
            let first =
                |run: &Vec<Option<bool>>| run.first().copied().flatten().map(|passed| f64::from(u8::from(passed)));
            case.results.iter().map(first).collect()
        })
        .collect();
    let Variance { within, between, .. } = variance_of_repeats(&values)?;
    Some(Decomposition { within, between, cases: values.len() as u64 })
}

/// Only where the randomness of one case is much larger than the difference between cases.
fn repeats_worth(variance: Decomposition) -> Option<u64> {
    let Decomposition { within, between, .. } = variance;
    if within <= MUCH * between || within <= 0.0 {
        return None;
    }
    Some((2..MOST_REPEATS).find(|repeats| within / float(*repeats) <= between).unwrap_or(MOST_REPEATS))
}

/// Few changes say little: no less than the share that so few of `groups` do not exclude.
pub fn planning_share(share: f64, flaky: u64, groups: u64) -> f64 {
    if flaky >= FEWEST_CHANGED {
        return share;
    }
    let possible = Count::new(flaky.min(groups), groups).zip(Alpha::new(0.05));
    share.max(possible.map_or(1.0, |(count, alpha)| clopper_pearson_upper(count, alpha)))
}

fn margin(share: f64, groups: u64, per_run: f64) -> Option<f64> {
    Some(half_points_up(smallest_margin(share / per_run, groups, Alpha::new(0.05)?, POWER)))
}

/// A margin rounded up to half a point, without the last places, so that 0.02 stays 0.02.
pub fn half_points_up(margin: f64) -> f64 {
    ((margin * 200.0 - 1e-9).ceil() / 200.0).clamp(0.005, 0.995)
}
