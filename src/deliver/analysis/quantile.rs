//! Quantiles of latencies, as the share of requests above a limit: a count, so that it can be tested at every look.
//! Kept out: how buckets are read (`probe`).

use super::super::plan::QuantileRule;
use super::super::probe::{Buckets, NoData, Reading};
use super::rate::{Bounds, Look, Shown, show};
use super::settings::{Settings, StableSource};
use super::{Finding, RuleEvidence, Seen, words};
use crate::stats::{Alternative, Portion, portion_log_e_value};

pub(super) fn judge(
    rule: &QuantileRule,
    reading: Result<Reading, NoData>,
    settings: &Settings,
    memory: &mut RuleEvidence,
) -> Finding {
    let sides = match reading {
        Err(why) => return Finding::no_data(&rule.name, why),
        Ok(Reading::Buckets(sides)) => sides,
        Ok(Reading::Counts(_) | Reading::Level(_) | Reading::Similarity { .. }) => {
            return Finding::mismatched(&rule.name);
        }
    };
    let (stable, _) = settings.stable(sides.stable, &mut memory.stable, Seen::Buckets, |seen| match seen {
        Seen::Buckets(buckets) => Some(buckets.clone()),
        Seen::Counts(_) | Seen::Level(_) => None,
    });
    let canary = match sides.canary {
        Err(why) => return Finding::no_data(&rule.name, why),
        Ok(buckets) if buckets.all == 0 => return Finding::no_data(&rule.name, NoData::NoTraffic),
        Ok(buckets) => buckets,
    };
    let (limit, missing) = limit(rule, &stable, memory);
    let Some(limit) = limit else {
        let why = missing.unwrap_or_else(|| "there is no limit to compare with".to_owned());
        return Finding { n: canary.all, ..Finding::undecided(&rule.name, &why) };
    };
    let Some((limit, within)) = rounded(&canary, limit) else {
        let why = format!("the limit {} lies beyond the histogram's last bucket", words::value(limit));
        return Finding { n: canary.all, ..Finding::undecided(&rule.name, &why) };
    };
    let Some(above) = Portion::of(canary.all.saturating_sub(within), canary.all) else {
        return Finding::no_data(&rule.name, NoData::NoTraffic);
    };
    let allowed = 1.0 - rule.quantile;
    let slack = rule.slack.unwrap_or(allowed);
    let look = Look { name: &rule.name, noun: "requests above it", min_samples: rule.min_samples, settings };
    // Between the two bounds both are true, and the first that is shown decides: no share is beyond deciding.
    let mut finding = look.decide(above, memory, |times| {
        let above = above.times(times);
        let broken = Bounds { max: Some((allowed + 0.5 * slack).min(1.0)), rise: None };
        let kept = portion_log_e_value(above, (allowed + slack).min(1.0), Alternative::Below);
        Shown { kept, ..show(broken, above, None, StableSource::Beside) }
    });
    let percent = rule.quantile * 100.0;
    finding.canary = quantile(&canary, rule.quantile);
    finding.stable = stable.as_ref().ok().and_then(|stable| quantile(stable, rule.quantile));
    finding.bound = Some(limit);
    finding.why = format!(
        "limit of p{} is {} (the bucket that holds it): {}; fewer than {} are to be above it",
        words::value(percent),
        words::value(limit),
        finding.why,
        words::share(allowed + slack)
    );
    if let Some(missing) = missing {
        // The absolute part alone is no pass where the plan asks for both.
        if finding.verdict == crate::gate::Verdict::Pass {
            finding.verdict = crate::gate::Verdict::Inconclusive;
        }
        finding.why += &format!("; no pass: {missing}");
    }
    finding
}

/// The limit: the smaller of both parts. Stable's part is frozen once stable has enough requests, so that the question stays the
/// same from look to look. With it comes why a part that the plan asks for is missing.
fn limit(
    rule: &QuantileRule,
    stable: &Result<Buckets, NoData>,
    memory: &mut RuleEvidence,
) -> (Option<f64>, Option<String>) {
    let Some(increase) = rule.max_increase else { return (rule.max, None) };
    if memory.frozen.is_none() {
        memory.frozen = match stable {
            Ok(stable) if stable.all >= rule.min_samples => quantile(stable, rule.quantile),
            Ok(_) | Err(_) => None,
        };
    }
    match (memory.frozen, stable) {
        (Some(frozen), _) => {
            let relative = frozen * (1.0 + increase);
            (Some(rule.max.map_or(relative, |max| max.min(relative))), None)
        }
        (None, Err(why)) => (rule.max, Some(format!("nothing to compare with: of stable, {}", words::no_data(why)))),
        (None, Ok(stable)) if stable.all < rule.min_samples => {
            let text = format!("stable has {} requests, {} are needed to compare with", stable.all, rule.min_samples);
            (rule.max, Some(text))
        }
        (None, Ok(_)) => (rule.max, Some("stable's quantile lies beyond the histogram's last bucket".to_owned())),
    }
}

/// The first bucket's bound that is not below the limit, and how many requests took at most that.
fn rounded(buckets: &Buckets, limit: f64) -> Option<(f64, u64)> {
    buckets.upto.iter().copied().find(|(bound, _)| *bound >= limit)
}

/// The upper bound of the bucket that holds the quantile; none where that is infinite.
fn quantile(buckets: &Buckets, quantile: f64) -> Option<f64> {
    let wanted = quantile * crate::stats::float(buckets.all);
    let holds = |(_, upto): &&(f64, u64)| crate::stats::float(*upto) >= wanted;
    (buckets.all > 0).then(|| buckets.upto.iter().find(holds).map(|(bound, _)| *bound)).flatten()
}
