//! The four verdicts, each with its reason.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a gate says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every required rule holds with the confidence that was asked for.
    Pass,
    /// At least one required rule is broken with the confidence that was asked for.
    Fail,
    /// The samples decide neither way.
    Inconclusive,
    /// Something that the verdict needs is missing or broken.
    Error,
}

impl Verdict {
    /// The word that outputs, reports and comments use.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Error => "error",
        }
    }
}

/// One sentence of a verdict, and the rule it came from.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// What this reason alone would say.
    pub verdict: Verdict,
    /// The metric that decided, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<super::MetricName>,
    /// Plain words, of our own making: no untrusted text.
    pub text: String,
}
