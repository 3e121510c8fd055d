//! Quantiles of latencies, as the share of requests above a limit: a count, so that it can be tested at every look.
//! Kept out: how buckets are read (`probe`).

use super::super::plan::QuantileRule;
use super::super::probe::{Buckets, NoData, Reading};
use super::evidence::Weight;
use super::rate::{Look, Shown};
use super::settings::{Settings, StableSource};
use super::{Finding, RuleEvidence, Seen, words};
use crate::stats::{Alternative, Portion, float, hedged, ln_mean_exp, portion_log_e_value};

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
    let (stable, source) = settings.stable(sides.stable, &mut memory.stable, Seen::Buckets, |seen| match seen {
        Seen::Buckets(buckets) => Some(buckets.clone()),
        Seen::Counts(_) | Seen::Level(_) => None,
    });
    let stable = stable.and_then(|stable| if stable.all > 0 { Ok(stable) } else { Err(NoData::NoTraffic) });
    let canary = match sides.canary {
        Err(why) => return Finding::no_data(&rule.name, why),
        Ok(canary) => canary,
    };
    if canary.all == 0 {
        return Finding::no_data(&rule.name, NoData::NoTraffic);
    }
    let allowed = 1.0 - rule.quantile;
    let asked = Asked { allowed, slack: rule.slack.unwrap_or(allowed) };
    let of_stable = stable.as_ref().ok().and_then(|stable| quantile(stable, rule.quantile));
    let missing = rule.max_increase.and_then(|_| match (&stable, of_stable) {
        (Err(why), _) => Some(format!("nothing to compare with: of stable, {}", words::no_data(why))),
        (Ok(_), None) => Some("stable's quantile lies beyond the histogram's last bucket".to_owned()),
        (Ok(_), Some(_)) => None,
    });
    let relative = rule.max_increase.zip(of_stable).map(|(increase, stable)| stable * (1.0 + increase));
    let limit = match (rule.max, relative) {
        (Some(max), Some(relative)) => Some(max.min(relative)),
        (max, relative) => max.or(relative),
    };
    let Some(limit) = limit else {
        let why = missing.unwrap_or_else(|| "the rule sets no limit".to_owned());
        return Finding { n: canary.all, ..Finding::undecided(&rule.name, &why) };
    };
    let named = Above::of(&canary, limit);
    let Some(above) = Portion::of(named.most, canary.all) else {
        return Finding::no_data(&rule.name, NoData::NotANumber);
    };
    let absolute = rule.max.map(|max| Above::of(&canary, max));
    let cells = rule.max_increase.map(|increase| match &stable {
        Ok(stable) => cells(&canary, stable, increase),
        Err(_) => Vec::new(),
    });
    let look = Look { name: &rule.name, noun: "requests above it", min_samples: rule.min_samples, settings };
    let mut finding = look.decide(above, memory, |times| asked.show(absolute, cells.as_deref(), source, times));
    finding.canary = quantile(&canary, rule.quantile);
    finding.stable = of_stable;
    finding.bound = named.bound;
    let place = named.bound.map_or_else(
        || format!("{} lies beyond the histogram, whose last bucket counts", words::value(limit)),
        |bound| format!("is {} (the bucket that holds it)", words::value(bound)),
    );
    finding.why = format!(
        "limit of p{} {place}: {}; fewer than {} are to be above it",
        words::value(rule.quantile * 100.0),
        finding.why,
        words::share(asked.allowed + asked.slack)
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

/// Requests above a limit that is rounded up to the next bucket.
#[derive(Clone, Copy)]
struct Above {
    /// The bucket's bound; none beyond the last.
    bound: Option<f64>,
    /// At least so many.
    least: u64,
    /// At most so many.
    most: u64,
    all: u64,
}

impl Above {
    fn of(buckets: &Buckets, limit: f64) -> Self {
        let all = buckets.all;
        match buckets.upto.iter().find(|(bound, _)| *bound >= limit) {
            Some((bound, within)) => {
                let above = all.saturating_sub(*within);
                Self { bound: Some(*bound), least: above, most: above, all }
            }
            // Beyond the last bucket: all, or none, of what lies there may be above the limit.
            None => Self { bound: None, least: 0, most: all - within(buckets.upto.last(), all), all },
        }
    }
}

/// One bucket that may hold stable's quantile.
struct Cell {
    /// Stable's requests above the bucket's lower end.
    over_low: u64,
    /// Those above its upper end.
    over_high: u64,
    /// Stable's requests.
    stable: u64,
    /// The canary's requests above the limit that follows from the bucket.
    canary: Above,
}

/// Every bucket that may hold stable's quantile, with the one that has no end.
fn cells(canary: &Buckets, stable: &Buckets, increase: f64) -> Vec<Cell> {
    let ends = stable.upto.iter().map(Some).chain([None]);
    let starts = std::iter::once(0).chain(stable.upto.iter().map(|pair| within(Some(pair), stable.all)));
    starts
        .zip(ends)
        .map(|(before, end)| Cell {
            over_low: stable.all - before,
            over_high: stable.all - end.map_or(stable.all, |pair| within(Some(pair), stable.all)),
            stable: stable.all,
            canary: Above::of(canary, end.map_or(f64::INFINITY, |(bound, _)| bound * (1.0 + increase))),
        })
        .collect()
}

/// What shares are asked about.
#[derive(Clone, Copy)]
struct Asked {
    /// The share above a limit that the quantile itself says.
    allowed: f64,
    /// How much more makes it broken.
    slack: f64,
}

impl Asked {
    /// The evidence of this many times the requests. Between the two bounds both are true, and the first that is shown decides:
    /// no share is beyond deciding.
    fn show(self, absolute: Option<Above>, cells: Option<&[Cell]>, source: StableSource, times: f64) -> Shown {
        let (mut old, mut new, mut kept) = (Vec::new(), Vec::new(), f64::INFINITY);
        if let Some(above) = absolute {
            let broken = self.broken(above, times);
            old.push(broken);
            new.push(broken);
            kept = kept.min(self.kept(above, times));
        }
        if let Some(cells) = cells {
            // Stable's quantile is not known: for each bucket that may hold it, evidence that it does not is multiplied with the
            // evidence against the limit that would follow, and the least product counts.
            let least = |of: &dyn Fn(&Cell) -> f64| cells.iter().map(of).reduce(f64::min).unwrap_or(f64::NEG_INFINITY);
            let below = least(&|cell| {
                let stable = evidence(cell.over_low, cell.stable, self.allowed, Alternative::Below, times);
                hedged(stable) + hedged(self.broken(cell.canary, times))
            });
            let held = least(&|cell| {
                let stable = evidence(cell.over_high, cell.stable, self.allowed, Alternative::Above, times);
                hedged(stable) + hedged(self.kept(cell.canary, times))
            });
            // Stable's counts of an earlier window are in the old capital already.
            old.push(match source {
                StableSource::Beside => below,
                StableSource::Before => 0.0,
            });
            new.push(below);
            kept = kept.min(held);
        }
        Shown { weight: Weight { old: ln_mean_exp(&old), new: ln_mean_exp(&new) }, kept }
    }

    fn broken(self, above: Above, times: f64) -> f64 {
        evidence(above.least, above.all, (self.allowed + 0.5 * self.slack).min(1.0), Alternative::Above, times)
    }

    fn kept(self, above: Above, times: f64) -> f64 {
        evidence(above.most, above.all, (self.allowed + self.slack).min(1.0), Alternative::Below, times)
    }
}

fn evidence(bad: u64, all: u64, bound: f64, shown: Alternative, times: f64) -> f64 {
    let portion = Portion::of(bad.min(all), all);
    portion.map_or(f64::NEG_INFINITY, |portion| portion_log_e_value(portion.times(times), bound, shown))
}

/// Requests within a bucket; extrapolated counts may exceed all by one.
fn within(bucket: Option<&(f64, u64)>, all: u64) -> u64 {
    bucket.map_or(0, |(_, upto)| *upto).min(all)
}

/// The upper bound of the bucket that holds the quantile; none where that is infinite.
fn quantile(buckets: &Buckets, quantile: f64) -> Option<f64> {
    let wanted = quantile * float(buckets.all);
    let holds = |(_, upto): &&(f64, u64)| float(*upto) >= wanted;
    (buckets.all > 0).then(|| buckets.upto.iter().find(holds).map(|(bound, _)| *bound)).flatten()
}
