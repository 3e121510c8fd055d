//! What must hold for every input: monotony, symmetry, coverage and error rates, by enumeration or by random trial.
#![expect(clippy::unwrap_used, reason = "tests")]

use llmci::stats::{
    Alpha, Alternative, BinomialPlan, Certain, Count, ErrorOrigin, Errors, Generator, MeanNull, Pairs, Portion,
    Progress, Side, beta_quantile, binomial_lower_tail, binomial_pmf, binomial_upper_tail, clopper_pearson_lower,
    clopper_pearson_upper, curtailment, difference_log_e_value, empirical_bernstein_sequence, error_origin_log_e_value,
    exact_binomial_bounds, float, group_sequential_bounds, hedged, incomplete_beta, look_counts, mixture_log_e_value,
    normal_cdf, normal_quantile, portion_log_e_value, rejects, samples_to_decide, student_quantile, student_upper,
    tango, tango_score, wilson,
};
use proptest::prelude::*;

const ALPHAS: [f64; 4] = [0.001, 0.01, 0.05, 0.2];

fn alpha(value: f64) -> Alpha {
    Alpha::new(value).unwrap()
}

fn count(successes: u64, trials: u64) -> Count {
    Count::new(successes, trials).unwrap()
}

fn counts() -> impl Strategy<Value = (u64, u64)> {
    (1_u64..3000).prop_flat_map(|n| (0..=n, Just(n)))
}

fn pairs() -> impl Strategy<Value = Pairs> {
    (0_u64..60, 0_u64..60, 0_u64..400)
        .prop_filter_map("no pair", |(up, down, rest)| Pairs::new(up, down, up + down + rest))
}

