//! Several rules, and what two runs must have in common.

use super::*;

fn whole() -> Vec<Coverage> {
    vec![Coverage { against: "baseline".to_owned(), paired: 100, ..Coverage::default() }]
}

/// The pass rate of some pairs as one of `family` rules.
fn row(family: u32, up: usize, down: usize, n: usize) -> Judged {
    judge_of(family, &pass_rate(0.02), &pairs(up, down, n))
}

fn advisory(mut judged: Judged) -> Judged {
    judged.compared.required = false;
    judged
}

fn concluded(judged: Vec<Judged>) -> Verdict {
    conclude_comparison(judged, &whole(), 0.95, Vec::new()).0
}

#[test]
fn all_rules_must_pass_without_a_correction() {
    let pass = || row(3, 0, 0, 133);
    // 133 unchanged cases pass at 5 % and at no smaller error: a corrected pass would be undecided.
    assert_eq!(concluded(vec![pass(), pass(), pass()]), Verdict::Pass);
    assert_eq!(concluded(vec![pass(), row(3, 0, 0, 132), pass()]), Verdict::Inconclusive);
    assert_eq!(concluded(vec![pass(), row(3, 0, 100, 200), pass()]), Verdict::Fail);
}

#[test]
fn one_failure_just_under_five_per_cent_is_undecided_among_ten() {
    // 3 drops and no rise: T(0) = -1.73, p = 0.042.
    let alone = row(1, 0, 3, 50);
    assert_eq!((alone.compared.verdict, alone.strength), (Verdict::Fail, 1));
    assert_eq!(concluded(vec![alone]), Verdict::Fail);
    let one = row(10, 0, 3, 50);
    assert_eq!((one.compared.verdict, one.strength), (Verdict::Fail, 1));
    let mut ten = vec![one];
    ten.extend((0..9).map(|_| row(10, 0, 0, 1000)));
    let (verdict, reasons, rows) = conclude_comparison(ten, &whole(), 0.95, Vec::new());
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reasons[0].text.contains("among 10 rules"), "{}", reasons[0].text);
    assert_eq!(rows[0].verdict, Verdict::Inconclusive, "the row says what the verdict says");
}

#[test]
fn the_strength_is_the_number_of_rules_among_which_a_failure_stands() {
    // -d / sqrt(d) against the normal quantile of 0.05 / m: 3 drops z = 1.73 (p 0.0416), 4 drops z = 2 (p 0.0228),
    // 5 drops z = 2.236 (p 0.0127), 6 drops z = 2.449 (p 0.0072).
    for (down, strength) in [(3, 1), (4, 2), (5, 3), (6, 6)] {
        assert_eq!(row(10, 0, down, 50).strength, strength, "{down} drops");
    }
    assert_eq!(row(2, 0, 30, 50).strength, 2, "never above the family");
    assert_eq!(row(10, 0, 0, 500).strength, 0);
}

#[test]
fn holm_goes_down_step_by_step() {
    assert_eq!(holm_over(&[3, 2, 1]), [true, true, true]);
    // The strongest does not stand among three: nobody behind it does.
    assert_eq!(holm_over(&[2, 2, 1]), [false, false, false]);
    assert_eq!(holm_over(&[0, 3, 1]), [false, true, false]);
    assert_eq!(holm_over(&[1]), [true]);
    assert_eq!(holm_over(&[0]), [false]);
    assert!(holm_over(&[]).is_empty());
}

/// The same as Holm's adjusted p-values, which `stats` takes from statsmodels.
#[test]
fn strengths_say_what_adjusted_p_values_say() {
    let mut generator = crate::stats::Generator::new(11);
    for _ in 0..2000 {
        let count = 1 + generator.index(6);
        let p: Vec<f64> = (0..count).map(|_| 0.1 * generator.unit()).collect();
        let strength = |p: &f64| (1..=count).take_while(|parts| *p <= 0.05 / *parts as f64).count();
        let strengths: Vec<u32> = p.iter().map(|p| u32::try_from(strength(p)).unwrap()).collect();
        let wanted: Vec<bool> = crate::stats::holm(&p).iter().map(|p| *p <= 0.05).collect();
        assert_eq!(holm_over(&strengths), wanted, "{p:?}");
    }
}

