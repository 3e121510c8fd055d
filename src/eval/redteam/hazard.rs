//! The hazards, after the taxonomy of MLCommons AILuminate and with what a language model in an application adds to it.
//! Kept out: which of them a suite looks for (`library`, `load`), how much of each is tolerated (`gate::safety`).

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
    /// The code of AILuminate 1.0, such as `hte`. `spc` stands for all of `spc_ele`, `spc_fin` and `spc_hlt`.
    pub ailuminate: Option<&'static str>,
    /// The category of Llama Guard 3, such as `S10`.
    pub llama_guard: Option<&'static str>,
    /// Entries of the OWASP Top 10 for LLM applications 2025, such as `LLM01`.
    pub owasp: &'static [&'static str],
    /// Risks of NIST AI 600-1, such as `Information Security`.
    pub nist: &'static [&'static str],
}

impl Hazard {
    /// What other taxonomies call it, one text each, such as `OWASP LLM01:2025`.
    pub fn codes(&self) -> Vec<String> {
        let ailuminate = self.ailuminate.map(|code| format!("AILuminate {code}"));
        let llama_guard = self.llama_guard.map(|code| format!("Llama Guard {code}"));
        let owasp = self.owasp.iter().map(|code| format!("OWASP {code}:2025"));
        let nist = self.nist.iter().map(|risk| format!("NIST AI 600-1 {risk}"));
        ailuminate.into_iter().chain(llama_guard).chain(owasp).chain(nist).collect()
    }
}

/// A harm of AILuminate: id, title, severity, its code, the category of Llama Guard 3, risks of NIST.
const fn content(
    (id, title): (&'static str, &'static str),
    severity: Severity,
    (ailuminate, llama_guard): (Option<&'static str>, Option<&'static str>),
    nist: &'static [&'static str],
) -> Hazard {
    Hazard { id, title, side: Side::Harm, severity, ailuminate, llama_guard, owasp: &[], nist }
}

/// A harm of an application: id, title, severity, entries of OWASP, risks of NIST.
const fn application(
    (id, title): (&'static str, &'static str),
    severity: Severity,
    owasp: &'static [&'static str],
    nist: &'static [&'static str],
) -> Hazard {
    Hazard { id, title, side: Side::Harm, severity, ailuminate: None, llama_guard: None, owasp, nist }
}

const VIOLENT: &str = "Dangerous, Violent, or Hateful Content";
const OBSCENE: &str = "Obscene, Degrading, and/or Abusive Content";
const INTEGRITY: &str = "Information Integrity";
const SECURITY: &str = "Information Security";
const PRIVACY: &str = "Data Privacy";
const BIAS: &str = "Harmful Bias and Homogenization";

/// All hazards, in the order of reports.
///
/// Sources: MLCommons, AILuminate 1.0 (the hazard codes in its data set's README); Meta, Llama Guard 3 model card (S1 to S14);
/// OWASP, Top 10 for LLM Applications 2025; NIST AI 600-1, section 2.
pub static HAZARDS: &[Hazard] = &[
    application(("prompt_injection", "Prompt injection"), Severity::High, &["LLM01"], &[SECURITY]),
    application(("operator_rule", "A rule of the operator is broken"), Severity::Medium, &["LLM01"], &[SECURITY]),
    application(("canary_leak", "A canary is given away"), Severity::High, &["LLM02", "LLM07"], &[SECURITY, PRIVACY]),
    application(("system_prompt_leak", "The system prompt is given away"), Severity::Medium, &["LLM07"], &[SECURITY]),
    application(("data_exfiltration", "Data leaves by a link or an image"), Severity::Critical, &["LLM02"], &[PRIVACY]),
    application(("secret_leak", "A secret or personal data is given away"), Severity::Critical, &["LLM02"], &[PRIVACY]),
    application(("unsafe_output", "Output that harms the program behind it"), Severity::High, &["LLM05"], &[SECURITY]),
    Hazard {
        llama_guard: Some("S14"),
        ..application(("tool_misuse", "A tool is used against its rules"), Severity::High, &["LLM06"], &[SECURITY])
    },
    content(("violent_crimes", "Violent crimes"), Severity::Critical, (Some("vcr"), Some("S1")), &[VIOLENT]),
    content(("non_violent_crimes", "Non-violent crimes"), Severity::High, (Some("ncr"), Some("S2")), &[VIOLENT]),
    content(("sex_related_crimes", "Sex-related crimes"), Severity::Critical, (Some("src"), Some("S3")), &[OBSCENE]),
    content(
        ("child_sexual_exploitation", "Child sexual exploitation"),
        Severity::Critical,
        (Some("cse"), Some("S4")),
        &[OBSCENE],
    ),
    content(("defamation", "Defamation"), Severity::Medium, (Some("dfm"), Some("S5")), &[INTEGRITY]),
    content(
        ("specialized_advice", "Specialized advice"),
        Severity::Medium,
        (Some("spc"), Some("S6")),
        &["Confabulation", "Human-AI Configuration"],
    ),
    content(("privacy", "Privacy violations"), Severity::High, (Some("prv"), Some("S7")), &[PRIVACY]),
    content(
        ("intellectual_property", "Intellectual property violations"),
        Severity::Medium,
        (Some("ipv"), Some("S8")),
        &["Intellectual Property"],
    ),
    content(
        ("indiscriminate_weapons", "Indiscriminate weapons"),
        Severity::Critical,
        (Some("iwp"), Some("S9")),
        &["CBRN Information or Capabilities"],
    ),
    content(("hate", "Hate"), Severity::High, (Some("hte"), Some("S10")), &[VIOLENT, BIAS]),
    content(("self_harm", "Suicide and self-harm"), Severity::Critical, (Some("ssh"), Some("S11")), &[VIOLENT]),
    content(("sexual_content", "Sexual content"), Severity::Medium, (Some("sxc_prn"), Some("S12")), &[OBSCENE]),
    content(("elections", "False statements about elections"), Severity::Medium, (None, Some("S13")), &[INTEGRITY]),
    Hazard {
        owasp: &["LLM09"],
        ..content(("misinformation", "Misinformation"), Severity::Medium, (None, None), &[INTEGRITY, "Confabulation"])
    },
    content(("harmful_content", "Harm of no named kind"), Severity::High, (None, None), &[VIOLENT]),
    content(("toxicity", "Insults and mockery"), Severity::Medium, (None, None), &[VIOLENT, OBSCENE]),
    content(("bias", "Answers that change with the group"), Severity::Medium, (None, None), &[BIAS]),
    Hazard {
        id: "over_refusal",
        title: "Harmless requests that are refused",
        side: Side::Refusal,
        severity: Severity::Low,
        ailuminate: None,
        llama_guard: None,
        owasp: &[],
        nist: &["Human-AI Configuration"],
    },
];

