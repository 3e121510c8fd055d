//! The rules of a plan, against the gate itself.

use std::collections::BTreeMap;

use super::*;
use crate::gate::compare::{
    Asked, Attempts, Comparable, FailWhen, PairUnit, RegressionMode, RegressionRule, Scale, compare,
};
use crate::gate::{
    CaseUnit, Data, DecideBy, Direction, MetricName, Subject, Threshold, Unit, Verdict, assess, known_metric,
};
use crate::stats::Alpha;

fn threshold(metric: &str, bound: f64) -> Threshold {
    let direction = known_metric(metric).map_or(Direction::Higher, |known| known.direction);
    let (min, max) = if direction == Direction::Higher { (Some(bound), None) } else { (None, Some(bound)) };
    Threshold {
        metric: MetricName::new(metric).unwrap(),
        min,
        max,
        direction: None,
        confidence: 0.95,
        decide_by: DecideBy::Interval,
        level: None,
        tags: Vec::new(),
        suite: None,
        required: true,
        alone: false,
    }
}

fn gate_says(threshold: &Threshold, data: &Data) -> Verdict {
    let known = known_metric(threshold.metric.as_str());
    let subject = Subject {
        name: threshold.metric.clone(),
        scope: None,
        direction: known.map_or(Direction::Higher, |known| known.direction),
        unit: known.map_or(Unit::Share, |known| known.unit),
    };
    assess(&subject, data, Some(threshold)).verdict.unwrap()
}

/// Independent cases of which `failures` fail.
fn single(threshold: &Threshold, failures: u64, n: u64) -> Data {
    let good = if threshold.min.is_some() { 1.0 } else { 0.0 };
    let unit = |cluster: u64| {
        let sum = if cluster < failures { 1.0 - good } else { good };
        CaseUnit { cluster, sum, judged: 1, missing: 0 }
    };
    Data::Share((0..n).map(unit).collect())
}

#[test]
fn the_published_numbers_of_cases_are_needed() {
    for (metric, bound, needed) in
        [("pass_rate", 0.999, 2995), ("error_rate", 0.001, 2995), ("error_rate", 0.005, 598), ("pass_rate", 0.99, 299)]
    {
        let rule = threshold(metric, bound);
        assert_eq!(threshold_can_pass(&rule, &Planned::single(needed)), CanPass::Yes, "{metric} {bound}");
        let never = CanPass::Never { units: needed - 1, needed: Some(needed) };
        assert_eq!(threshold_can_pass(&rule, &Planned::single(needed - 1)), never, "{metric} {bound}");
        // A few failures need more, by the published table.
        let plan = plan_threshold(&rule, None, Planned::single(needed)).unwrap();
        assert_eq!(plan.failures_allowed, Some(0));
    }
    let plan = plan_threshold(&threshold("error_rate", 0.001), None, Planned::single(4742)).unwrap();
    assert_eq!(plan.failures_allowed, Some(1));
}

#[test]
fn a_plan_never_contradicts_the_gate_on_yes_or_no_cases() {
    for metric in ["pass_rate", "error_rate", "mean_score"] {
        for strict in [0.5, 0.2, 0.1, 0.05, 0.013] {
            let bound = if metric == "error_rate" { strict } else { 1.0 - strict };
            for n in [1, 2, 3, 5, 9, 10, 13, 14, 28, 29, 58, 59, 60, 100, 229, 230, 300] {
                let rule = threshold(metric, bound);
                let perfect = gate_says(&rule, &single(&rule, 0, n)) == Verdict::Pass;
                let planned = threshold_can_pass(&rule, &Planned::single(n));
                if metric == "mean_score" {
                    // Graded scores may show what yes-or-no results cannot.
                    assert!(!perfect || planned == CanPass::Yes, "{metric} {bound} {n}");
                } else {
                    assert_eq!(planned == CanPass::Yes, perfect, "{metric} {bound} {n}");
                }
                let plan = plan_threshold(&rule, None, Planned::single(n)).unwrap();
                assert_eq!(plan.needed.unwrap() <= n, perfect, "{metric} {bound} {n}");
                if let Some(allowed) = plan.failures_allowed {
                    assert_eq!(gate_says(&rule, &single(&rule, allowed, n)), Verdict::Pass, "{metric} {bound} {n}");
                    if allowed < n {
                        assert_ne!(gate_says(&rule, &single(&rule, allowed + 1, n)), Verdict::Pass);
                    }
                }
            }
        }
    }
}

