//! What a judgement may never say, over all kinds of readings.

use serde_json::json;

use super::*;
use crate::deliver::probe::{Buckets, Sides, Tally};
use proptest::prelude::*;

fn plan(analysis: serde_json::Value) -> Plan {
    let value = json!({
        "version": 1, "workload": {"name": "llm"}, "change": {"image": "r:2"}, "analysis": analysis,
    });
    serde_json::from_value(value).unwrap()
}

fn rates() -> Plan {
    plan(json!({"rates": [{"name": "errors", "bad": "b", "all": "a", "max": 0.01, "max_increase": 0.01}]}))
}

fn counts(canary: (u64, u64), stable: (u64, u64)) -> Vec<(String, Result<Reading, NoData>)> {
    let of = |(bad, all)| Ok(Tally { bad, all });
    vec![("errors".to_owned(), Ok(Reading::Counts(Sides { stable: of(stable), canary: of(canary) })))]
}

fn tenth() -> Percent {
    Percent::new(10).unwrap()
}

fn said(plan: &Plan, readings: &[(String, Result<Reading, NoData>)]) -> Judgement {
    judge(plan, tenth(), readings, &mut Evidence::default())
}

fn every_no_data() -> Vec<NoData> {
    vec![
        NoData::Unreachable("down".to_owned()),
        NoData::Absent,
        NoData::Ambiguous(2),
        NoData::NotANumber,
        NoData::Stale(99),
        NoData::NoTraffic,
        NoData::NoSide,
    ]
}

fn all_kinds() -> Plan {
    plan(json!({
        "rates": [{"name": "errors", "bad": "b", "all": "a", "max": 0.01, "max_increase": 0.01}],
        "quantiles": [{"name": "latency", "histogram": "h", "max_increase": 0.2}],
        "levels": [{"name": "queue", "query": "q", "bound": 5.0, "tolerance": 0.1, "looks": 1}],
    }))
}

/// Readings with which all three rules pass.
fn good() -> Vec<(String, Result<Reading, NoData>)> {
    let buckets = || Buckets { upto: vec![(0.5, 9900), (1.0, 10_000), (2.0, 10_000)], all: 10_000 };
    let mut all = counts((0, 10_000), (0, 90_000));
    let latency = Reading::Buckets(Sides { stable: Ok(buckets()), canary: Ok(buckets()) });
    all.push(("latency".to_owned(), Ok(latency)));
    all.push(("queue".to_owned(), Ok(Reading::Level(Sides { stable: Ok(2.0), canary: Ok(2.0) }))));
    all
}

#[test]
fn what_is_good_passes_and_without_any_one_of_its_readings_nothing_passes() {
    let plan = all_kinds();
    let judged = said(&plan, &good());
    assert_eq!(judged.verdict, Verdict::Pass, "{judged:#?}");
    for missing in 0..3 {
        let mut fewer = good();
        drop(fewer.remove(missing));
        assert_eq!(said(&plan, &fewer).verdict, Verdict::Inconclusive, "without {missing}");
        for why in every_no_data() {
            let mut readings = good();
            readings[missing].1 = Err(why.clone());
            assert_eq!(said(&plan, &readings).verdict, Verdict::Inconclusive, "{missing} {why:?}");
        }
    }
    let nothing: Vec<_> = good().into_iter().map(|(name, _)| (name, Err(NoData::Absent))).collect();
    let judged = said(&plan, &nothing);
    assert!(judged.blind && judged.verdict == Verdict::Inconclusive);
}

#[test]
fn one_side_without_data_never_passes_a_rule_that_compares() {
    for why in every_no_data() {
        let mut readings = good();
        readings[0].1 =
            Ok(Reading::Counts(Sides { stable: Err(why.clone()), canary: Ok(Tally { bad: 0, all: 10_000 }) }));
        assert_eq!(said(&all_kinds(), &readings).verdict, Verdict::Inconclusive, "{why:?}");
        readings[0].1 = Ok(Reading::Counts(Sides { stable: Ok(Tally { bad: 0, all: 9 }), canary: Err(why.clone()) }));
        assert_eq!(said(&all_kinds(), &readings).verdict, Verdict::Inconclusive, "{why:?}");
        let mut readings = good();
        readings[2].1 = Ok(Reading::Level(Sides { stable: Err(why.clone()), canary: Ok(2.0) }));
        assert_eq!(said(&all_kinds(), &readings).verdict, Verdict::Inconclusive, "{why:?}");
    }
}

#[test]
fn not_worse_yet_is_no_pass_and_the_least_number_is_asked_for() {
    assert_eq!(said(&rates(), &counts((0, 50), (0, 900))).verdict, Verdict::Inconclusive);
    assert_eq!(said(&rates(), &counts((0, 5000), (0, 45_000))).verdict, Verdict::Pass);
    let many = plan(json!({"rates": [{"name": "errors", "bad": "b", "all": "a", "max": 0.5, "min_samples": 1000}]}));
    assert_eq!(said(&many, &counts((0, 999), (0, 9))).verdict, Verdict::Inconclusive);
    assert_eq!(said(&many, &counts((0, 1000), (0, 9))).verdict, Verdict::Pass);
}

