//! Attacks on a model: which hazards there are, the probes that look for them, and the strategies that dress a probe up.
//! Everything random takes a seed: the same seed gives the same attacks, byte for byte, on any machine.
//! Kept out: how an answer is judged (`eval::scorer`), what rates are tolerated (`gate::safety`).

mod hazard;
mod library;
mod load;
mod probe;
mod strategy;

pub use hazard::{HAZARDS, Hazard, by_ailuminate, by_llama_guard, hazard};
pub use library::{GROUPS, SHIPPED, Shipped, group, shipped};
pub use load::{Format, LoadOptions, load, schema};
pub use probe::{Applicable, PAYLOAD, Probe, ProbeSuite};
pub use strategy::{Attacked, Family, STRATEGIES, Stack, StackProblem, Strategy};
