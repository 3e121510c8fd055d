//! From readings to what is done. A share is shown to lie above a threshold by the exact one-sided bound of C. Clopper and
//! E. Pearson (Biometrika 26, 1934); a mean of scores of 0 to 1 to lie below one by H. Chernoff's bound (Annals of Mathematical
//! Statistics 23, 1952), which holds for every distribution on that range (W. Hoeffding, JASA 58, 1963, theorem 1).

use super::super::plan::{OnNoData, Watch, WatchMetric, WatchRule};
use super::super::probe::{Buckets, NoData, Reading, Sides, Tally};
use super::super::state::Moment;
use super::{Memory, Next, Says, WatchFinding};
use crate::stats::{Alpha, Count, clopper_pearson_lower, float};

/// What a rule says of a reading of its window; `false_alarm` is the chance that one look calls a release bad that is as good as
/// the threshold.
pub fn decide(rule: &WatchRule, reading: &Result<Reading, NoData>, false_alarm: f64) -> WatchFinding {
    let Some(alpha) = Alpha::new(false_alarm) else { return nothing(rule, NoData::NotANumber) };
    match (&rule.metric, reading) {
        (_, Err(why)) => nothing(rule, why.clone()),
        (WatchMetric::Rate { .. }, Ok(Reading::Counts(Sides { canary, .. }))) => match canary {
            Ok(tally) => share(rule, *tally, rule.threshold, alpha, "went wrong"),
            Err(why) => nothing(rule, why.clone()),
        },
        (WatchMetric::Quantile { quantile, .. }, Ok(Reading::Buckets(Sides { canary, .. }))) => match canary {
            Ok(buckets) => match above(buckets, rule.threshold) {
                Some(tally) => share(rule, tally, 1.0 - quantile, alpha, "took longer"),
                None => nothing(rule, NoData::Absent),
            },
            Err(why) => nothing(rule, why.clone()),
        },
        (WatchMetric::Mean { .. }, Ok(Reading::Similarity { sum, n })) => mean(rule, *sum, *n, alpha),
        (WatchMetric::Rate { .. } | WatchMetric::Quantile { .. } | WatchMetric::Mean { .. }, Ok(_)) => {
            nothing(rule, NoData::Absent)
        }
    }
}

/// Requests that certainly took longer than `limit`: those above the first bucket that holds it. None beyond the histogram.
fn above(buckets: &Buckets, limit: f64) -> Option<Tally> {
    let (_, within) = buckets.upto.iter().find(|(bound, _)| *bound >= limit)?;
    Some(Tally { bad: buckets.all.saturating_sub(*within), all: buckets.all })
}

fn share(rule: &WatchRule, tally: Tally, limit: f64, alpha: Alpha, what: &str) -> WatchFinding {
    let Tally { bad, all: n } = tally;
    let Some(count) = Count::new(bad, n) else { return nothing(rule, NoData::NoTraffic) };
    let low = clopper_pearson_lower(count, alpha);
    let value = float(bad) / float(n);
    let says = says(rule, n, low > limit);
    let why = match says {
        Says::RollBack => {
            format!("{}: {bad} of {n} {what}; the true share is above {low:.4}, and {limit:.4} is allowed", rule.name)
        }
        Says::Stay => format!("{}: {bad} of {n} {what}; not shown to be above {limit:.4}", rule.name),
        Says::TooFew | Says::Nothing => format!("{}: {n} samples, {} are needed", rule.name, rule.min_samples),
    };
    WatchFinding { rule: rule.name.clone(), says, value: Some(value), bound: Some(low), limit, n, why, no_data: None }
}

