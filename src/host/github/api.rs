//! Requests to GitHub's API: one queue of writes, bounded waits, and no write that is repeated blindly.
//! The library builds and authorises requests over our own HTTP client; its retries are not built in, since they would
//! repeat a write whose answer was lost.

use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt, Limited};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::pace::{Clock, Pace};
use super::reply::{Reply, Trouble, read};
use crate::net::{Answered, ClientOptions, Decision, RetryPolicy, chain_of, client, decide};
use crate::trust::{Secret, Untrusted};

/// The longest that one request may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest of the last request before the process ends; the runner kills 2.5 s after SIGTERM.
/// Source: actions/runner, `ProcessInvoker.cs`.
const LAST: Duration = Duration::from_millis(1800);
/// The largest reply that is read, in bytes.
const LARGEST: usize = 16 * 1024 * 1024;
/// Attempts of one request.
const RETRIES: RetryPolicy = RetryPolicy { attempts: 3, longest_wait: Duration::from_secs(8) };

/// Where GitHub is, and who asks.
pub struct Access<'a> {
    /// `GITHUB_API_URL`, such as `https://api.github.com` or `https://ghe.example/api/v3`.
    pub base: &'a str,
    /// `GITHUB_GRAPHQL_URL`; none for the one that belongs to `base`.
    pub graphql: Option<&'a str>,
    /// `owner/name`.
    pub repository: &'a str,
    /// The token.
    pub token: &'a Secret,
}

/// One repository's API.
pub struct Api {
    library: octocrab::Octocrab,
    base: String,
    graphql: String,
    repository: String,
    pace: Pace,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
    Patch,
    Delete,
}

impl Api {
    /// Opens nothing yet: the first request does.
    pub fn new(access: &Access<'_>, clock: Clock, interrupted: CancellationToken) -> Result<Self, Trouble> {
        let wrong = |text: String| Trouble::Refused(0, Untrusted::new(text));
        let base = access.base.trim_end_matches('/').to_owned();
        let graphql = access.graphql.map_or_else(|| graphql_of(&base), str::to_owned);
        for url in [&base, &graphql] {
            url.parse::<http::Uri>()
                .ok()
                .filter(|uri| uri.scheme().is_some() && uri.authority().is_some())
                .ok_or_else(|| wrong(format!("{url:?} is no URL of an API")))?;
        }
        let word =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !access.repository.split_once('/').is_some_and(|(owner, name)| word(owner) && word(name)) {
            return Err(wrong(format!("{:?} is no owner/name of a repository", access.repository)));
        }
        // The library would panic.
        tokio::runtime::Handle::try_current().map_err(|error| wrong(error.to_string()))?;
        // The library would put the base's path before absolute addresses too: it is given none, and we write whole paths.
        let origin = origin_of(&base);
        let client = client(&ClientOptions { idle_connections: 1, ..ClientOptions::default() });
        let client = client.map_err(|error| wrong(chain_of(&error)))?;
        let library = octocrab::OctocrabBuilder::new()
            .personal_token(access.token.expose().to_owned())
            .base_uri(origin)
            .and_then(|builder| builder.build_with_reqwest(client))
            .map_err(|error| wrong(chain_of(&error)))?;
        let pace = Pace::new(clock, interrupted);
        Ok(Self { library, base, graphql, repository: access.repository.to_owned(), pace })
    }

    /// Whether the process was asked to stop.
    pub fn is_over(&self) -> bool {
        self.pace.is_over()
    }

    /// An address below the repository.
    fn repository_url(&self, path: &str) -> String {
        format!("{}/repos/{}/{path}", self.base, self.repository)
    }