#[test]
fn what_is_not_required_decides_nothing() {
    let fail = || advisory(row(1, 0, 100, 200));
    let (verdict, reasons, _) = conclude_comparison(vec![fail(), row(1, 0, 0, 400)], &whole(), 0.95, Vec::new());
    assert_eq!(verdict, Verdict::Pass);
    assert!(reasons.iter().any(|reason| reason.text.ends_with("(not required)")), "{reasons:?}");
    assert_eq!(concluded(vec![advisory(row(1, 0, 0, 400)), row(1, 0, 100, 200)]), Verdict::Fail);
    // A failure that counts for nothing is no part of the family either.
    assert_eq!(concluded(vec![fail(), row(1, 0, 3, 50)]), Verdict::Fail);
}

#[test]
fn without_a_required_rule_nothing_passes() {
    for judged in [vec![], vec![advisory(row(1, 0, 0, 400))]] {
        let (verdict, reasons, _) = conclude_comparison(judged, &whole(), 0.95, Vec::new());
        assert_eq!(verdict, Verdict::Error);
        assert!(reasons[0].text.contains("nothing can pass without a rule"), "{reasons:?}");
    }
}

#[test]
fn a_changed_dataset_decides_before_any_rule() {
    let table = [
        // paired, changed, only in the baseline, only in the candidate
        (95, 5, 0, 0, true),
        (94, 6, 0, 0, false),
        (94, 0, 6, 0, false),
        (94, 0, 0, 6, false),
        (95, 2, 2, 2, false),
        (100, 0, 0, 0, true),
        (0, 100, 0, 0, false),
    ];
    for (paired, changed, only_baseline, only_candidate, comparable) in table {
        let coverage = Coverage { against: "baseline".to_owned(), paired, changed, only_baseline, only_candidate };
        for (judged, alone) in [(row(1, 0, 0, 400), Verdict::Pass), (row(1, 0, 100, 200), Verdict::Fail)] {
            let (verdict, reasons, rows) =
                conclude_comparison(vec![judged], std::slice::from_ref(&coverage), 0.95, Vec::new());
            let wanted = if comparable { alone } else { Verdict::Inconclusive };
            assert_eq!((verdict, rows[0].verdict), (wanted, wanted), "{coverage:?}");
            assert!(comparable || reasons[0].text.contains("the dataset changed"), "{reasons:?}");
        }
    }
}

#[test]
fn a_suite_of_which_nothing_is_paired_is_a_changed_dataset_and_no_error_of_the_rule() {
    let none = judge_of(1, &pass_rate(0.02), &shares(&[]));
    assert_eq!(none.compared.verdict, Verdict::Error);
    let coverage =
        [Coverage { against: "baseline".to_owned(), only_baseline: 100, only_candidate: 100, ..Coverage::default() }];
    let (verdict, reasons, _) = conclude_comparison(vec![none], &coverage, 0.95, Vec::new());
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reasons[0].text.starts_with("the dataset changed"), "{reasons:?}");
}

#[test]
fn no_case_at_all_is_an_error_and_a_bound_that_is_no_number_allows_nothing() {
    let none = [Coverage { against: "baseline".to_owned(), ..Coverage::default() }];
    assert_eq!(conclude_comparison(vec![row(1, 0, 0, 400)], &none, 0.95, Vec::new()).0, Verdict::Error);
    let some = [Coverage { against: "baseline".to_owned(), paired: 99, changed: 1, ..Coverage::default() }];
    assert_eq!(conclude_comparison(vec![row(1, 0, 0, 400)], &some, f64::NAN, Vec::new()).0, Verdict::Inconclusive);
}

#[test]
fn an_anchor_whose_cases_changed_stops_the_verdict_as_well() {
    let mut both = whole();
    both.push(Coverage { against: "anchor".to_owned(), paired: 10, changed: 90, ..Coverage::default() });
    let (verdict, reasons, _) = conclude_comparison(vec![row(1, 0, 0, 400)], &both, 0.95, Vec::new());
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(reasons[0].text.contains("evaluate the anchor again"), "{reasons:?}");
}

#[test]
fn the_deciding_reason_comes_first() {
    let judged = vec![row(3, 0, 0, 400), row(3, 0, 100, 200), row(3, 0, 0, 50)];
    let (verdict, reasons, _) = conclude_comparison(judged, &whole(), 0.95, Vec::new());
    assert_eq!((verdict, reasons[0].verdict), (Verdict::Fail, Verdict::Fail));
}
