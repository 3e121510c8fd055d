//! Any endpoint that speaks OpenAI's protocol: chat and completions, streamed or whole, and log-likelihoods where the
//! endpoint echoes them. Kept out: the client itself (`net`).

mod echo;
mod embed;
mod reply;
mod send;
mod stream;
mod tokens;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::courier::Courier;
use super::{Answered, Api, Attempt, Model, ModelError, ModelIdentity, OpenAiSpec};
use crate::eval::request::{ChatMessage, Generate, OutputFormat, Prompt, Request, Role};
use crate::net::{ClientOptions, NetError, Proxies, Reach};
use crate::trust::{Digest, Hasher, Secret, Untrusted};

use tokens::Tokens;

/// Stop texts that an endpoint takes; an answer is cut at further ones when it is there. Source: OpenAI's API reference, `stop`: up to 4 sequences.
const MOST_STOPS: usize = 4;

/// Why an endpoint cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum OpenAiError {
    /// The environment lacks a variable that the policy names.
    #[error("the environment variable {0} is not set; the policy takes a key or header from it")]
    Environment(String),
    /// A header cannot be sent.
    #[error("the header {0:?} is not valid")]
    Header(String),
    /// The tokenizer cannot be used.
    #[error("the tokenizer of the policy cannot be used: {0}")]
    Tokenizer(String),
    /// A command asks for the number of devices, and none were leased.
    #[error("`{{gpus}}` is the number of devices: lease some, or set CUDA_VISIBLE_DEVICES")]
    Devices,
    /// The client could not be built.
    #[error(transparent)]
    Client(#[from] NetError),
}

/// An endpoint.
pub struct OpenAi {
    identity: ModelIdentity,
    courier: Arc<Courier>,
    url: reqwest::Url,
    embeddings: reqwest::Url,
    headers: HeaderMap,
    tokens: Option<Arc<Tokens>>,
    spec: OpenAiSpec,
}

/// Where things come from when an endpoint is built.
pub struct Surroundings<'a> {
    /// The policy's folder.
    pub folder: &'a Path,
    /// The environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Requests in flight at most.
    pub connections: usize,
    /// `trusted_hosts` of the policy.
    pub trusted: &'a [String],
    /// The devices that a server of ours may use, as `CUDA_VISIBLE_DEVICES` takes them; none where nothing was leased.
    pub visible_devices: Option<&'a str>,
    /// Ends a model that takes long to begin; none where nobody would ask for it.
    pub cancel: Option<&'a CancellationToken>,
}

impl Surroundings<'_> {
    /// What an endpoint may reach: the policy's trusted hosts, and the proxies of the environment, wherever they are.
    pub(super) fn reach(&self) -> Reach {
        let names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
        let proxies: Vec<String> = names
            .into_iter()
            .filter_map(|name| reqwest::Url::parse(&(self.environment)(name)?).ok()?.host_str().map(str::to_owned))
            .collect();
        Reach::new(self.trusted.iter().chain(&proxies).map(String::as_str))
    }
}

impl OpenAi {
    /// Builds the client, and reads the key. The secrets found on the way are handed out, to be masked.
    pub fn new(name: &str, spec: &OpenAiSpec, around: &Surroundings<'_>) -> Result<(Self, Vec<Secret>), OpenAiError> {
        Self::through(Proxies::OfEnvironment, name, spec, around)
    }

    /// The same, with a choice of who carries the requests.
    pub(super) fn through(
        proxies: Proxies,
        name: &str,
        spec: &OpenAiSpec,
        around: &Surroundings<'_>,
    ) -> Result<(Self, Vec<Secret>), OpenAiError> {
        let mut secrets = Vec::new();
        let headers = headers(spec, around, &mut secrets)?;
        let options = ClientOptions {
            ca_file: spec.ca_file.as_ref().map(|path| around.folder.join(path)),
            idle_connections: around.connections,
            reach: Some(around.reach()),
            proxies,
        };
        let (url, embeddings) = addresses(spec)?;
        around.reach().check(&url).map_err(NetError::Refused)?;
        let tokens = Tokens::of(spec, around.folder).map_err(OpenAiError::Tokenizer)?.map(Arc::new);
        let model = Self {
            identity: identity(name, spec, tokens.as_deref()),
            courier: Arc::new(Courier::new(&options, &spec.limits, &spec.retry)?),
            url,
            embeddings,
            headers,
            tokens,
            spec: spec.clone(),
        };
        Ok((model, secrets))
    }

