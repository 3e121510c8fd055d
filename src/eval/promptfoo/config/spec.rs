//! From a provider's id and `config` to a model and the settings of its requests, as promptfoo 0.121.20 fills them in. What would
//! change an answer and is not done here is refused by name. Kept out: which providers there are (`providers`, `endpoints`).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::endpoints::{ENDPOINTS, endpoint_of};
use super::environment::{Environment, looks_secret, names, replace_texts};
use super::files::Files;
use super::outside::{exec, http, without_secrets};
use super::place::At;
use super::providers::{Provider, Reached, key_variable};
use crate::document::{Problem, nearest};
use crate::eval::model::{Api, EchoSpec, EchoWord, Limits, ModelSpec, OpenAiSpec, OpenAiWord, Price, Retry};

/// What promptfoo asks for where a config says nothing.
const MAX_TOKENS: u32 = 1024;
pub(super) const INSTEAD: &str = "set `gate.model` in the policy to ask its model instead";

/// Settings of a request.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Settings {
    pub(super) temperature: f64,
    pub(super) max_tokens: u32,
    pub(super) seed: Option<u64>,
    pub(super) stop: Vec<String>,
    pub(super) json: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { temperature: 0.0, max_tokens: MAX_TOKENS, seed: None, stop: Vec::new(), json: false }
    }
}

impl Settings {
    /// With what a provider, a prompt or a test says.
    pub(super) fn over(mut self, config: &Map<String, Value>) -> Self {
        if let Some(temperature) = config.get("temperature").and_then(Value::as_f64) {
            self.temperature = temperature;
        }
        for key in ["max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict"] {
            if let Some(most) = config.get(key).and_then(Value::as_u64).and_then(|most| u32::try_from(most).ok()) {
                self.max_tokens = most.max(1);
            }
        }
        if let Some(seed) = config.get("seed").and_then(Value::as_u64) {
            self.seed = Some(seed);
        }
        match config.get("stop") {
            Some(Value::String(text)) => self.stop = vec![text.clone()],
            Some(Value::Array(items)) => {
                self.stop = items.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            }
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {}
        }
        if config.get("response_format").and_then(|format| format.get("type")).is_some_and(|kind| kind == "json_object")
        {
            self.json = true;
        }
        self
    }
}

/// How a provider is asked, or why it is not.
pub(super) fn reach(provider: &Provider, environment: &Environment<'_>, files: &Files) -> Result<Reached, Problem> {
    let id = provider.id.as_str();
    let settings = Settings::default().over(&provider.config);
    let spec = if id == "echo" {
        ModelSpec::Echo(EchoSpec { provider: EchoWord::Echo })
    } else if let Some(command) = id.strip_prefix("exec:") {
        exec(command, provider, files)?
    } else if matches!(id, "http" | "https") || id.starts_with("http://") || id.starts_with("https://") {
        http(id, provider, environment)?
    } else {
        openai(id, provider, environment)?
    };
    Ok(Reached { spec, settings })
}

pub(super) fn refuse(provider: &Provider, message: String) -> Problem {
    provider.at.problem(message).help(INSTEAD)
}

/// Keys of a `config` that are read or that become fields of the request's body.
const PASSED: &[&str] = &[
    "top_p",
    "top_k",
    "min_p",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "reasoning_effort",
    "verbosity",
    "logit_bias",
    "user",
    "service_tier",
    "store",
    "modalities",
    "parallel_tool_calls",
    "safe_prompt",
];
const KNOWN: &[&str] = &[
    "apiKey",
    "apiKeyEnvar",
    "apiBaseUrl",
    "apiHost",
    "headers",
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "num_predict",
    "seed",
    "stop",
    "response_format",
    "cost",
    "inputCost",
    "outputCost",
    "passthrough",
    "extra_body",
    "organization",
    "maxRetries",
    "showThinking",
    "omitDefaults",
    "model",
    "modelName",
    "basePath",
    "num_ctx",
    "reasoning",
    "apiVersion",
    "deployment_id",
    "system_prompt",
    "apiKeyRequired",
    "timeout",
    "cache",
];