/// The hazard of an id.
pub fn hazard(id: &str) -> Option<&'static Hazard> {
    HAZARDS.iter().find(|hazard| hazard.id == id)
}

/// The hazard of a code of AILuminate 1.0, in either case of letters; `spc_ele`, `spc_fin` and `spc_hlt` are one hazard.
pub fn by_ailuminate(code: &str) -> Option<&'static Hazard> {
    let code = code.to_ascii_lowercase();
    let family = code.split('_').next().unwrap_or_default();
    HAZARDS.iter().find(|hazard| hazard.ailuminate.is_some_and(|known| known == code || known == family))
}

/// The hazard of a category of Llama Guard 3, such as `S10`.
pub fn by_llama_guard(category: &str) -> Option<&'static Hazard> {
    HAZARDS.iter().find(|hazard| hazard.llama_guard == Some(category))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_fit_into_policies_and_metrics() {
        let ids: BTreeSet<&str> = HAZARDS.iter().map(|hazard| hazard.id).collect();
        assert_eq!(ids.len(), HAZARDS.len());
        for id in ids {
            assert!(id.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{id}");
            assert_ne!(id, "all", "the row over all hazards has that name");
        }
    }

    #[test]
    fn every_code_of_ailuminate_and_of_llama_guard_has_exactly_one_hazard() {
        let codes = [
            "vcr", "src", "cse", "ssh", "iwp", "ipv", "dfm", "ncr", "hte", "prv", "spc_ele", "spc_fin", "spc_hlt",
            "sxc_prn",
        ];
        for code in codes {
            assert!(by_ailuminate(code).is_some(), "{code}");
            assert!(by_ailuminate(&code.to_ascii_uppercase()).is_some(), "{code}");
        }
        let found: BTreeSet<&str> = codes.iter().filter_map(|code| by_ailuminate(code)).map(|found| found.id).collect();
        assert_eq!(found.len(), 12);
        assert!(by_ailuminate("abc").is_none() && by_ailuminate("").is_none());
        for number in 1..=14 {
            let category = format!("S{number}");
            let of = HAZARDS.iter().filter(|hazard| hazard.llama_guard == Some(category.as_str()));
            assert_eq!(of.count(), 1, "{category}");
            assert!(by_llama_guard(&category).is_some());
        }
        assert_eq!(HAZARDS.iter().filter(|hazard| hazard.llama_guard.is_some()).count(), 14);
    }

    #[test]
    fn the_entries_of_owasp_and_nist_are_ones_that_exist() {
        // NIST AI 600-1, section 2, and the ten entries of 2025.
        let nist = [
            "CBRN Information or Capabilities",
            "Confabulation",
            "Dangerous, Violent, or Hateful Content",
            "Data Privacy",
            "Environmental Impacts",
            "Harmful Bias and Homogenization",
            "Human-AI Configuration",
            "Information Integrity",
            "Information Security",
            "Intellectual Property",
            "Obscene, Degrading, and/or Abusive Content",
            "Value Chain and Component Integration",
        ];
        let owasp: Vec<String> = (1..=10).map(|number| format!("LLM{number:02}")).collect();
        for hazard in HAZARDS {
            assert!(!hazard.nist.is_empty(), "{}", hazard.id);
            assert!(hazard.nist.iter().all(|risk| nist.contains(risk)), "{}", hazard.id);
            assert!(hazard.owasp.iter().all(|entry| owasp.iter().any(|known| known == entry)), "{}", hazard.id);
        }
    }

    #[test]
    fn only_over_refusal_counts_refusals() {
        let refusal: Vec<&str> =
            HAZARDS.iter().filter(|found| found.side == Side::Refusal).map(|found| found.id).collect();
        assert_eq!(refusal, ["over_refusal"]);
        assert_eq!(hazard("hate").map(|found| found.title), Some("Hate"));
        assert!(hazard("Hate").is_none());
    }
}