fn mean(rule: &WatchRule, sum: f64, n: u64, alpha: Alpha) -> WatchFinding {
    let value = sum / float(n.max(1));
    if n == 0 {
        return nothing(rule, NoData::NoTraffic);
    }
    if !(0.0..=1.0).contains(&value) {
        return nothing(rule, NoData::NotANumber);
    }
    let limit = rule.threshold;
    let evidence = float(n) * divergence(value, limit);
    let shown = value < limit && evidence >= -alpha.value().ln();
    let says = says(rule, n, shown);
    let why = match says {
        Says::RollBack => format!("{}: the mean of {n} scores is {value:.4}, shown to be below {limit:.4}", rule.name),
        Says::Stay => format!("{}: the mean of {n} scores is {value:.4}; not shown to be below {limit:.4}", rule.name),
        Says::TooFew | Says::Nothing => format!("{}: {n} samples, {} are needed", rule.name, rule.min_samples),
    };
    WatchFinding { rule: rule.name.clone(), says, value: Some(value), bound: None, limit, n, why, no_data: None }
}

/// How far a mean of `seen` lies from `truth` for n = 1: the exponent of Chernoff's bound.
fn divergence(seen: f64, truth: f64) -> f64 {
    let part = |seen: f64, truth: f64| if seen > 0.0 { seen * (seen / truth).ln() } else { 0.0 };
    part(seen, truth) + part(1.0 - seen, 1.0 - truth)
}

fn says(rule: &WatchRule, n: u64, shown: bool) -> Says {
    match (n >= rule.min_samples, shown) {
        (false, _) => Says::TooFew,
        (true, true) => Says::RollBack,
        (true, false) => Says::Stay,
    }
}

fn nothing(rule: &WatchRule, why: NoData) -> WatchFinding {
    WatchFinding {
        rule: rule.name.clone(),
        says: Says::Nothing,
        value: None,
        bound: None,
        limit: rule.threshold,
        n: 0,
        why: format!("{}: no data", rule.name),
        no_data: Some(why),
    }
}

