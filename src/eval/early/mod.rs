//! Stopping a run as soon as no sample can change its verdict: a seeded order, looks at fixed counts, and only the
//! beginning of the order that is there without a gap, since what is answered first is not like the rest.
//! Kept out: what a look decides (`gate`), who asks the model (`eval::run`).

mod pairs;
mod safety;
mod schedule;
mod thresholds;

use super::run::{Names, Row};
use crate::gate::{LOOKS, Next};

pub use pairs::{Against, PairTrial, PlannedCases};
pub use safety::{SafetyTrial, filled, found};
pub use schedule::Schedule;
pub use thresholds::ThresholdTrial;

/// The samples that a look sees.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// By slot: whether it belongs to the part.
    pub slots: &'a [bool],
    /// All samples that are there, by slot.
    pub rows: &'a [Option<Row>],
    /// The names of scores.
    pub names: &'a Names,
}

/// What is looked at.
pub enum Trial {
    /// The thresholds of a gate.
    Thresholds(ThresholdTrial),
    /// A candidate against a baseline.
    Pairs(PairTrial),
    /// Attacks, and how much harm is tolerated.
    Safety(Box<SafetyTrial>),
}

/// A run that is looked at while it is under way.
pub struct Watch {
    schedule: Schedule,
    trial: Trial,
    prefix: usize,
    look: u32,
    stopped: bool,
}

impl Watch {
    /// Nothing has been seen yet.
    pub fn new(schedule: Schedule, trial: Trial) -> Self {
        Self { schedule, trial, prefix: 0, look: 0, stopped: false }
    }

    /// The order in which samples are to be drawn.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Takes in what is there by now, and makes every look that is due, in its turn and on its own samples.
    pub fn advance(&mut self, rows: &[Option<Row>], names: &Names) -> Next {
        let there = |slot: &u32| rows.get(*slot as usize).is_some_and(Option::is_some);
        self.prefix += self.schedule.order().iter().skip(self.prefix).take_while(|slot| there(slot)).count();
        while !self.stopped && self.look < LOOKS {
            let at = |look: u32| self.schedule.ends().get(look as usize).copied().unwrap_or(usize::MAX);
            let (end, before) = (at(self.look), self.look.checked_sub(1).map_or(0, at));
            if end > self.prefix {
                break;
            }
            self.look += 1;
            if end == before {
                // A look without a new sample decides nothing.
                continue;
            }
            let slots = self.schedule.part(self.look);
            let part = Part { slots: &slots, rows, names };
            let next = match &mut self.trial {
                Trial::Thresholds(trial) => trial.look(self.look, &part),
                Trial::Pairs(trial) => trial.look(self.look, &part),
                Trial::Safety(trial) => trial.look(&part),
            };
            self.stopped = next == Next::Stop || self.look == LOOKS;
        }
        if self.stopped { Next::Stop } else { Next::GoOn }
    }

    /// The look after which nothing more was needed, from 1; none where the run was cut off before.
    pub fn stopped_at(&self) -> Option<u32> {
        self.stopped.then_some(self.look)
    }

    /// What was looked at.
    pub fn trial(&self) -> &Trial {
        &self.trial
    }
}

/// Counts the slots that each look sees; `counted` gives none for one that does not belong, and false for one that is
/// there without being counted.
fn at_each_look(schedule: &Schedule, mut counted: impl FnMut(u32) -> Option<bool>) -> Vec<u64> {
    let mut counts = Vec::with_capacity(schedule.ends().len());
    let (mut seen, mut count) = (0, 0);
    for end in schedule.ends() {
        for slot in schedule.order().iter().take(*end).skip(seen) {
            count += u64::from(counted(*slot) == Some(true));
        }
        seen = *end;
        counts.push(count);
    }
    counts
}
