//! The rules, in bulk.

use proptest::prelude::*;

use super::*;

fn subject(name: &str, direction: Direction) -> Subject {
    Subject { name: MetricName::new(name).unwrap(), scope: None, direction, unit: Unit::Share }
}

fn threshold(text: &str) -> Threshold {
    serde_json::from_str(text).unwrap()
}

fn at_least(min: f64) -> Threshold {
    threshold(&format!("{{\"metric\": \"pass_rate\", \"min\": {min}}}"))
}

fn samples(passed: u64, failed: u64, missing: u64) -> Data {
    let unit = |cluster, sum, judged, missing| CaseUnit { cluster, sum, judged, missing };
    let units = (0..passed).map(|n| unit(n, 1.0, 1, 0));
    let units = units.chain((0..failed).map(|n| unit(passed + n, 0.0, 1, 0)));
    Data::Share(units.chain((0..missing).map(|n| unit(passed + failed + n, 0.0, 0, 1))).collect())
}

fn verdict_of(data: &Data, rule: &Threshold) -> Verdict {
    assess(&subject("pass_rate", Direction::Higher), data, Some(rule)).verdict.unwrap()
}

#[test]
fn the_reference_verdicts_come_out() {
    let text = include_str!("../../tests/oracles/statistics.json");
    let all: serde_json::Value = serde_json::from_str(text).unwrap();
    let cases = all["groups"]["verdict_threshold"]["cases"].as_array().unwrap();
    assert!(cases.len() >= 20);
    for case in cases {
        let input = &case["in"];
        let (k, n) = (input["k"].as_u64().unwrap(), input["n"].as_u64().unwrap());
        let mut rule = at_least(input["threshold"].as_f64().unwrap());
        rule.confidence = 1.0 - input["alpha"].as_f64().unwrap();
        assert_eq!(verdict_of(&samples(k, n - k, 0), &rule).word(), case["out"]["verdict"].as_str().unwrap(), "{case}");
    }
}

#[test]
fn no_data_and_only_missing_data_never_pass() {
    for rule in [at_least(0.5), threshold("{\"metric\": \"pass_rate\", \"min\": 0.5, \"decide_by\": \"point\"}")] {
        assert_eq!(verdict_of(&Data::Share(Vec::new()), &rule), Verdict::Error);
        assert_eq!(verdict_of(&samples(0, 0, 50), &rule), Verdict::Error);
    }
}

#[test]
fn an_undecided_rule_says_how_many_samples_would_decide_it() {
    let name = subject("pass_rate", Direction::Higher);
    let small = assess(&name, &samples(12, 0, 0), Some(&at_least(0.9)));
    assert_eq!(small.verdict, Some(Verdict::Inconclusive));
    assert!(small.reason.unwrap().contains("even a perfect result of 12 samples could not show it, 29 are needed"));
    let close = assess(&name, &samples(46, 4, 0), Some(&at_least(0.9)));
    assert_eq!(close.verdict, Some(Verdict::Inconclusive));
    let reason = close.reason.unwrap();
    assert!(reason.contains("samples would decide"), "{reason}");
}

#[test]
fn an_upper_bound_is_the_mirror_of_a_lower_one() {
    let rule = threshold("{\"metric\": \"error_rate\", \"max\": 0.1}");
    let rate = |k, rest| assess(&subject("error_rate", Direction::Lower), &samples(k, rest, 0), Some(&rule)).verdict;
    assert_eq!(rate(0, 29), Some(Verdict::Pass));
    assert_eq!(rate(0, 28), Some(Verdict::Inconclusive));
    assert_eq!(rate(30, 70), Some(Verdict::Fail));
}

#[test]
fn few_clusters_and_no_spread_never_give_certainty() {
    let repeats = |clusters: u64, each: u32| {
        let units = (0..clusters).map(|cluster| CaseUnit { cluster, sum: f64::from(each), judged: each, missing: 0 });
        Data::Share(units.collect())
    };
    // 9 cases of 100 perfect repeats are 9 pieces of evidence, not 900.
    assert_eq!(verdict_of(&repeats(9, 100), &at_least(0.5)), Verdict::Inconclusive);
    // 20 of them bound the rate by 0.86, although their spread is zero.
    assert_eq!(verdict_of(&repeats(20, 100), &at_least(0.86)), Verdict::Pass);
    assert_eq!(verdict_of(&repeats(20, 100), &at_least(0.87)), Verdict::Inconclusive);
}

