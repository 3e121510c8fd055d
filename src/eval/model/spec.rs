//! A model as the policy writes it. Kept out: how each provider is built from it.

mod outside;
mod server;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use outside::{EchoSpec, EchoWord, ExecSpec, ExecWord, HttpSpec, HttpWord, Method};
pub use server::{Preset, ServerSpec, ServerWord};

/// One entry of `models:`. The word of `provider` decides which; it is a field of each, so that the generated schema can
/// name the keys of the one that was meant.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ModelSpec {
    /// Any endpoint that speaks OpenAI's protocol.
    Openai(OpenAiSpec),
    /// Weights that this program runs itself.
    Embedded(EmbeddedSpec),
    /// Recorded completions.
    Replay(ReplaySpec),
    /// The prompt itself.
    Echo(EchoSpec),
    /// Any endpoint that takes a prompt and gives a text.
    Http(HttpSpec),
    /// A command of this machine.
    Exec(ExecSpec),
    /// A server that the run starts and ends.
    Server(Box<ServerSpec>),
}

/// Which of the two endpoints is asked.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// `/chat/completions`; a plain prompt becomes one user message.
    #[default]
    Chat,
    /// `/completions`; the only one that can give log-likelihoods (echoed log-probabilities).
    Completions,
}

/// USD a million tokens.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// USD for a million tokens of the prompt.
    pub input_per_million: f64,
    /// USD for a million tokens of the answer.
    pub output_per_million: f64,
}

/// What the endpoint allows; waits rather than being refused.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests a minute.
    pub requests_per_minute: Option<u32>,
    /// Prompt and completion tokens a minute, estimated before sending (four characters a token, plus max_tokens).
    pub tokens_per_minute: Option<u32>,
}

/// How often, and how long, a request is tried again.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Requests in all, the first among them.
    pub attempts: u32,
    /// The longest wait between two, whatever `Retry-After` says.
    pub max_wait_seconds: f64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 5, max_wait_seconds: 20.0 }
    }
}

/// `provider: openai`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenAiSpec {
    /// The word `openai`.
    pub provider: OpenAiWord,
    /// Up to and with `/v1`.
    pub base_url: String,
    /// The model's name at the endpoint.
    pub model: String,
    /// Its model of embeddings, where a suite asks for some and that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding_model: Option<String>,
    /// Chat (default) or completions.
    #[serde(default)]
    pub api: Api,
    /// The model's tokenizer.json, or the folder that it is in with its tokenizer_config.json; relative to the policy. With it, token
    /// ids are sent to `/completions` in the place of text, as lm-eval does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// Tokens of a request and its answer at most (2048, lm-eval's `max_length`): longer texts are asked about in windows. With
    /// `tokenizer` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    /// The environment variable that holds the key; absent for endpoints without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// Further headers. Values may name an environment variable as `${NAME}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Further fields of the request's body, such as `{"top_k": 1}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_body: BTreeMap<String, serde_json::Value>,
    /// A PEM file with further certificate authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Streams the answer, so that the time to the first token is known.
    #[serde(default)]
    pub stream: bool,
    /// The name of the deployed version: part of the model's digest, since an endpoint's name alone says nothing of its weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// For the cost metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Requests and tokens a minute.
    #[serde(default)]
    pub limits: Limits,
    /// Retries.
    #[serde(default)]
    pub retry: Retry,
}

/// Where the embedded engine computes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// CUDA where this build and machine have it, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// CUDA, or an error.
    Cuda,
}

/// The type that the embedded engine rounds a model's weights to. On a GPU they stay in it; results are the CPU's, whatever the type.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Four bytes a number: nothing is rounded.
    #[default]
    F32,
    /// Two bytes, with the range of f32: what most models are published in, and half the memory of a GPU.
    Bf16,
    /// Two bytes, with more digits and less range: on a GPU, states above 65504 are an error.
    F16,
}

impl std::fmt::Display for Dtype {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Dtype::F32 => "f32",
            Dtype::Bf16 => "bf16",
            Dtype::F16 => "f16",
        })
    }
}

/// `provider: embedded`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedSpec {
    /// The word `embedded`.
    pub provider: EmbeddedWord,
    /// A directory with config.json, safetensors and tokenizer.json, or a .gguf file; relative to the policy.
    pub path: String,
    /// CPU or CUDA. CUDA needs the program `llmci-engine`, built with it.
    #[serde(default)]
    pub device: Device,
    /// The type that weights are rounded to, and kept in on a GPU: `f32` unless given.
    #[serde(default, skip_serializing_if = "is_default")]
    pub dtype: Dtype,
}

/// `provider: replay`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaySpec {
    /// The word `replay`.
    pub provider: ReplayWord,
    /// A `samples.jsonl` of an earlier run, or lines of `{"case", "text"}`; relative to the policy.
    pub path: String,
}

/// The word of [`OpenAiSpec`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OpenAiWord {
    /// `openai`.
    #[default]
    Openai,
}

/// The word of [`EmbeddedSpec`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EmbeddedWord {
    /// `embedded`.
    #[default]
    Embedded,
}

/// The word of [`ReplaySpec`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReplayWord {
    /// `replay`.
    #[default]
    Replay,
}

fn is_default(dtype: &Dtype) -> bool {
    *dtype == Dtype::default()
}