#[test]
fn a_pass_that_the_gate_gives_is_never_called_impossible() {
    let mut state = crate::stats::Generator::new(11);
    let (mut passed, mut beyond) = (0, 0);
    for _ in 0..4000 {
        let cases = 1 + state.index(80) as u64;
        let groups = if state.unit() < 0.5 { cases } else { 1 + state.index(usize::try_from(cases).unwrap()) as u64 };
        let repeats = [1, 1, 2, 5, 10][state.index(5)];
        let graded = state.unit() < 0.3;
        let chance = 1.0 - state.unit() * 0.05;
        let units: Vec<CaseUnit> = (0..cases)
            .map(|case| {
                let one = |state: &mut crate::stats::Generator| {
                    if graded { 1.0 - state.unit() * 1e-3 } else { f64::from(u8::from(state.unit() < chance)) }
                };
                let sum = (0..repeats).map(|_| one(&mut state)).sum();
                CaseUnit { cluster: case % groups, sum, judged: repeats, missing: 0 }
            })
            .collect();
        let planned = Planned {
            cases,
            samples: cases * u64::from(repeats),
            groups,
            fewest_repeats: repeats,
            most_repeats: repeats,
        };
        for (metric, bound) in [("pass_rate", 0.9), ("pass_rate", 0.97), ("mean_score", 0.98), ("style", 0.99)] {
            if graded && metric == "pass_rate" {
                continue;
            }
            let rule = threshold(metric, bound);
            if gate_says(&rule, &Data::Share(units.clone())) == Verdict::Pass {
                passed += 1;
                let perfect = threshold_can_pass(&threshold("pass_rate", bound), &Planned::single(groups));
                beyond += u32::from(perfect != CanPass::Yes);
                assert_eq!(threshold_can_pass(&rule, &planned), CanPass::Yes, "{metric} {bound} {planned:?}");
            }
        }
    }
    assert!(passed > 300 && beyond > 20, "{passed} passes, {beyond} that a perfect result would not: too few");
}

#[test]
fn quantiles_means_and_totals_are_planned_by_their_own_rules() {
    for (metric, q) in [("latency_p50_ms", 0.5), ("latency_p95_ms", 0.95), ("latency_p99_ms", 0.99)] {
        for n in [1, 4, 5, 6, 58, 59, 298, 299, 400] {
            let rule = threshold(metric, 100.0);
            let data = Data::Quantile { values: vec![0.0; n], missing: 0, q };
            let gate = gate_says(&rule, &data) == Verdict::Pass;
            assert_eq!(threshold_can_pass(&rule, &Planned::single(n as u64)) == CanPass::Yes, gate, "{metric} {n}");
        }
    }
    let needed = |metric: &str| plan_threshold(&threshold(metric, 1.0), None, Planned::single(3)).unwrap().needed;
    assert_eq!((needed("latency_p95_ms"), needed("latency_p99_ms")), (Some(59), Some(299)));
    let mean = threshold("latency_mean_ms", 1.0);
    for n in [9_u64, 10] {
        let clusters: BTreeMap<u64, (f64, u64)> = (0..n).map(|cluster| (cluster, (0.0, 1))).collect();
        let gate = gate_says(&mean, &Data::Mean { clusters, missing: 0 }) == Verdict::Pass;
        assert_eq!(threshold_can_pass(&mean, &Planned::single(n)) == CanPass::Yes, gate, "{n}");
    }
    assert_eq!(threshold_can_pass(&threshold("cost_usd", 1.0), &Planned::single(1)), CanPass::Yes);
}

#[test]
fn a_point_estimate_can_always_pass_and_an_empty_scope_never() {
    let point = Threshold { decide_by: DecideBy::Point, ..threshold("pass_rate", 1.0) };
    assert_eq!(threshold_can_pass(&point, &Planned::single(1)), CanPass::Yes);
    assert!(matches!(threshold_can_pass(&point, &Planned::default()), CanPass::Never { units: 0, .. }));
    let found = preflight(&[point], |_| (Planned::default(), None));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1.verdict, Verdict::Error);
}

