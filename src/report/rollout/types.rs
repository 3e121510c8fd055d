//! What is said of a rollout, in the form of `rollout.json`.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};

use crate::gate::Verdict;
use crate::trust::Untrusted;

/// Names of the outputs that later steps of a job read, in order, with what they hold.
pub const ROLLOUT_OUTPUTS: [(&str, &str); 6] = [
    ("verdict", "pass (promoted), fail (rolled back), inconclusive (undecided or under way) or error"),
    ("passed", "true when everybody has the new version, else false"),
    ("ending", "promoted or rolled-back; empty while the rollout is under way"),
    ("stage", "the stage that the rollout is in, such as step-1 or done"),
    ("traffic", "the percentage of the users that has the new version, 0 to 100; empty where it could not be read"),
    ("report", "the path of rollout.json"),
];

/// One look's finding about one rule.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RolloutFinding {
    /// The rule's name, as the rollout file has it.
    pub rule: Untrusted,
    /// What it says.
    pub verdict: Verdict,
    /// The canary's value; none without data.
    pub canary: Option<f64>,
    /// Stable's value.
    pub stable: Option<f64>,
    /// The lower end of an interval of the canary's value.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
    /// The bound that the rule sets.
    pub bound: Option<f64>,
    /// Requests of the canary.
    pub n: u64,
    /// One sentence.
    pub why: Untrusted,
}

/// One move of the rollout.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RolloutStep {
    /// RFC 3339, by the API server's clock.
    pub at: String,
    /// The stage that began.
    pub stage: String,
    /// The percentage of the users on the new version.
    pub on_new: u8,
    /// Why.
    pub why: Untrusted,
}

/// What is said of a rollout.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RolloutReport {
    /// The version of this format: 1.
    pub schema: u32,
    /// The version of the program.
    pub program_version: String,
    /// What was asked for: `start`, `resume`, `rollback`, ...
    pub command: String,
    /// The rollout's own name; none where there is no rollout.
    pub id: Option<Untrusted>,
    /// Kind, namespace and name of the workload.
    pub workload: Untrusted,
    /// The strategy.
    pub strategy: String,
    /// The version before.
    pub old: Untrusted,
    /// The version that is brought out.
    pub new: Untrusted,
    /// Pass: everybody has the new version. Fail: rolled back. Inconclusive: undecided, or under way.
    pub verdict: Verdict,
    /// `promoted` or `rolled-back`; none while the rollout is under way.
    pub ending: Option<String>,
    /// The stage that the rollout is in.
    pub stage: String,
    /// The percentage of the users on the new version; none where it could not be read.
    pub on_new: Option<u8>,
    /// The percentage of requests that is mirrored.
    pub mirrored: Option<u8>,
    /// The sentence that decided.
    pub why: Untrusted,
    /// All moves, oldest first.
    pub steps: Vec<RolloutStep>,
    /// What the last look found.
    pub findings: Vec<RolloutFinding>,
    /// What a person can do now.
    pub next: Vec<Untrusted>,
    /// What went wrong beside the rollout: alerts that were not sent, and the like.
    pub warnings: Vec<Untrusted>,
    /// Where the traffic is: the last line of every run.
    pub traffic: Untrusted,
    /// RFC 3339 of the moment when this was written.
    pub at: String,
    /// The host's page of this run.
    pub run_url: Option<Untrusted>,
}

/// The published schema: file name and text.
pub fn rollout_schema() -> (&'static str, String) {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<RolloutReport>().to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".to_owned(), "llmci rollout report (rollout.json)".into());
    }
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    ("rollout-report.schema.json", format!("{text}\n"))
}