    /// The same endpoint at another address: a server that is started again listens elsewhere.
    pub(super) fn moved(&self, base_url: &str) -> Result<Self, OpenAiError> {
        let spec = OpenAiSpec { base_url: base_url.to_owned(), ..self.spec.clone() };
        let (url, embeddings) = addresses(&spec)?;
        Ok(Self {
            identity: self.identity.clone(),
            courier: Arc::clone(&self.courier),
            url,
            embeddings,
            headers: self.headers.clone(),
            tokens: self.tokens.clone(),
            spec,
        })
    }

    /// The digest of the tokenizer, where there is one.
    pub(super) fn tokenizer_digest(&self) -> Option<&Digest> {
        self.tokens.as_ref().map(|tokens| tokens.digest())
    }

    /// A text as it is sent: its tokens, where they are known here.
    fn sent<'a>(&self, text: &'a str) -> Result<Input<'a>, ModelError> {
        match &self.tokens {
            Some(tokens) => Ok(Input::Tokens(tokens.encode(text)?)),
            None => Ok(Input::Text(text)),
        }
    }

    fn body<'a>(&'a self, request: &'a Generate) -> Result<Body<'a>, ModelError> {
        let chat = self.spec.api == Api::Chat;
        let (messages, prompt) = match (&request.prompt, chat) {
            (Prompt::Chat(messages), true) => (Some(Messages::Own(messages.iter().map(Message::from).collect())), None),
            (Prompt::Text(text), true) => {
                (Some(Messages::Own(vec![Message { role: Role::User, content: text }])), None)
            }
            (Prompt::Written(written), true) => (Some(Messages::Given(&written.messages)), None),
            (Prompt::Text(text), false) => (None, Some(self.sent(text)?)),
            (Prompt::Written(written), false) => (None, Some(self.sent(&written.text)?)),
            (Prompt::Chat(_), false) => {
                return Err(ModelError::Unsupported(
                    "a chat needs `api: chat`; this model has `api: completions`".into(),
                ));
            }
        };
        let logprobs = match (request.logprobs, chat) {
            (false, _) => None,
            (true, true) => Some(Value::Bool(true)),
            (true, false) => Some(Value::from(1)),
        };
        let format = match (request.format, chat) {
            (OutputFormat::Json, true) => Some(Format { kind: "json_object" }),
            (OutputFormat::Json, false) | (OutputFormat::Text, _) => None,
        };
        Ok(Body {
            model: &self.spec.model,
            messages,
            prompt,
            max_tokens: request.max_tokens,
            temperature: request.temperature,
            seed: request.seed,
            // The rest are looked for in the answer.
            stop: request.stop.get(..MOST_STOPS).unwrap_or(&request.stop),
            response_format: format,
            logprobs,
            stream: self.spec.stream.then_some(true),
            stream_options: self.spec.stream.then_some(StreamOptions { include_usage: true }),
            extra: &self.spec.extra_body,
        })
    }
}

/// The request's body.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<Messages<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<Input<'a>>,
    max_tokens: u32,
    temperature: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Format>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(flatten)]
    extra: &'a BTreeMap<String, Value>,
}

/// What is to be continued.
#[derive(Serialize)]
#[serde(untagged)]
enum Input<'a> {
    Text(&'a str),
    Tokens(Vec<u32>),
}

/// The turns of a chat: ours, or as another tool's suite has written them.
#[derive(Serialize)]
#[serde(untagged)]
enum Messages<'a> {
    Own(Vec<Message<'a>>),
    Given(&'a [Value]),
}

#[derive(Serialize)]
struct Message<'a> {
    role: Role,
    content: &'a str,
}

impl<'a> From<&'a ChatMessage> for Message<'a> {
    fn from(message: &'a ChatMessage) -> Self {
        Message { role: message.role, content: &message.content }
    }
}

