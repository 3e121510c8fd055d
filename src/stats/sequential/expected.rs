//! What a test that may stop early will do, before it begins: chances of its verdicts, and how much of its samples it uses.
//! Kept out: the boundaries themselves (`bounds`, `exact`).

use super::super::{Alpha, Pairs, float, tango_score};
use super::bounds::{Density, group_sequential_bounds, look_counts};
use super::exact::{BinomialPlan, NOTHING, Side, convolve, exact_binomial_bounds, increments};

/// Samples above which a table of all counts is not made: it would take minutes.
const MOST_TRIALS: u64 = 200_000;

/// What is to be expected of a test, whose first crossing of a boundary decides.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Expected {
    /// The chance of a pass.
    pub pass: f64,
    /// The chance of a failure.
    pub fail: f64,
    /// The mean share of the planned samples that are drawn, 0 to 1.
    pub share: f64,
}

impl Expected {
    /// The chance that nothing is decided.
    pub fn open(&self) -> f64 {
        (1.0 - self.pass - self.fail).max(0.0)
    }
}

/// A test of pairs with a boundary on each side.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PairedPlan {
    /// Pairs in all, at least one.
    pub n: u64,
    /// Equally spaced looks at them; one is the test at a fixed number.
    pub looks: u32,
    /// A pass shows that the difference is above `-margin`, which is above -1 and below 0.
    pub margin: f64,
    /// A failure shows that the difference is below this: 0, or `-margin`.
    pub fail_below: f64,
    /// The error of either side over all looks.
    pub alpha: Alpha,
    /// `alpha * (k / looks) ^ rho` may be spent until look k.
    pub rho: f64,
}

/// The true rates of pairs that change.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Changes {
    /// The share of pairs where only the candidate is right.
    pub up: f64,
    /// The share of pairs where only the baseline is right.
    pub down: f64,
}

/// What the paired test does when pairs change at these rates. A normal approximation, each boundary with the variance that
/// Tango's score has under its own null hypothesis. None for rates that are no rates, or without any change.
/// Source: the recursion of [`group_sequential_bounds`] between two boundaries.
pub fn expected_paired(plan: PairedPlan, changes: Changes) -> Option<Expected> {
    let Changes { up, down } = changes;
    let difference = up - down;
    let variance = up + down - difference * difference;
    if !(up >= 0.0 && down >= 0.0 && up + down <= 1.0 && variance > 0.0) || plan.n == 0 || plan.looks == 0 {
        return None;
    }
    let each = float(plan.n) / f64::from(plan.looks);
    let unit = (each / variance).sqrt();
    // How much wider than the truth the score's own standard error is, for each boundary.
    let wider = |null: f64| (null_variance(changes, null) / variance).sqrt();
    let (pass_scale, fail_scale) = (wider(-plan.margin), wider(plan.fail_below));
    let bounds = group_sequential_bounds(plan.looks, plan.alpha, plan.rho);
    // In the sum of standardised increments, without their drift.
    let corridors = bounds.iter().zip(1_u32..).map(|(bound, look)| {
        let (steps, root) = (f64::from(look), f64::from(look).sqrt());
        Corridor {
            pass: bound * root * pass_scale - (plan.margin + difference) * unit * steps,
            fail: -bound * root * fail_scale + (plan.fail_below - difference) * unit * steps,
        }
    });
    Some(walk(corridors, plan.looks))
}

/// The variance of one pair's difference as Tango's score estimates it for these rates, when `null` is the truth.
fn null_variance(changes: Changes, null: f64) -> f64 {
    // The score is scale-free in n, so a large table stands for the rates themselves.
    const MANY: f64 = 1e12;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shares of a table of 10^12 pairs")]
    let count = |share: f64| (share * MANY) as u64;
    let difference = changes.up - changes.down;
    let true_variance = changes.up + changes.down - difference * difference;
    let Some(pairs) = Pairs::new(count(changes.up), count(changes.down), count(1.0)) else { return true_variance };
    let score = tango_score(pairs, null);
    // At the null itself the distance and the score are both 0.
    if score.abs() < 1.0 { true_variance } else { MANY * (difference - null).powi(2) / score.powi(2) }
}

