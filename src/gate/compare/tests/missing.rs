//! What could not be judged: it never makes a verdict better, and never makes a failure.

use proptest::prelude::*;

use super::*;

#[test]
fn a_pass_survives_every_missing_sample_as_the_worst() {
    let good = pairs(0, 0, 400);
    assert_eq!(verdict(&pass_rate(0.02), &good), Verdict::Pass);
    let lacking = |count: usize, side: fn(&mut PairUnit) -> &mut Attempts| {
        let mut data = good.clone();
        for unit in data.units.iter_mut().take(count) {
            *side(unit) = attempts(&[None]);
        }
        data
    };
    assert_eq!(verdict(&pass_rate(0.02), &lacking(1, |unit| &mut unit.candidate)), Verdict::Pass);
    let found = judge(&pass_rate(0.02), &lacking(8, |unit| &mut unit.candidate));
    assert_eq!((found.verdict, found.missing), (Verdict::Inconclusive, 8));
    assert!(found.reason.contains("8 samples are missing, which may have gone either way"), "{}", found.reason);
    // The baseline was right in all of them: if its answer is missing, it may have been right all the same.
    assert_eq!(verdict(&pass_rate(0.02), &lacking(100, |unit| &mut unit.baseline)), Verdict::Pass);
}

#[test]
fn a_failure_survives_every_missing_sample_as_the_best() {
    let mut data = pairs(0, 12, 400);
    assert_eq!(verdict(&pass_rate(0.02), &data), Verdict::Fail);
    for unit in data.units.iter_mut().take(10) {
        unit.candidate = attempts(&[None]);
    }
    assert_eq!(verdict(&pass_rate(0.02), &data), Verdict::Inconclusive);
}

#[test]
fn a_drop_inside_the_margin_does_not_fail_when_a_sample_goes_missing() {
    // Passes with a note; the lower bound is just inside of the margin.
    let mut data = pairs(0, 11, 1000);
    let rule = pass_rate(0.018);
    assert_eq!(verdict(&rule, &data), Verdict::Pass);
    data.units[999].candidate = attempts(&[None]);
    data.units[998].candidate = attempts(&[None]);
    data.units[997].candidate = attempts(&[None]);
    assert_eq!(verdict(&rule, &data), Verdict::Inconclusive);
}

#[test]
fn a_score_that_goes_missing_never_changes_the_method_to_one_that_decides() {
    // Nine graded cases decide nothing. That the ninth is missing leaves eight clear drops and no grade, as if yes-or-no.
    let mut cases: Vec<Case> = vec![(Some(1.0), Some(0.0)); 8];
    cases.push((Some(1.0), Some(0.5)));
    assert_eq!(verdict(&mean_score(0.02), &shares(&cases)), Verdict::Inconclusive);
    cases[8].1 = None;
    assert_eq!(verdict(&mean_score(0.02), &shares(&cases)), Verdict::Inconclusive);
}

#[test]
fn an_outlier_that_goes_missing_never_narrows_the_interval() {
    // One large rise widens the spread of many small changes: without it the mean would look certain.
    let mut cases: Vec<Case> =
        (0..100_u32).map(|n| (Some(0.5), Some(if n.is_multiple_of(2) { 0.51 } else { 0.49 }))).collect();
    cases[0] = (Some(0.0), Some(1.0));
    assert_eq!(verdict(&mean_score(0.005), &shares(&cases)), Verdict::Inconclusive);
    cases[0].1 = None;
    assert_eq!(verdict(&mean_score(0.005), &shares(&cases)), Verdict::Inconclusive);
}

#[test]
fn missing_latency_is_undecided_and_says_so() {
    let unit = |index: u32| PairUnit {
        cluster: u64::from(index),
        baseline: attempts(&[Some(-5.0 - 0.001 * f64::from(index))]),
        candidate: attempts(&[(index > 0).then_some(-5.0)]),
    };
    let data = Comparable { units: (0..100).map(unit).collect(), scale: Scale::Ratio };
    let found = judge(&rule("{\"metric\": \"latency_mean_ms\", \"margin\": 0.1}"), &data);
    assert_eq!((found.verdict, found.n), (Verdict::Inconclusive, 100));
    assert!(found.reason.contains("1 sample is missing, which may have gone either way"), "{}", found.reason);
}

