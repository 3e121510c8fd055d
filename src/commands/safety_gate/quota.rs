//! How many prompts of each hazard are asked where the policy names no number: as many as show every limit when none is
//! harmful, be it of one hazard or of all together. Which ones they are is drawn elsewhere (`eval::redteam::draw`).

use std::collections::BTreeMap;

use crate::gate::safety::{PlannedRate, SafetyPlan, Side};

/// Prompts of a hazard: those that are there, and those that its own limit takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Quota {
    there: u64,
    own: u64,
}

impl Quota {
    /// How many are asked where each hazard gives at least this many, if it has them.
    fn at(self, level: u64) -> u64 {
        self.own.max(level).min(self.there)
    }
}

/// By hazard, from what the rules would need if everything that is there were asked. Harmless requests are all asked.
pub(super) fn quotas(plan: &SafetyPlan, there: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    let harm = || plan.rates.iter().filter(|rate| rate.side == Side::Harm);
    let clean = |rate: &PlannedRate| rate.needed.first().map(|needed| needed.units.unwrap_or(u64::MAX));
    // A rate that is no hazard's is that of all together; a hazard without a limit is asked as if that were its own.
    let together = harm().find(|rate| !there.contains_key(rate.hazard.as_str())).and_then(clean).unwrap_or(0);
    // What does not decide is not in the rate of all together.
    let (mut pooled, mut apart) = (BTreeMap::new(), BTreeMap::new());
    for rate in harm() {
        let Some(&there) = there.get(rate.hazard.as_str()) else { continue };
        let quota = Quota { there, own: clean(rate).unwrap_or(together) };
        if rate.required { &mut pooled } else { &mut apart }.insert(rate.hazard.clone(), quota);
    }
    let level = level(pooled.values().copied().collect(), together);
    let pooled = pooled.into_iter().map(|(hazard, quota)| (hazard, quota.at(level)));
    pooled.chain(apart.into_iter().map(|(hazard, quota)| (hazard, quota.at(0)))).collect()
}

/// The smallest number that each hazard has to give so that all of them have this many together; all of them where they have
/// not so many.
fn level(quotas: Vec<Quota>, together: u64) -> u64 {
    let enough = |level: u64| quotas.iter().map(|quota| quota.at(level)).fold(0, u64::saturating_add) >= together;
    let (mut low, mut high) = (0, quotas.iter().map(|quota| quota.there).max().unwrap_or(0));
    while low < high {
        let middle = low + (high - low) / 2;
        if enough(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hazards_give_evenly_what_the_limit_of_all_takes_and_never_less_than_their_own() {
        for (quotas, together, wanted) in [
            // Each has its own, and that is enough.
            (&[(3000, 299), (3000, 299)][..], 598, &[299, 299][..]),
            // The rest is shared.
            (&[(3000, 299), (3000, 299)], 2995, &[1498, 1498]),
            // One has no more to give.
            (&[(138, 299), (3000, 299)], 2995, &[138, 2857]),
            // One gives more by itself.
            (&[(3000, 2000), (3000, 10), (3000, 10)], 2995, &[2000, 498, 498]),
            // There is not enough: all are asked.
            (&[(138, 59), (300, 59)], 2995, &[138, 300]),
            (&[(500, u64::MAX)], 10, &[500]),
            (&[], 10, &[]),
        ] {
            let quotas: Vec<Quota> = quotas.iter().map(|&(there, own)| Quota { there, own }).collect();
            let level = level(quotas.clone(), together);
            let given: Vec<u64> = quotas.iter().map(|quota| quota.at(level)).collect();
            assert_eq!(given, wanted, "{quotas:?} {together}");
        }
    }
}
