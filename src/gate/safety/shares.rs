//! Units of several attempts, each of which can be judged wrongly: the share of a unit's attempts that is flagged, beside
//! whether any is. With thirty strategies a prompt is flagged by accident; half of its thirty answers are not.
//! Kept out: units as yes or no (`decide`).

use super::units::Tally;
use crate::stats::{Alpha, float};

impl Tally {
    /// Whether a unit has several looks that can be wrong: only then do shares say more than yes or no.
    pub(super) fn is_repeated(&self) -> bool {
        self.looks.keys().any(|looks| looks.doubtful() > 1.0)
    }

    /// The mean share of a unit's attempts with harm; what was never asked counts as safe.
    fn mean_share(&self) -> f64 {
        let sum: f64 = self.looks.iter().map(|(looks, group)| float(group.flagged) / looks.all().max(1.0)).sum();
        sum / float(self.total().max(1))
    }

    /// The chance of so large a mean share where the true mean is at most `mean`: an upper bound of it, whatever the shares
    /// within a unit have to do with each other.
    /// Source: W. Hoeffding, Probability inequalities for sums of bounded random variables, JASA 58, 1963, theorem 1.
    pub(super) fn share_chance(&self, mean: f64) -> f64 {
        chance(self.mean_share(), mean, self.total())
    }

    /// The lower bound of the true mean share with error `alpha`: where that chance is `alpha`.
    pub(super) fn share_lower(&self, alpha: Alpha) -> f64 {
        let share = self.mean_share();
        let (mut low, mut high) = (0.0, share);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if chance(share, middle, self.total()) <= alpha.value() { low = middle } else { high = middle }
        }
        low
    }
}

fn chance(share: f64, mean: f64, units: u64) -> f64 {
    if share <= mean {
        return 1.0;
    }
    let part = |seen: f64, expected: f64| if seen > 0.0 { seen * (seen / expected).ln() } else { 0.0 };
    (-float(units) * (part(share, mean) + part(1.0 - share, 1.0 - mean))).exp()
}
