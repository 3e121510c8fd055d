//! What will be asked, in order: the cases that pass the filters, times their repeats. Pure.

use crate::eval::shard::Shard;
use crate::eval::suite::{Filter, Suite};
use crate::trust::{Digest, Hasher};

/// One sample to be drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    /// Position of the suite in the run.
    pub suite: u16,
    /// Position of the case in its suite.
    pub case: u32,
    /// 0-based.
    pub repeat: u32,
}

/// All samples of a run. A slot's position in it is the sample's number in the journal.
#[derive(Clone, Debug)]
pub struct Plan {
    slots: Vec<Slot>,
    cases: u64,
    cases_by_suite: Vec<u64>,
    key: Digest,
}

/// Why there is no plan.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlanError {
    /// Nothing is left to ask.
    #[error("no case is left after the filters (of {0} cases): give other --level or --tags")]
    Empty(u64),
    /// The shard has no case.
    #[error("shard {index}/{count} has no case: only {cases} are left after the filters; use at most {cases} shards")]
    EmptyShard {
        /// 1-based.
        index: u32,
        /// How many shards.
        count: u32,
        /// Cases of the whole run.
        cases: u64,
    },
    /// More than the numbers of a slot can hold.
    #[error("too many suites, cases or repeats: at most 65,535 suites and 4,294,967,295 samples")]
    TooMany,
}

/// What, besides the suites, decides what is asked.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    /// Level and tags.
    pub filter: &'a Filter,
    /// The part of the run that is asked here.
    pub shard: Option<Shard>,
    /// The seed of the run.
    pub seed: u64,
    /// Who is asked.
    pub model: &'a Digest,
    /// Who judges: another judge's verdicts are another run's.
    pub judges: &'a [Digest],
}

impl Plan {
    /// Lays out the samples of a run.
    pub fn new(suites: &[Suite], selection: &Selection<'_>) -> Result<Self, PlanError> {
        let mut slots = Vec::new();
        let mut cases_by_suite = Vec::new();
        let (mut all, mut kept, mut cases) = (0_u64, 0_usize, 0_u64);
        for (suite_index, suite) in suites.iter().enumerate() {
            let suite_number = u16::try_from(suite_index).map_err(|_| PlanError::TooMany)?;
            let before = cases;
            for (case_index, head) in suite.heads().iter().enumerate() {
                all += 1;
                if !selection.filter.matches(head) {
                    continue;
                }
                kept += 1;
                if selection.shard.is_some_and(|shard| !shard.takes(kept - 1)) {
                    continue;
                }
                cases += 1;
                let case = u32::try_from(case_index).map_err(|_| PlanError::TooMany)?;
                slots.extend((0..head.repeats).map(|repeat| Slot { suite: suite_number, case, repeat }));
            }
            cases_by_suite.push(cases - before);
        }
        if kept == 0 {
            return Err(PlanError::Empty(all));
        }
        if let (0, Some(shard)) = (cases, selection.shard) {
            return Err(PlanError::EmptyShard { index: shard.index(), count: shard.count(), cases: kept as u64 });
        }
        if u32::try_from(slots.len()).is_err() {
            return Err(PlanError::TooMany);
        }
        Ok(Self { slots, cases, cases_by_suite, key: key(suites, selection) })
    }

    /// The samples, in the order of the suites.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Cases after filters and shard.
    pub fn cases(&self) -> u64 {
        self.cases
    }

    /// The same, suite by suite.
    pub fn cases_by_suite(&self) -> &[u64] {
        &self.cases_by_suite
    }

    /// Names the run: two runs with one key ask the same model the same things. Thresholds and concurrency are no part
    /// of it, so that a journal can be judged again under other rules.
    pub fn key(&self) -> &Digest {
        &self.key
    }
}

fn key(suites: &[Suite], selection: &Selection<'_>) -> Digest {
    let mut hasher = Hasher::new();
    hasher.part(b"llmci-run-1").part(selection.model.hex().as_bytes()).part(&selection.seed.to_le_bytes());
    hasher.part(selection.filter.describe().join(",").as_bytes());
    for judge in selection.judges {
        hasher.part(b"judge").part(judge.hex().as_bytes());
    }
    if let Some(shard) = selection.shard {
        hasher.part(&shard.index().to_le_bytes()).part(&shard.count().to_le_bytes());
    }
    for suite in suites {
        hasher.part(suite.name().as_bytes()).part(suite.digest().hex().as_bytes());
    }
    hasher.finish()
}