proptest! {
    #[test]
    fn exact_bounds_rise_with_the_successes((k, n) in counts(), level in prop::sample::select(&ALPHAS[..])) {
        if k < n {
            let (less, more) = (count(k, n), count(k + 1, n));
            prop_assert!(clopper_pearson_lower(less, alpha(level)) < clopper_pearson_lower(more, alpha(level)));
            prop_assert!(clopper_pearson_upper(less, alpha(level)) < clopper_pearson_upper(more, alpha(level)));
        }
    }

    #[test]
    fn calling_successes_failures_mirrors_the_intervals((k, n) in counts(), level in prop::sample::select(&ALPHAS[..])) {
        let (one, other) = (count(k, n), count(n - k, n));
        let (a, b) = (wilson(one, alpha(level)), wilson(other, alpha(level)));
        prop_assert!((a.low - (1.0 - b.high)).abs() < 1e-12 && (a.high - (1.0 - b.low)).abs() < 1e-12);
        let mirrored = 1.0 - clopper_pearson_upper(other, alpha(level));
        prop_assert!((clopper_pearson_lower(one, alpha(level)) - mirrored).abs() < 1e-12);
    }

    #[test]
    fn changing_the_sides_mirrors_tango(pairs in pairs(), delta in -0.5_f64..0.5, level in prop::sample::select(&ALPHAS[..])) {
        let (a, b) = (tango(pairs, alpha(level)), tango(pairs.mirrored(), alpha(level)));
        prop_assert!((a.low + b.high).abs() < 1e-12 && (a.high + b.low).abs() < 1e-12);
        let (a, b) = (tango_score(pairs, delta), tango_score(pairs.mirrored(), -delta));
        prop_assert!((a + b).abs() <= 1e-9 * a.abs().max(1.0), "{} {}", a, b);
    }

    #[test]
    fn tangos_ends_are_where_its_score_says(pairs in pairs(), level in prop::sample::select(&ALPHAS[..])) {
        let z = normal_quantile(1.0 - level / 2.0);
        let interval = tango(pairs, alpha(level));
        for (end, score) in [(interval.low, z), (interval.high, -z)] {
            if end.abs() < 1.0 {
                prop_assert!((tango_score(pairs, end) - score).abs() < 1e-6, "{} at {}", tango_score(pairs, end), end);
            }
        }
        prop_assert!(interval.low <= pairs.difference() && pairs.difference() <= interval.high);
    }

    #[test]
    fn a_pair_that_agrees_never_turns_a_pass_into_a_fail(pairs in pairs(), margin in 0.005_f64..0.2, level in prop::sample::select(&ALPHAS[..])) {
        let z = normal_quantile(1.0 - level);
        let more = Pairs::new(pairs.up(), pairs.down(), pairs.n() + 1).unwrap();
        if tango_score(pairs, -margin) > z {
            let fails = tango_score(more, -margin) <= z && tango_score(more, 0.0) < -z;
            prop_assert!(!fails);
        }
    }

    #[test]
    fn one_look_is_the_fixed_test(level in 0.001_f64..0.4, rho in 0.5_f64..4.0) {
        let bounds = group_sequential_bounds(1, alpha(level), rho);
        prop_assert_eq!(bounds.len(), 1);
        prop_assert!((bounds[0] - normal_quantile(1.0 - level)).abs() < 1e-9);
    }

    #[test]
    fn looks_end_with_all_samples(n in 0_u64..100_000, looks in 1_u32..50) {
        let counts = look_counts(n, looks);
        prop_assert_eq!(counts.len(), usize::try_from(looks).unwrap());
        prop_assert_eq!(counts.last(), Some(&n));
        prop_assert!(counts.is_sorted());
    }

    #[test]
    fn looking_more_than_once_in_exact_numbers_keeps_the_error(
        n in 1_u64..300, looks in 1_u32..15, rate in 0.01_f64..0.99, level in prop::sample::select(&ALPHAS[..]), rho in 0.5_f64..3.0,
    ) {
        let plan = BinomialPlan { n, looks, rate, alpha: alpha(level), rho };
        for side in [Side::Pass, Side::Fail] {
            let bounds = exact_binomial_bounds(plan, side);
            let error = chance_to_cross(&bounds.looks, &bounds.bounds, rate, side);
            prop_assert!(error <= level + 1e-12, "{}", error);
            prop_assert!((error - bounds.spent).abs() < 1e-11, "{} {}", error, bounds.spent);
        }
    }

    #[test]
    fn a_mixtures_order_does_not_matter(mut values in prop::collection::vec(0.0_f64..=1.0, 1..60), bound in 0.05_f64..0.95) {
        let null = MeanNull { bound, low: 0.0, high: 1.0, alternative: Alternative::Above };
        let before = mixture_log_e_value(&values, null).unwrap();
        Generator::new(1).shuffle(&mut values);
        prop_assert!((mixture_log_e_value(&values, null).unwrap() - before).abs() < 1e-9);
        // The mirrored values say the same of the mirrored bound.
        let mirrored: Vec<f64> = values.iter().map(|value| 1.0 - value).collect();
        let other = MeanNull { bound: 1.0 - bound, low: 0.0, high: 1.0, alternative: Alternative::Below };
        prop_assert!((mixture_log_e_value(&mirrored, other).unwrap() - before).abs() < 1e-9);
    }

    #[test]
    fn quantiles_invert_their_distributions(p in 1e-6_f64..0.999_999, a in 0.3_f64..500.0, b in 0.3_f64..500.0, freedom in 1.0_f64..1000.0) {
        let near = |got: f64| (got - p).abs() <= 1e-9 * p + 1e-14;
        prop_assert!(near(normal_cdf(normal_quantile(p))));
        prop_assert!(near(1.0 - student_upper(student_quantile(p, freedom), freedom)));
        let x = beta_quantile(p, a, b);
        // Where the distribution is steeper than the numbers are dense, no x comes closer.
        let (below, above) = (incomplete_beta(a, b, x.next_down().next_down()), incomplete_beta(a, b, x.next_up().next_up()));
        prop_assert!(near(incomplete_beta(a, b, x)) || (below <= p && p <= above), "I({a}, {b}) at {x}");
    }
}

