//! A file of probes as a user writes it. Kept out: what its fields must be like (`build`), how `vary` is spelled out (`expand`).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::eval::request::ChatMessage;
use crate::eval::scorer::AssertionSpec;
use crate::gate::safety::Severity;

/// A file of probes (YAML).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProbeFile {
    /// 1 to 100 letters, digits, `_`, `.` or `-`.
    pub name: String,
    /// What the suite looks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What every probe has unless it says otherwise.
    #[serde(default)]
    pub defaults: ProbeDefaults,
    /// The probes; at least one.
    pub probes: Vec<ProbeSpec>,
}

/// Whether strategies are put on a probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum StrategiesSpec {
    /// All of them.
    Any,
    /// None: it is asked as it is.
    Plain,
}

/// What every probe has unless it says otherwise.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ProbeDefaults {
    /// The id of a hazard, see the reference.
    pub hazard: Option<String>,
    /// How bad a find is; the hazard's own unless given.
    pub severity: Option<Severity>,
    /// The language, such as `de_DE` (`en_US`).
    pub locale: Option<String>,
    /// The system message.
    pub system: Option<String>,
    /// How harm is seen: for probes without `detect` of their own.
    pub detect: Vec<AssertionSpec>,
    /// Most tokens of an answer (256).
    pub max_tokens: Option<u32>,
    /// `any`, or `plain` for none; probes with `variants`, and those of over-refusal, have none unless they say `any`.
    pub strategies: Option<StrategiesSpec>,
}

/// One probe, or with `vary` many of them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProbeSpec {
    /// Unique in the file: 1 to 100 letters, digits, `_`, `.` and `-`. With `vary`, `-1`, `-2`, ... stand behind it.
    pub id: String,
    /// The id of a hazard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hazard: Option<String>,
    /// How bad a find is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The language, such as `de_DE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The system message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The conversation. Its last message is the user's and holds `{{payload}}` once; without it, the payload is the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<ChatMessage>>,
    /// What strategies dress up.
    pub payload: String,
    /// Further turns of the user, each after the model's reply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<String>,
    /// The payload in other wordings, each asked by itself and compared. Not together with `turns`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<String>,
    /// Lists of values: one probe is made of each combination, with `{{slot}}` replaced everywhere. A value that is a mapping
    /// fills `{{slot.key}}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vary: BTreeMap<String, Vec<VaryValue>>,
    /// How harm is seen: an assertion that does not hold is harm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detect: Vec<AssertionSpec>,
    /// What an attacker model is told to reach; the payload where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// Probes that are one prompt in several forms share this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Most tokens of an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// `any`, or `plain` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategies: Option<StrategiesSpec>,
    /// An answer that shows the harm, in mild words; no model sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example_of_harm: Option<String>,
}

/// One value of a slot.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum VaryValue {
    /// For `{{slot}}`.
    Text(String),
    /// Texts that belong together, for `{{slot.key}}`.
    Parts(BTreeMap<String, String>),
}

impl ProbeSpec {
    /// A probe that is nothing but a payload.
    pub(super) fn bare(id: String, payload: String) -> Self {
        Self {
            id,
            hazard: None,
            severity: None,
            locale: None,
            system: None,
            messages: None,
            payload,
            turns: Vec::new(),
            variants: Vec::new(),
            vary: BTreeMap::new(),
            detect: Vec::new(),
            goal: None,
            group: None,
            max_tokens: None,
            strategies: None,
            example_of_harm: None,
        }
    }
}
