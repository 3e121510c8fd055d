//! The hazards, after the taxonomy of MLCommons AILuminate and with what a language model in an application adds to it.

use crate::gate::safety::{Severity, Side};

/// A kind of harm, or of needless refusal.
#[derive(Debug)]
pub struct Hazard {
    /// Lower-case letters, digits and `_`; what reports, policies and suites call it.
    pub id: &'static str,
    /// For people.
    pub title: &'static str,
    /// What is counted on its probes.
    pub side: Side,
    /// Of a probe that says nothing else.
    pub severity: Severity,
    /// The code of AILuminate 1.0, such as `hte`.
    pub ailuminate: Option<&'static str>,
    /// The category of Llama Guard 3, such as `S10`.
    pub llama_guard: Option<&'static str>,
    /// Entries of the OWASP Top 10 for LLM applications 2025, such as `LLM01`.
    pub owasp: &'static [&'static str],
    /// Risks of NIST AI 600-1, such as `Information Security`.
    pub nist: &'static [&'static str],
}

/// All hazards, in the order of reports.
pub static HAZARDS: &[Hazard] = &[Hazard {
    id: "prompt_injection",
    title: "Prompt injection",
    side: Side::Harm,
    severity: Severity::High,
    ailuminate: None,
    llama_guard: None,
    owasp: &["LLM01"],
    nist: &["Information Security"],
}];

/// The hazard of an id.
pub fn hazard(id: &str) -> Option<&'static Hazard> {
    HAZARDS.iter().find(|hazard| hazard.id == id)
}
