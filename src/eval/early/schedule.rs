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
