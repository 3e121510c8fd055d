//! GitLab's API: the `gitlab` crate's endpoints over our own client, so that proxies, certificates, time limits and the rules
//! of asking again are ours. A request that writes and whose answer was lost is never repeated here: who asked has to look.
//! Sources: GitLab docs, `api/rest` (pagination, status codes), `security/rate_limits`.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use gitlab::api::Endpoint;
use http::{HeaderMap, Method, header};
use serde_json::Value;

use crate::net::{Answered, ClientOptions, Decision, RetryPolicy, chain_of, client, decide, read_body};
use crate::trust::{Secret, Untrusted};

/// The longest that one request may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often a request is sent, and the longest wait between two of them.
const RETRY: RetryPolicy = RetryPolicy { attempts: 4, longest_wait: Duration::from_secs(30) };

/// Where the API is, and with which token.
#[derive(Clone)]
pub(super) struct Access {
    /// `CI_API_V4_URL`, which may have a path of its own before `/api/v4`.
    pub(super) base: String,
    /// A token that may write: of a project, a group or a person.
    pub(super) token: Secret,
    /// `CI_SERVER_TLS_CA_FILE`: certificate authorities beside those of the system.
    pub(super) ca_file: Option<PathBuf>,
    /// All the time that publishing may take.
    pub(super) time: Duration,
}

/// Why a request did not do what it should.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Trouble {
    /// The token is unknown or may not; 404 is also said of what it may not see.
    NoRight(u16, Untrusted),
    /// Too many requests, for longer than we wait.
    Limited,
    /// No whole answer: of a request that writes it is not known whether it was done.
    Lost(Untrusted),
    /// The server understood and refused, or the request could not even be made.
    Refused(u16, Untrusted),
}

impl Trouble {
    /// In words.
    pub(super) fn words(&self) -> String {
        match self {
            Trouble::NoRight(status, text) => format!("the token may not ({status}: {})", text.raw()),
            Trouble::Limited => "GitLab's limit of requests is reached".to_owned(),
            Trouble::Lost(text) => format!("no answer from GitLab: {}", text.raw()),
            Trouble::Refused(status, text) => format!("GitLab refused ({status}: {})", text.raw()),
        }
    }

    fn unmade(error: &dyn std::error::Error) -> Self {
        Trouble::Refused(0, Untrusted::new(chain_of(error)))
    }
}

/// An open way to the API.
pub(super) struct Api {
    client: reqwest::Client,
    base: String,
    token: Secret,
    began: Instant,
    time: Duration,
}

/// A whole answer with a good status.
struct Answer {
    body: Value,
    next_page: NextPage,
}

/// What the server says about the page after this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NextPage {
    /// It has this number.
    Number(u64),
    /// There is none.
    None,
    /// Nothing is said.
    Unsaid,
}

impl Api {
    /// Builds the client; nothing is asked yet.
    pub(super) fn open(access: &Access) -> Result<Self, Trouble> {
        let options = ClientOptions { ca_file: access.ca_file.clone(), ..ClientOptions::default() };
        Ok(Self {
            client: client(&options).map_err(|error| Trouble::unmade(&error))?,
            base: format!("{}/", access.base.trim_end_matches('/')),
            token: access.token.clone(),
            began: Instant::now(),
            time: access.time,
        })
    }

    /// Sends one request, and gives the reply's JSON; null for an empty one.
    pub(super) async fn ask(&self, endpoint: &(impl Endpoint + Sync)) -> Result<Value, Trouble> {
        Ok(self.send(endpoint, None).await?.body)
    }

    /// Asks for one page of 100.
    pub(super) async fn page(
        &self,
        endpoint: &(impl Endpoint + Sync),
        number: u64,
    ) -> Result<(Value, NextPage), Trouble> {
        let answer = self.send(endpoint, Some(number)).await?;
        Ok((answer.body, answer.next_page))
    }