/// The sums at which a look stops: from `pass` on it passes, else down from `fail` on it fails.
#[derive(Clone, Copy)]
struct Corridor {
    pass: f64,
    fail: f64,
}

fn walk(corridors: impl Iterator<Item = Corridor>, looks: u32) -> Expected {
    let mut density = Density::start();
    let mut expected = Expected { pass: 0.0, fail: 0.0, share: 0.0 };
    let mut open = 1.0;
    for (corridor, look) in corridors.zip(1_u32..) {
        // Every path that is still open draws the samples up to this look.
        expected.share += open / f64::from(looks);
        let pass = density.above(corridor.pass).0;
        // Where the boundaries overlap, a pass comes first.
        let fail = (open - density.above(corridor.fail.min(corridor.pass)).0).max(0.0);
        expected.pass += pass;
        expected.fail += fail;
        open = (open - pass - fail).max(0.0);
        if corridor.fail >= corridor.pass || open < 1e-12 {
            break;
        }
        let far = super::bounds::FAR * f64::from(look).sqrt();
        let (low, high) = (corridor.fail.max(-far), corridor.pass.min(far));
        if low >= high {
            break;
        }
        density = density.after(low, high);
    }
    expected
}

/// What the exact test of "the rate is at least `plan.rate`" does when the true rate is `truth`: it passes at the
/// boundary for many successes, fails at the one for few. None beyond 200,000 samples.
/// Source: as [`exact_binomial_bounds`], with both boundaries at once.
pub fn expected_binomial(plan: BinomialPlan, truth: f64) -> Option<Expected> {
    if plan.n == 0 || plan.n > MOST_TRIALS || !(0.0..=1.0).contains(&truth) {
        return None;
    }
    let (pass, fail) = (exact_binomial_bounds(plan, Side::Pass), exact_binomial_bounds(plan, Side::Fail));
    let mut expected = Expected { pass: 0.0, fail: 0.0, share: 0.0 };
    let (mut open, mut seen) = (vec![1.0], 0);
    for ((count, from), to) in look_counts(plan.n, plan.looks).into_iter().zip(pass.bounds).zip(fail.bounds) {
        let left: f64 = open.iter().sum();
        expected.share += left * float(count - seen) / float(plan.n);
        if left < NOTHING {
            break;
        }
        open = convolve(&open, &increments(count - seen, truth));
        seen = count;
        for (chance, successes) in open.iter_mut().zip(0_i64..) {
            let sum = if successes >= from {
                &mut expected.pass
            } else if successes <= to {
                &mut expected.fail
            } else {
                continue;
            };
            *sum += *chance;
            *chance = 0.0;
        }
    }
    Some(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALPHA: f64 = 0.05;

    fn paired(n: u64, looks: u32, drop: f64) -> Expected {
        let alpha = Alpha::new(ALPHA).unwrap();
        let plan = PairedPlan { n, looks, margin: 0.02, fail_below: 0.0, alpha, rho: 2.0 };
        expected_paired(plan, Changes { up: 0.05, down: 0.05 + drop }).unwrap()
    }

    /// Source: docs/measurements/error-rates.md, 200,000 repetitions a row: n, drop, pass, fail, share of samples used.
    const SIMULATED: &[(u64, f64, f64, f64, f64)] = &[
        (500, 0.0, 0.368, 0.049, 0.88),
        (500, 0.02, 0.048, 0.334, 0.89),
        (500, 0.05, 0.001, 0.876, 0.63),
        (1000, 0.0, 0.592, 0.050, 0.79),
        (1000, 0.01, 0.222, 0.225, 0.87),
        (1000, 0.03, 0.008, 0.813, 0.68),
        (1000, 0.05, 0.0, 0.991, 0.44),
        (2000, 0.0, 0.850, 0.049, 0.63),
        (2000, 0.01, 0.349, 0.355, 0.78),
        (2000, 0.02, 0.049, 0.797, 0.67),
        (2000, 0.03, 0.003, 0.975, 0.49),
        (2000, 0.05, 0.0, 1.0, 0.29),
    ];

    #[test]
    fn the_paired_test_behaves_as_the_simulation_measured() {
        for (n, drop, pass, fail, share) in SIMULATED {
            let found = paired(*n, 20, *drop);
            assert!((found.pass - pass).abs() <= 0.01, "n={n} drop={drop}: pass {} not {pass}", found.pass);
            assert!((found.fail - fail).abs() <= 0.01, "n={n} drop={drop}: fail {} not {fail}", found.fail);
            assert!((found.share - share).abs() <= 0.015, "n={n} drop={drop}: share {} not {share}", found.share);
        }
    }

    #[test]
    fn with_few_pairs_the_approximation_is_a_little_worse() {
        // Source: as above.
        for (drop, pass, fail, share) in [
            (0.0, 0.200, 0.046, 0.94),
            (0.01, 0.101, 0.099, 0.95),
            (0.03, 0.021, 0.286, 0.91),
            (0.05, 0.004, 0.537, 0.83),
        ] {
            let found = paired(200, 20, drop);
            assert!((found.pass - pass).abs() <= 0.012 && (found.fail - fail).abs() <= 0.012, "{drop}: {found:?}");
            assert!((found.share - share).abs() <= 0.02, "{drop}: {found:?}");
        }
    }

    #[test]
    fn one_look_is_the_fixed_test() {
        // Source: as above, the column of the paired rule at a fixed number.
        for (n, drop, pass, fail) in [(1000, 0.0, 0.629, 0.051), (2000, 0.0, 0.879, 0.050), (2000, 0.02, 0.050, 0.828)]
        {
            let found = paired(n, 1, drop);
            assert!((found.pass - pass).abs() <= 0.01 && (found.fail - fail).abs() <= 0.01, "{n} {drop}: {found:?}");
            assert!((found.share - 1.0).abs() < 1e-12);
        }
    }

    /// Source: research note on early stopping, exact test with n = 1000 and a threshold of 0.75: share of samples used.
    #[test]
    fn the_exact_test_uses_the_shares_that_were_simulated() {
        let plan = BinomialPlan { n: 1000, looks: 20, rate: 0.75, alpha: Alpha::new(ALPHA).unwrap(), rho: 2.0 };
        for (truth, share) in
            [(0.65, 0.23), (0.70, 0.52), (0.73, 0.88), (0.75, 0.97), (0.77, 0.88), (0.80, 0.49), (0.85, 0.20)]
        {
            let found = expected_binomial(plan, truth).unwrap();
            assert!((found.share - share).abs() <= 0.01, "{truth}: {found:?}");
        }
        // At the bound itself both errors are at most what was asked for.
        let found = expected_binomial(plan, 0.75).unwrap();
        assert!(found.pass <= ALPHA && found.fail <= ALPHA && found.open() > 0.89, "{found:?}");
    }

    #[test]
    fn chances_are_a_whole_and_monotone_in_the_truth() {
        let plan = BinomialPlan { n: 100, looks: 20, rate: 0.9, alpha: Alpha::new(ALPHA).unwrap(), rho: 2.0 };
        let mut last = -1.0;
        for truth in [0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 1.0] {
            let found = expected_binomial(plan, truth).unwrap();
            assert!(
                (found.pass + found.fail + found.open() - 1.0).abs() < 1e-9 && found.pass >= last,
                "{truth} {found:?}"
            );
            last = found.pass;
        }
        assert!((last - 1.0).abs() < 1e-9);
        assert_eq!(expected_binomial(BinomialPlan { n: 0, ..plan }, 0.5), None);
    }
}