#[test]
fn errors_that_are_many_times_the_limit_fail_within_a_few_dozen_requests() {
    assert_eq!(said(&rates(), &counts((20, 40), (2, 360))).verdict, Verdict::Fail);
    assert_eq!(said(&rates(), &counts((1, 40), (2, 360))).verdict, Verdict::Inconclusive);
}

#[test]
fn evidence_of_steps_adds_up_and_a_good_step_does_not_hide_a_bad_one() {
    let plan = rates();
    let mut evidence = Evidence::default();
    let judged = judge(&plan, tenth(), &counts((0, 5000), (0, 45_000)), &mut evidence);
    assert_eq!(judged.verdict, Verdict::Pass);
    evidence.close_step();
    let judged = judge(&plan, Percent::new(50).unwrap(), &counts((120, 3000), (3, 3000)), &mut evidence);
    assert_eq!(judged.verdict, Verdict::Fail, "{judged:#?}");
    // The same look twice is the same evidence.
    let mut again = evidence.clone();
    judge(&plan, Percent::new(50).unwrap(), &counts((120, 3000), (3, 3000)), &mut again);
    assert_eq!(again, evidence);
}

#[test]
fn a_latency_that_doubles_fails_and_one_that_stays_passes_and_one_beyond_the_histogram_does_neither() {
    let plan = plan(json!({"quantiles": [{"name": "latency", "histogram": "h", "max_increase": 0.2}]}));
    let of = |upto: Vec<(f64, u64)>, all| Buckets { upto, all };
    let stable = || of(vec![(0.5, 9_000), (1.0, 9_950), (1.2, 9_960), (2.5, 10_000)], 10_000);
    let reading =
        |canary| vec![("latency".to_owned(), Ok(Reading::Buckets(Sides { stable: Ok(stable()), canary: Ok(canary) })))];
    assert_eq!(said(&plan, &reading(stable())).verdict, Verdict::Pass);
    let slow = of(vec![(0.5, 1_000), (1.0, 5_000), (1.2, 5_500), (2.5, 9_900)], 10_000);
    assert_eq!(said(&plan, &reading(slow)).verdict, Verdict::Fail);
    let short = of(vec![(0.5, 9_000)], 10_000);
    let beyond =
        vec![("latency".to_owned(), Ok(Reading::Buckets(Sides { stable: Ok(short.clone()), canary: Ok(short) })))];
    assert_eq!(said(&plan, &beyond).verdict, Verdict::Inconclusive);
}

#[test]
fn a_level_decides_only_after_its_looks_in_a_row() {
    let plan = plan(json!({"levels": [
        {"name": "throughput", "query": "q", "expect": "at-least", "tolerance": 0.1, "per_share": true, "looks": 3}]}));
    let look = |canary: f64, evidence: &mut Evidence| {
        let reading = Ok(Reading::Level(Sides { stable: Ok(90.0), canary: Ok(canary) }));
        judge(&plan, tenth(), &[("throughput".to_owned(), reading)], evidence).verdict
    };
    let mut evidence = Evidence::default();
    let told: Vec<Verdict> = [10.0, 10.0, 8.0, 8.9, 8.9, 8.9].map(|level| look(level, &mut evidence)).to_vec();
    assert_eq!(told[..3], [Verdict::Inconclusive; 3]);
    assert_eq!(told[5], Verdict::Fail);
    let mut evidence = Evidence::default();
    assert_eq!([9.5, 9.5, 9.5].map(|level| look(level, &mut evidence))[2], Verdict::Pass);
}

#[test]
fn answers_that_are_alike_pass_and_others_fail() {
    let mut plan = plan(json!({}));
    plan.strategy = StrategyName::Shadow;
    plan.shadow.answers =
        serde_json::from_value(json!({"requests": "r", "stable_url": "http://a/v1", "canary_url": "http://b/v1"}))
            .unwrap();
    let of = |sum: f64, n| vec![(SIMILARITY.to_owned(), Ok(Reading::Similarity { sum, n }))];
    assert_eq!(said(&plan, &of(1000.0, 1000)).verdict, Verdict::Pass);
    assert_eq!(said(&plan, &of(700.0, 1000)).verdict, Verdict::Fail);
    assert_eq!(said(&plan, &of(95.5, 100)).verdict, Verdict::Inconclusive);
    for (sum, n) in [(f64::NAN, 10), (11.0, 10), (-1.0, 10), (0.0, 0)] {
        assert_eq!(said(&plan, &of(sum, n)).verdict, Verdict::Inconclusive, "{sum} {n}");
    }
}

