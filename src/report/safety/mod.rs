//! What a report says of attacks: the same cells and words on every surface, and nothing that a model or an attack said.
//! Kept out: how a surface lays them out (`layout`, `html`, `terminal` and the others), how rows are judged (`gate::safety`).

mod cells;
mod defanged;
mod finding;
mod grid;
mod headline;
mod numbers;

pub(super) use cells::{RIGHT, RISE_HEAD, RISE_RIGHT, budget, evidence_word, hazard_head, hazard_line, hazards, id_of};
pub(super) use cells::{is_own_metric, is_required, is_rise_required, rise_line, rule_name, sentence};
pub(super) use defanged::{defanged, is_silent};
pub(super) use finding::{Outcome, found_by, key, message, numbered, outcome};
pub(super) use grid::{by_strategy, grid};
pub(super) use headline::decided;
pub(super) use numbers::{bound, bound_as_share};