/// The chance to cross at any look, path by path of the counts.
fn chance_to_cross(looks: &[u64], bounds: &[i64], rate: f64, side: Side) -> f64 {
    let (mut open, mut seen, mut crossed) = (vec![1.0], 0, 0.0);
    for (look, bound) in looks.iter().zip(bounds) {
        let mut next = vec![0.0; usize::try_from(*look).unwrap() + 1];
        for (successes, mass) in open.iter().enumerate() {
            for more in 0..=(look - seen) {
                let place = successes + usize::try_from(more).unwrap();
                let chance = mass * binomial_pmf(more, look - seen, rate);
                let reached = i64::try_from(place).unwrap();
                let crosses = if side == Side::Pass { reached >= *bound } else { reached <= *bound };
                if crosses { crossed += chance } else { next[place] += chance }
            }
        }
        (open, seen) = (next, *look);
    }
    crossed
}

#[test]
fn exact_bounds_miss_at_most_as_often_as_they_say() {
    for n in 1..=60_u64 {
        for level in ALPHAS {
            let bounds: Vec<(f64, f64)> = (0..=n)
                .map(|k| {
                    let count = count(k, n);
                    (clopper_pearson_lower(count, alpha(level)), clopper_pearson_upper(count, alpha(level)))
                })
                .collect();
            for step in 1..100_u64 {
                let p = float(step) / 100.0;
                let chance = |k: usize| binomial_pmf(k as u64, n, p);
                let above: f64 = (0..bounds.len()).filter(|k| bounds[*k].0 > p).map(chance).sum();
                let below: f64 = (0..bounds.len()).filter(|k| bounds[*k].1 < p).map(chance).sum();
                assert!(above <= level + 1e-12 && below <= level + 1e-12, "n={n} p={p}: {above}, {below}");
            }
        }
    }
}

#[test]
fn tails_are_sums() {
    for n in [1_u64, 7, 40] {
        for p in [0.01, 0.3, 0.5, 0.97] {
            let mut below = 0.0;
            for k in 0..=n {
                assert!((binomial_upper_tail(k, n, p) - (1.0 - below)).abs() < 1e-12);
                below += binomial_pmf(k, n, p);
                assert!((binomial_lower_tail(k, n, p) - below).abs() < 1e-12);
            }
        }
    }
}

/// The verdict of a whole run, by the bounds themselves.
fn final_verdict(k: u64, n: u64, threshold: f64, level: Alpha) -> Certain {
    if clopper_pearson_lower(count(k, n), level) >= threshold {
        Certain::Pass
    } else if clopper_pearson_upper(count(k, n), level) < threshold {
        Certain::Fail
    } else {
        Certain::Inconclusive
    }
}

#[test]
fn a_certain_verdict_is_the_verdict_of_every_completion() {
    for n in [1_u64, 2, 10, 35] {
        for threshold in [0.0, 0.05, 0.5, 0.8, 0.95, 1.0] {
            let rule = curtailment(n, threshold, alpha(0.05));
            for seen in 0..=n {
                for successes in 0..=seen {
                    let remaining = n - seen;
                    let mut ends =
                        (successes..=successes + remaining).map(|k| final_verdict(k, n, threshold, alpha(0.05)));
                    let first = ends.next().unwrap();
                    let want = ends.all(|end| end == first).then_some(first);
                    assert_eq!(rule.certain(Progress { successes, remaining }), want, "{successes} of {seen} of {n}");
                }
            }
        }
    }
}

#[test]
fn boundaries_are_crossed_as_often_as_they_say() {
    // 20,000 walks with a fixed seed: three standard errors of 0.05 are 0.0046.
    let bounds = group_sequential_bounds(10, alpha(0.05), 2.0);
    let mut generator = Generator::new(11);
    let crossed = (0..20_000).filter(|_| {
        let mut sum = 0.0;
        let mut crosses = false;
        for (look, bound) in (1_u32..).zip(&bounds) {
            sum += normal_quantile(generator.unit().clamp(1e-15, 1.0 - 1e-15));
            crosses |= sum / f64::from(look).sqrt() > *bound;
        }
        crosses
    });
    let share = float(crossed.count() as u64) / 20_000.0;
    assert!((share - 0.05).abs() < 0.0046, "{share}");
}

