//! A suite as a user writes it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document;
use crate::eval::case::Level;
use crate::eval::request::{ChatMessage, OutputFormat};
use crate::eval::scorer::AssertionSpec;

/// A suite file (YAML).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuiteFile {
    /// 1 to 100 letters, digits, `_`, `.` or `-`.
    pub name: String,
    /// What the suite is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What every case has unless it says otherwise.
    #[serde(default)]
    pub defaults: Defaults,
    /// The cases, or the path of a file of JSON lines beside the suite.
    pub cases: CasesSpec,
}

/// Where the cases are.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CasesSpec {
    /// Here.
    Listed(Vec<CaseSpec>),
    /// In a .jsonl file beside the suite.
    Path(String),
}

/// What every case has unless it says otherwise.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// `evaluation` unless given.
    pub level: Option<Level>,
    /// Added to each case's own.
    pub tags: Vec<String>,
    /// Items that belong together.
    pub cluster: Option<String>,
    /// Most tokens of an answer (100).
    pub max_tokens: Option<u32>,
    /// 0 (the default) is greedy.
    pub temperature: Option<f64>,
    /// The run's seed unless given.
    pub seed: Option<u64>,
    /// Seconds for one request, retries included (30).
    pub timeout_seconds: Option<f64>,
    /// Samples of each case (1).
    pub repeats: Option<u32>,
    /// Texts that end an answer.
    pub stop: Vec<String>,
    /// Text, or the endpoint's JSON mode.
    pub format: Option<OutputFormat>,
    /// Turns a plain prompt into a chat: these instructions, then the prompt.
    pub system: Option<String>,
    /// The prompt of cases that have neither `prompt` nor `messages`.
    pub template: Option<String>,
    /// Put before each case's own.
    pub assertions: Vec<AssertionSpec>,
}

/// One case.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseSpec {
    /// Unique in the suite, 1 to 200 characters.
    pub id: String,
    /// smoke, unit, integration, evaluation (default), safety, load or chaos.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// For `--tags` and for thresholds over a part of the suite.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The group of cases that are no independent evidence: the same fact in two wordings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The prompt: a template over `vars`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The prompt as a chat; each content is a template over `vars`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<ChatMessage>>,
    /// What the templates may use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, Value>,
    /// The gold answer; templates know it as `expected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    /// How the answer is judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assertions: Vec<AssertionSpec>,
    /// Most tokens of the answer (100).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// 0 (the default) is greedy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The run's seed unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Seconds for one request, retries included (30).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
    /// Samples of the case (1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<u32>,
    /// Texts that end the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Vec<String>>,
    /// Text, or the endpoint's JSON mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<OutputFormat>,
}

/// The first line of a file of JSON lines, where it is no case.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HeadLine {
    /// Name and defaults.
    pub suite: SuiteHead,
}

/// Name and defaults of a suite that is one file of JSON lines.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SuiteHead {
    /// As in a YAML suite.
    pub name: String,
    /// As in a YAML suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// As in a YAML suite.
    #[serde(default)]
    pub defaults: Defaults,
}

/// The published schemas: file names and texts.
pub fn schemas() -> [(&'static str, String); 2] {
    [
        ("suite.schema.json", document::schema_text::<SuiteFile>("llmci suite (YAML)")),
        ("case.schema.json", document::schema_text::<CaseSpec>("llmci case (one line of a .jsonl suite)")),
    ]
}