#[test]
fn a_quantile_with_missing_samples_counts_them_as_the_slowest() {
    let rule = threshold("{\"metric\": \"latency_p95_ms\", \"max\": 100}");
    let latency = Subject { unit: Unit::Milliseconds, ..subject("latency_p95_ms", Direction::Lower) };
    let data = |fast: usize, missing| Data::Quantile { values: vec![10.0; fast], missing, q: 0.95 };
    assert_eq!(assess(&latency, &data(200, 0), Some(&rule)).verdict, Some(Verdict::Pass));
    assert_eq!(assess(&latency, &data(200, 40), Some(&rule)).verdict, Some(Verdict::Inconclusive));
    assert_eq!(assess(&latency, &data(20, 0), Some(&rule)).verdict, Some(Verdict::Inconclusive));
    let slow = Data::Quantile { values: vec![500.0; 200], missing: 0, q: 0.95 };
    assert_eq!(assess(&latency, &slow, Some(&rule)).verdict, Some(Verdict::Fail));
}

fn facts(expected: u64) -> Facts {
    Facts { expected, finished: expected, ..Facts::default() }
}

#[test]
fn a_run_that_lacks_something_never_passes() {
    let good = assess(&subject("pass_rate", Direction::Higher), &samples(100, 0, 0), Some(&at_least(0.5)));
    let verdict = |metrics: &[Metric], facts: Facts| conclude(metrics, &facts).0;
    let metrics = std::slice::from_ref(&good);
    assert_eq!(verdict(metrics, facts(100)), Verdict::Pass);
    assert_eq!(verdict(&[], facts(100)), Verdict::Error, "no threshold");
    assert_eq!(verdict(metrics, facts(0)), Verdict::Error, "no case");
    assert_eq!(verdict(metrics, Facts { finished: 99, ..facts(100) }), Verdict::Error, "incomplete");
    assert_eq!(verdict(metrics, Facts { errors: 100, ..facts(100) }), Verdict::Error, "all in error");
    assert_eq!(verdict(metrics, Facts { unscored: 100, ..facts(100) }), Verdict::Error, "all unscored");
    assert_eq!(verdict(metrics, Facts { errors: 1, ..facts(100) }), Verdict::Error, "over the budget");
    assert_eq!(verdict(metrics, Facts { errors: 1, error_budget: 0.01, ..facts(100) }), Verdict::Pass);
    assert_eq!(verdict(metrics, Facts { errors: 1, error_budget: f64::NAN, ..facts(100) }), Verdict::Error);
    assert_eq!(verdict(metrics, Facts { shard: Some((1, 2)), ..facts(100) }), Verdict::Inconclusive);
    let mut advisory = good.clone();
    advisory.threshold.as_mut().unwrap().required = false;
    assert_eq!(verdict(&[advisory], facts(100)), Verdict::Error, "nothing is required");
}

#[test]
fn the_deciding_reason_comes_first() {
    let name = subject("pass_rate", Direction::Higher);
    let pass = assess(&name, &samples(100, 0, 0), Some(&at_least(0.5)));
    let fail = assess(&name, &samples(0, 100, 0), Some(&at_least(0.5)));
    let open = assess(&name, &samples(50, 50, 0), Some(&at_least(0.5)));
    let (verdict, reasons) = conclude(&[pass.clone(), open.clone(), fail], &facts(100));
    assert_eq!((verdict, reasons[0].verdict), (Verdict::Fail, Verdict::Fail));
    let (verdict, reasons) = conclude(&[pass, open], &facts(100));
    assert_eq!((verdict, reasons[0].verdict), (Verdict::Inconclusive, Verdict::Inconclusive));
}

fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Pass => 2,
        Verdict::Inconclusive => 1,
        Verdict::Fail | Verdict::Error => 0,
    }
}

