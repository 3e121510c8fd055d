//! Questions to a flag service over HTTP: each with a time limit, asked again by `net`'s rules. Everything that is written sets
//! an absolute value, so that doing it twice does it once.

use std::time::{Duration, Instant, SystemTime};

use http::header;
use serde_json::Value;

use crate::deliver::Trouble;
use crate::net::{Answered, Decision, RetryPolicy, chain_of, decide, read_body};
use crate::trust::{Secret, Untrusted};

/// The longest that one request may take, and one question with all its repetitions.
const PATIENCE: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(15);
/// How often is asked, and the longest wait between.
const RETRY: RetryPolicy = RetryPolicy { attempts: 4, longest_wait: Duration::from_secs(4) };

/// A service, and the key that it asks for.
pub(super) struct Service {
    client: reqwest::Client,
    /// `Bearer ...`, or the key alone where the service has it so.
    authorization: Option<(Form, Secret)>,
    /// Its name in messages.
    words: String,
}

/// How a key is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// `Authorization: KEY`.
    Alone,
}

/// A whole answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) etag: Option<String>,
    pub(super) body: Vec<u8>,
}

/// One question.
pub(super) struct Question<'a> {
    pub(super) method: http::Method,
    pub(super) url: &'a reqwest::Url,
    /// The content type and the body.
    pub(super) body: Option<(&'static str, &'a Value)>,
    /// The version that must still be there.
    pub(super) if_match: Option<&'a str>,
    /// A bad status that another attempt would not change.
    pub(super) is_final: fn(&Answer) -> bool,
}

impl Answer {
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    pub(super) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Service {
    pub(super) fn new(client: &reqwest::Client, authorization: Option<(Form, Secret)>, words: &str) -> Self {
        Self { client: client.clone(), authorization, words: words.to_owned() }
    }

    /// Reads something; anything but a good answer is [`Trouble`].
    pub(super) async fn read(&self, url: &reqwest::Url) -> Result<Answer, Trouble> {
        let answer = self.ask(&Question::get(url)).await?;
        if answer.is_good() { Ok(answer) } else { Err(self.refused(&answer)) }
    }

    /// Asks until there is an answer that asking again would not change.
    pub(super) async fn ask(&self, question: &Question<'_>) -> Result<Answer, Trouble> {
        let began = Instant::now();
        let mut attempt = 1;
        loop {
            let left = WHOLE.saturating_sub(began.elapsed());
            let once = tokio::time::timeout(PATIENCE.min(left), self.once(question)).await;
            let left = WHOLE.saturating_sub(began.elapsed());
            let again = |answered| decide(&RETRY, attempt, answered, left, chance(), SystemTime::now());
            let (outcome, decision) = match once {
                Ok(Ok((answer, after))) => {
                    let fixed = answer.is_good() || (question.is_final)(&answer);
                    let answered = Answered::Status(answer.status, after.as_deref());
                    let decision = if fixed { Decision::GiveUp } else { again(answered) };
                    (Ok(answer), decision)
                }
                Ok(Err(why)) => (Err(self.broken(&why)), again(Answered::Broken)),
                Err(_) => (Err(self.broken("no answer in time")), again(Answered::Broken)),
            };
            match decision {
                Decision::Wait(time) => tokio::time::sleep(time).await,
                Decision::GiveUp => return outcome,
            }
            attempt += 1;
        }
    }

    async fn once(&self, question: &Question<'_>) -> Result<(Answer, Option<String>), String> {
        let mut request = self.client.request(question.method.clone(), question.url.clone());
        request = request.header(header::ACCEPT, "application/json");
        request = match &self.authorization {
            Some((Form::Bearer, key)) => request.bearer_auth(key.expose()),
            Some((Form::Alone, key)) => request.header(header::AUTHORIZATION, key.expose()),
            None => request,
        };
        if let Some(etag) = question.if_match {
            request = request.header(header::IF_MATCH, etag);
        }
        if let Some((kind, body)) = question.body {
            request = request.header(header::CONTENT_TYPE, kind).body(body.to_string());
        }
        let response = request.send().await.map_err(|error| chain_of(&error.without_url()))?;
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (etag, after) = (text(header::ETAG), text(header::RETRY_AFTER));
        let status = response.status().as_u16();
        let body = read_body(response).await.map_err(|error| chain_of(&error))?;
        Ok((Answer { status, etag, body }, after))
    }

    /// A service that answered, and refused.
    pub(super) fn refused(&self, answer: &Answer) -> Trouble {
        let advice = match answer.status {
            401 => "; its key is missing or not valid",
            403 => "; its key may not do that, or changes there need a person's approval",
            404 => "; it is not there",
            _ => "",
        };
        let said: String = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
        let text = format!("{} answers {}{advice}: {said}", self.words, answer.status);
        // Names in the plan that do not exist are the plan's fault.
        if answer.status == 404 { Trouble::Plan(text.into()) } else { Trouble::Beside(text.into()) }
    }

    /// A service whose answer is not what it should be, or did not come.
    pub(super) fn broken(&self, why: &str) -> Trouble {
        Trouble::Beside(Untrusted::new(format!("{}: {why}", self.words)))
    }
}

impl<'a> Question<'a> {
    pub(super) fn get(url: &'a reqwest::Url) -> Self {
        Self { method: http::Method::GET, url, body: None, if_match: None, is_final: |_| false }
    }

    pub(super) fn send(method: http::Method, url: &'a reqwest::Url, body: Option<(&'static str, &'a Value)>) -> Self {
        Self { method, url, body, if_match: None, is_final: |_| false }
    }
}

/// An address with further parts of its path, each encoded.
pub(super) fn below(base: &str, parts: &[&str]) -> Result<reqwest::Url, Trouble> {
    let no_address = || super::wrong(&format!("`{base}` of `traffic.flag` is no http or https address"));
    let mut url = reqwest::Url::parse(base).map_err(|_| no_address())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(no_address());
    }
    url.path_segments_mut().map_err(|()| no_address())?.pop_if_empty().extend(parts);
    Ok(url)
}

/// A number in 0..1, so that jobs that failed together do not come back together.
fn chance() -> f64 {
    let mut bytes = [0; 1];
    // Without random bytes the wait is the whole one.
    getrandom::fill(&mut bytes).map_or(1.0, |()| f64::from(bytes[0]) / 255.0)
}
