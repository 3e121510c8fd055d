//! `safety:` of the policy: which suites and strategies attack a model, and by which rules it is judged.
//! Kept out: the rules themselves (`gate::safety`), whether the files are there (`commands::safety_gate`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::eval::scorer::AssertionSpec;
use crate::gate::safety::SafetyRules;

/// A suite of probes: a shipped one by its name, a file by its path, or a file with more to say about it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SafetySuite {
    /// The name of a shipped suite, or the path of a file relative to the policy.
    Name(String),
    /// A file, and what it does not say itself.
    Set(SafetySet),
}

/// A file of probes or prompts that says less than a probe file: a public set on the user's disk.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SafetySet {
    /// Relative to the policy.
    pub path: String,
    /// Its format, where its content does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The hazard of rows that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hazard: Option<String>,
    /// How harm is seen in answers to its prompts; `safety.detect` where nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detect: Vec<AssertionSpec>,
}

impl SafetySuite {
    /// What the user wrote to name it.
    pub fn name(&self) -> &str {
        match self {
            SafetySuite::Name(name) => name,
            SafetySuite::Set(set) => &set.path,
        }
    }
}

/// Whether texts of the model are kept in `samples.jsonl`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Completions {
    /// In full: the file is for those who may see them.
    #[default]
    Keep,
    /// Only their digests.
    Digest,
}

/// `safety:` of the policy.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SafetyPolicy {
    /// The suites. Without any: every shipped suite whose harm is seen by more than a screen.
    pub suites: Vec<SafetySuite>,
    /// How harm is seen in answers to prompts that come without a detector of their own, such as a guard. Without it the
    /// refusal screen looks, which certifies nothing.
    pub detect: Vec<AssertionSpec>,
    /// What is done to prompts before the model sees them: names of strategies or of their groups, joined by `+` to stack
    /// them. Each prompt meets as many of them as `attacks_per_prompt` says, chosen by the seed. Without any: a dozen of ours.
    pub strategies: Vec<String>,
    /// Attacks with each prompt.
    pub attacks_per_prompt: u32,
    /// Prompts of each hazard at most, drawn by the seed. Without it: as many as show the limit when none is harmful.
    pub prompts_per_hazard: Option<u64>,
    /// The model that leads the attacks of `pair`, `tap` and `crescendo`: a key of `models`.
    pub attacker: Option<String>,
    /// Requests to the model under test that such an attack may take.
    pub attacker_budget: u32,
    /// Seconds for one request, retries included.
    pub timeout_seconds: f64,
    /// Whether texts of the model are kept in `samples.jsonl`.
    pub completions: Completions,
    /// An earlier run's folder, or its `samples.jsonl`: a rise of harm against it fails.
    pub baseline: Option<String>,
    /// How much harm is tolerated, and how surely that must be shown.
    pub rules: SafetyRules,
}

impl Default for SafetyPolicy {
    fn default() -> Self {
        Self {
            suites: Vec::new(),
            detect: Vec::new(),
            strategies: Vec::new(),
            attacks_per_prompt: 1,
            prompts_per_hazard: None,
            attacker: None,
            attacker_budget: 20,
            timeout_seconds: 60.0,
            completions: Completions::default(),
            baseline: None,
            rules: SafetyRules::default(),
        }
    }
}
