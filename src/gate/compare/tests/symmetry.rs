//! What must not matter to a verdict: the order of pairs, the sign of a metric, one more case that both get right.

use proptest::prelude::*;

use super::*;

fn graded() -> impl Strategy<Value = Vec<(f64, f64)>> {
    let case = (0.0_f64..=1.0, -0.2_f64..=0.2, 0_u8..3).prop_map(|(baseline, change, same)| {
        let candidate = if same == 0 { baseline } else { (baseline + change).clamp(0.0, 1.0) };
        (baseline, candidate)
    });
    prop::collection::vec(case, 10..150)
}

fn judged(cases: &[(f64, f64)]) -> Comparable {
    shares(&cases.iter().map(|(baseline, candidate)| (Some(*baseline), Some(*candidate))).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn lower_is_better_is_the_negation(cases in graded(), margin in 0.005_f64..0.2) {
        let higher = rule(&format!("{{\"metric\": \"wit\", \"direction\": \"higher\", \"margin\": {margin}}}"));
        let lower = rule(&format!("{{\"metric\": \"wit\", \"direction\": \"lower\", \"margin\": {margin}}}"));
        // Values are turned before they come here: the same sums stand for 1 - value.
        let data = judged(&cases);
        let (one, two) = (judge(&higher, &data), judge(&lower, &data));
        prop_assert_eq!(one.verdict, two.verdict);
        let sum = |one: Option<f64>, two: Option<f64>| one.zip(two).map_or(0.0, |(one, two)| one + two);
        prop_assert!(sum(one.difference, two.difference).abs() < 1e-12);
        prop_assert!(sum(one.low, two.high).abs() < 1e-12 && sum(one.high, two.low).abs() < 1e-12);
        prop_assert!((sum(one.baseline, two.baseline) - 1.0).abs() < 1e-12);
        prop_assert_eq!(one.needed, two.needed);
    }

    #[test]
    fn the_order_of_pairs_leaves_the_row(cases in graded(), seed in any::<u64>(), margin in 0.005_f64..0.2) {
        let data = judged(&cases);
        let mut other = data.clone();
        crate::stats::Generator::new(seed).shuffle(&mut other.units);
        let (one, two) = (judge(&mean_score(margin), &data), judge(&mean_score(margin), &other));
        prop_assert_eq!(one.verdict, two.verdict);
        prop_assert!((one.low.unwrap() - two.low.unwrap()).abs() < 1e-9);
    }

    #[test]
    fn one_more_case_that_both_get_right_never_turns_a_pass_into_a_failure(up in 0_usize..30, down in 0_usize..30, rest in 0_usize..300, margin in 0.005_f64..0.2) {
        let n = up + down + rest;
        prop_assume!(n > 0);
        let rule = pass_rate(margin);
        if verdict(&rule, &pairs(up, down, n)) == Verdict::Pass {
            prop_assert_ne!(verdict(&rule, &pairs(up, down, n + 1)), Verdict::Fail);
        }
    }

    #[test]
    fn one_more_case_that_gets_right_is_never_worse(up in 0_usize..40, down in 1_usize..40, rest in 0_usize..300, margin in 0.005_f64..0.2) {
        let n = up + down + rest;
        let rule = pass_rate(margin);
        let before = rank(verdict(&rule, &pairs(up, down, n)));
        prop_assert!(rank(verdict(&rule, &pairs(up, down - 1, n))) >= before);
        prop_assert!(rank(verdict(&rule, &pairs(up + 1, down - 1, n))) >= before);
    }

    #[test]
    fn a_wider_margin_is_never_stricter(up in 0_usize..40, down in 0_usize..40, rest in 1_usize..300, margin in 0.005_f64..0.2, more in 0.0_f64..0.2) {
        let n = up + down + rest;
        let narrow = verdict(&pass_rate(margin), &pairs(up, down, n));
        let wide = verdict(&pass_rate(margin + more), &pairs(up, down, n));
        prop_assert!(rank(wide) >= rank(narrow));
    }

    #[test]
    fn more_confidence_never_decides_what_less_did_not(up in 0_usize..40, down in 0_usize..40, rest in 1_usize..300, confidence in 0.6_f64..0.99) {
        let n = up + down + rest;
        let mut rule = pass_rate(0.03);
        rule.confidence = confidence;
        let sure = verdict(&rule, &pairs(up, down, n));
        rule.confidence = 0.5 + (confidence - 0.5) / 2.0;
        if verdict(&rule, &pairs(up, down, n)) == Verdict::Inconclusive {
            prop_assert_eq!(sure, Verdict::Inconclusive);
        }
    }
}