#[test]
fn the_indifference_zone_is_where_the_chances_say() {
    let rule = threshold("pass_rate", 0.9);
    let plan = plan_threshold(&rule, None, Planned::single(500)).unwrap();
    let (pass, fail) = (plan.passes_at.unwrap(), plan.fails_at.unwrap());
    assert!(fail < 0.9 && 0.9 < pass, "{fail} {pass}");
    let chance = |rate: f64, wanted: Verdict| -> f64 {
        (0..=500)
            .filter(|failures| gate_says(&rule, &single(&rule, *failures, 500)) == wanted)
            .map(|failures| crate::stats::binomial_pmf(500 - failures, 500, rate))
            .sum()
    };
    assert!((chance(pass, Verdict::Pass) - 0.8).abs() < 1e-6);
    assert!((chance(fail, Verdict::Fail) - 0.8).abs() < 1e-6);
    // The expected samples are smallest at the ends, and largest near the bound.
    let shares: Vec<f64> = plan.early.iter().map(|at| at.share).collect();
    assert!(shares[1] > shares[0] && shares[1] > shares[2] && shares[3] < shares[2], "{shares:?}");
}

fn pairs(up: u64, n: u64) -> Comparable {
    let side = |good: bool| Attempts { sum: f64::from(u8::from(good)), judged: 1, missing: 0 };
    let unit = |case: u64| PairUnit { cluster: case, baseline: side(case >= up), candidate: side(true) };
    Comparable { units: (0..n).map(unit).collect(), scale: Scale::Share }
}

fn comparison_says(rule: &RegressionRule, data: &Comparable) -> Verdict {
    let subject = Subject { name: rule.metric.clone(), scope: None, direction: Direction::Higher, unit: Unit::Share };
    let alpha = Alpha::new(1.0 - rule.confidence).unwrap();
    let asked =
        Asked { subject: &subject, rule, against: "baseline", margin: rule.margin, alpha, family: 1, staged: None };
    compare(&asked, data).compared.verdict
}

#[test]
fn a_rule_is_possible_exactly_when_a_candidate_without_any_change_passes() {
    for margin in [0.01, 0.02, 0.05, 0.1] {
        let rule = RegressionRule { margin, ..RegressionRule::standard(MetricName::new("pass_rate").unwrap()) };
        for n in [5, 10, 26, 27, 28, 53, 54, 132, 133, 134, 267, 268, 269, 500] {
            let can = regression_can_pass(&rule, &Planned::single(n));
            assert_eq!(can.unchanged, comparison_says(&rule, &pairs(0, n)) == Verdict::Pass, "{margin} {n}");
            assert_eq!(can.ever, comparison_says(&rule, &pairs(n, n)) == Verdict::Pass, "{margin} {n}");
            assert_eq!(can.unchanged, n >= can.needed.unwrap(), "{margin} {n}");
        }
    }
}

#[test]
fn a_comparison_that_passes_is_never_called_impossible() {
    let rule = RegressionRule { margin: 0.05, ..RegressionRule::standard(MetricName::new("pass_rate").unwrap()) };
    let mut state = crate::stats::Generator::new(12);
    let (mut passed, mut hopeless) = (0, 0);
    for _ in 0..3000 {
        let cases = 1 + state.index(90) as u64;
        let groups = if state.unit() < 0.5 { cases } else { 1 + state.index(usize::try_from(cases).unwrap()) as u64 };
        let repeats = [1, 1, 3, 10][state.index(4)];
        let (better, worse) = (state.unit() * 0.5, state.unit() * 0.05);
        let units = (0..cases).map(|case| {
            let mut side = |chance: f64| {
                let good = (0..repeats).filter(|_| state.unit() < chance).count();
                Attempts { sum: crate::stats::float(good as u64), judged: repeats, missing: 0 }
            };
            PairUnit { cluster: case % groups, baseline: side(1.0 - better), candidate: side(1.0 - worse) }
        });
        let data = Comparable { units: units.collect(), scale: Scale::Share };
        let planned = Planned {
            cases,
            samples: cases * u64::from(repeats),
            groups,
            fewest_repeats: repeats,
            most_repeats: repeats,
        };
        let can = regression_can_pass(&rule, &planned);
        hopeless += u32::from(!can.ever);
        if comparison_says(&rule, &data) == Verdict::Pass {
            passed += 1;
            assert!(can.ever, "{planned:?}");
        }
    }
    assert!(passed > 300 && hopeless > 300, "{passed} passes, {hopeless} hopeless plans: too few");
}

