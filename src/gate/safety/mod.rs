//! The verdict on harm: exact one-sided bounds on rates of rare events. Pure.
//! Kept out: how a model is attacked and how harm is seen (`eval::redteam`, `eval::scorer`).

mod budget;
mod decide;
mod errors;
mod grid;
mod judge;
mod plan;
mod plan_words;
mod rise;
mod rows;
mod rules;
mod shares;
mod types;
mod units;
mod words;

#[cfg(test)]
mod tests;

pub use errors::{FEWEST_LABELS, Screens};
pub use judge::{Asked, Judged, certain, judge};
pub use plan::{Available, Hindrance, NeededUnits, PlannedRate, SafetyPlan, plan, unreachable};
pub use rise::{Pair, rise};
pub use rules::{Budgets, HazardRule, Indeterminate, Labelled, SafetyRules, Screened, UnitOf};
pub use types::{
    Attempt, Attempts, BudgetRow, Evidence, Found, GridCell, HazardKey, HazardRow, RiseRow, SafetyRows, Severity, Side,
};
