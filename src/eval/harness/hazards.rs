//! What other tools attack, in hazards of ours: garak's probes by module and class, promptfoo's plugins by id.
//! What is not in a table goes by its prefix, and else counts as other harm: it is never left out.

use crate::eval::redteam::{Hazard, hazard};
use crate::gate::safety::{Evidence, Severity, Side};

/// The hazard of what no table knows.
const OTHER: &str = "harmful_content";
/// The same, so that an attack always has a hazard; the table of hazards comes first.
static UNNAMED: Hazard = Hazard {
    id: OTHER,
    title: "Harm of no named kind",
    side: Side::Harm,
    severity: Severity::High,
    ailuminate: None,
    llama_guard: None,
    owasp: &[],
    nist: &[],
};

/// A hazard of ours, and whether a table had it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mapped {
    pub(super) hazard: &'static Hazard,
    pub(super) known: bool,
}

/// Probes of garak, whole or by their module; the first row that fits counts.
/// Source: garak/probes, version 0.14.
#[rustfmt::skip]
const GARAK: &[(&str, &str)] = &[
    // Classes that differ from the rest of their module.
    ("grandma.Slurs", "hate"), ("grandma.Substances", "non_violent_crimes"), ("grandma.Win", "intellectual_property"),
    ("lmrc.Bullying", "toxicity"), ("lmrc.Deadnaming", "hate"), ("lmrc.Profanity", "toxicity"),
    ("lmrc.QuackMedicine", "specialized_advice"), ("lmrc.Sexual", "sexual_content"), ("lmrc.SlurUsage", "hate"),
    ("web_injection.ColabAIDataLeakage", "data_exfiltration"), ("web_injection.MarkdownImage", "data_exfiltration"),
    ("web_injection.MarkdownURI", "data_exfiltration"), ("web_injection.PlaygroundMarkdown", "data_exfiltration"),
    ("web_injection.StringAssembly", "data_exfiltration"), ("xss.ColabAIDataLeakage", "data_exfiltration"),
    ("xss.Markdown", "data_exfiltration"), ("xss.StringAssembly", "data_exfiltration"),
    ("donotanswer.Discrimination", "hate"), ("donotanswer.InformationHazard", "privacy"),
    ("donotanswer.MaliciousUses", "non_violent_crimes"), ("donotanswer", "harmful_content"),
    ("continuation", "hate"), ("misogyny", "hate"),
    // Modules.
    ("agent_breaker", "tool_misuse"), ("agentharm", "tool_misuse"), ("mcp", "tool_misuse"),
    ("memorypoisoning", "tool_misuse"), ("multi_agent_trust", "tool_misuse"), ("tooluse", "tool_misuse"),
    ("ansiescape", "unsafe_output"), ("av_spam_scanning", "unsafe_output"), ("codecompletion", "unsafe_output"),
    ("exploitation", "unsafe_output"), ("fileformats", "unsafe_output"), ("formula_injection", "unsafe_output"),
    ("knownbadsignatures", "unsafe_output"), ("latexinjection", "unsafe_output"), ("log_injection", "unsafe_output"),
    ("packagehallucination", "unsafe_output"), ("pdf_injection", "unsafe_output"), ("svg_injection", "unsafe_output"),
    ("web_injection", "unsafe_output"), ("xss", "unsafe_output"),
    ("apikey", "secret_leak"), ("creditcard", "privacy"), ("divergence", "privacy"), ("personal", "privacy"),
    ("pii", "privacy"), ("propile", "privacy"), ("propile_sensitive", "privacy"),
    ("leakreplay", "intellectual_property"),
    ("sysprompt_extraction", "system_prompt_leak"), ("systemprompt", "system_prompt_leak"),
    ("malwaregen", "non_violent_crimes"), ("substances", "non_violent_crimes"),
    ("atkgen", "toxicity"), ("realtoxicityprompts", "toxicity"),
    ("badchars", "prompt_injection"), ("dan", "prompt_injection"), ("data_structure_injection", "prompt_injection"),
    ("encoding", "prompt_injection"), ("glitch", "prompt_injection"), ("goodside", "prompt_injection"),
    ("hiddencontext", "prompt_injection"), ("homoglyph", "prompt_injection"), ("houyi", "prompt_injection"),
    ("image_scaling", "prompt_injection"), ("latentinjection", "prompt_injection"), ("llmail_inject", "prompt_injection"),
    ("promptinject", "prompt_injection"), ("smuggling", "prompt_injection"),
    ("special_token_injection", "prompt_injection"), ("tool_ipi", "prompt_injection"),
    ("turkishinjection", "prompt_injection"), ("persona_injection", "prompt_injection"),
    ("adaptive_attacks", "harmful_content"), ("beavertails", "harmful_content"), ("crescendo", "harmful_content"), ("doctor", "harmful_content"),
    ("dra", "harmful_content"), ("fitd", "harmful_content"), ("grandma", "harmful_content"), ("jailbreakv", "harmful_content"),
    ("lmrc", "harmful_content"), ("many_shot", "harmful_content"), ("misleading", "misinformation"), ("persuasion", "harmful_content"),
    ("phrasing", "harmful_content"), ("prefill", "harmful_content"), ("sata", "harmful_content"), ("snowball", "misinformation"),
    ("suffix", "harmful_content"), ("tap", "harmful_content"), ("test", "harmful_content"), ("topic", "harmful_content"),
    ("visual_jailbreak", "harmful_content"),
];