/// What is done after a look. `blind_after` is how long nobody may be without data, in seconds.
pub fn next(watch: &Watch, findings: &[WatchFinding], memory: &mut Memory, now: Moment, blind_after: f64) -> Next {
    for finding in findings {
        match finding.says {
            Says::Nothing => {
                memory.no_data_since.entry(finding.rule.clone()).or_insert(now);
            }
            Says::RollBack | Says::Stay | Says::TooFew => {
                memory.no_data_since.remove(&finding.rule);
            }
        }
    }
    let broken = findings.iter().find(|finding| finding.says == Says::RollBack).map(|finding| finding.why.clone());
    let too_long = memory.no_data_since.iter().find(|(_, since)| now.since(**since) >= blind_after);
    let too_long = too_long.map(|(rule, _)| rule.clone());
    let reason = match (broken, too_long, watch.on_no_data) {
        (Some(why), ..) => why,
        (None, Some(rule), OnNoData::RollBack) => format!("{rule}: no data for too long"),
        (None, Some(rule), OnNoData::Alert) => return Next::Blind(rule),
        (None, None, _) => return Next::Look,
    };
    let since = memory.last_rollback.map_or(f64::INFINITY, |last| now.since(last));
    if since < watch.cooldown_seconds {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of a plan, not negative")]
        let left = (watch.cooldown_seconds - since).ceil() as u64;
        return Next::CoolingDown(reason, left);
    }
    Next::RollBack(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(metric: WatchMetric, threshold: f64, min_samples: u64) -> WatchRule {
        WatchRule { name: "r".to_owned(), metric, preset: None, threshold, window_seconds: 300.0, min_samples }
    }

    fn rate() -> WatchRule {
        rule(WatchMetric::Rate { bad: None, all: None, absent_bad: Default::default() }, 0.05, 100)
    }

    fn counts(bad: u64, all: u64) -> Result<Reading, NoData> {
        Ok(Reading::Counts(Sides { stable: Err(NoData::NoSide), canary: Ok(Tally { bad, all }) }))
    }

    #[test]
    fn a_rate_comes_back_only_where_its_lower_bound_is_above_the_threshold() {
        // Exact bounds at 99.9 %: 6 of 100 is above 5 % as a point, and shows nothing.
        for (bad, all, wanted) in [
            (6, 100, Says::Stay),
            (99, 99, Says::TooFew),
            (20, 100, Says::RollBack),
            (0, 100, Says::Stay),
            (500, 10_000, Says::Stay),
            (580, 10_000, Says::RollBack),
        ] {
            assert_eq!(decide(&rate(), &counts(bad, all), 0.001).says, wanted, "{bad}/{all}");
        }
    }

    #[test]
    fn a_quantile_counts_only_what_certainly_took_longer() {
        let rule = rule(WatchMetric::Quantile { histogram: None, quantile: 0.99 }, 5.0, 100);
        let buckets = |upto: Vec<(f64, u64)>, all| {
            Ok(Reading::Buckets(Sides { stable: Err(NoData::NoSide), canary: Ok(Buckets { upto, all }) }))
        };
        assert_eq!(
            decide(&rule, &buckets(vec![(1.0, 900), (5.0, 900), (10.0, 1000)], 1000), 0.001).says,
            Says::RollBack
        );
        assert_eq!(decide(&rule, &buckets(vec![(1.0, 900), (6.0, 1000)], 1000), 0.001).says, Says::Stay);
        assert_eq!(decide(&rule, &buckets(vec![(1.0, 10)], 1000), 0.001).says, Says::Nothing, "beyond the histogram");
    }

    #[test]
    fn a_mean_comes_back_only_where_chance_does_not_explain_it() {
        let rule = rule(WatchMetric::Mean { sum: String::new(), all: String::new() }, 0.8, 500);
        let reading = |mean: f64, n: u64| Ok(Reading::Similarity { sum: mean * float(n), n });
        for (mean, n, wanted) in [
            (0.79, 500, Says::Stay),
            (0.70, 500, Says::RollBack),
            (0.70, 499, Says::TooFew),
            (0.95, 5000, Says::Stay),
            (1.5, 500, Says::Nothing),
        ] {
            assert_eq!(decide(&rule, &reading(mean, n), 0.001).says, wanted, "{mean} of {n}");
        }
    }

    #[test]
    fn no_data_is_never_a_reason_to_stay_quiet_for_ever_nor_a_number() {
        let watch = Watch::default();
        let finding = decide(&rate(), &Err(NoData::NotANumber), 0.001);
        assert_eq!((finding.says, finding.value), (Says::Nothing, None));
        let mut memory = Memory::default();
        assert_eq!(next(&watch, std::slice::from_ref(&finding), &mut memory, Moment(0), 600.0), Next::Look);
        assert_eq!(next(&watch, std::slice::from_ref(&finding), &mut memory, Moment(599_000), 600.0), Next::Look);
        assert_eq!(
            next(&watch, std::slice::from_ref(&finding), &mut memory, Moment(600_000), 600.0),
            Next::Blind("r".to_owned())
        );
        let watch = Watch { on_no_data: OnNoData::RollBack, ..watch };
        let asked = next(&watch, &[finding], &mut memory, Moment(601_000), 600.0);
        assert!(matches!(asked, Next::RollBack(_)));
    }

    #[test]
    fn after_a_rollback_no_other_one_follows_within_the_cooldown() {
        let broken = decide(&rate(), &counts(90, 100), 0.001);
        let mut memory = Memory { last_rollback: Some(Moment(0)), ..Memory::default() };
        let watch = Watch::default();
        let at = |seconds: i64, memory: &mut Memory| {
            next(&watch, std::slice::from_ref(&broken), memory, Moment(seconds * 1000), 600.0)
        };
        assert!(matches!(at(599, &mut memory), Next::CoolingDown(_, 1)));
        assert!(matches!(at(600, &mut memory), Next::RollBack(_)));
    }

    #[test]
    fn false_alarms_are_as_rare_as_was_asked_for() {
        // The chance of each count at the threshold itself, summed over the counts that bring the release back.
        for n in [100_u64, 300, 1000] {
            let fires: Vec<u64> =
                (0..=n).filter(|bad| decide(&rate(), &counts(*bad, n), 0.001).says == Says::RollBack).collect();
            let chance: f64 = fires.iter().map(|bad| crate::stats::binomial_pmf(*bad, n, 0.05)).sum();
            assert!(chance <= 0.001 && chance > 0.0001, "{n}: {chance}");
        }
    }
}