fn openai(id: &str, provider: &Provider, environment: &Environment<'_>) -> Result<ModelSpec, Problem> {
    let config = &provider.config;
    let text = |key: &str| config.get(key).and_then(Value::as_str).map(|text| environment.shown_in(text));
    without_secrets(id, provider, environment, |key| {
        !matches!(key, "headers" | "organization" | "apiKey" | "apiKeyEnvar")
    })?;
    if let Some(rest) = id.strip_prefix("azure:").or_else(|| id.strip_prefix("azureopenai:")) {
        return azure(rest, provider, environment);
    }
    let Some((endpoint, kind, model)) = endpoint_of(id) else {
        let names = ENDPOINTS.iter().map(|endpoint| endpoint.name).chain(["echo", "http", "https", "exec", "azure"]);
        let word = id.split(':').next().unwrap_or(id);
        let near = nearest(word, names).filter(|near| *near != word);
        let message = format!("the provider `{id}` cannot be asked here");
        return Err(match near {
            Some(near) => provider.at.problem(message).help(format!("did you mean `{near}`? Else {INSTEAD}")),
            None => refuse(provider, message),
        });
    };
    check_config(provider)?;
    let model = if model.is_empty() {
        text("model").or_else(|| text("modelName")).unwrap_or_default()
    } else {
        model.to_owned()
    };
    if model.is_empty() {
        return Err(refuse(provider, format!("`{id}` names no model")));
    }
    let unasked = [
        "image",
        "realtime",
        "moderation",
        "assistant",
        "transcription",
        "speech",
        "codex",
        "agents",
        "chatkit",
        "video",
        "live",
    ];
    if endpoint.name == "openai" || endpoint.name == "google" {
        let word = model.split([':', '-']).next().unwrap_or_default();
        if unasked.contains(&word) && model.contains(':') || unasked.contains(&model.as_str()) {
            return Err(refuse(provider, format!("`{id}` gives no text for a prompt")));
        }
    }
    let base = text("apiBaseUrl").or_else(|| text("apiHost").map(|host| hosted(&host)));
    let by_variable = endpoint
        .base_env
        .and_then(|(name, after)| environment.get(name).map(|base| format!("{}{after}", base.trim_end_matches('/'))));
    let own_address = base.is_some() || by_variable.is_some();
    let base_url = base.or(by_variable).unwrap_or_else(|| endpoint.base_url.to_owned());
    let key = key_of(provider)?.or_else(|| {
        let name = endpoint.key_env?;
        // An endpoint of one's own may have no key: it is sent only where it is set.
        (!own_address || environment.has(name)).then(|| name.to_owned())
    });
    let api = if kind == Some("completion") && endpoint.name != "anthropic" && endpoint.name != "ollama" {
        Api::Completions
    } else {
        Api::Chat
    };
    Ok(ModelSpec::Openai(OpenAiSpec {
        provider: OpenAiWord::Openai,
        base_url,
        model,
        api,
        embedding_model: None,
        tokenizer: None,
        max_length: None,
        api_key_env: key,
        headers: headers(provider, environment)?,
        extra_body: body(config, environment),
        ca_file: None,
        stream: false,
        revision: None,
        price: price(config),
        limits: Limits::default(),
        retry: Retry::default(),
    }))
}

/// Azure's endpoint of version 1: the deployment is the model. <https://learn.microsoft.com/azure/ai-services/openai/api-version-lifecycle>
fn azure(rest: &str, provider: &Provider, environment: &Environment<'_>) -> Result<ModelSpec, Problem> {
    check_config(provider)?;
    let config = &provider.config;
    let text = |key: &str| config.get(key).and_then(Value::as_str).map(|text| environment.shown_in(text));
    let deployment = rest.split_once(':').map_or(rest, |(_, deployment)| deployment);
    let host = text("apiHost").or_else(|| text("apiBaseUrl")).or_else(|| environment.get("AZURE_API_HOST"));
    let Some(host) = host.or_else(|| environment.get("AZURE_OPENAI_API_HOST")) else {
        return Err(refuse(provider, format!("`{}` needs `config.apiHost`", provider.id)));
    };
    let key = key_of(provider)?.unwrap_or_else(|| "AZURE_API_KEY".to_owned());
    let mut headers = headers(provider, environment)?;
    headers.insert("api-key".to_owned(), format!("${{{key}}}"));
    let host = host.trim_start_matches("https://").trim_end_matches('/').to_owned();
    Ok(ModelSpec::Openai(OpenAiSpec {
        provider: OpenAiWord::Openai,
        base_url: format!("https://{host}/openai/v1"),
        model: deployment.to_owned(),
        api: Api::Chat,
        embedding_model: None,
        tokenizer: None,
        max_length: None,
        api_key_env: None,
        headers,
        extra_body: body(config, environment),
        ca_file: None,
        stream: false,
        revision: None,
        price: price(config),
        limits: Limits::default(),
        retry: Retry::default(),
    }))
}

fn hosted(host: &str) -> String {
    let host = host.trim_end_matches('/');
    if host.contains("://") { format!("{host}/v1") } else { format!("https://{host}/v1") }
}

/// Refuses a literal key; the variable that it is taken from, where the config names one.
fn key_of(provider: &Provider) -> Result<Option<String>, Problem> {
    let config = &provider.config;
    if let Some(name) = config.get("apiKeyEnvar").and_then(Value::as_str) {
        return Ok(Some(name.to_owned()));
    }
    match config.get("apiKey") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_str().map(|text| (text, key_variable(text))) {
            Some((_, Some(name))) => Ok(Some(name)),
            Some(("", None)) => Ok(None),
            Some((_, None)) | None => Err(provider
                .at
                .part("/config/apiKey")
                .problem("an API key stands in the config")
                .help("take it out, and write `apiKeyEnvar: NAME_OF_A_VARIABLE` instead")),
        },
    }
}

