//! What a safety verdict is made of: attempts and what became of them, and the rows that are judged.
//! Kept out: the rules of a policy (`rules`), how rows are judged (`judge`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gate::Verdict;

/// How bad a harmful answer to a probe would be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Unpleasant.
    Low,
    /// A user is misled or offended.
    #[default]
    Medium,
    /// Someone may be hurt, or data may be lost.
    High,
    /// Not to happen once.
    Critical,
}

impl Severity {
    /// All of them, the lightest first.
    pub const ALL: [Severity; 4] = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    /// The word of suites, reports and inputs.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

/// What became of one attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// Nothing harmful (for an over-refusal probe: the model helped).
    Safe,
    /// Harm (for an over-refusal probe: the model refused).
    Harmful,
    /// There is an answer, and no detector could say, or the request failed.
    Indeterminate,
}

/// How an attempt was judged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// By a marker, a canary, a pattern: what is found is there, and what is there is found.
    Exact,
    /// By a guard model or a judge.
    Judge,
    /// By the refusal screen, whose errors are known from a labelled set.
    Screen,
    /// By a list of words: the weakest screen of all, with a labelled set of its own.
    Words,
}

impl Evidence {
    /// Whether it only screens: a guard or a judge, where there is one, looks instead.
    pub fn is_screen(self) -> bool {
        match self {
            Evidence::Exact | Evidence::Judge => false,
            Evidence::Screen | Evidence::Words => true,
        }
    }
}

/// What is counted on a hazard's probes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Harmful answers.
    Harm,
    /// Refusals of harmless requests.
    Refusal,
}

/// A hazard under test.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HazardKey {
    /// Its id: lower-case letters, digits and `_`.
    pub id: String,
    /// For people; of our own making.
    pub title: String,
    /// What other taxonomies call it, such as `OWASP LLM01:2025`; of our own making.
    pub codes: Vec<String>,
    /// What is counted.
    pub side: Side,
}

/// One attack on the model, and what became of it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Attempt {
    /// Position in [`Attempts::hazards`].
    pub hazard: u16,
    /// Position in [`Attempts::strategies`].
    pub strategy: u16,
    /// The prompt behind it: attempts with one prompt are no independent evidence.
    pub prompt: u64,
    /// Of its probe.
    pub severity: Severity,
    /// How it was, or will be, judged.
    pub evidence: Evidence,
    /// None while it has not been asked.
    pub found: Option<Found>,
}

/// All attempts of a run, those that are still to come among them.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Attempts {
    /// The hazards, in the order of the report.
    pub hazards: Vec<HazardKey>,
    /// The names of the strategies; `plain` is no attack at all.
    pub strategies: Vec<String>,
    /// The attempts.
    pub list: Vec<Attempt>,
}

/// One judged row: a hazard, or all hazards together.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HazardRow {
    /// The hazard's id; `all` for the row over all of them.
    pub hazard: String,
    /// For people; of our own making.
    pub title: String,
    /// What other taxonomies call it, such as `OWASP LLM01:2025`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
    /// What is counted: harmful answers, or refusals of harmless requests.
    pub side: Side,
    /// Independent units that were asked and count: prompts, or attacks where the policy counts those.
    pub n: u64,
    /// Units with harm (or refused), those that are counted so because nobody could say among them.
    pub harmful: u64,
    /// Units of which nobody could say: no answer, or no verdict of a detector.
    pub indeterminate: u64,
    /// Units that were never asked.
    pub missing: u64,
    /// Share of harmful units, corrected for the errors of what looked, where they are known; absent without a unit.
    pub rate: Option<f64>,
    /// The one-sided upper bound of that rate, likewise corrected, with everything that is not known to be safe counted as
    /// harm: it holds whatever the rest becomes. Absent where nothing was asked.
    pub upper: Option<f64>,
    /// The one-sided upper bound without the correction, likewise.
    pub raw_upper: Option<f64>,
    /// The largest rate that the policy allows; none where it says nothing.
    pub limit: Option<f64>,
    /// Units that would be needed to show the limit with as many harmful ones as were found; none where no number would do.
    pub needed: Option<u64>,
    /// The weakest evidence behind it.
    pub evidence: Evidence,
    /// The verdict of the rule; absent without a limit.
    pub verdict: Option<Verdict>,
    /// The rule in words, of our own making.
    pub reason: String,
}

/// What a strategy did with a hazard, attempt by attempt. For people: it decides nothing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GridCell {
    /// The hazard's id.
    pub hazard: String,
    /// The strategy's name.
    pub strategy: String,
    /// Attempts that were made.
    pub n: u64,
    /// Those with harm.
    pub harmful: u64,
    /// Attempts of which nobody could say.
    pub indeterminate: u64,
    /// The one-sided upper bound of the harmful share, with what nobody could say counted as harm; absent without an attempt.
    pub upper: Option<f64>,
}

/// Harmful units of one severity against the number that is tolerated.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetRow {
    /// Of the probes.
    pub severity: Severity,
    /// Harmful units that are tolerated.
    pub allowed: u64,
    /// Harmful units that were found, those that are counted so because nobody could say among them.
    pub found: u64,
    /// Fail above the budget; inconclusive where what is not known might be above it, or where only a screen has seen it.
    pub verdict: Verdict,
}

/// A hazard's harm against that of a baseline, prompt by prompt.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RiseRow {
    /// The hazard's id; `all` for all of them.
    pub hazard: String,
    /// Units of which both sides are known: prompts, or attacks where the policy counts those.
    pub pairs: u64,
    /// Harmful now, and not before.
    pub newly_harmful: u64,
    /// Harmful before, and not now.
    pub newly_safe: u64,
    /// The one-sided exact p-value of a rise, adjusted by Holm; absent without a pair.
    pub p: Option<f64>,
    /// Fail for a rise; inconclusive where too few attacks could be paired.
    pub verdict: Verdict,
    /// In words, of our own making.
    pub reason: String,
}

/// Everything that was judged.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SafetyRows {
    /// `prompt` or `attack`: what is an independent unit.
    pub unit: super::UnitOf,
    /// One-sided confidence of the bounds, such as 0.95.
    pub confidence: f64,
    /// The row over all hazards that decide first, then one a hazard, then over-refusal.
    pub hazards: Vec<HazardRow>,
    /// Hazard by strategy.
    pub grid: Vec<GridCell>,
    /// Budgets of severities.
    pub budgets: Vec<BudgetRow>,
    /// Against a baseline; empty without one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rises: Vec<RiseRow>,
}
