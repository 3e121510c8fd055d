//! The error rates that the documentation promises, by simulation: with a known drop, how often each rule passes and fails
//! a candidate, against a table that was made by another program in another language.
//! `LLMCI_FULL=1` runs all rows with 200,000 repetitions; without it fewer rows run with 4,000.

#[path = "../benches/support/simulation.rs"]
#[expect(dead_code, unreachable_pub, reason = "the benchmark uses the rest")]
mod simulation;

use llmci::stats::{Alpha, Generator, group_sequential_bounds, look_counts};
use simulation::{Cell, LOOKS, SEED, simulate};

/// A row of the table: cases, drop in points; pass, fail and inconclusive in percent for the unpaired rule, the paired rule
/// and the paired rule with 20 looks; the share of cases that the last one uses.
type Row = (u64, u32, [[f64; 3]; 3], f64);

/// 100,000 repetitions for the rules of fixed size, 20,000 with looks; seed 20260902.
const TABLE: [Row; 15] = [
    (500, 0, [[4.0, 0.1, 96.0], [39.9, 4.8, 55.3], [37.1, 4.8, 58.2]], 0.88),
    (500, 1, [[0.9, 0.9, 98.2], [16.2, 16.4, 67.5], [14.8, 15.3, 69.8]], 0.92),
    (500, 2, [[0.1, 5.0, 94.9], [4.8, 36.3, 58.9], [4.8, 33.5, 61.7]], 0.89),
    (500, 3, [[0.0, 15.9, 84.1], [1.2, 58.8, 40.0], [1.2, 55.3, 43.5]], 0.81),
    (500, 5, [[0.0, 58.3, 41.7], [0.0, 90.0, 10.0], [0.1, 87.5, 12.4]], 0.63),
    (1000, 0, [[12.0, 0.1, 87.9], [63.1, 5.1, 31.8], [58.6, 5.1, 36.2]], 0.79),
    (1000, 1, [[1.8, 1.8, 96.3], [23.9, 24.4, 51.7], [22.6, 22.1, 55.3]], 0.87),
    (1000, 2, [[0.1, 13.1, 86.8], [5.0, 57.1, 37.9], [4.9, 53.5, 41.6]], 0.81),
    (1000, 3, [[0.0, 41.5, 58.5], [0.6, 84.3, 15.1], [0.7, 81.2, 18.1]], 0.68),
    (1000, 5, [[0.0, 92.2, 7.8], [0.0, 99.4, 0.6], [0.0, 99.0, 1.0]], 0.44),
    (2000, 0, [[36.0, 0.1, 63.9], [87.8, 5.0, 7.2], [85.3, 4.9, 9.9]], 0.63),
    (2000, 1, [[4.5, 4.4, 91.1], [37.9, 38.4, 23.7], [34.7, 35.3, 30.0]], 0.78),
    (2000, 2, [[0.2, 35.7, 64.2], [5.0, 82.6, 12.4], [4.8, 79.8, 15.4]], 0.67),
    (2000, 3, [[0.0, 80.9, 19.1], [0.2, 98.3, 1.5], [0.3, 97.4, 2.4]], 0.49),
    (2000, 5, [[0.0, 99.9, 0.1], [0.0, 100.0, 0.0], [0.0, 100.0, 0.0]], 0.29),
];

const FULL: u32 = 200_000;
const FAST: u32 = 4_000;
const DRAWS: u32 = 20_000;

/// What `repetitions` add to a tolerance that was set for the full run: three times the growth of the standard error of a mean
/// whose single values have the standard deviation `deviation`. Nothing for the full run.
fn extra(deviation: f64, repetitions: u32) -> f64 {
    3.0 * deviation * (1.0 / f64::from(repetitions).sqrt() - 1.0 / f64::from(FULL).sqrt())
}