/// Plugins of promptfoo, whole or by what their id begins with; the first row that fits counts.
/// Source: promptfoo's documentation, "Red team plugins", and src/redteam/constants/plugins.ts (0.121).
#[rustfmt::skip]
const PROMPTFOO: &[(&str, &str)] = &[
    ("harmful:chemical-biological-weapons", "indiscriminate_weapons"), ("harmful:indiscriminate-weapons", "indiscriminate_weapons"),
    ("harmful:weapons", "indiscriminate_weapons"), ("harmful:child-exploitation", "child_sexual_exploitation"),
    ("harmful:copyright", "intellectual_property"), ("harmful:intellectual-property", "intellectual_property"),
    ("harmful:cybercrime", "non_violent_crimes"), ("harmful:illegal", "non_violent_crimes"),
    ("harmful:non-violent-crime", "non_violent_crimes"), ("harmful:violent-crime", "violent_crimes"),
    ("harmful:radicalization", "violent_crimes"), ("harmful:graphic-content", "violent_crimes"),
    ("harmful:harassment-bullying", "toxicity"), ("harmful:insults", "toxicity"), ("harmful:profanity", "toxicity"),
    ("harmful:hate", "hate"), ("harmful:self-harm", "self_harm"), ("harmful:sex-crime", "sex_related_crimes"),
    ("harmful:sexual-content", "sexual_content"), ("harmful:privacy", "privacy"),
    ("harmful:misinformation-disinformation", "misinformation"), ("harmful:specialized-advice", "specialized_advice"), ("harmful:unsafe-practices", "specialized_advice"),
    ("harmful", "harmful_content"),
    ("pii", "privacy"), ("bias", "bias"), ("coppa", "privacy"), ("ferpa", "privacy"),
    ("prompt-extraction", "system_prompt_leak"), ("system-prompt-override", "prompt_injection"),
    ("ascii-smuggling", "prompt_injection"), ("cca", "prompt_injection"), ("cyberseceval", "prompt_injection"),
    ("hijacking", "prompt_injection"), ("indirect-prompt-injection", "prompt_injection"), ("pliny", "prompt_injection"),
    ("special-token-injection", "prompt_injection"), ("rag-poisoning", "prompt_injection"),
    ("prompt-injection", "prompt_injection"),
    ("data-exfil", "data_exfiltration"), ("rag-document-exfiltration", "data_exfiltration"),
    ("cross-session-leak", "data_exfiltration"), ("divergent-repetition", "privacy"),
    ("shell-injection", "unsafe_output"), ("sql-injection", "unsafe_output"), ("ssrf", "unsafe_output"),
    ("agentic", "tool_misuse"), ("bfla", "tool_misuse"), ("bola", "tool_misuse"), ("debug-access", "tool_misuse"),
    ("excessive-agency", "tool_misuse"), ("mcp", "tool_misuse"), ("rbac", "tool_misuse"), ("tool-discovery", "tool_misuse"),
    ("competitors", "operator_rule"), ("contracts", "operator_rule"), ("goal-misalignment", "operator_rule"),
    ("imitation", "operator_rule"), ("intent", "operator_rule"), ("off-topic", "operator_rule"), ("policy", "operator_rule"),
    ("politics", "operator_rule"), ("religion", "operator_rule"), ("model-identification", "operator_rule"),
    ("toxic-chat", "toxicity"), ("wordplay", "toxicity"),
    ("medical:hallucination", "misinformation"), ("medical", "specialized_advice"), ("pharmacy", "specialized_advice"), ("financial:defamation", "defamation"),
    ("financial:confidential-disclosure", "data_exfiltration"), ("financial:data-leakage", "data_exfiltration"),
    ("financial", "specialized_advice"), ("insurance:coverage-discrimination", "bias"), ("insurance", "privacy"),
    ("ecommerce", "operator_rule"), ("realestate", "bias"), ("telecom:cpni-disclosure", "privacy"),
    ("telecom:location-disclosure", "privacy"), ("telecom", "operator_rule"), ("teen-safety", "specialized_advice"),
    ("aegis", "harmful_content"), ("beavertails", "harmful_content"), ("donotanswer", "harmful_content"), ("harmbench", "harmful_content"),
    ("hallucination", "misinformation"), ("overreliance", "misinformation"), ("reasoning-dos", "harmful_content"),
    ("unsafebench", "harmful_content"), ("unverifiable-claims", "misinformation"), ("rag-source-attribution", "misinformation"),
    ("vlguard", "harmful_content"), ("vlsu", "harmful_content"), ("xstest", "harmful_content"),
];

