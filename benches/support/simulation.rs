//! How often each way of comparing two models is wrong, by simulation: one baseline, one candidate, the same cases for
//! both, and a true drop that we know. Shared by the test `error_rates` and the benchmark of that name.

use llmci::stats::{
    Alpha, Count, Generator, Pairs, float, group_sequential_bounds, look_counts, newcombe_unpaired, normal_quantile,
    tango_score, wald_unpaired,
};

/// The share of cases that the baseline gets right.
pub const BASELINE: f64 = 0.75;
/// The share of cases that change in each direction although nothing got worse on average.
pub const CHURN: f64 = 0.05;
/// The drop that is tolerated.
pub const MARGIN: f64 = 0.02;
/// The one-sided error rate of either side.
pub const ALPHA: f64 = 0.05;
/// Looks of the rule that may stop early.
pub const LOOKS: u32 = 20;
/// The seed of the published table.
pub const SEED: u64 = 20_261_124;
/// The numbers of cases of the table.
pub const SIZES: [u64; 4] = [200, 500, 1000, 2000];
/// The true drops of the table, in points.
pub const DROPS: [u32; 5] = [0, 1, 2, 3, 5];
/// The rules, in the order of [`Cell::rules`].
pub const RULES: [&str; 5] =
    ["2 % relative, point", "unpaired z", "unpaired non-inferiority", "paired non-inferiority", "paired, 20 looks"];

/// What a rule says about one candidate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Pass,
    Fail,
    Inconclusive,
}

/// Shares of verdicts, in 0..=1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// Candidates that pass.
    pub pass: f64,
    /// Candidates that fail.
    pub fail: f64,
    /// Candidates about which nothing is decided.
    pub inconclusive: f64,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// Cases.
    pub n: u64,
    /// The true drop, in points.
    pub drop: u32,
    /// One for each of [`RULES`].
    pub rules: [Rates; 5],
    /// The mean share of cases that the last rule has used.
    pub used: f64,
}

/// A number of successes among independent trials, by inversion; many trials are halved, so that the chance of no success
/// stays far from the smallest number. Source: L. Devroye, Non-Uniform Random Variate Generation, 1986, X.4.
pub fn binomial(generator: &mut Generator, trials: u64, chance: f64) -> u64 {
    if chance > 0.5 {
        return trials - binomial(generator, trials, 1.0 - chance);
    }
    if trials > 500 {
        return binomial(generator, trials / 2, chance) + binomial(generator, trials - trials / 2, chance);
    }
    let odds = chance / (1.0 - chance);
    let mut mass = (float(trials) * (-chance).ln_1p()).exp();
    let mut left = generator.unit();
    for successes in 0..trials {
        if left < mass {
            return successes;
        }
        left -= mass;
        mass *= odds * float(trials - successes) / float(successes + 1);
    }
    trials
}

/// The boundaries of the last rule: until the share t of the cases it has spent alpha t^2 of its error.
fn boundaries() -> Vec<f64> {
    Alpha::new(ALPHA).map(|alpha| group_sequential_bounds(LOOKS, alpha, 2.0)).unwrap_or_default()
}

/// One row: `repetitions` candidates whose true rate is `drop` points below the baseline's.
pub fn simulate(n: u64, drop: u32, repetitions: u32, seed: u64) -> Cell {
    // Each row has its own sequence, so that a subset of rows gives the same numbers.
    let mut generator = Generator::new(seed ^ (n << 32) ^ u64::from(drop));
    let (up_chance, down_chance) = (CHURN, CHURN + f64::from(drop) / 100.0);
    let both_chance = (BASELINE - down_chance) / (1.0 - up_chance - down_chance);
    let (looks, bounds) = (look_counts(n, LOOKS), boundaries());
    let z = normal_quantile(1.0 - ALPHA);
    let mut tally = [[0_u64; 3]; 5];
    let mut used = 0.0;
    for _ in 0..repetitions {
        let (mut up, mut down, mut seen) = (0, 0, 0);
        let mut early = None;
        for (look, bound) in looks.iter().zip(&bounds) {
            let fresh = look - seen;
            seen = *look;
            let fresh_up = binomial(&mut generator, fresh, up_chance);
            up += fresh_up;
            down += binomial(&mut generator, fresh - fresh_up, down_chance / (1.0 - up_chance));
            if early.is_none() {
                let verdict = paired(up, down, seen, *bound);
                early = (verdict != Verdict::Inconclusive).then_some((verdict, seen));
            }
        }
        let both = binomial(&mut generator, n - up - down, both_chance);
        let (before, after) = (both + down, both + up);
        let (stopped, at) = early.unwrap_or((Verdict::Inconclusive, n));
        used += float(at) / float(n);
        let verdicts = [
            relative_point(before, after),
            unpaired_z(before, after, n),
            unpaired(before, after, n),
            paired(up, down, n, z),
            stopped,
        ];
        for (counts, verdict) in tally.iter_mut().zip(verdicts) {
            match verdict {
                Verdict::Pass => counts[0] += 1,
                Verdict::Fail => counts[1] += 1,
                Verdict::Inconclusive => counts[2] += 1,
            }
        }
    }
    let share = |count: u64| float(count) / f64::from(repetitions);
    let rules = tally.map(|[pass, fail, inconclusive]| Rates {
        pass: share(pass),
        fail: share(fail),
        inconclusive: share(inconclusive),
    });
    Cell { n, drop, rules, used: used / f64::from(repetitions) }
}

/// Fails exactly when the candidate's own rate is below 98 % of the baseline's; never undecided.
fn relative_point(before: u64, after: u64) -> Verdict {
    if 100 * after < 98 * before { Verdict::Fail } else { Verdict::Pass }
}

/// Fails exactly when an unpaired two-sided z test with p < 0.05 finds the candidate worse; never undecided.
fn unpaired_z(before: u64, after: u64, n: u64) -> Verdict {
    let worse = counts(before, after, n).is_some_and(|(alpha, first, second)| {
        // A two-sided 95 % interval: the error of the whole is alpha.
        wald_unpaired(second, first, alpha).high < 0.0
    });
    if worse { Verdict::Fail } else { Verdict::Pass }
}

/// Newcombe's interval as if the two runs had answered different cases.
fn unpaired(before: u64, after: u64, n: u64) -> Verdict {
    let Some((_, first, second)) = counts(before, after, n) else { return Verdict::Inconclusive };
    // One side of an interval with twice the error is the bound of the one-sided error.
    let Some(twice) = Alpha::new(2.0 * ALPHA) else { return Verdict::Inconclusive };
    let interval = newcombe_unpaired(second, first, twice);
    if interval.low > -MARGIN {
        Verdict::Pass
    } else if interval.high < 0.0 {
        Verdict::Fail
    } else {
        Verdict::Inconclusive
    }
}

fn counts(before: u64, after: u64, n: u64) -> Option<(Alpha, Count, Count)> {
    Some((Alpha::new(ALPHA)?, Count::new(before, n)?, Count::new(after, n)?))
}

/// Tango's score against the margin and against no change.
fn paired(up: u64, down: u64, n: u64, z: f64) -> Verdict {
    let Some(pairs) = Pairs::new(up, down, n) else { return Verdict::Inconclusive };
    if tango_score(pairs, -MARGIN) > z {
        Verdict::Pass
    } else if tango_score(pairs, 0.0) < -z {
        Verdict::Fail
    } else {
        Verdict::Inconclusive
    }
}