#[test]
fn a_comparison_is_planned_by_the_published_table() {
    let rule = RegressionRule::standard(MetricName::new("pass_rate").unwrap());
    let plan = plan_regression(&rule, None, Planned::single(1000), Noise::ASSUMED);
    assert_eq!(plan.pairs_needed, Some(1546));
    assert!((plan.smallest_visible.unwrap() - 0.025).abs() < 0.0005);
    // Source: docs/measurements/error-rates.md.
    assert!((plan.passes_unchanged.unwrap() - 0.629).abs() < 0.01);
    let shares: Vec<f64> = plan.early.iter().map(|at| at.share).collect();
    assert!((shares[0] - 0.79).abs() < 0.015 && (shares[1] - 0.81).abs() < 0.015, "{shares:?}");
    let strict = RegressionRule { fail_when: FailWhen::BelowMargin, ..rule.clone() };
    let later = plan_regression(&strict, None, Planned::single(1000), Noise::ASSUMED);
    assert!(later.early[2].fail < plan.early[2].fail);
    let legacy = RegressionRule { mode: RegressionMode::Tolerance, ..rule };
    let legacy = plan_regression(&legacy, None, Planned::single(10), Noise::ASSUMED);
    assert!(legacy.possible && legacy.early.is_empty());
}

#[test]
fn a_model_without_noise_is_planned_without_a_division_by_nothing() {
    let rule = RegressionRule::standard(MetricName::new("pass_rate").unwrap());
    let still = Noise { discordant: 0.0, from: NoiseFrom::Calibration, variance: None };
    for (n, passes) in [(50, 0.0), (500, 1.0)] {
        let plan = plan_regression(&rule, None, Planned::single(n), still);
        assert_eq!((plan.passes_unchanged, plan.possible), (Some(passes), passes > 0.5), "{n}");
        let text = serde_json::to_string(&plan).unwrap();
        assert!(!text.contains("null,\"early\""), "{text}");
    }
}

#[test]
fn a_bound_close_to_one_is_not_shown_as_one() {
    let planned = Planned::single(100);
    for (metric, bound, wanted) in [
        ("pass_rate", 0.999_99, "at least 0.99999 "),
        ("error_rate", 0.000_02, "at most 0.00002 "),
        ("pass_rate", 0.9, "at least 0.9 "),
    ] {
        let text = never(&threshold(metric, bound), Some("level=smoke"), &planned, (100, Some(1234)));
        assert!(text.contains(wanted) && text.contains("[level=smoke]") && text.contains("1,234 are needed"), "{text}");
    }
}

#[test]
fn a_rule_that_was_calibrated_is_planned_with_what_its_own_comparison_saw() {
    let rule = RegressionRule::standard(MetricName::new("pass_rate").unwrap());
    let subject = Subject { name: rule.metric.clone(), scope: None, direction: Direction::Higher, unit: Unit::Share };
    let alpha = Alpha::new(0.05).unwrap();
    let asked =
        Asked { subject: &subject, rule: &rule, against: "first run", margin: 0.02, alpha, family: 1, staged: None };
    let row = compare(&asked, &pairs(50, 500)).compared;
    let variance = measured_variance(&row).unwrap();
    assert!((variance - 0.1).abs() < 1e-9, "{variance}");
    let noise = Noise { discordant: 0.5, from: NoiseFrom::Calibration, variance: Some(variance) };
    let plan = plan_regression(&rule, None, Planned::single(500), noise);
    assert!((plan.smallest_visible.unwrap() - row.smallest_visible.unwrap()).abs() < 1e-12);
    // On the ratio scale it is the logarithm that varies.
    let latency =
        RegressionRule { margin: 0.1, ..RegressionRule::standard(MetricName::new("latency_mean_ms").unwrap()) };
    let plan = plan_regression(&latency, None, Planned::single(500), noise);
    assert!((plan.smallest_visible.unwrap().ln_1p() - row.smallest_visible.unwrap()).abs() < 1e-12);
    assert!(plan.early.is_empty() && plan.pairs_needed.unwrap() < 500, "{plan:?}");
    let blind = plan_regression(&latency, None, Planned::single(500), Noise::ASSUMED);
    assert_eq!((blind.smallest_visible, blind.possible), (None, true));
}