#[test]
fn evidence_rarely_rejects_the_truth() {
    let mut generator = Generator::new(5);
    let (mut wrong, mut outside) = (0, 0);
    for _ in 0..400 {
        let values: Vec<f64> = (0..150).map(|_| f64::from(u8::from(generator.unit() < 0.3))).collect();
        let null = MeanNull { bound: 0.3, low: 0.0, high: 1.0, alternative: Alternative::Above };
        let ever = (1..=values.len()).any(|n| rejects(mixture_log_e_value(&values[..n], null).unwrap(), alpha(0.05)));
        wrong += u32::from(ever);
        let sequence = empirical_bernstein_sequence(&values, alpha(0.05));
        outside += u32::from(sequence.iter().any(|interval| interval.low > 0.3 || interval.high < 0.3));
    }
    // At most 20 of 400 are expected; more than 33 would have a chance below 0.3 %.
    assert!(wrong <= 33 && outside <= 33, "{wrong} {outside}");
}

#[test]
fn what_is_no_number_is_no_evidence() {
    assert!(!rejects(f64::NAN, alpha(0.05)));
    let null = MeanNull { bound: 0.0, low: 0.0, high: 1.0, alternative: Alternative::Above };
    assert_eq!(mixture_log_e_value(&[1.0], null), None);
    let origin = ErrorOrigin { share: 0.5, ratio: 1.0 };
    assert_eq!(error_origin_log_e_value(origin, Errors { canary: 0, stable: 0 }), 0.0);
    assert!(group_sequential_bounds(0, alpha(0.05), 2.0).is_empty());
    assert!(group_sequential_bounds(20, alpha(0.05), 400.0)[0].is_infinite());
}

#[test]
fn the_generator_has_not_changed() {
    // The published algorithms (xoshiro256++ 1.0, seeded by SplitMix64) give these, computed apart from this code.
    let first = |seed| {
        let mut generator = Generator::new(seed);
        [(); 4].map(|()| generator.next_bits())
    };
    assert_eq!(
        first(0),
        [5_987_356_902_031_041_503, 7_051_070_477_665_621_255, 6_633_766_593_972_829_180, 211_316_841_551_650_330]
    );
    assert_eq!(first(42)[..3], [15_021_278_609_987_233_951, 5_881_210_131_331_364_753, 18_149_643_915_985_481_100]);
}

#[test]
fn the_published_sample_sizes_come_out() {
    // Zero failures certify a rate of 0.001 at 95 % from 2,995 samples on, and not from 2,994.
    assert!(clopper_pearson_upper(count(0, 2995), alpha(0.05)) <= 0.001);
    assert!(clopper_pearson_upper(count(0, 2994), alpha(0.05)) > 0.001);
    // All of n successes show a rate of 0.9 from 29 on: 0.9^29 = 0.0471 < 0.05 <= 0.9^28.
    assert_eq!(samples_to_decide(count(12, 12), 0.9, alpha(0.05)), Some(29));
    assert_eq!(samples_to_decide(count(9, 10), 0.9, alpha(0.05)), None);
}

#[test]
fn evidence_about_shares_keeps_its_error_whenever_one_stops() {
    // Both sides at the very edge of what each null hypothesis allows, looked at after 50, 100, ... 6400 requests.
    let (truth, margin) = (0.02, 0.01);
    let mut generator = Generator::new(20_261_126);
    let mut wrong = [0; 4];
    for _ in 0..200 {
        let (mut one, mut other, mut seen) = (0, 0, 0_u64);
        let mut crossed = [false; 4];
        for look in 0..8 {
            while seen < 50 << look {
                seen += 1;
                one += u64::from(generator.unit() < truth + margin);
                other += u64::from(generator.unit() < truth);
            }
            let (one, other) = (Portion::of(one, seen).unwrap(), Portion::of(other, seen).unwrap());
            let evidence = [
                portion_log_e_value(other, truth, Alternative::Above),
                portion_log_e_value(other, truth, Alternative::Below),
                difference_log_e_value(one, other, margin, Alternative::Above),
                difference_log_e_value(one, other, margin, Alternative::Below),
            ];
            for (crossed, evidence) in crossed.iter_mut().zip(evidence) {
                *crossed |= rejects(evidence, alpha(0.05));
            }
        }
        for (wrong, crossed) in wrong.iter_mut().zip(crossed) {
            *wrong += u32::from(crossed);
        }
    }
    // At most 10 of 200 are expected; more than 20 would have a chance of 0.1 %.
    assert!(wrong.iter().all(|wrong| *wrong <= 20), "{wrong:?}");
}

