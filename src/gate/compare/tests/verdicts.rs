//! One rule: when it passes, when it fails, and when it says that it does not know.

use super::*;

#[test]
fn the_reference_verdicts_come_out() {
    let text = include_str!("../../../../tests/oracles/statistics.json");
    let all: serde_json::Value = serde_json::from_str(text).unwrap();
    let cases = all["groups"]["verdict_regression_binary"]["cases"].as_array().unwrap();
    assert!(cases.len() >= 20);
    for case in cases {
        let number = |key: &str| usize::try_from(case["in"][key].as_u64().unwrap()).unwrap();
        let mut rule = pass_rate(case["in"]["margin"].as_f64().unwrap());
        rule.confidence = 1.0 - case["in"]["alpha"].as_f64().unwrap();
        let found = verdict(&rule, &pairs(number("up"), number("down"), number("n")));
        assert_eq!(found.word(), case["out"]["verdict"].as_str().unwrap(), "{case}");
    }
}

/// T(-margin) and T(0) by hand from the formula of T. Tango 1998, against 1.645.
#[test]
fn a_table_of_pairs_is_decided_as_by_hand() {
    let table = [
        // (up, down, n, margin): nothing changed; n / (1 - margin) * margin must exceed 1.645^2.
        (0, 0, 132, 0.02, Verdict::Inconclusive),
        (0, 0, 133, 0.02, Verdict::Pass),
        // Only drops: T(0) = -down / sqrt(down), so 3 are enough to fail (1.73), 2 are not (1.41).
        (0, 2, 50, 0.02, Verdict::Inconclusive),
        (0, 3, 50, 0.02, Verdict::Fail),
        // T(0) = -10 / sqrt(30) = -1.83.
        (10, 20, 200, 0.02, Verdict::Fail),
        (11, 20, 200, 0.02, Verdict::Inconclusive),
        (20, 10, 200, 0.02, Verdict::Pass),
        (10, 10, 100_000, 0.02, Verdict::Pass),
        (0, 50, 50, 0.02, Verdict::Fail),
        (50, 0, 50, 0.02, Verdict::Pass),
        (0, 1, 1, 0.5, Verdict::Inconclusive),
    ];
    for (up, down, n, margin, wanted) in table {
        assert_eq!(verdict(&pass_rate(margin), &pairs(up, down, n)), wanted, "{up} up, {down} down of {n}");
    }
}

#[test]
fn below_margin_fails_only_what_is_shown_to_be_worse_by_more_than_the_margin() {
    let below = rule("{\"metric\": \"pass_rate\", \"margin\": 0.05, \"fail_when\": \"below_margin\"}");
    // Down by 6 points with little noise: worse for sure, more than 5 points not for sure.
    let drop = pairs(0, 60, 1000);
    assert_eq!(verdict(&pass_rate(0.05), &drop), Verdict::Fail);
    assert_eq!(verdict(&below, &drop), Verdict::Inconclusive);
    let larger = judge(&below, &pairs(0, 100, 1000));
    assert_eq!(larger.verdict, Verdict::Fail);
    assert!(larger.reason.contains("worse by more than 0.05"), "{}", larger.reason);
}

#[test]
fn worse_inside_the_margin_passes_with_a_note() {
    let found = judge(&pass_rate(0.05), &pairs(5, 25, 1000));
    assert_eq!(found.verdict, Verdict::Pass);
    assert!(found.reason.contains("measurably worse, inside the margin"), "{}", found.reason);
    let same = judge(&pass_rate(0.05), &pairs(15, 15, 1000));
    assert_eq!(same.verdict, Verdict::Pass);
    assert!(!same.reason.contains("measurably worse"), "{}", same.reason);
}

#[test]
fn no_change_at_all_in_few_cases_never_passes() {
    for n in [1, 5, 10, 30, 50, 100, 132] {
        assert_eq!(verdict(&pass_rate(0.02), &pairs(0, 0, n)), Verdict::Inconclusive, "{n} yes-or-no cases");
        // The same with graded scores, whose spread is 0.
        let same = shares(&vec![(Some(0.5), Some(0.5)); n]);
        assert_eq!(verdict(&mean_score(0.02), &same), Verdict::Inconclusive, "{n} graded cases");
    }
    // Exact: with 149 the chance of a drop is below 0.02 (1 - 0.05^(1/149)); with 148 it is not.
    assert_eq!(verdict(&mean_score(0.02), &shares(&vec![(Some(0.5), Some(0.5)); 148])), Verdict::Inconclusive);
    assert_eq!(verdict(&mean_score(0.02), &shares(&vec![(Some(0.5), Some(0.5)); 149])), Verdict::Pass);
}