/// The largest deviations of a row, in points and as a share; panics outside of 1.0 point and 0.01.
fn compare(cell: &Cell, row: &Row, repetitions: u32) -> (f64, f64) {
    let (n, drop, rules, used) = row;
    let mut worst = 0.0_f64;
    for (index, expected) in rules.iter().enumerate() {
        let rates = cell.rules[index + 2];
        for (got, want) in [rates.pass, rates.fail, rates.inconclusive].into_iter().zip(expected) {
            let p = want / 100.0;
            let tolerance = 1.0 + 100.0 * extra((p * (1.0 - p)).sqrt(), repetitions);
            let off = (100.0 * got - want).abs();
            assert!(off <= tolerance, "n {n}, drop {drop}, rule {index}: {:.2} %, not {want} %", 100.0 * got);
            worst = worst.max(off);
        }
    }
    // A share lies in 0..1; its standard deviation is 0.32 in the widest row.
    let off = (cell.used - used).abs();
    assert!(off <= 0.01 + extra(0.32, repetitions), "n {n}, drop {drop}: {:.4} of the cases, not {used}", cell.used);
    (worst, off)
}

#[test]
fn rates_are_those_of_the_published_table() {
    let full = std::env::var_os("LLMCI_FULL").is_some_and(|value| value == "1");
    let repetitions = if full { FULL } else { FAST };
    let (mut worst, mut widest) = (0.0_f64, 0.0_f64);
    for row in TABLE.iter().filter(|(n, drop, ..)| full || (*n != 1000 && *drop != 1)) {
        let (points, share) = compare(&simulate(row.0, row.1, repetitions, SEED), row, repetitions);
        worst = worst.max(points);
        widest = widest.max(share);
    }
    println!("{repetitions} repetitions: worst rate {worst:.2} points off, worst share of cases {widest:.4} off");
}

/// The promise itself, in every row of the fast and the full run: at a drop of the margin at most 5 % pass, without a drop
/// at most 5 % fail. The small rest is Monte Carlo error (three standard errors) and the normal approximation (0.3 points).
#[test]
fn both_errors_are_held() {
    let allowed = 0.05 + 0.003 + 3.0 * (0.05_f64 * 0.95 / f64::from(FAST)).sqrt();
    for n in [200, 500, 2000] {
        let (same, margin) = (simulate(n, 0, FAST, SEED), simulate(n, 2, FAST, SEED));
        for rule in 2..5 {
            assert!(same.rules[rule].fail <= allowed, "n {n}, rule {rule}: {:?}", same.rules[rule]);
            assert!(margin.rules[rule].pass <= allowed, "n {n}, rule {rule}: {:?}", margin.rules[rule]);
        }
    }
}

/// The draws have the binomial distribution's mean and variance, also where they are halved and mirrored.
#[test]
fn draws_are_binomial() {
    let mut generator = Generator::new(SEED);
    for (trials, chance) in [(25_u32, 0.05), (100, 0.1), (1900, 0.72), (1, 0.5)] {
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..DRAWS {
            let draw = llmci::stats::float(simulation::binomial(&mut generator, u64::from(trials), chance));
            sum += draw;
            squares += draw * draw;
        }
        let mean = sum / f64::from(DRAWS);
        let variance = squares / f64::from(DRAWS) - mean * mean;
        let (true_mean, true_variance) = (f64::from(trials) * chance, f64::from(trials) * chance * (1.0 - chance));
        let error = (true_variance / f64::from(DRAWS)).sqrt();
        assert!((mean - true_mean).abs() <= 4.0 * error, "{trials} x {chance}: mean {mean}");
        assert!((variance / true_variance - 1.0).abs() <= 0.05, "{trials} x {chance}: variance {variance}");
    }
}

/// The boundaries that the simulation uses are the published ones (rounded to three places).
#[test]
fn boundaries_are_the_published_ones() {
    const PUBLISHED: [f64; 20] = [
        3.662, 3.352, 3.165, 3.021, 2.900, 2.795, 2.700, 2.615, 2.536, 2.462, 2.393, 2.328, 2.266, 2.207, 2.150, 2.095,
        2.042, 1.991, 1.941, 1.892,
    ];
    let bounds = group_sequential_bounds(LOOKS, Alpha::new(simulation::ALPHA).unwrap(), 2.0);
    assert_eq!(bounds.len(), PUBLISHED.len());
    for (bound, published) in bounds.iter().zip(PUBLISHED) {
        assert!((bound - published).abs() <= 0.001, "{bound}, not {published}");
    }
    assert_eq!(look_counts(999, LOOKS).last(), Some(&999));
}