/// The ratios of odds that the evidence about shares averages over.
fn ratios() -> Vec<f64> {
    (0..24).map(|step| 1.1 * (20.0_f64 / 1.1).powf(f64::from(step) / 23.0)).collect()
}

#[test]
fn evidence_about_a_share_is_the_average_likelihood_ratio() {
    let direct = |bad: i32, all: i32, bound: f64, sign: f64| {
        let each = ratios().into_iter().map(|ratio| {
            let odds = ratio.powf(sign) * bound / (1.0 - bound);
            let other = odds / (1.0 + odds);
            (other / bound).powi(bad) * ((1.0 - other) / (1.0 - bound)).powi(all - bad)
        });
        (each.sum::<f64>() / 24.0).ln()
    };
    for (bad, all, bound) in [(0, 400, 0.01), (7, 90, 0.02), (3, 3, 0.5), (12, 1000, 0.01)] {
        let portion = Portion::of(u64::try_from(bad).unwrap(), u64::try_from(all).unwrap()).unwrap();
        for (shown, sign) in [(Alternative::Above, 1.0), (Alternative::Below, -1.0)] {
            let (found, wanted) = (portion_log_e_value(portion, bound, shown), direct(bad, all, bound, sign));
            assert!((found - wanted).abs() < 1e-9 * wanted.abs().max(1.0), "{bad}/{all} {shown:?}: {found} {wanted}");
        }
    }
}

#[test]
fn what_is_no_portion_and_no_margin_is_no_evidence() {
    for (bad, all) in [(f64::NAN, 1.0), (0.0, f64::NAN), (0.0, f64::INFINITY), (2.0, 1.0), (-1.0, 1.0), (0.0, 0.0)] {
        assert_eq!(Portion::new(bad, all), None, "{bad}/{all}");
    }
    let (bad, good) = (Portion::of(500, 500).unwrap(), Portion::of(0, 500).unwrap());
    for margin in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(difference_log_e_value(bad, good, margin, Alternative::Above), f64::NEG_INFINITY, "{margin}");
    }
}

proptest! {
    #[test]
    fn a_sum_of_fractions_shows_no_more_than_a_bet_on_each(
        values in proptest::collection::vec(0.0_f64..=1.0, 1..60), bound in 0.01_f64..0.99, up in proptest::bool::ANY,
    ) {
        let (shown, sign) = if up { (Alternative::Above, 1.0) } else { (Alternative::Below, -1.0) };
        let capital = |ratio: f64| -> f64 {
            let step = ratio.powf(sign) - 1.0;
            values.iter().map(|value| (1.0 + step * value) / (1.0 + step * bound)).product()
        };
        let bets = (ratios().into_iter().map(capital).sum::<f64>() / 24.0).ln();
        let portion = Portion::new(values.iter().sum(), float(values.len() as u64)).unwrap();
        prop_assert!(portion_log_e_value(portion, bound, shown) <= bets + 1e-9);
    }

    #[test]
    fn evidence_of_a_difference_is_never_above_that_at_any_share_that_the_other_side_may_have(
        all in 1_u64..3000, bad in 0_u64..3000, other_all in 1_u64..30_000, other_bad in 0_u64..30_000,
        margin in 0.0_f64..0.2, share in 0.0_f64..=1.0, up in proptest::bool::ANY,
    ) {
        let (one, other) = (Portion::of(bad.min(all), all).unwrap(), Portion::of(other_bad.min(other_all), other_all).unwrap());
        let (shown, back) = match up {
            true => (Alternative::Above, Alternative::Below),
            false => (Alternative::Below, Alternative::Above),
        };
        let truth = share * (1.0 - margin);
        let there = hedged(portion_log_e_value(one, truth + margin, shown)) + hedged(portion_log_e_value(other, truth, back));
        prop_assert!(difference_log_e_value(one, other, margin, shown) <= there + 1e-9);
    }
}