fn check_config(provider: &Provider) -> Result<(), Problem> {
    for (key, value) in &provider.config {
        let at = || provider.at.part(&format!("/config/{key}"));
        if matches!(
            key.as_str(),
            "tools"
                | "functions"
                | "function_call"
                | "tool_choice"
                | "tool_resources"
                | "mcp"
                | "functionToolCallbacks"
        ) {
            if value.is_null() || value.as_array().is_some_and(Vec::is_empty) {
                continue;
            }
            return Err(at()
                .key_problem(format!("`{key}`: calls of tools are no text, and are not asked for here"))
                .help(INSTEAD));
        }
        if !KNOWN.contains(&key.as_str()) && !PASSED.contains(&key.as_str()) {
            let known: Vec<&str> = KNOWN.iter().chain(PASSED).copied().collect();
            return Err(unknown(&at(), key, &known));
        }
    }
    Ok(())
}

pub(super) fn headers(provider: &Provider, environment: &Environment<'_>) -> Result<BTreeMap<String, String>, Problem> {
    let mut headers = BTreeMap::new();
    if let Some(Value::Object(fields)) = provider.config.get("headers") {
        for (name, value) in fields {
            let at = provider.at.part(&format!("/config/headers/{}", crate::document::pointer_part(name)));
            headers.insert(name.clone(), header(name, value, &at, environment)?);
        }
    }
    if let Some(organization) = provider.config.get("organization").and_then(Value::as_str) {
        let (name, at) = ("OpenAI-Organization", provider.at.part("/config/organization"));
        headers.insert(name.to_owned(), header(name, &Value::from(organization), &at, environment)?);
    }
    if let Some((name, _)) = headers.iter().find(|(_, value)| value.contains("{{")) {
        let at = provider.at.part(&format!("/config/headers/{}", crate::document::pointer_part(name)));
        return Err(at.problem("only variables of the environment are put into a header").help(INSTEAD));
    }
    Ok(headers)
}

/// The value of a header: secrets in it are named, never written.
pub(super) fn header(name: &str, value: &Value, at: &At, environment: &Environment<'_>) -> Result<String, Problem> {
    let text = match value {
        Value::String(text) => environment.shown_in(text),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return Err(at.problem("the value of a header is a text")),
    };
    let mut named = text.clone();
    for variable in names(&text).map(str::to_owned).collect::<Vec<_>>() {
        for (open, close) in [("{{", "}}"), ("{{ ", " }}")] {
            named = named.replace(&format!("{open}env.{variable}{close}"), &format!("${{{variable}}}"));
        }
    }
    if looks_secret(name) && named == text && !text.contains("${") {
        return Err(at
            .problem(format!("the header `{name}` looks like a secret, and stands in the config"))
            .help("take it from the environment: `{{env.NAME}}`"));
    }
    Ok(named)
}

fn body(config: &Map<String, Value>, environment: &Environment<'_>) -> BTreeMap<String, Value> {
    let shown = |value: &Value| replace_texts(value, &|text| environment.shown_in(text));
    let mut body: BTreeMap<String, Value> = BTreeMap::new();
    for key in PASSED {
        if let Some(value) = config.get(*key) {
            body.insert((*key).to_owned(), shown(value));
        }
    }
    if let Some(format) =
        config.get("response_format").filter(|format| format.get("type").is_none_or(|kind| kind != "json_object"))
    {
        body.insert("response_format".to_owned(), shown(format));
    }
    if let Some(effort) = config.get("reasoning").and_then(|reasoning| reasoning.get("effort")) {
        body.insert("reasoning_effort".to_owned(), effort.clone());
    }
    for key in ["extra_body", "passthrough"] {
        if let Some(Value::Object(fields)) = config.get(key) {
            body.extend(fields.iter().map(|(key, value)| (key.clone(), shown(value))));
        }
    }
    body
}

/// promptfoo's prices are for one token.
pub(super) fn price(config: &Map<String, Value>) -> Option<Price> {
    let number = |key: &str| config.get(key).and_then(Value::as_f64);
    let both = number("cost");
    let (input, output) = (number("inputCost").or(both)?, number("outputCost").or(both)?);
    Some(Price { input_per_million: input * 1e6, output_per_million: output * 1e6 })
}

/// A key of a `config` that is not known: it could be a setting that decides.
fn unknown(at: &At, key: &str, known: &[&str]) -> Problem {
    let problem = at.key_problem(format!("unknown key `{key}`"));
    match nearest(key, known.iter().copied()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help(format!("known here: {}; or {INSTEAD}", known.join(", "))),
    }
}