proptest! {
    #[test]
    fn a_sample_that_goes_missing_never_makes_a_pass(passed in 0_u64..80, failed in 0_u64..80, missing in 0_u64..20, min in 0.05_f64..0.99, point in any::<bool>()) {
        let mut rule = at_least(min);
        rule.decide_by = if point { DecideBy::Point } else { DecideBy::Interval };
        let before = verdict_of(&samples(passed, failed, missing), &rule);
        if before != Verdict::Pass {
            if failed > 0 {
                prop_assert_ne!(verdict_of(&samples(passed, failed - 1, missing + 1), &rule), Verdict::Pass);
            }
            if passed > 0 {
                prop_assert_ne!(verdict_of(&samples(passed - 1, failed, missing + 1), &rule), Verdict::Pass);
            }
        }
    }

    #[test]
    fn one_more_success_in_place_of_a_failure_is_never_worse(passed in 0_u64..80, failed in 1_u64..80, min in 0.05_f64..0.99) {
        let rule = at_least(min);
        let before = verdict_of(&samples(passed, failed, 0), &rule);
        let after = verdict_of(&samples(passed + 1, failed - 1, 0), &rule);
        prop_assert!(rank(after) >= rank(before), "{:?} -> {:?}", before, after);
    }
}

/// One rule of several, judged on its own samples.
fn rules_of(successes: &[u64], family: u32) -> Vec<Metric> {
    let name = subject("pass_rate", Direction::Higher);
    let one = |passed: &u64| assess_rule(&name, &samples(*passed, 200 - passed, 0), &at_least(0.9), family);
    settle_failures(successes.iter().map(one).collect())
}

#[test]
fn a_failure_that_is_likely_by_chance_among_many_rules_is_undecided() {
    // 172 of 200 fails alone against 0.9 at 95 %, and not at 99.5 %.
    let alone = rules_of(&[172], 1);
    assert_eq!(alone[0].verdict, Some(Verdict::Fail));
    let mut many = vec![195; 9];
    many.push(172);
    let among = rules_of(&many, 10);
    assert_eq!(among[9].verdict, Some(Verdict::Inconclusive));
    assert!(among[9].reason.as_ref().unwrap().contains("Holm"), "{:?}", among[9].reason);
    assert!(among[..9].iter().all(|rule| rule.verdict == Some(Verdict::Pass)), "a pass needs no correction");
    // A failure beyond doubt stands, and takes its place among the rest away.
    many[0] = 120;
    let among = rules_of(&many, 10);
    assert_eq!(among[0].verdict, Some(Verdict::Fail));
}

#[test]
fn rules_by_point_estimate_neither_lose_their_failure_nor_weaken_the_others() {
    let name = subject("pass_rate", Direction::Higher);
    let point = threshold("{\"metric\": \"pass_rate\", \"min\": 1.0, \"decide_by\": \"point\"}");
    let rules = vec![
        assess_rule(&name, &samples(199, 1, 0), &point, 1),
        assess_rule(&name, &samples(200, 0, 0), &point, 1),
        assess_rule(&name, &samples(172, 28, 0), &at_least(0.9), 1),
    ];
    let verdicts: Vec<_> = settle_failures(rules).into_iter().map(|rule| rule.verdict.unwrap()).collect();
    assert_eq!(verdicts, [Verdict::Fail, Verdict::Pass, Verdict::Fail]);
}

#[test]
fn a_metric_of_all_samples_passes_only_on_whole_and_varied_data() {
    let rule = threshold(r#"{"metric": "word_perplexity", "max": 20}"#);
    let subject = Subject { unit: Unit::Number, ..subject("word_perplexity", Direction::Lower) };
    let verdict = |scale: f64, spread: f64, count: u64, missing: u64| {
        let parts: Vec<[f64; 2]> = (0..count).map(|at| [-scale - spread * (at % 5) as f64, 10.0]).collect();
        let samples: Vec<(u64, &[f64])> = (0..).zip(&parts).map(|(at, parts)| (at, &parts[..])).collect();
        let data = Data::aggregate(Aggregate::WeightedPerplexity, &samples, missing);
        assess(&subject, &data, Some(&rule)).verdict.unwrap()
    };
    // exp(2) is 7.4, exp(4) is 54.6.
    assert_eq!(verdict(20.0, 0.1, 40, 0), Verdict::Pass);
    assert_eq!(verdict(40.0, 0.1, 40, 0), Verdict::Fail);
    assert_eq!(verdict(20.0, 0.1, 40, 1), Verdict::Inconclusive, "a missing sample may weigh anything");
    assert_eq!(verdict(20.0, 0.1, 9, 0), Verdict::Inconclusive, "too few groups");
    assert_eq!(verdict(20.0, 0.0, 40, 0), Verdict::Inconclusive, "samples that are all alike say nothing of others");
    assert_eq!(verdict(20.0, 0.1, 0, 5), Verdict::Error);
}
