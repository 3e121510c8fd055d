//! The verdict on harm: exact one-sided bounds on rates of rare events. Pure.
//! Kept out: how a model is attacked and how harm is seen (`eval::redteam`, `eval::scorer`).

mod rules;
mod types;

pub use rules::{Budgets, HazardRule, Indeterminate, Labelled, SafetyRules, Screened, UnitOf};
pub use types::{
    Attempt, Attempts, BudgetRow, Evidence, Found, GridCell, HazardKey, HazardRow, RiseRow, SafetyRows, Severity, Side,
};