#[test]
fn no_rules_pass_by_health_only_where_nothing_was_to_be_measured() {
    assert_eq!(said(&plan(json!({})), &[]).verdict, Verdict::Pass);
    let asked = plan(json!({"prometheus": {"url": "http://p:9090"}}));
    assert_eq!(said(&asked, &[]).verdict, Verdict::Inconclusive);
}

proptest! {
    #[test]
    fn more_errors_of_the_canary_never_turn_a_failure_into_a_pass(
        all in 1_u64..5000, bad in 0_u64..5000, more in 0_u64..50, stable_all in 1_u64..50_000, stable_bad in 0_u64..500,
    ) {
        let (bad, stable) = (bad.min(all), (stable_bad.min(stable_all), stable_all));
        let worse = (bad + more).min(all);
        let rank = |verdict: Verdict| match verdict {
            Verdict::Pass => 0,
            Verdict::Inconclusive | Verdict::Error => 1,
            Verdict::Fail => 2,
        };
        let before = rank(said(&rates(), &counts((bad, all), stable)).verdict);
        let after = rank(said(&rates(), &counts((worse, all), stable)).verdict);
        prop_assert!(after >= before, "{bad} -> {worse} of {all}: {before} -> {after}");
    }
}

fn latency(rule: serde_json::Value, stable: Buckets, canary: Buckets) -> Verdict {
    let mut rule = rule;
    rule["name"] = json!("latency");
    rule["histogram"] = json!("h");
    let reading = Reading::Buckets(Sides { stable: Ok(stable), canary: Ok(canary) });
    said(&plan(json!({"quantiles": [rule]})), &[("latency".to_owned(), Ok(reading))]).verdict
}

#[test]
fn a_limit_drawn_from_a_hundred_requests_of_stable_brings_no_version_back() {
    // All of 100 took at most 1 s, which says little of the hundredth part: 4 % above 2 s may be stable's own share.
    let of = |slow: u64, all: u64| Buckets { upto: vec![(1.0, all - slow), (2.0, all - slow), (4.0, all)], all };
    assert_eq!(latency(json!({"max_increase": 0.2}), of(0, 100), of(40, 1000)), Verdict::Inconclusive);
    assert_eq!(latency(json!({"max_increase": 0.2}), of(0, 5000), of(40, 1000)), Verdict::Fail);
    // Exactly a hundredth above 1 s: its p99 may lie on either side, however many there are.
    assert_eq!(latency(json!({"max_increase": 0.2}), of(500, 50_000), of(40, 1000)), Verdict::Inconclusive);
}

#[test]
fn what_lies_beyond_the_histogram_counts_as_it_is_worst() {
    let of = |within: u64, all: u64| Buckets { upto: vec![(1.0, within)], all };
    // A limit of 3 s: of those beyond 1 s nobody knows which took longer.
    for (canary, wanted) in [
        (of(10_000, 10_000), Verdict::Pass),
        (of(9_900, 10_000), Verdict::Pass),
        (of(5_000, 10_000), Verdict::Inconclusive),
        (of(0, 10_000), Verdict::Inconclusive),
    ] {
        assert_eq!(latency(json!({"max": 3.0}), of(9_000, 10_000), canary.clone()), wanted, "{canary:?}");
    }
    // Stable's own quantile beyond it: nothing to compare with.
    assert_eq!(latency(json!({"max_increase": 0.2}), of(9_000, 10_000), of(10_000, 10_000)), Verdict::Inconclusive);
    // A histogram without any bound decides nothing, and counts that cross are no crash.
    let bare = || Buckets { upto: Vec::new(), all: 10_000 };
    assert_eq!(latency(json!({"max": 3.0, "max_increase": 0.2}), bare(), bare()), Verdict::Inconclusive);
    assert_ne!(latency(json!({"max": 1.0}), of(11, 10), of(11, 10)), Verdict::Fail);
}

proptest! {
    #[test]
    fn slower_requests_never_turn_a_failure_into_a_pass(
        all in 1_u64..5000, fast in 0_u64..5000, moved in 0_u64..500, stable in 0_u64..5000,
    ) {
        let of = |fast: u64, all: u64| Buckets { upto: vec![(1.0, fast.min(all)), (1.3, fast.min(all)), (2.0, all)], all };
        let rank = |verdict: Verdict| match verdict {
            Verdict::Pass => 0,
            Verdict::Inconclusive | Verdict::Error => 1,
            Verdict::Fail => 2,
        };
        let rule = || json!({"max_increase": 0.2, "max": 1.5, "min_samples": 1});
        let before = rank(latency(rule(), of(stable, 5000), of(fast, all)));
        let after = rank(latency(rule(), of(stable, 5000), of(fast.saturating_sub(moved), all)));
        prop_assert!(after >= before, "{fast} of {all}, {moved} slower: {before} -> {after}");
    }
}