    /// Reads something below the repository.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Trouble> {
        self.repeatable(Method::Get, &self.repository_url(path), &Value::Null).await
    }

    /// Reads something outside the repository, such as `user`.
    pub(super) async fn get_outside(&self, path: &str) -> Result<Value, Trouble> {
        self.repeatable(Method::Get, &format!("{}/{path}", self.base), &Value::Null).await
    }

    /// Changes something that is there: done twice it is done once.
    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<Value, Trouble> {
        self.repeatable(Method::Patch, &self.repository_url(path), body).await
    }

    /// Deletes something.
    pub(super) async fn delete(&self, path: &str) -> Result<(), Trouble> {
        match self.repeatable(Method::Delete, &self.repository_url(path), &Value::Null).await {
            // A repeated delete finds nothing.
            Ok(_) | Err(Trouble::NoRight(404, _)) => Ok(()),
            Err(trouble) => Err(trouble),
        }
    }

    /// Asks by GraphQL. What is asked here can be asked twice.
    pub(super) async fn graphql(&self, query: &str, variables: Value) -> Result<Value, Trouble> {
        let body = serde_json::json!({"query": query, "variables": variables});
        let answer = self.repeatable(Method::Post, &self.graphql, &body).await?;
        match (answer.get("errors").and_then(Value::as_array), answer.get("data")) {
            (None, Some(data)) => Ok(data.clone()),
            (errors, _) => {
                let text = errors.and_then(|errors| errors.first()).and_then(|error| error.get("message"));
                Err(Trouble::Refused(200, text.and_then(Value::as_str).unwrap_or("no data").into()))
            }
        }
    }

    /// Makes something new. Where it is not known whether that was done, `look` looks for it before it is tried again.
    pub(super) async fn post(
        &self,
        path: &str,
        body: &Value,
        look: impl AsyncFn() -> Result<Option<Value>, Trouble>,
    ) -> Result<Value, Trouble> {
        let url = self.repository_url(path);
        let mut attempt = 1;
        loop {
            let (lost, wait) = match self.once(Method::Post, &url, body).await {
                Reply::Done(value) => return Ok(value),
                Reply::No(trouble) => return Err(trouble),
                Reply::Later(wait) => (None, Some(wait)),
                Reply::Lost(why) => (Some(why), None),
            };
            if let Some(why) = &lost
                && let Some(found) = look().await.map_err(|_| Trouble::Unreachable(why.clone()))?
            {
                return Ok(found);
            }
            self.again(attempt, lost, wait).await?;
            attempt += 1;
        }
    }

    /// The last request before the process ends: one attempt, and no waiting.
    pub(super) async fn last_patch(&self, path: &str, body: &Value) -> Result<Value, Trouble> {
        let sent = tokio::time::timeout(LAST, self.send(Method::Patch, &self.repository_url(path), body)).await;
        match sent.unwrap_or_else(|_| Reply::Lost("no answer in time".into())) {
            Reply::Done(value) => Ok(value),
            Reply::No(trouble) => Err(trouble),
            Reply::Later(_) => Err(Trouble::Limited),
            Reply::Lost(why) => Err(Trouble::Unreachable(why)),
        }
    }

    async fn repeatable(&self, method: Method, url: &str, body: &Value) -> Result<Value, Trouble> {
        let mut attempt = 1;
        loop {
            let (lost, wait) = match self.once(method, url, body).await {
                Reply::Done(value) => return Ok(value),
                Reply::No(trouble) => return Err(trouble),
                Reply::Later(wait) => (None, Some(wait)),
                Reply::Lost(why) => (Some(why), None),
            };
            self.again(attempt, lost, wait).await?;
            attempt += 1;
        }
    }

    /// Waits before the next attempt, or says why there is none.
    async fn again(&self, attempt: u32, lost: Option<Untrusted>, wait: Option<Duration>) -> Result<(), Trouble> {
        let give_up = || match &lost {
            _ if self.pace.is_over() => Trouble::Interrupted,
            Some(why) => Trouble::Unreachable(why.clone()),
            None => Trouble::Limited,
        };
        if attempt >= RETRIES.attempts {
            return Err(give_up());
        }
        let wait = match wait {
            Some(asked) => asked,
            None => match decide(&RETRIES, attempt, Answered::Broken, PATIENCE, chance(), SystemTime::now()) {
                Decision::Wait(wait) => wait,
                Decision::GiveUp => return Err(give_up()),
            },
        };
        if self.pace.wait(wait).await { Ok(()) } else { Err(give_up()) }
    }

    async fn once(&self, method: Method, url: &str, body: &Value) -> Reply {
        if method != Method::Get && url != self.graphql {
            self.pace.write().await;
        }
        if self.pace.is_over() {
            return Reply::No(Trouble::Interrupted);
        }
        tokio::select! {
            sent = tokio::time::timeout(PATIENCE, self.send(method, url, body)) => {
                sent.unwrap_or_else(|_| Reply::Lost("no answer in 20 s".into()))
            }
            // A server that does not answer must not keep a process that is to end.
            () = self.pace.over() => Reply::No(Trouble::Interrupted),
        }
    }

    async fn send(&self, method: Method, url: &str, body: &Value) -> Reply {
        let sent = match method {
            Method::Get => self.library._get(url).await,
            Method::Post => self.library._post(url, Some(body)).await,
            Method::Patch => self.library._patch(url, Some(body)).await,
            Method::Delete => self.library._delete(url, None::<&()>).await,
        };
        let response = match sent {
            Ok(response) => response,
            Err(error) => return Reply::Lost(Untrusted::new(chain_of(&error))),
        };
        let (parts, body) = response.into_parts();
        match Limited::new(body, LARGEST).collect().await {
            Ok(body) => read(parts.status.as_u16(), &parts.headers, &body.to_bytes()),
            Err(error) => Reply::Lost(Untrusted::new(error.to_string())),
        }
    }
}

/// `https://host:port` of an address.
fn origin_of(url: &str) -> String {
    let after = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(after..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| after + at);
    url.get(..end).unwrap_or(url).to_owned()
}

/// An Enterprise server's `/api/v3` has its GraphQL at `/api/graphql`.
fn graphql_of(base: &str) -> String {
    format!("{}/graphql", base.strip_suffix("/v3").unwrap_or(base))
}

/// A number in 0..1, so that jobs that failed together do not come back together.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_enterprise_servers_keep_their_path() {
        assert_eq!(graphql_of("https://ghe.example/api/v3"), "https://ghe.example/api/graphql");
        assert_eq!(graphql_of("https://api.github.com"), "https://api.github.com/graphql");
        assert_eq!(origin_of("https://ghe.example:8443/api/v3"), "https://ghe.example:8443");
        assert_eq!(origin_of("https://api.github.com"), "https://api.github.com");
    }

    #[test]
    fn an_address_that_is_none_is_refused_and_does_not_panic() {
        let token = Secret::new("t");
        for (base, repository) in
            [("api.github.com", "o/r"), ("http://", "o/r"), ("", "o/r"), ("http://h", "o"), ("http://h", "o/r/../x")]
        {
            let access = Access { base, graphql: None, repository, token: &token };
            assert!(Api::new(&access, Clock::by_hand(), CancellationToken::new()).is_err(), "{base} {repository}");
        }
    }
}
