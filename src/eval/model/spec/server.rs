//! A model behind a server that the run starts and ends itself, as the policy writes it. Kept out: how it is started
//! (`model::server`).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Api, Limits, OpenAiSpec, OpenAiWord, Price, Retry};

/// A server whose command line is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// `vllm serve`.
    Vllm,
    /// `python3 -m sglang.launch_server`.
    Sglang,
    /// `text-generation-launcher`.
    Tgi,
    /// `llama-server`.
    LlamaCpp,
}

/// `provider: server`: a server with OpenAI's protocol that is started before the first request and ended after the last.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerSpec {
    /// The word `server`.
    pub provider: ServerWord,
    /// A server whose command line is known; instead of `command`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// The program and its arguments, started without a shell; instead of `preset`. `{host}` and `{port}` stand for where it has to
    /// listen, `{model}` for `model`, `{gpus}` for the number of devices that it may use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// What is served, and the model's name in requests: a name of a hub, a folder, or a file, as the server takes it.
    pub model: String,
    /// Further arguments, with the same placeholders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Where it runs, relative to the policy; the policy's folder unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Its environment beside the few variables that every program and every model server needs; `${NAME}` in a value is taken from ours, and
    /// is a secret from then on. The placeholders of `command` stand here too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The path that answers with a status of 200 to 299 once the server is ready: `/health` with a preset, else `/v1/models`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// How long it may take until then.
    #[serde(default = "ready_timeout")]
    pub ready_timeout_seconds: f64,
    /// How long it may take to end after SIGTERM, before it is killed.
    #[serde(default = "stop_timeout")]
    pub stop_timeout_seconds: f64,
    /// Chat (default) or completions.
    #[serde(default)]
    pub api: Api,
    /// Its model of embeddings, where a suite asks for some and that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding_model: Option<String>,
    /// The model's tokenizer.json, or the folder that it is in; as with `openai`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// Tokens of a request and its answer at most; as with `openai`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    /// The environment variable that holds the key, where the server asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// Further headers; as with `openai`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Further fields of the request's body.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_body: BTreeMap<String, serde_json::Value>,
    /// Streams the answer, so that the time to the first token is known.
    #[serde(default)]
    pub stream: bool,
    /// The version of the weights: part of the model's digest; the presets `vllm`, `sglang` and `tgi` get it as `--revision`.
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

fn ready_timeout() -> f64 {
    600.0
}

fn stop_timeout() -> f64 {
    5.0
}

impl ServerSpec {
    /// The endpoint that it is once it runs.
    pub fn endpoint(&self, base_url: &str) -> OpenAiSpec {
        let Self {
            provider: _,
            preset: _,
            command: _,
            model,
            args: _,
            folder: _,
            env: _,
            ready: _,
            ready_timeout_seconds: _,
            stop_timeout_seconds: _,
            api,
            embedding_model,
            tokenizer,
            max_length,
            api_key_env,
            headers,
            extra_body,
            stream,
            revision,
            price,
            limits,
            retry,
        } = self.clone();
        OpenAiSpec {
            provider: OpenAiWord::Openai,
            base_url: base_url.to_owned(),
            model,
            embedding_model,
            api,
            tokenizer,
            max_length,
            api_key_env,
            headers,
            extra_body,
            ca_file: None,
            stream,
            revision,
            price,
            limits,
            retry,
        }
    }

    /// The path that says that it is ready.
    pub fn ready_path(&self) -> &str {
        let usual = if self.preset.is_some() { "/health" } else { "/v1/models" };
        self.ready.as_deref().unwrap_or(usual)
    }
}

/// The word of [`ServerSpec`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServerWord {
    /// `server`.
    #[default]
    Server,
}
