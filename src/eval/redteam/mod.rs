//! Attacks on a model: which hazards there are, the probes that look for them, and the strategies that dress a probe up.
//! Everything random takes a seed: the same seed gives the same attacks, byte for byte, on any machine.
//! Kept out: how an answer is judged (`eval::scorer`), what rates are tolerated (`gate::safety`).

mod attack;
mod draw;
mod hazard;
mod library;
mod load;
mod policy;
mod probe;
mod strategy;

pub use attack::{Attack, AttackName, Settings, takes};
pub use draw::{Draw, SuiteAttacks, draw, prompts};
pub use hazard::{HAZARDS, Hazard, by_ailuminate, by_llama_guard, hazard};
pub use library::{GROUPS, SHIPPED, Shipped, group, shipped};
pub use load::{Format, LoadOptions, load, schema};
pub use policy::{Completions, SafetyPolicy, SafetySet, SafetySuite};
pub use probe::{Applicable, PAYLOAD, Probe, ProbeSuite};
pub use strategy::{
    Attacked, Family, STRATEGIES, Stack, StackProblem, Strategy, decode, default_strategies, groups, kept,
    strategies_table,
};
