//! Models that speak no protocol of their own: the prompt given back, an endpoint of any form, a command.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Limits, Price, Retry};

/// `provider: echo`: answers with the prompt's own text.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EchoSpec {
    /// The word `echo`.
    pub provider: EchoWord,
}

/// How an endpoint is asked.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Without a body, unless one is given.
    Get,
    /// With a body.
    #[default]
    Post,
    /// With a body.
    Put,
    /// With a body.
    Patch,
}

/// `provider: http`: any endpoint that takes a prompt and gives a text.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpSpec {
    /// The word `http`.
    pub provider: HttpWord,
    /// Where requests go. `{{prompt}}` in it is percent-encoded; it stands behind the host.
    pub url: String,
    /// `POST` unless given.
    #[serde(default)]
    pub method: Method,
    /// Headers; `${NAME}` in a value is taken from the environment and is a secret from then on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body. In an object or a list, at any depth, `{{prompt}}` stands for the prompt, and a text that is `{{messages}}` alone for its
    /// turns; it is sent as JSON. A text that is JSON counts as such; in another one the prompt stands as it is, or percent-encoded
    /// where the content type is that of a form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<serde_json::Value>,
    /// Where the answer stands in the reply: a JSON pointer (RFC 6901), such as `/choices/0/message/content`. Without it, and without
    /// `transform`, the whole reply is the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// A JavaScript expression, or function, over `json`, `text` and `context` that gives the answer; instead of `response`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<String>,
    /// Seconds that one answer may take, retries included; never longer than the case's own timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
    /// A PEM file with further certificate authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// The name of the deployed version: part of the model's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// For the cost metric, where the reply says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Requests and tokens a minute.
    #[serde(default)]
    pub limits: Limits,
    /// Retries.
    #[serde(default)]
    pub retry: Retry,
}

/// `provider: exec`: a command of this machine, started for each prompt without a shell.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecSpec {
    /// The word `exec`.
    pub provider: ExecWord,
    /// The program and its first arguments; behind them it is given the prompt, `options` and a context, the latter two as JSON.
    pub command: Vec<String>,
    /// Where it runs, relative to the policy; the policy's folder unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// What it is given as the second argument; `{}` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<serde_json::Value>,
    /// Its environment beside the few variables that every program needs, such as `PATH`; `${NAME}` in a value is taken from ours,
    /// and is a secret from then on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Seconds that one answer may take; never longer than the case's own timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
    /// The name of the version that runs: part of the model's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// The word of [`EchoSpec`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EchoWord {
    /// `echo`.
    #[default]
    Echo,
}

/// The word of [`HttpSpec`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HttpWord {
    /// `http`.
    #[default]
    Http,
}

/// The word of [`ExecSpec`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExecWord {
    /// `exec`.
    #[default]
    Exec,
}
