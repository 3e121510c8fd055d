//! The legacy rule, and the comparison of two summaries without pairs.

use super::*;
use crate::stats::{Count, float};

fn tolerance(metric: &str, tolerance: f64) -> RegressionRule {
    rule(&format!("{{\"metric\": \"{metric}\", \"mode\": \"tolerance\", \"tolerance\": {tolerance}}}"))
}

#[test]
fn the_legacy_rule_is_labelled_and_compares_point_estimates() {
    let within = judge(&tolerance("pass_rate", 0.1), &pairs(0, 5, 50));
    assert_eq!((within.verdict, within.method.as_str()), (Verdict::Pass, "tolerance-legacy"));
    assert!(within.reason.contains("legacy rule on point estimates, without a guarantee"), "{}", within.reason);
    let outside = judge(&tolerance("pass_rate", 0.09), &pairs(0, 5, 50));
    assert_eq!(outside.verdict, Verdict::Fail);
    assert!(outside.reason.contains("is outside 9 %"), "{}", outside.reason);
    assert_eq!((outside.low, outside.high), (None, None), "it has no interval");
}

#[test]
fn the_legacy_rule_turns_round_where_lower_is_better() {
    // Turned values: 1 - rate. 10 % of errors against 8 %: a quarter more.
    let data = |errors: usize| {
        shares(
            &(0..100)
                .map(|n| {
                    let right = |errors: usize| Some(if n < errors { 0.0 } else { 1.0 });
                    (right(8), right(errors))
                })
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(verdict(&tolerance("error_rate", 0.2), &data(10)), Verdict::Fail);
    assert_eq!(verdict(&tolerance("error_rate", 0.3), &data(10)), Verdict::Pass);
    assert_eq!(verdict(&tolerance("error_rate", 0.2), &data(4)), Verdict::Pass);
}

#[test]
fn the_legacy_rule_needs_a_baseline_above_nothing() {
    let zero = shares(&vec![(Some(0.0), Some(0.0)); 100]);
    let found = judge(&tolerance("pass_rate", 0.02), &zero);
    assert_eq!(found.verdict, Verdict::Error);
    assert!(found.reason.contains("needs a baseline above 0"), "{}", found.reason);
    // An error rate of nothing, of which two per cent are nothing.
    let perfect = shares(&vec![(Some(1.0), Some(1.0)); 100]);
    assert_eq!(verdict(&tolerance("error_rate", 0.02), &perfect), Verdict::Error);
}

#[test]
fn the_legacy_rule_with_missing_samples_never_passes_and_fails_only_for_sure() {
    let mut data = pairs(0, 0, 50);
    data.units[0].candidate = attempts(&[None]);
    assert_eq!(verdict(&tolerance("pass_rate", 0.05), &data), Verdict::Inconclusive);
    // Three drops of 50 are outside of 5 %; if one more is missing, it may have been right, and 3 of 50 remain.
    let mut drops = pairs(0, 3, 50);
    drops.units[49].candidate = attempts(&[None]);
    assert_eq!(verdict(&tolerance("pass_rate", 0.05), &drops), Verdict::Fail);
    // With one of the three missing, two of 50 may be all.
    let mut fewer = pairs(0, 3, 50);
    fewer.units[0].candidate = attempts(&[None]);
    fewer.units[49].candidate = attempts(&[None]);
    assert_ne!(verdict(&tolerance("pass_rate", 0.05), &fewer), Verdict::Fail);
}

fn proportion(successes: u64, trials: u64) -> Summary {
    let rate = float(successes) / float(trials);
    Summary {
        value: rate,
        standard_error: (rate * (1.0 - rate) / float(trials)).sqrt(),
        n: trials,
        count: Count::new(successes, trials),
        missing: 0,
    }
}

fn unpaired(rule: &RegressionRule, baseline: Summary, candidate: Summary) -> Judged {
    let subject = higher(rule.metric.as_str());
    let alpha = Alpha::new(1.0 - rule.confidence).unwrap();
    let asked =
        Asked { subject: &subject, rule, against: "baseline", margin: rule.margin, alpha, family: 4, staged: None };
    compare_summaries(&asked, Scale::Share, baseline, candidate)
}

#[test]
fn two_summaries_are_compared_as_independent_samples() {
    let table = [
        // n = 4000 a side, p = 0.75: the one-sided bound lies 1.645 sqrt(2 * 0.1875 / 4000) = 0.016 below the difference.
        (3000, 3000, Verdict::Pass),
        (3000, 2950, Verdict::Inconclusive),
        (3000, 2900, Verdict::Fail),
    ];
    for (baseline, candidate, wanted) in table {
        let found = unpaired(&pass_rate(0.02), proportion(baseline, 4000), proportion(candidate, 4000)).compared;
        assert_eq!(found.verdict, wanted, "{baseline} and {candidate}: {}", found.reason);
        assert_eq!(found.method, "newcombe-unpaired");
        assert!(found.reason.contains("unpaired, since the samples of one side are not there"), "{}", found.reason);
        // sigma^2 of both sides is 0.375, of pairs with a tenth changed 0.1.
        assert!(found.reason.contains("about 1/3."), "{}", found.reason);
    }
}

#[test]
fn summaries_of_means_are_compared_by_welch() {
    let mean = |value: f64, standard_error: f64, n: u64| Summary { value, standard_error, n, count: None, missing: 0 };
    let found = |base: Summary, cand: Summary| unpaired(&mean_score(0.05), base, cand);
    let same = found(mean(0.7, 0.01, 500), mean(0.7, 0.01, 500));
    assert_eq!((same.compared.verdict, same.compared.method.as_str()), (Verdict::Pass, "welch-unpaired"));
    assert_eq!(found(mean(0.7, 0.01, 500), mean(0.6, 0.01, 500)).compared.verdict, Verdict::Fail);
    assert_eq!(found(mean(0.7, 0.05, 500), mean(0.7, 0.05, 500)).compared.verdict, Verdict::Inconclusive);
    assert_eq!(found(mean(0.7, 0.0, 9), mean(0.1, 0.0, 9)).compared.verdict, Verdict::Inconclusive, "nine units");
}

#[test]
fn summaries_with_missing_samples_are_undecided() {
    for (baseline, candidate) in [(3000, 3000), (3000, 1000)] {
        let mut side = proportion(candidate, 4000);
        side.missing = 1;
        let found = unpaired(&pass_rate(0.02), proportion(baseline, 4000), side);
        assert_eq!((found.compared.verdict, found.strength), (Verdict::Inconclusive, 0));
    }
}

#[test]
fn summaries_obey_below_margin_and_the_legacy_mode() {
    let below = rule("{\"metric\": \"pass_rate\", \"margin\": 0.02, \"fail_when\": \"below_margin\"}");
    let (baseline, candidate) = (proportion(3000, 4000), proportion(2900, 4000));
    assert_eq!(unpaired(&below, baseline, candidate).compared.verdict, Verdict::Inconclusive);
    assert_eq!(unpaired(&below, baseline, proportion(2700, 4000)).compared.verdict, Verdict::Fail);
    let legacy = unpaired(&tolerance("pass_rate", 0.05), baseline, candidate).compared;
    assert_eq!((legacy.verdict, legacy.method.as_str()), (Verdict::Pass, "tolerance-legacy"));
}

#[test]
fn a_drop_inside_the_margin_is_noted_without_pairs_as_well() {
    let found = unpaired(&pass_rate(0.05), proportion(30_000, 40_000), proportion(29_400, 40_000)).compared;
    assert_eq!(found.verdict, Verdict::Pass);
    assert!(found.reason.contains("measurably worse, inside the margin"), "{}", found.reason);
}