#[derive(Serialize)]
struct Format {
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl Model for OpenAi {
    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn answer<'a>(&'a self, request: &'a Request, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Answered, ModelError>> {
        Box::pin(async move {
            match request {
                Request::Generate(generate) => self.generate(generate, &attempt).await,
                Request::RankChoices(rank) => self.rank(rank, &attempt).await,
                Request::Embed(embed) => self.embed(embed, &attempt).await,
                Request::Rolling(rolling) => self.rolling(rolling, &attempt).await,
            }
        })
    }
}

/// Where text and where embeddings are asked for.
fn addresses(spec: &OpenAiSpec) -> Result<(reqwest::Url, reqwest::Url), OpenAiError> {
    let path = match spec.api {
        Api::Chat => "chat/completions",
        Api::Completions => "completions",
    };
    let base = spec.base_url.trim_end_matches('/');
    let parsed = |text: String| {
        reqwest::Url::parse(&text).map_err(|_| OpenAiError::Client(NetError::Build(format!("{text:?} is no URL"))))
    };
    Ok((parsed(format!("{base}/{path}"))?, parsed(format!("{base}/embeddings"))?))
}

fn identity(name: &str, spec: &OpenAiSpec, tokens: Option<&Tokens>) -> ModelIdentity {
    let mut hasher = Hasher::new();
    let api = match spec.api {
        Api::Chat => "chat",
        Api::Completions => "completions",
    };
    hasher.part(b"openai-1").part(spec.base_url.as_bytes()).part(spec.model.as_bytes()).part(api.as_bytes());
    hasher.part(spec.revision.as_deref().unwrap_or_default().as_bytes());
    if let Some(model) = &spec.embedding_model {
        hasher.part(b"embedding-model").part(model.as_bytes());
    }
    if let Some(tokens) = tokens {
        hasher.part(b"tokenizer").part(tokens.digest().hex().as_bytes()).part(&tokens.longest().to_le_bytes());
    }
    hasher.part(&serde_json::to_vec(&spec.extra_body).unwrap_or_default());
    // As they are written: another gateway or tenant is another model. A secret's value is not in there.
    for (name, template) in &spec.headers {
        hasher.part(b"header").part(name.as_bytes()).part(template.as_bytes());
    }
    let revision = spec.revision.as_ref().map(|revision| format!(", revision {revision}")).unwrap_or_default();
    ModelIdentity {
        name: name.to_owned(),
        provider: "openai",
        digest: hasher.finish(),
        cacheable: true,
        description: Untrusted::new(format!("{} at {}{revision}", spec.model, spec.base_url)),
    }
}

fn headers(spec: &OpenAiSpec, around: &Surroundings<'_>, secrets: &mut Vec<Secret>) -> Result<HeaderMap, OpenAiError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(variable) = &spec.api_key_env {
        let missing = || OpenAiError::Environment(variable.clone());
        let key = Secret::new(&(around.environment)(variable).ok_or_else(missing)?);
        if key.expose().is_empty() {
            return Err(missing());
        }
        headers.insert(AUTHORIZATION, sensitive("authorization", &format!("Bearer {}", key.expose()))?);
        secrets.push(key);
    }
    for (name, template) in &spec.headers {
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| OpenAiError::Header(name.clone()))?;
        let value = filled(template, around, secrets)?;
        headers.insert(header, sensitive(name, &value)?);
    }
    Ok(headers)
}

pub(super) fn sensitive(name: &str, value: &str) -> Result<HeaderValue, OpenAiError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| OpenAiError::Header(name.to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Replaces `${NAME}` by the environment's value, which is a secret from then on.
pub(super) fn filled(
    template: &str,
    around: &Surroundings<'_>,
    secrets: &mut Vec<Secret>,
) -> Result<String, OpenAiError> {
    let mut value = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, tail)) = after.split_once('}') else { break };
        let found = (around.environment)(name).filter(|found| !found.trim().is_empty());
        let found = Secret::new(&found.ok_or_else(|| OpenAiError::Environment(name.to_owned()))?);
        value.push_str(before);
        value.push_str(found.expose());
        secrets.push(found);
        rest = tail;
    }
    value.push_str(rest);
    Ok(value)
}
