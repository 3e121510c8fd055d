//! Any endpoint that takes a prompt and gives a text: an address, a body with a place for the prompt, and where the answer stands.
//! Kept out: sending and retrying (`courier`), how the prompt is put in (`template`), where the answer stands (`transform`).

mod template;
mod transform;

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::courier::{Courier, Reader, Sent, estimate};
use super::echo::{plain_text, text_only};
use super::failure::Failure;
use super::openai::{OpenAiError, Surroundings, filled, sensitive};
use super::{Answered, Attempt, HttpSpec, Method, Model, ModelError, ModelIdentity};
use crate::eval::request::{Answer, Completion, Finish, Generate, Prompt, Request, Told};
use crate::net::{self, ClientOptions, NetError, Reach};
use crate::trust::{Hasher, Secret, Untrusted};
use template::Body;
use transform::Reply;

/// An endpoint of any form.
pub(super) struct Http {
    identity: ModelIdentity,
    courier: Courier,
    reach: Reach,
    headers: HeaderMap,
    body: Body,
    spec: HttpSpec,
}

impl Http {
    /// Builds the client, and reads the headers. The secrets found on the way are handed out, to be masked.
    pub(super) fn new(
        name: &str,
        spec: &HttpSpec,
        around: &Surroundings<'_>,
    ) -> Result<(Self, Vec<Secret>), OpenAiError> {
        let mut secrets = Vec::new();
        let mut headers = HeaderMap::new();
        for (name, template) in &spec.headers {
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| OpenAiError::Header(name.clone()))?;
            let value = filled(template, around, &mut secrets)?;
            headers.insert(header, sensitive(name, &value)?);
        }
        let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let body = Body::of(spec.body.as_ref(), given);
        if let (None, Some(kind)) = (given, body.content_type()) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        let options = ClientOptions {
            ca_file: spec.ca_file.as_ref().map(|path| around.folder.join(path)),
            idle_connections: around.connections,
            reach: Some(around.reach()),
            ..ClientOptions::default()
        };
        let http = Self {
            identity: identity(name, spec),
            courier: Courier::new(&options, &spec.limits, &spec.retry)?,
            reach: around.reach(),
            headers,
            body,
            spec: spec.clone(),
        };
        http.url("")?;
        Ok((http, secrets))
    }

    /// The address of one prompt. A host that is an address is looked at here: no name is resolved for it.
    fn url(&self, prompt: &str) -> Result<reqwest::Url, NetError> {
        let text = template::url(&self.spec.url, prompt);
        let url = reqwest::Url::parse(&text).map_err(|_| NetError::Build(format!("{text:?} is no URL")))?;
        self.reach.check(&url).map_err(NetError::Refused)?;
        Ok(url)
    }

    /// The address that a suite has made for one case: at the host of the spec, whatever was put in.
    fn told(&self, text: &str) -> Result<reqwest::Url, NetError> {
        let url = reqwest::Url::parse(text).map_err(|_| NetError::Build(format!("{text:?} is no URL")))?;
        self.reach.check(&url).map_err(NetError::Refused)?;
        if url.origin() != self.url("")?.origin() {
            return Err(NetError::Build(format!("{text:?} is not at the host of the provider")));
        }
        Ok(url)
    }

    async fn ask(&self, request: &Generate, attempt: &Attempt<'_>) -> Result<Answered, ModelError> {
        let text = plain_text(&request.prompt);
        let (url, body) = match request.told.as_deref() {
            Some(Told::Endpoint { url, body }) => (self.told(url), body.as_ref().map(told_body)),
            Some(Told::Command(_)) | None => (self.url(&text), self.body.with(&request.prompt, &text)),
        };
        let url = url.map_err(|error| ModelError::Unsupported(Untrusted::new(error.to_string())))?;
        let method = match self.spec.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
        };
        let made = |client: &reqwest::Client| {
            let request = client.request(method.clone(), url.clone()).headers(self.headers.clone());
            match &body {
                Some(body) => request.body(body.clone()),
                None => request,
            }
        };
        let own = self.spec.timeout_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let deadline = own.map_or(attempt.deadline, |timeout| attempt.deadline.min(Instant::now() + timeout));
        let attempt = Attempt { deadline, ..attempt.clone() };
        let sent = self.courier.send(made, estimate(request), &attempt, self).await?;
        let Sent { value, latency_ms, attempts } = sent;
        let answer = Answer::Completion(Completion { text: value, finish: Finish::Stop, token_log_probs: None });
        Ok(Answered { answer, usage: None, latency_ms: Some(latency_ms), ttft_ms: None, attempts })
    }
}

impl HttpSpec {
    /// Whether two prompts are two requests: only in the address and in the body is there a place for one.
    pub fn sends_prompt(&self) -> bool {
        let given = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE.as_str()));
        let body = Body::of(self.body.as_ref(), given.map(|(_, value)| value.as_str()));
        // What stands behind `#` stays here.
        let url = self.url.split('#').next().unwrap_or_default();
        let sent = |text: &str| (template::url(url, text), body.with(&Prompt::Text(text.to_owned()), text));
        sent("one") != sent("another")
    }
}

fn told_body(body: &Value) -> Vec<u8> {
    body.as_str().map_or_else(|| body.to_string(), str::to_owned).into_bytes()
}

impl Reader for Http {
    type Value = Untrusted;

    fn reads(&self, status: u16) -> bool {
        (200..300).contains(&status)
    }

    async fn read(&self, response: reqwest::Response, _: Instant) -> Result<Untrusted, Failure> {
        let status = response.status().as_u16();
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            Some((name.as_str().to_owned(), Value::from(value.to_str().ok()?)))
        };
        let headers = response.headers().iter().filter_map(header).collect();
        let bytes = net::read_body(response).await.map_err(|error| Failure::of_body(&error))?;
        let text = String::from_utf8(bytes).map_err(|_| Failure::Malformed("the reply is not UTF-8".into()))?;
        transform::answer_in(&self.spec, &Reply { status, headers, text }).map(Untrusted::new)
    }
}

impl Model for Http {
    fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    fn answer<'a>(&'a self, request: &'a Request, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Answered, ModelError>> {
        Box::pin(async move {
            match request {
                Request::Generate(generate) => self.ask(generate, &attempt).await,
                Request::RankChoices(_) | Request::Rolling(_) | Request::Embed(_) => Err(text_only("http")),
            }
        })
    }
}

/// Over all that is sent and read. Of headers the templates count: a secret's name, and never its value.
fn identity(name: &str, spec: &HttpSpec) -> ModelIdentity {
    let mut hasher = Hasher::new();
    let HttpSpec { url, method, headers, body, response, transform, revision, .. } = spec;
    hasher.part(b"http-1");
    let parts = serde_json::json!([url, method, headers, body, response, transform, revision]);
    hasher.part(parts.to_string().as_bytes());
    let revision = revision.as_ref().map(|revision| format!(", revision {revision}")).unwrap_or_default();
    let description = Untrusted::new(format!("{url}{revision}"));
    ModelIdentity { name: name.to_owned(), provider: "http", digest: hasher.finish(), cacheable: true, description }
}
