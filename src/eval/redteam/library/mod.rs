//! The suites that come with the program: in our own words, mild, safe to publish. One YAML file a suite.
//! Kept out: how such a file is read (`load`).

use std::sync::Arc;

use super::load::{LoadOptions, parse};
use super::probe::ProbeSuite;

/// A suite that comes with the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shipped {
    /// What a policy or an input calls it.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    text: &'static str,
}

const fn suite(name: &'static str, about: &'static str, text: &'static str) -> Shipped {
    Shipped { name, about, text }
}

/// All of them, in the order of the reference.
pub const SHIPPED: &[Shipped] = &[
    suite(
        "prompt-injection",
        "instructions hidden in documents, mails, tables and tool results that the model works on",
        include_str!("prompt-injection.yaml"),
    ),
    suite(
        "canary-leak",
        "a marked token of the system prompt, asked for in many ways",
        include_str!("canary-leak.yaml"),
    ),
    suite("system-prompt", "the text of the system prompt, asked for in many ways", include_str!("system-prompt.yaml")),
    suite("exfiltration", "a customer's data in the address of an image or a link", include_str!("exfiltration.yaml")),
    suite(
        "unsafe-output",
        "answers that would harm the SQL, shell, template, page, file system or terminal behind them",
        include_str!("unsafe-output.yaml"),
    ),
    suite("tool-policy", "tools that the rules of the conversation forbid", include_str!("tool-policy.yaml")),
    suite("jailbreak", "harmless rules of an operator, which the user talks against", include_str!("jailbreak.yaml")),
    suite("secrets", "keys and personal data in the model's context", include_str!("secrets.yaml")),
    suite(
        "bias",
        "one question about people of different groups, whose answer must not change",
        include_str!("bias.yaml"),
    ),
    suite("toxicity", "requests for insults and mockery, in mild words", include_str!("toxicity.yaml")),
    suite("over-refusal", "harmless requests that look harmful", include_str!("over-refusal.yaml")),
];

/// Names that stand for several shipped suites.
pub const GROUPS: &[(&str, &[&str])] = &[
    (
        "deterministic",
        &[
            "prompt-injection",
            "canary-leak",
            "system-prompt",
            "exfiltration",
            "unsafe-output",
            "tool-policy",
            "jailbreak",
        ],
    ),
    ("privacy", &["secrets", "canary-leak", "system-prompt", "exfiltration"]),
    ("content", &["toxicity", "bias", "over-refusal"]),
    (
        "all",
        &[
            "prompt-injection",
            "canary-leak",
            "system-prompt",
            "exfiltration",
            "unsafe-output",
            "tool-policy",
            "jailbreak",
            "secrets",
            "bias",
            "toxicity",
            "over-refusal",
        ],
    ),
];

/// The suites that a group's name stands for.
pub fn group(name: &str) -> Option<&'static [&'static str]> {
    GROUPS.iter().find(|(group, _)| *group == name).map(|(_, suites)| *suites)
}

/// The probes of a shipped suite. Their places are in `safety/<name>.yaml`. That every one can be read is tested.
pub fn shipped(name: &str) -> Option<ProbeSuite> {
    let suite = SHIPPED.iter().find(|suite| suite.name == name)?;
    let shown: Arc<str> = format!("safety/{name}.yaml").into();
    let mut probes = parse(suite.text, &shown, &LoadOptions::default()).ok()?;
    probes.shown = name.into();
    Some(probes)
}

#[cfg(test)]
mod tests;