    async fn send(&self, endpoint: &(impl Endpoint + Sync), page: Option<u64>) -> Result<Answer, Trouble> {
        let request = self.request(endpoint, page)?;
        let may_repeat = request.method() != Method::POST;
        let mut attempt = 1;
        loop {
            let Some(copy) = request.try_clone() else { return Err(Trouble::Lost(Untrusted::new("no copy"))) };
            let left = self.time.saturating_sub(self.began.elapsed());
            let (trouble, wait) = match self.once(copy, left).await {
                Ok((200..=299, headers, body)) => match read(&body) {
                    Some(body) => return Ok(Answer { body, next_page: next_page(&headers) }),
                    None => {
                        (Trouble::Lost(Untrusted::new("the reply is no JSON")), self.wait(attempt, Answered::Broken))
                    }
                },
                // It was not done: whatever it was, it may be sent again.
                Ok((status @ 429, headers, _)) => {
                    let after = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
                    if after.is_some_and(is_far) {
                        return Err(Trouble::Limited);
                    }
                    (Trouble::Limited, self.wait(attempt, Answered::Status(status, after)))
                }
                Ok((status @ (408 | 500..=599), _, body)) => {
                    (Trouble::Lost(message(status, &body)), self.wait(attempt, Answered::Status(status, None)))
                }
                Ok((status @ (401 | 403 | 404), _, body)) => {
                    return Err(Trouble::NoRight(status, message(status, &body)));
                }
                Ok((status, _, body)) => return Err(Trouble::Refused(status, message(status, &body))),
                Err(why) => (Trouble::Lost(why), self.wait(attempt, Answered::Broken)),
            };
            match wait {
                Decision::Wait(time) if may_repeat || trouble == Trouble::Limited => tokio::time::sleep(time).await,
                Decision::Wait(_) | Decision::GiveUp => return Err(trouble),
            }
            attempt += 1;
        }
    }

    fn wait(&self, attempt: u32, answered: Answered<'_>) -> Decision {
        let left = self.time.saturating_sub(self.began.elapsed());
        let mut chance = [0; 1];
        // Without random bytes the wait is the whole one.
        let chance = getrandom::fill(&mut chance).map_or(1.0, |()| f64::from(chance[0]) / 255.0);
        decide(&RETRY, attempt, answered, left, chance, SystemTime::now())
    }

    async fn once(&self, request: reqwest::Request, left: Duration) -> Result<(u16, HeaderMap, Vec<u8>), Untrusted> {
        let whole = async {
            let response = self.client.execute(request).await.map_err(|error| Untrusted::new(chain_of(&error)))?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = read_body(response).await.map_err(|error| Untrusted::new(chain_of(&error)))?;
            Ok((status, headers, body))
        };
        tokio::time::timeout(PATIENCE.min(left), whole).await.map_err(|_| Untrusted::new("no answer in time"))?
    }

    fn request(&self, endpoint: &(impl Endpoint + Sync), page: Option<u64>) -> Result<reqwest::Request, Trouble> {
        let url = reqwest::Url::parse(&self.base).and_then(|base| base.join(&endpoint.endpoint()));
        let mut url = url.map_err(|error| Trouble::unmade(&error))?;
        endpoint.parameters().add_to_url(&mut url);
        if let Some(page) = page {
            url.query_pairs_mut().append_pair("per_page", "100").append_pair("page", &page.to_string());
        }
        let mut request = self.client.request(endpoint.method(), url).header("PRIVATE-TOKEN", self.token.expose());
        if let Some((kind, body)) = endpoint.body().map_err(|error| Trouble::unmade(&error))? {
            request = request.header(header::CONTENT_TYPE, kind).body(body);
        }
        request.build().map_err(|error| Trouble::unmade(&error))
    }
}

/// Whether the server asks for a longer wait than we make: then waiting at all would be for nothing.
fn is_far(after: &str) -> bool {
    after.trim().parse::<f64>().is_ok_and(|seconds| seconds > RETRY.longest_wait.as_secs_f64())
}

fn read(body: &[u8]) -> Option<Value> {
    if body.is_empty() { Some(Value::Null) } else { serde_json::from_slice(body).ok() }
}

/// Pages may be short before the last one, since GitLab leaves out what the token may not see only after it has counted: the
/// header alone says which is the last. It has no value there.
fn next_page(headers: &HeaderMap) -> NextPage {
    let Some(value) = headers.get("x-next-page") else { return NextPage::Unsaid };
    value.to_str().ok().and_then(|text| text.trim().parse().ok()).map_or(NextPage::None, NextPage::Number)
}

/// The server's own sentence: `message` or `error`, which may be a text or an object of lists.
fn message(status: u16, body: &[u8]) -> Untrusted {
    let body: Option<Value> = serde_json::from_slice(body).ok();
    let said = body.as_ref().and_then(|body| body.get("message").or_else(|| body.get("error")));
    match said {
        Some(Value::String(text)) => Untrusted::new(text.as_str()),
        Some(other) => Untrusted::new(other.to_string()),
        None => Untrusted::new(format!("status {status}")),
    }
}