#[test]
fn a_side_without_any_judged_sample_is_an_error() {
    for (case, side) in [((Some(1.0), None), "candidate"), ((None, Some(1.0)), "baseline")] {
        let found = judge(&pass_rate(0.02), &shares(&vec![case; 50]));
        assert_eq!(found.verdict, Verdict::Error);
        assert!(found.reason.contains(&format!("the {side} has no judged sample")), "{}", found.reason);
    }
    assert_eq!(verdict(&pass_rate(0.02), &shares(&[])), Verdict::Error);
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![4 => Just(1.0), 2 => Just(0.0), 1 => 0.0_f64..=1.0, 1 => Just(0.5)]
}

/// Cases of one or two attempts a side, mostly unchanged, some in clusters.
fn units(graded: bool) -> impl Strategy<Value = Vec<PairUnit>> {
    let value = move || if graded { value().boxed() } else { prop_oneof![4 => Just(1.0), 1 => Just(0.0)].boxed() };
    let unit = (value(), value(), 0_u8..6, 0_u8..20, 0_u8..20).prop_map(|(one, two, same, lost_one, lost_two)| {
        let two = if same < 4 { one } else { two };
        let seen = |value: f64, lost: u8| (lost > 0).then_some(value);
        PairUnit { cluster: 0, baseline: attempts(&[seen(one, lost_one)]), candidate: attempts(&[seen(two, lost_two)]) }
    });
    (prop::collection::vec(unit, 8..200), 1_u64..4).prop_map(|(mut units, each)| {
        for (index, unit) in units.iter_mut().enumerate() {
            unit.cluster = index as u64 / each;
        }
        units
    })
}

/// The same with one judged attempt turned into a missing one. None where it is missing already.
fn lose(units: &[PairUnit], index: usize, candidate: bool) -> Option<Vec<PairUnit>> {
    let mut units = units.to_vec();
    let length = units.len();
    let unit = &mut units[index % length];
    let side = if candidate { &mut unit.candidate } else { &mut unit.baseline };
    (side.judged == 1).then(|| *side = attempts(&[None]))?;
    Some(units)
}

fn nothing_improves(rule: &RegressionRule, before: Vec<PairUnit>, after: Vec<PairUnit>) -> Result<(), TestCaseError> {
    let judged = |units| judge(rule, &Comparable { units, scale: Scale::Share });
    let (before, after) = (judged(before), judged(after));
    let message = format!("{} -> {}", before.reason, after.reason);
    prop_assert!(after.verdict != Verdict::Pass || before.verdict == Verdict::Pass, "{}", message);
    prop_assert!(after.verdict != Verdict::Fail || before.verdict == Verdict::Fail, "{}", message);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_score_that_goes_missing_never_decides(units in units(true), index in 0_usize..200, candidate in any::<bool>(), margin in 0.005_f64..0.3, below in any::<bool>()) {
        if let Some(after) = lose(&units, index, candidate) {
            let mut rule = mean_score(margin);
            rule.fail_when = if below { FailWhen::BelowMargin } else { FailWhen::Worse };
            nothing_improves(&rule, units, after)?;
        }
    }

    #[test]
    fn a_yes_or_no_that_goes_missing_never_decides(units in units(false), index in 0_usize..200, candidate in any::<bool>(), margin in 0.005_f64..0.3, named in any::<bool>()) {
        if let Some(after) = lose(&units, index, candidate) {
            let rule = if named { mean_score(margin) } else { pass_rate(margin) };
            nothing_improves(&rule, units, after)?;
        }
    }

    #[test]
    fn the_legacy_rule_is_no_better_for_what_is_missing(units in units(true), index in 0_usize..200, candidate in any::<bool>(), tolerance in 0.005_f64..0.3) {
        if let Some(after) = lose(&units, index, candidate) {
            let rule = rule(&format!("{{\"metric\": \"mean_score\", \"mode\": \"tolerance\", \"tolerance\": {tolerance}}}"));
            nothing_improves(&rule, units, after)?;
        }
    }
}
