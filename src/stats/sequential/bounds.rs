//! Boundaries of a normal statistic that is looked at several times.

use super::super::Alpha;
use super::super::special::{normal_quantile, normal_upper};

/// Positive nodes and weights of Gauss and Legendre's rule with eight points on -1..1.
/// Source: Abramowitz and Stegun, table 25.4.
const RULE: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_5),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_3),
];

/// The width of a panel of the rule, where the density varies over a width of at least 1.
const PANEL: f64 = 1.5;

/// Standard deviations beyond which a path is given up: its chance is below 1e-10, and it would not cross any more.
pub(super) const FAR: f64 = 6.5;

/// One-sided boundaries for the standard normal statistic at `looks` equally spaced looks, when the chance to cross
/// until look k under the null hypothesis is to be `alpha * (k / looks) ^ rho`. An endless boundary is never crossed.
/// Source: P. Armitage, C. McPherson and B. Rowe, JRSS A 132, 1969 (the recursion); K. Kim and D. DeMets, Biometrika 74,
/// 1987 (the spending).
pub fn group_sequential_bounds(looks: u32, alpha: Alpha, rho: f64) -> Vec<f64> {
    let mut bounds = Vec::new();
    let mut density = Density::start();
    let mut spent = 0.0;
    for look in 1..=looks {
        let target = spending(Look { number: look, of: looks }, alpha, rho);
        let bound = if look == 1 { -normal_quantile(target) } else { density.crossing(target - spent, look) };
        let scale = f64::from(look).sqrt();
        spent = if bound.is_finite() { target } else { spent };
        density = density.after(FAR * -scale, (bound * scale).min(FAR * scale));
        bounds.push(bound);
    }
    bounds
}

/// The paths that have not crossed, as points with weights, in the sum of increments of variance 1.
pub(super) struct Density {
    nodes: Vec<(f64, f64)>,
}

impl Density {
    /// Before the first look.
    pub(super) fn start() -> Self {
        Self { nodes: vec![(0.0, 1.0)] }
    }

    /// The chance to lie above `at` one look later, and its slope.
    pub(super) fn above(&self, at: f64) -> (f64, f64) {
        self.nodes.iter().fold((0.0, 0.0), |(chance, slope), (place, weight)| {
            (chance + weight * normal_upper(at - place), slope - weight * normal_density(at - place))
        })
    }

    /// The statistic that is exceeded at look number `look` with the chance `chance`: Newton's method, kept inside.
    fn crossing(&self, chance: f64, look: u32) -> f64 {
        if chance <= 0.0 {
            return f64::INFINITY;
        }
        let scale = f64::from(look).sqrt();
        let (mut low, mut high) = (-FAR * scale, 40.0 * scale);
        let mut at = 3.0 * scale;
        for _ in 0..200 {
            let (above, slope) = self.above(at);
            if above > chance {
                low = at
            } else {
                high = at
            }
            let step = at - (above - chance) / slope;
            let next = if step > low && step < high { step } else { 0.5 * (low + high) };
            if (next - at).abs() < 1e-12 * scale {
                break;
            }
            at = next;
        }
        at / scale
    }

    /// The paths one look later that lie between `low` and `high`.
    pub(super) fn after(&self, low: f64, high: f64) -> Self {
        let panels = ((high - low) / PANEL).ceil().max(1.0);
        let half = 0.5 * (high - low) / panels;
        let mut nodes = Vec::new();
        let mut middle = low + half;
        while middle < high {
            for (node, weight) in RULE {
                for place in [middle - half * node, middle + half * node] {
                    nodes.push((place, half * weight * self.at(place)));
                }
            }
            middle += 2.0 * half;
        }
        Self { nodes }
    }

    fn at(&self, place: f64) -> f64 {
        let near = self.nodes.iter().filter(|(from, _)| (place - from).abs() < 9.0);
        near.map(|(from, weight)| weight * normal_density(place - from)).sum()
    }
}

fn normal_density(z: f64) -> f64 {
    (-0.5 * z * z).exp() * (0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2)
}

/// How many of `n` samples have been seen at each of `looks` looks: the whole part of k n / looks.
/// Source: definition.
pub fn look_counts(n: u64, looks: u32) -> Vec<u64> {
    let share = |look: u32| u128::from(look) * u128::from(n) / u128::from(looks.max(1));
    (1..=looks).map(|look| u64::try_from(share(look)).unwrap_or(n)).collect()
}

/// One of several looks.
#[derive(Clone, Copy)]
pub(super) struct Look {
    /// From 1.
    pub(super) number: u32,
    /// All of them.
    pub(super) of: u32,
}

/// What may have been spent at a look. Source: as [`group_sequential_bounds`].
pub(super) fn spending(look: Look, alpha: Alpha, rho: f64) -> f64 {
    alpha.value() * (f64::from(look.number) / f64::from(look.of)).powf(rho)
}
