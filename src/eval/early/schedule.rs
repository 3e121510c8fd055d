//! The order of a run that may stop early, and how much of it each look sees. Pure: the same suites, model and seed give
//! the same order everywhere.

use std::collections::BTreeMap;

use crate::eval::run::{Plan, Slot};
use crate::eval::suite::Suite;
use crate::gate::LOOKS;
use crate::stats::{Generator, look_counts};
use crate::trust::Hasher;

/// An order in which the samples of a cluster, and the repeats of a case, stand together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Schedule {
    order: Vec<u32>,
    ends: Vec<usize>,
}

impl Schedule {
    /// Shuffles the cases of a plan, seeded by what names the run: never the file's order, nor the ids'. Slots for which
    /// `seen` is false come last, and no look sees them.
    pub fn new(plan: &Plan, suites: &[Suite], seen: impl Fn(usize, &Slot) -> bool) -> Self {
        let mut units: BTreeMap<(bool, u16, Option<u64>, u32), Vec<u32>> = BTreeMap::new();
        for (number, (index, slot)) in (0_u32..).zip(plan.slots().iter().enumerate()) {
            let suite = suites.get(usize::from(slot.suite));
            let cluster = suite.and_then(|suite| suite.heads().get(slot.case as usize)).and_then(|head| head.cluster);
            let case = if cluster.is_some() { 0 } else { slot.case };
            units.entry((!seen(index, slot), slot.suite, cluster, case)).or_default().push(number);
        }
        let unseen = units.split_off(&(true, 0, None, 0));
        let mut units: Vec<Vec<u32>> = units.into_values().collect();
        Generator::new(seed_of(plan)).shuffle(&mut units);
        let mut after = vec![0];
        for unit in &units {
            after.push(after.last().copied().unwrap_or(0) + unit.len());
        }
        let slots = |seen: u64| usize::try_from(seen).ok().and_then(|seen| after.get(seen)).copied().unwrap_or(0);
        let ends = look_counts(units.len() as u64, LOOKS).into_iter().map(slots).collect();
        Self { order: units.into_iter().chain(unseen.into_values()).flatten().collect(), ends }
    }

    /// All slots.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// How many slots each look sees, of the beginning of the order.
    pub fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// The slots that a look, from 1, sees; none of them before the first.
    pub fn part(&self, look: u32) -> Vec<bool> {
        let end = (look as usize).checked_sub(1).and_then(|at| self.ends.get(at)).copied().unwrap_or(0);
        let mut part = vec![false; self.order.len()];
        for slot in self.order.iter().take(end) {
            if let Some(place) = part.get_mut(*slot as usize) {
                *place = true;
            }
        }
        part
    }
}

/// The key of a run holds the digests of its suites and model, and the user's seed.
fn seed_of(plan: &Plan) -> u64 {
    let mut hasher = Hasher::new();
    hasher.part(b"llmci-order-1").part(plan.key().hex().as_bytes());
    hasher.finish().hex().get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::run::Selection;
    use crate::eval::suite::Filter;
    use crate::trust::Digest;

    /// 300 cases: every third in one of ten clusters, every fifth with three repeats.
    fn suites() -> Vec<Suite> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.jsonl");
        let lines: String = (0..300)
            .map(|number| {
                let cluster = if number % 3 == 0 { format!(", \"cluster\": \"c{}\"", number / 3 % 10) } else { String::new() };
                let repeats = if number % 5 == 0 { 3 } else { 1 };
                format!("{{\"id\": \"w{number}\", \"prompt\": \"p\", \"expected\": \"e\", \"repeats\": {repeats}{cluster}}}\n")
            })
            .collect();
        std::io::Write::write_all(&mut std::fs::File::create(&path).unwrap(), lines.as_bytes()).unwrap();
        vec![Suite::load(&path, "s.jsonl").unwrap()]
    }

    fn plan(suites: &[Suite], seed: u64) -> Plan {
        let model = Digest::of(b"model");
        let selection = Selection { filter: &Filter::default(), shard: None, seed, model: &model, judges: &[] };
        Plan::new(suites, &selection).unwrap()
    }

    #[test]
    fn clusters_and_repeats_stand_together_and_no_look_ends_inside_one() {
        let suites = suites();
        let plan = plan(&suites, 7);
        let schedule = Schedule::new(&plan, &suites, |_, _| true);
        let mut all = schedule.order().to_vec();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..u32::try_from(plan.slots().len()).unwrap()), "every slot once");
        let unit = |slot: u32| {
            let slot = plan.slots()[slot as usize];
            let cluster = suites[0].heads()[slot.case as usize].cluster;
            (cluster, if cluster.is_some() { 0 } else { slot.case })
        };
        let units: Vec<_> = schedule.order().iter().map(|slot| unit(*slot)).collect();
        let mut left = std::collections::BTreeSet::new();
        for pair in units.windows(2).filter(|pair| pair[0] != pair[1]) {
            assert!(left.insert(pair[0]), "{:?} is torn apart", pair[0]);
            assert!(!left.contains(&pair[1]), "{:?} comes again", pair[1]);
        }
        for end in schedule.ends().iter().filter(|end| **end > 0 && **end < units.len()) {
            assert_ne!(units[*end - 1], units[*end], "a look ends inside a unit");
        }
        assert_eq!(schedule.ends().last(), Some(&units.len()));
    }

    #[test]
    fn the_order_follows_from_suite_model_and_seed_and_is_not_the_files() {
        let suites = suites();
        let order = |seed: u64| Schedule::new(&plan(&suites, seed), &suites, |_, _| true).order().to_vec();
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        assert!(order(1).windows(2).filter(|pair| pair[0] + 1 == pair[1]).count() < order(1).len() / 2);
    }

    #[test]
    fn slots_without_a_partner_come_last_and_no_look_sees_them() {
        let suites = suites();
        let plan = plan(&suites, 3);
        let schedule = Schedule::new(&plan, &suites, |_, slot| slot.case.is_multiple_of(2));
        let seen = *schedule.ends().last().unwrap();
        let even = |slot: &u32| plan.slots()[*slot as usize].case.is_multiple_of(2);
        assert!(schedule.order()[..seen].iter().all(even));
        assert!(!schedule.order()[seen..].iter().any(even));
        assert_eq!(schedule.order().len(), plan.slots().len());
        assert_eq!(schedule.part(20).iter().filter(|inside| **inside).count(), seen);
        assert_eq!(schedule.part(0).iter().filter(|inside| **inside).count(), 0);
    }
}
