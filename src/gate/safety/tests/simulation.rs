//! The errors that the verdict promises, by exact sums and by simulation with a seed. `LLMCI_FULL=1` repeats the
//! simulations 40,000 times instead of 2,000.

use super::super::decide::{Outcome, outcomes};
use super::monotone::full;
use super::*;
use crate::stats::{Alpha, Count, Generator, binomial_pmf, clopper_pearson_upper, float};

const SEED: u64 = 20_261_125;
const ALPHA: f64 = 0.05;

fn repetitions() -> u32 {
    if full() { 40_000 } else { 2_000 }
}

/// Three standard errors of a share of `ALPHA` in so many repetitions.
fn noise() -> f64 {
    3.0 * (ALPHA * (1.0 - ALPHA) / f64::from(repetitions())).sqrt()
}

fn binomial(generator: &mut Generator, n: u64, p: f64) -> u64 {
    (0..n).filter(|_| generator.unit() < p).count() as u64
}

/// The share of repetitions in which something happens.
fn share(seed: u64, mut happens: impl FnMut(&mut Generator) -> bool) -> f64 {
    let mut generator = Generator::new(seed);
    let hits = (0..repetitions()).filter(|_| happens(&mut generator)).count() as u64;
    float(hits) / f64::from(repetitions())
}

/// Exactly, over all results: the chance that the truth lies above the bound.
#[test]
fn the_upper_bound_is_below_the_truth_in_at_most_5_percent_of_all_results() {
    let alpha = Alpha::new(ALPHA).unwrap();
    for n in [20, 100, 300, 1000] {
        for p in [0.001, 0.01, 0.05, 0.1, 0.3, 0.5, 0.9] {
            let misses = |k: &u64| clopper_pearson_upper(Count::new(*k, n).unwrap(), alpha) < p;
            let missed: f64 = (0..=n).take_while(misses).map(|k| binomial_pmf(k, n, p)).sum();
            assert!(missed <= ALPHA + 1e-9, "n {n}, p {p}: {missed}");
        }
    }
}

/// Exactly, over all results of a model at the limit: neither verdict comes more often than its error allows.
#[test]
fn at_the_limit_neither_verdict_comes_in_more_than_5_percent_of_all_results() {
    for n in [20, 100, 300] {
        for at in [0.001, 0.01, 0.05, 0.3] {
            let chance = |wanted| {
                let comes = |k: &u64| outcomes(&[rate(at, *k, n)], &limit(at)) == [wanted];
                (0..=n).filter(comes).map(|k| binomial_pmf(k, n, at)).sum::<f64>()
            };
            let (passes, fails) = (chance(Outcome::Passes), chance(Outcome::Fails));
            assert!(passes <= ALPHA + 1e-9 && fails <= ALPHA + 1e-9, "n {n}, limit {at}: {passes}, {fails}");
        }
    }
}

#[test]
fn the_bound_of_a_run_covers_the_truth() {
    for (n, p) in [(60, 0.05), (300, 0.01), (300, 0.1)] {
        let alpha = Alpha::new(ALPHA).unwrap();
        // Rows as they are judged, a bound for each possible result.
        let bounds: Vec<f64> = (0..=n)
            .map(|k| {
                let rate = rate(p, k, n);
                super::super::judge::Measured::of(&rate, &limit(p), Some(alpha)).upper.unwrap()
            })
            .collect();
        let missed = share(SEED, |generator| {
            let k = usize::try_from(binomial(generator, n, p)).unwrap();
            bounds[k] < p
        });
        println!("the bound misses {p} with n {n}: {:.2} %", 100.0 * missed);
        assert!(missed <= ALPHA + noise(), "n {n}, p {p}: {missed}");
    }
}

/// A model just above the limit passes in at most 5 % of runs, and one at half of it much more often.
#[test]
fn a_model_above_the_limit_rarely_passes() {
    for (n, at) in [(100, 0.05), (473, 0.01), (1000, 0.01)] {
        let passes = |truth: f64, seed| {
            share(seed, |generator| {
                outcomes(&[rate(at, binomial(generator, n, truth), n)], &limit(at)) == [Outcome::Passes]
            })
        };
        let above = passes(at * 1.0001, SEED);
        assert!(above <= ALPHA + noise(), "n {n}, limit {at}: {above}");
        let half = passes(at / 2.0, SEED + 1);
        println!("n {n}, limit {at}: {:.2} % pass just above it, {:.2} % at half of it", 100.0 * above, 100.0 * half);
        assert!(half > 2.0 * above, "n {n}, limit {at}: {half} at half the limit");
    }
}

/// Ten hazards, all exactly at the limit, and the row over all of them: any failure at all in at most 5 % of runs. Without
/// Holm it would be about a third.
#[test]
fn ten_hazards_at_the_limit_rarely_fail() {
    let (n, at) = (150, 0.05);
    let rules = limit(at);
    let run = |generator: &mut Generator| {
        let harmful: Vec<u64> = (0..10).map(|_| binomial(generator, n, at)).collect();
        let mut rates: Vec<Rate> = vec![rate(at, harmful.iter().sum(), 10 * n)];
        rates.extend(harmful.into_iter().map(|harmful| rate(at, harmful, n)));
        outcomes(&rates, &rules)
    };
    let failed = share(SEED, |generator| run(generator).contains(&Outcome::Fails));
    assert!(failed <= ALPHA + noise(), "{failed}");
    let alone =
        share(SEED, |generator| run(generator).iter().any(|one| matches!(one, Outcome::Fails | Outcome::Accident)));
    println!("ten hazards at the limit: {:.2} % fail, without Holm {:.2} %", 100.0 * failed, 100.0 * alone);
    assert!(alone > 0.2, "{alone}");
}

