//! The runbook of one deployment: what a person types at night, with this deployment's own names, revisions and weights. Pure;
//! `see` reads what it needs.
//! Kept out: doing any of it (`drive`, `undo`).

mod page;
mod queries;
mod see;
mod shell;
#[cfg(test)]
mod tests;
mod traffic;

use serde_json::Value;

use super::plan::Plan;
use super::state::State;

pub use see::see;

/// A revision that the cluster still knows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Revision {
    /// Its number.
    pub number: u64,
    /// The container's image.
    pub image: Option<String>,
    /// The model's version.
    pub model: Option<String>,
    /// When it was made, as the cluster says.
    pub made: Option<String>,
    /// How many of its pods run.
    pub replicas: u64,
}

/// What the cluster says of the deployment.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Seen {
    /// The workload.
    pub workload: Option<Value>,
    /// Its revisions, in any order.
    pub revisions: Vec<Revision>,
    /// The Service.
    pub service: Option<Value>,
    /// What splits the traffic: the VirtualService, HTTPRoute or ConfigMap of the plan.
    pub router: Option<Value>,
}

/// The runbook, as Markdown. `file` is where the plan lies.
pub fn runbook(plan: &Plan, state: Option<&State>, seen: &Seen, file: &str) -> String {
    page::page(plan, state, seen, file)
}