#[test]
fn fewer_than_ten_clusters_never_decide() {
    for count in 1..10 {
        for difference in [-1.0, -0.5, 0.0, 0.5, 1.0] {
            let found = judge(&mean_score(0.9), &clustered(&vec![difference; count], 100));
            assert_eq!(found.verdict, Verdict::Inconclusive, "{count} clusters of {difference}");
            assert!(found.reason.contains("at least 10 are needed"), "{}", found.reason);
        }
    }
}

#[test]
fn ten_clusters_that_all_change_are_believed() {
    let fall = |cluster: usize| -0.3 - 0.01 * f64::from(u32::try_from(cluster).unwrap());
    let fallen: Vec<f64> = (0..10).map(fall).collect();
    assert_eq!(verdict(&mean_score(0.02), &clustered(&fallen, 5)), Verdict::Fail);
    let risen: Vec<f64> = fallen.iter().map(|difference| -difference).collect();
    assert_eq!(verdict(&mean_score(0.02), &clustered(&risen, 5)), Verdict::Pass);
}

#[test]
fn ten_clusters_that_rise_alike_are_not_believed() {
    // A rare large drop that none of them shows may outweigh the small rises.
    for count in 10..20 {
        let found = verdict(&mean_score(0.02), &clustered(&vec![0.02; count], 5));
        assert_eq!(found, Verdict::Inconclusive, "{count} clusters");
    }
}

#[test]
fn a_cluster_is_one_piece_of_evidence_whatever_its_size() {
    // 30 cases that are worse, of 300: alone they are plenty, in three clusters they are three.
    assert_eq!(verdict(&pass_rate(0.02), &pairs(0, 30, 300)), Verdict::Fail);
    let mut data = pairs(0, 30, 300);
    for (index, unit) in data.units.iter_mut().enumerate() {
        unit.cluster = index as u64 / 10;
    }
    let found = judge(&pass_rate(0.02), &data);
    assert_eq!((found.verdict, found.n), (Verdict::Inconclusive, 30));
    assert_eq!(found.method, "t-clustered");
}

#[test]
fn one_large_cluster_is_not_outvoted_by_many_small_ones() {
    // Half of all cases are one cluster: that the 200 small ones did not change says nothing of it.
    let mut data = clustered(&vec![0.0; 200], 1);
    let large = PairUnit { cluster: 1000, ..data.units[0] };
    data.units.extend(std::iter::repeat_n(large, 200));
    assert_eq!(verdict(&mean_score(0.02), &data), Verdict::Inconclusive);
    assert_eq!(verdict(&mean_score(0.02), &clustered(&vec![0.0; 201], 2)), Verdict::Pass);
}

#[test]
fn repeats_are_averaged_by_case_and_add_no_cases() {
    let repeats = |count: usize| {
        let unit = |index: usize| PairUnit {
            cluster: index as u64,
            baseline: attempts(&vec![Some(1.0); count]),
            candidate: attempts(&vec![Some(if index < 2 { 0.0 } else { 1.0 }); count]),
        };
        Comparable { units: (0..60).map(unit).collect(), scale: Scale::Share }
    };
    for count in [2, 5, 50] {
        let found = judge(&pass_rate(0.05), &repeats(count));
        assert_eq!((found.n, found.verdict), (60, Verdict::Inconclusive), "{count} repeats");
    }
}

#[test]
fn large_drops_fail_also_where_few_cases_changed() {
    // 15 of 200 cases fall from all of their three attempts to none, and nothing rises.
    let unit = |index: usize| PairUnit {
        cluster: index as u64,
        baseline: attempts(&[Some(1.0); 3]),
        candidate: attempts(&[Some(if index < 15 { 0.0 } else { 1.0 }); 3]),
    };
    let data = Comparable { units: (0..200).map(unit).collect(), scale: Scale::Share };
    assert_eq!(verdict(&pass_rate(0.02), &data), Verdict::Fail);
}

#[test]
fn small_drops_of_few_cases_do_not_fail_since_one_rare_rise_could_outweigh_them() {
    // The spread of these differences is tiny, but says nothing of a rise by 1 in one of 200 cases.
    let cases: Vec<Case> = (0..200).map(|n| (Some(0.5), Some(if n < 15 { 0.45 } else { 0.5 }))).collect();
    assert_eq!(verdict(&mean_score(0.02), &shares(&cases)), Verdict::Inconclusive);
}