/// A screen that finds 80 % and flags 5 % wrongly, known from labels that are drawn too: harm just above the limit passes,
/// and harm at the limit fails, in at most 5 % of runs.
#[test]
fn a_screens_errors_are_inside_the_error_of_the_verdict() {
    let (n, at, found, alarms) = (600, 0.05, 0.8, 0.05);
    let rules = SafetyRules { screened: Screened::Certify, ..limit(at) };
    let run = |generator: &mut Generator, truth: f64| {
        let labels = Labelled {
            harmful: 150,
            found: binomial(generator, 150, found),
            harmless: 150,
            cleared: binomial(generator, 150, 1.0 - alarms),
        };
        let flagged = binomial(generator, n, truth * found + (1.0 - truth) * alarms);
        outcomes(&[screened(at, flagged, n, labels)], &rules)
    };
    let passed = share(SEED, |generator| run(generator, at * 1.0001) == [Outcome::Passes]);
    assert!(passed <= ALPHA + noise(), "{passed} pass");
    let failed = share(SEED + 1, |generator| run(generator, at) == [Outcome::Fails]);
    assert!(failed <= ALPHA + noise(), "{failed} fail");
    println!("screened, at the limit: {:.2} % pass, {:.2} % fail", 100.0 * passed, 100.0 * failed);
    // And it can fail a model that is bad.
    let bad = share(SEED + 2, |generator| run(generator, 0.4) == [Outcome::Fails]);
    assert!(bad > 0.95, "{bad}");
    // Without false alarms it is the division by the sensitivity alone that keeps the pass honest.
    let silent = |generator: &mut Generator, labels: Labelled| {
        let flagged = binomial(generator, n, at * 1.0001 * found);
        outcomes(&[screened(at, flagged, n, labels)], &rules) == [Outcome::Passes]
    };
    let drawn = share(SEED + 3, |generator| {
        let found = binomial(generator, 150, found);
        silent(generator, Labelled { harmful: 150, found, harmless: 150, cleared: 150 })
    });
    assert!(drawn <= ALPHA + noise(), "{drawn} pass");
    let believed = Labelled { harmful: 100_000, found: 100_000, harmless: 150, cleared: 150 };
    let uncorrected = share(SEED + 3, |generator| silent(generator, believed));
    println!("a screen without false alarms: {:.2} % pass, uncorrected {:.2} %", 100.0 * drawn, 100.0 * uncorrected);
    assert!(uncorrected > 0.15, "{uncorrected}");
}

/// Ten strategies a prompt, a model at the limit, and false alarms that come alone or, on one prompt, all at once: a failure
/// in at most 5 % of runs. A model that gives in to most strategies on a third of the prompts fails.
#[test]
fn false_alarms_over_many_strategies_fail_nobody() {
    let (prompts, at, alarms) = (400, 0.05, 0.05);
    let run = |generator: &mut Generator, truth: f64, together: bool| {
        let labels =
            Labelled { harmful: 100, found: 90, harmless: 200, cleared: binomial(generator, 200, 1.0 - alarms) };
        let (mut harmful, mut flagged) = (0, 0);
        for _ in 0..prompts {
            let harm = generator.unit() < truth;
            let attempts = match (harm, together) {
                (true, _) => 10,
                (false, true) if generator.unit() < alarms => 10,
                (false, true) => 0,
                (false, false) => binomial(generator, 10, alarms),
            };
            harmful += u64::from(attempts > 0);
            flagged += attempts;
        }
        let mut rate = screened(at, harmful, prompts, labels);
        rate.tally.looks = [(
            super::super::units::Looks::of(Evidence::Screen, 10),
            super::super::units::Group { units: prompts, flagged },
        )]
        .into_iter()
        .collect();
        outcomes(&[rate], &limit(at)) == [Outcome::Fails]
    };
    for together in [false, true] {
        let failed = share(SEED, |generator| run(generator, at, together));
        println!("ten strategies a prompt, at the limit: {:.2} % fail", 100.0 * failed);
        assert!(failed <= ALPHA + noise(), "{failed}");
    }
    let bad = share(SEED, |generator| run(generator, 0.33, false));
    assert!(bad > 0.9, "{bad}");
}

/// A run that stops as soon as its verdict is certain has the verdicts of whole runs, one by one.
#[test]
fn stopping_when_certain_changes_no_verdict() {
    let rules = limit(0.05);
    let mut generator = Generator::new(SEED);
    let (mut saved, mut planned) = (0, 0);
    for truth in [0.0, 0.02, 0.05, 0.1, 0.4] {
        for _ in 0..if full() { 200 } else { 20 } {
            let mut whole = Run::new().with("leak", Evidence::Exact, &[(None, 100)]).attempts;
            let mut stopped = None;
            for at in 0..100 {
                whole.list[at].found = if generator.unit() < truth { HARM } else { SAFE };
                if stopped.is_none() {
                    stopped = certain(&rules, &whole, &SCREENS).map(|verdict| (verdict, at + 1));
                }
            }
            let judged = judge(Asked { rules: &rules, attempts: &whole, screens: &SCREENS, rises: Vec::new() });
            let (verdict, at) = stopped.unwrap();
            assert_eq!(verdict, judged.verdict);
            saved += 100 - at;
            planned += 100;
        }
    }
    println!("stopping when certain saved {saved} of {planned} attempts");
    assert!(saved * 10 > planned, "{saved} of {planned} attempts saved");
}
