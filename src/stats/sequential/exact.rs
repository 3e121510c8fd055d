//! Exact boundaries for a number of successes that is looked at several times.

use super::super::Alpha;
use super::super::binomial::binomial_pmf;
use super::bounds::{Look, look_counts, spending};

/// Chances below this change no sum in its last place.
pub(super) const NOTHING: f64 = 1e-25;

/// What a crossed boundary shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Many successes: the rate is above the one assumed.
    Pass,
    /// Few successes: the rate is below the one assumed.
    Fail,
}

/// A test of a rate with several looks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BinomialPlan {
    /// Samples in all.
    pub n: u64,
    /// Equally spaced looks at them.
    pub looks: u32,
    /// The rate under the null hypothesis.
    pub rate: f64,
    /// The error over all looks.
    pub alpha: Alpha,
    /// `alpha * (k / looks) ^ rho` may be spent until look k.
    pub rho: f64,
}

/// A rate under test, and how its error is spent.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BinomialNull {
    /// The rate under the null hypothesis.
    pub rate: f64,
    /// The error over all looks.
    pub alpha: Alpha,
    /// `alpha * (k / looks) ^ rho` may be spent until look k.
    pub rho: f64,
}

/// Boundaries, and the error that they really have.
#[derive(Clone, PartialEq, Debug)]
pub struct ExactBounds {
    /// Samples seen at each look.
    pub looks: Vec<u64>,
    /// Successes at each look that cross: at least so many for [`Side::Pass`] (one more than there are samples where none
    /// crosses), at most so many for [`Side::Fail`] (-1 where none crosses).
    pub bounds: Vec<i64>,
    /// The chance to cross at any look under the null hypothesis; at most `alpha`.
    pub spent: f64,
}

/// The boundaries of one side. What a look cannot spend, because successes are counted in whole numbers, is left to the
/// next ones.
/// Source: C. Jennison and B. Turnbull, Group Sequential Methods, 2000, chapter 12 (the recursion over binomial counts),
/// with the spending of K. Kim and D. DeMets 1987.
pub fn exact_binomial_bounds(plan: BinomialPlan, side: Side) -> ExactBounds {
    let BinomialPlan { n, looks, rate, alpha, rho } = plan;
    exact_bounds_at(look_counts(n, looks), BinomialNull { rate, alpha, rho }, side)
}

/// The same for looks that see the given numbers of samples, none fewer than the one before; the error is spent by the
/// look's number, whatever it sees. Source: as [`exact_binomial_bounds`].
pub fn exact_bounds_at(looks: Vec<u64>, null: BinomialNull, side: Side) -> ExactBounds {
    let of = u32::try_from(looks.len()).unwrap_or(u32::MAX);
    let (mut open, mut seen, mut spent) = (vec![1.0], 0, 0.0);
    let mut bounds = Vec::new();
    for (number, count) in (1_u32..).zip(&looks) {
        open = convolve(&open, &increments(count.saturating_sub(seen), null.rate));
        seen = *count;
        let budget = spending(Look { number, of }, null.alpha, null.rho);
        let crossed = match side {
            Side::Pass => cross(open.iter_mut().rev(), budget, &mut spent),
            Side::Fail => cross(open.iter_mut(), budget, &mut spent),
        };
        let crossed = i64::try_from(crossed).unwrap_or(i64::MAX);
        let last = i64::try_from(*count).unwrap_or(i64::MAX);
        bounds.push(match side {
            Side::Pass => last + 1 - crossed,
            Side::Fail => crossed - 1,
        });
    }
    ExactBounds { looks, bounds, spent }
}

/// Drops the chances that cross, from the end on, and says how many counts they were.
fn cross<'a>(from_end: impl Iterator<Item = &'a mut f64>, budget: f64, spent: &mut f64) -> usize {
    let (mut crossed, mut tail) = (0, 0.0);
    for chance in from_end {
        if *spent + tail + *chance > budget {
            break;
        }
        tail += *chance;
        *chance = 0.0;
        crossed += 1;
    }
    *spent += tail;
    crossed
}

/// The successes among some more samples.
pub(super) struct Increments {
    /// How many samples.
    count: usize,
    /// The first number of successes that matters.
    first: usize,
    /// Its chance, and those of the next ones.
    chances: Vec<f64>,
}

pub(super) fn increments(n: u64, rate: f64) -> Increments {
    let all: Vec<f64> = (0..=n).map(|k| binomial_pmf(k, n, rate)).collect();
    let first = all.iter().position(|chance| *chance >= NOTHING).unwrap_or(0);
    let last = all.iter().rposition(|chance| *chance >= NOTHING).unwrap_or(0);
    Increments { count: all.len() - 1, first, chances: all.get(first..=last).unwrap_or_default().to_vec() }
}

pub(super) fn convolve(open: &[f64], more: &Increments) -> Vec<f64> {
    let mut sums = vec![0.0; open.len() + more.count];
    for (place, mass) in open.iter().enumerate().filter(|(_, mass)| **mass >= NOTHING) {
        for (target, chance) in sums.iter_mut().skip(place + more.first).zip(&more.chances) {
            *target += mass * chance;
        }
    }
    sums
}