/// Modules of garak's detectors that look for something exact: what they find is there.
const EXACT: &[&str] = &[
    "ansiescape",
    "apikey",
    "encoding",
    "exploitation",
    "fileformats",
    "goodside",
    "knownbadsignatures",
    "leakreplay",
    "packagehallucination",
    "productkey",
    "promptinject",
    "web_injection",
    "xss",
];
/// Modules of garak's detectors that ask a model.
const JUDGES: &[&str] = &["judge", "misleading", "perspective", "unsafe_content"];

/// The hazard of a probe such as `dan.Dan_11_0`.
pub(super) fn garak(probe: &str) -> Mapped {
    let module = probe.split('.').next().unwrap_or_default();
    // A row with a class is the beginning of one: `lmrc.Sexual` is two of them.
    let fits = |row: &str| if row.contains('.') { probe.starts_with(row) } else { module == row };
    find(GARAK, fits)
}

/// The hazard of a plugin such as `harmful:hate`, with the label that XSTest gives its prompts.
pub(super) fn promptfoo(plugin: &str, label: Option<&str>) -> Mapped {
    if plugin == "xstest" && label == Some("safe") {
        return hazard("over_refusal").map_or_else(other, |hazard| Mapped { hazard, known: true });
    }
    // A row is the whole id, or its first parts; `harmful:illegal` and `harmful:copyright` begin a word.
    let fits = |row: &str| plugin.strip_prefix(row).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '-']));
    find(PROMPTFOO, fits)
}

/// The evidence of a detector: unless it is known to look for something exact or to ask a model, it is a screen.
pub(super) fn garak_evidence(detector: &str) -> Evidence {
    let module = detector.split('.').next().unwrap_or_default();
    if EXACT.contains(&module) {
        Evidence::Exact
    } else if JUDGES.contains(&module) {
        Evidence::Judge
    } else {
        Evidence::Screen
    }
}

fn find(table: &[(&str, &'static str)], fits: impl Fn(&str) -> bool) -> Mapped {
    let id = table.iter().find(|(row, _)| fits(row)).map(|(_, id)| *id);
    id.and_then(hazard).map_or_else(other, |hazard| Mapped { hazard, known: true })
}

fn other() -> Mapped {
    Mapped { hazard: hazard(OTHER).unwrap_or(&UNNAMED), known: false }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_names_a_hazard_that_exists() {
        let ids: BTreeSet<&str> = GARAK.iter().chain(PROMPTFOO).map(|(_, id)| *id).chain([OTHER]).collect();
        let unknown: Vec<&str> = ids.into_iter().filter(|id| hazard(id).is_none()).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn no_row_hides_behind_an_earlier_one() {
        for (index, (row, id)) in GARAK.iter().enumerate() {
            let class = if row.contains('.') { (*row).to_owned() } else { format!("{row}.Any") };
            let hit =
                GARAK.iter().position(
                    |(earlier, _)| {
                        if earlier.contains('.') { class.starts_with(earlier) } else { row == earlier }
                    },
                );
            assert_eq!(hit, Some(index), "{row} {id}");
        }
        for (row, id) in PROMPTFOO {
            assert_eq!(promptfoo(row, None).hazard.id, *id, "{row}");
        }
    }

    #[test]
    fn probes_and_plugins_have_the_hazard_that_they_look_for() {
        let probes = [
            ("dan.Dan_11_0", "prompt_injection", true),
            ("grandma.Win11", "intellectual_property", true),
            ("grandma.Unheard", "harmful_content", true),
            ("lmrc.SexualContent", "sexual_content", true),
            ("web_injection.TaskXSS", "unsafe_output", true),
            ("web_injection.MarkdownURINonImageExfilExtended", "data_exfiltration", true),
            ("dangerous.New", "harmful_content", false),
            ("", "harmful_content", false),
        ];
        for (probe, id, known) in probes {
            let mapped = garak(probe);
            assert_eq!((mapped.hazard.id, mapped.known), (id, known), "{probe}");
        }
        let plugins = [
            ("harmful:hate", None, "hate", true),
            ("harmful:illegal-drugs:meth", None, "non_violent_crimes", true),
            ("harmful:unheard-of", None, "harmful_content", true),
            ("pii:direct", None, "privacy", true),
            ("biased", None, "harmful_content", false),
            ("xstest", Some("safe"), "over_refusal", true),
            ("xstest", Some("unsafe"), "harmful_content", true),
            ("brand-new", None, "harmful_content", false),
        ];
        for (plugin, label, id, known) in plugins {
            let mapped = promptfoo(plugin, label);
            assert_eq!((mapped.hazard.id, mapped.known), (id, known), "{plugin}");
        }
    }
}
