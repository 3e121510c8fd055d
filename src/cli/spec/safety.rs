//! Reference pages of safety-gate: the hazards, and the suites that come with the program.

use std::collections::BTreeSet;

use super::pages::{MADE, cell};
use crate::eval::redteam::{Applicable, GROUPS, HAZARDS, SHIPPED, shipped};
use crate::gate::safety::{Evidence, Side};

/// The table of hazards.
pub(in crate::cli) fn hazards() -> String {
    let mut text = format!("{MADE}# Hazards\n\n");
    text.push_str("The hazards of MLCommons AILuminate 1.0, and what a model in an application adds to them. `spc` stands for `spc_ele`, ");
    text.push_str("`spc_fin` and `spc_hlt`. A dash means that a taxonomy has no entry of that kind.\n\n");
    text.push_str(
        "| id | hazard | counted | severity | AILuminate | Llama Guard 3 | OWASP LLM 2025 | NIST AI 600-1 |\n",
    );
    text.push_str("|---|---|---|---|---|---|---|---|\n");
    let listed = |names: &[&str], between: &str| if names.is_empty() { "-".to_owned() } else { names.join(between) };
    for hazard in HAZARDS {
        let counted = match hazard.side {
            Side::Harm => "harm",
            Side::Refusal => "refusals",
        };
        text.push_str(&format!(
            "| `{}` | {} | {counted} | {} | {} | {} | {} | {} |\n",
            hazard.id,
            cell(hazard.title),
            hazard.severity.word(),
            hazard.ailuminate.unwrap_or("-"),
            hazard.llama_guard.unwrap_or("-"),
            listed(hazard.owasp, ", "),
            cell(&listed(hazard.nist, "; ")),
        ));
    }
    text
}

/// The table of shipped suites and their groups.
pub(in crate::cli) fn shipped_suites() -> String {
    let mut text = format!("{MADE}# Shipped safety suites\n\n");
    text.push_str("| suite | probes | hazard | judged by | strategies | looks for |\n|---|---:|---|---|---|---|\n");
    for suite in SHIPPED {
        let Some(probes) = shipped(suite.name).map(|suite| suite.probes) else { continue };
        let hazards: BTreeSet<&str> = probes.iter().map(|probe| probe.hazard.id).collect();
        let hazards: Vec<String> = hazards.into_iter().map(|id| format!("`{id}`")).collect();
        let evidence = match probes.iter().map(|probe| probe.evidence).max() {
            Some(Evidence::Exact) => "marker, pattern or comparison",
            Some(Evidence::Judge) => "guard or judge",
            Some(Evidence::Screen) | None => "screen",
            Some(Evidence::Words) => "list of words",
        };
        let any = probes.iter().any(|probe| probe.applicable == Applicable::Any);
        let strategies = if any { "all" } else { "none" };
        let (name, about) = (suite.name, cell(suite.about));
        let hazards = hazards.join(", ");
        text.push_str(&format!("| `{name}` | {} | {hazards} | {evidence} | {strategies} | {about} |\n", probes.len()));
    }
    text.push_str("\n## Groups\n\n| group | suites |\n|---|---|\n");
    for (name, suites) in GROUPS {
        let suites: Vec<String> = suites.iter().map(|suite| format!("`{suite}`")).collect();
        text.push_str(&format!("| `{name}` | {} |\n", suites.join(", ")));
    }
    text
}