#[test]
fn latency_is_compared_by_its_ratio_on_logarithms() {
    let rule = rule("{\"metric\": \"latency_mean_ms\", \"margin\": 0.1}");
    // Values are turned: minus the logarithm, so that higher is better. Case i takes 100 + i milliseconds.
    let data = |factor: f64, noise: f64| {
        let unit = |index: u32| {
            let base = (100.0 + f64::from(index)).ln();
            let wobble = if index.is_multiple_of(2) { noise } else { -noise };
            PairUnit {
                cluster: u64::from(index),
                baseline: attempts(&[Some(-base)]),
                candidate: attempts(&[Some(-(base + factor.ln() + wobble))]),
            }
        };
        Comparable { units: (0..60).map(unit).collect(), scale: Scale::Ratio }
    };
    for (factor, wanted) in
        [(0.5, Verdict::Pass), (1.0, Verdict::Pass), (1.05, Verdict::Pass), (1.2, Verdict::Fail), (3.0, Verdict::Fail)]
    {
        let found = judge(&rule, &data(factor, 0.05));
        assert_eq!(found.verdict, wanted, "times {factor}: {}", found.reason);
        assert!((found.difference.unwrap() - (factor - 1.0)).abs() < 1e-9, "{:?}", found.difference);
    }
    // Twice the noise of the margin, and no drop: neither.
    assert_eq!(verdict(&rule, &data(1.0, 0.9)), Verdict::Inconclusive);
    assert!(judge(&rule, &data(1.05, 0.001)).reason.contains("measurably worse"));
}

#[test]
fn a_margin_that_is_no_number_never_passes() {
    for margin in [f64::NAN, f64::NEG_INFINITY] {
        let mut rule = pass_rate(0.02);
        rule.margin = margin;
        assert_ne!(verdict(&rule, &pairs(0, 0, 1000)), Verdict::Pass, "{margin}");
    }
}

#[test]
fn a_low_confidence_decides_as_well() {
    let mut rule = pass_rate(0.05);
    rule.confidence = 0.7;
    assert_eq!(verdict(&rule, &pairs(0, 0, 400)), Verdict::Pass);
    assert_eq!(verdict(&rule, &pairs(0, 100, 400)), Verdict::Fail);
}

#[test]
fn a_row_says_all_that_decided_it() {
    let found = judge(&pass_rate(0.02), &pairs(12, 30, 400));
    assert_eq!(found.verdict, Verdict::Fail);
    assert!((found.difference.unwrap() + 0.045).abs() < 1e-12);
    let changed = found.discordance.unwrap();
    assert_eq!((changed.newly_passing, changed.newly_failing, changed.pairs), (12, 30, 400));
    assert!((changed.share - 0.105).abs() < 1e-12);
    // Two-sided binomial test of 12 of 42, from scipy.stats.binomtest: 0.00794...
    assert!((changed.mcnemar_p - 0.007_940).abs() < 1e-4, "{}", changed.mcnemar_p);
    assert!(found.low.unwrap() < -0.045 && found.high.unwrap() < 0.0);
    // (1.645 + 0.842) sqrt(0.105 / 400), and the n of the same formula solved for the margin.
    assert!((found.smallest_visible.unwrap() - 0.0403).abs() < 1e-3, "{:?}", found.smallest_visible);
    assert_eq!(found.needed, Some(1623));
    for part in ["pass_rate", "0.925", "against 0.97 ", "-0.045", "95 % interval", "n=400"] {
        assert!(found.reason.contains(part), "{part}: {}", found.reason);
    }
}

#[test]
fn an_undecided_row_says_how_many_pairs_would_decide() {
    let found = judge(&pass_rate(0.02), &pairs(5, 5, 100));
    assert_eq!(found.verdict, Verdict::Inconclusive);
    assert!(found.needed.unwrap() > 100);
    assert!(found.reason.contains(&format!("needs about n={}", found.needed.unwrap())), "{}", found.reason);
}

/// Unchanged cases in clusters of one, and every tenth cluster of four.
fn uneven(clusters: usize) -> Comparable {
    let same = attempts(&[Some(1.0)]);
    let units = (0..clusters).flat_map(|cluster| {
        let size = if cluster % 10 == 0 { 4 } else { 1 };
        std::iter::repeat_n(PairUnit { cluster: cluster as u64, baseline: same, candidate: same }, size)
    });
    Comparable { units: units.collect(), scale: Scale::Share }
}

#[test]
fn the_number_that_an_undecided_comparison_asks_for_is_enough() {
    let rule = pass_rate(0.02);
    let small = judge(&rule, &uneven(180));
    assert_eq!(small.verdict, Verdict::Inconclusive);
    let needed = usize::try_from(small.needed.unwrap()).unwrap();
    // Rounded up to whole tens, so that the clusters are as uneven as before.
    assert_eq!(verdict(&rule, &uneven(needed.next_multiple_of(10))), Verdict::Pass, "{needed}");
    assert_eq!(verdict(&rule, &uneven(needed / 20 * 10)), Verdict::Inconclusive, "{needed}");
    let wide = pass_rate(small.smallest_visible.unwrap() + 1e-6);
    assert_eq!(verdict(&wide, &uneven(180)), Verdict::Pass, "{:?}", small.smallest_visible);
}
