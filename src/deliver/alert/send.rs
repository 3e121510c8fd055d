//! Sending: every channel at once, each within the time that there is, by `net`'s rules of asking again. What could not be
//! sent comes back in words that hold no address and no key, since an address of Slack is a key.

use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::{Action, Channel, EVENT_HEADER, ID_HEADER, Kind, Notice, SIGNATURE_HEADER, action, webhook};
use crate::deliver::plan::{Alerts, PagerDuty, Slack, WebHook};
use crate::net::{Answered, ClientOptions, Decision, RetryPolicy, chain_of, client, decide, read_body};
use crate::report::Sink;
use crate::trust::{Redactor, Secret, Untrusted};

/// The longest that one request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a notice is sent, and the longest wait between two times. A repeated one does no harm: PagerDuty has its key, web
/// hooks have its id, and Slack shows it twice.
const RETRY: RetryPolicy = RetryPolicy { attempts: 4, longest_wait: Duration::from_secs(10) };

/// The channels of a plan, with their secrets found.
pub struct Channels {
    open: Vec<(String, Destination)>,
    closed: Vec<(String, String)>,
    client: Option<reqwest::Client>,
    redactor: Redactor,
}

enum Destination {
    SlackHook(reqwest::Url),
    SlackApp { url: reqwest::Url, token: Secret, channel: String },
    PagerDuty { url: reqwest::Url, key: Secret },
    WebHook { url: reqwest::Url, key: Option<Secret> },
}

/// One request that is to be made.
struct Letter {
    url: reqwest::Url,
    body: String,
    /// Beside the content type.
    headers: Vec<(&'static str, String)>,
    bearer: Option<Secret>,
    sign: Option<Secret>,
    judge: fn(u16, &[u8]) -> Result<(), String>,
}

impl Channels {
    /// Finds the secrets by the names of their variables, and teaches them to the redactor. Nothing is sent.
    pub fn open(alerts: &Alerts, secret: &dyn Fn(&str) -> Option<Secret>, redactor: &Redactor) -> Self {
        let mut channels = Self { open: Vec::new(), closed: Vec::new(), client: None, redactor: redactor.clone() };
        let mut find = |name: &str| -> Result<Secret, String> {
            let found = secret(name).filter(|found| !found.expose().is_empty());
            let found = found.ok_or_else(|| format!("the variable {name} is not set"))?;
            redactor.learn([&found]);
            Ok(found)
        };
        let mut found = Vec::new();
        for (number, slack) in alerts.slack.iter().enumerate() {
            found.push((format!("alerts.slack[{number}]"), slack_destination(slack, &mut find)));
        }
        for (number, pagerduty) in alerts.pagerduty.iter().enumerate() {
            found.push((format!("alerts.pagerduty[{number}]"), pagerduty_destination(pagerduty, &mut find)));
        }
        for (number, hook) in alerts.webhooks.iter().enumerate() {
            found.push((format!("alerts.webhooks[{number}]"), hook_destination(hook, &mut find)));
        }
        match client(&ClientOptions { idle_connections: 1, ..ClientOptions::default() }) {
            Ok(client) => channels.client = Some(client),
            Err(error) => channels.closed.push(("alerts".to_owned(), chain_of(&error))),
        }
        for (name, destination) in found {
            match destination {
                Ok(destination) => channels.open.push((name, destination)),
                Err(problem) => channels.closed.push((name, problem)),
            }
        }
        channels
    }

    /// What is wrong before anything was sent: said at the start, and again with each notice that it keeps back.
    pub fn problems(&self) -> Vec<Untrusted> {
        self.closed.iter().map(|(name, why)| Untrusted::new(format!("{name} cannot be told: {why}"))).collect()
    }

    /// Sends a notice to every channel whose business it is, all of it within a time. What could not be sent comes back.
    pub async fn send_all(&self, notice: &Notice, within: Duration) -> Vec<Untrusted> {
        let mut unsent: Vec<Untrusted> = match self.client {
            Some(_) => self.closed.iter().filter(|(name, _)| concerns(name, notice.kind)).map(unsent(notice)).collect(),
            None => self.problems(),
        };
        let Some(client) = &self.client else { return unsent };
        let sink = Sink::new(self.redactor.clone());
        let began = Instant::now();
        let sending = self.open.iter().map(|(name, destination)| {
            let letters = letters(destination, notice, &sink);
            async move {
                let mut failed = Vec::new();
                for letter in letters {
                    if let Err(why) = deliver(client, &letter, began, within).await {
                        failed.push((name.clone(), why));
                    }
                }
                failed
            }
        });
        let failed = futures::future::join_all(sending).await;
        unsent.extend(failed.iter().flatten().map(unsent_of(notice)));
        unsent.iter_mut().for_each(|text| self.redactor.redact_in_place(text));
        unsent
    }
}

/// Whether a channel that could not be opened would have been told.
fn concerns(name: &str, kind: Kind) -> bool {
    let channel = match () {
        () if name.starts_with("alerts.slack") => Channel::Slack,
        () if name.starts_with("alerts.pagerduty") => Channel::PagerDuty,
        () => Channel::WebHook,
    };
    action(channel, kind) != Action::Nothing
}

fn unsent(notice: &Notice) -> impl Fn(&(String, String)) -> Untrusted {
    let words = notice.kind.words();
    move |(name, why)| {
        Untrusted::new(format!("{name} was not told \"{words}\": {why}; the rollout is not changed by it"))
    }
}

fn unsent_of(notice: &Notice) -> impl Fn(&(String, String)) -> Untrusted {
    unsent(notice)
}

fn letters(destination: &Destination, notice: &Notice, sink: &Sink) -> Vec<Letter> {
    let plain = |url: &reqwest::Url, body: String, judge| Letter {
        url: url.clone(),
        body,
        headers: Vec::new(),
        bearer: None,
        sign: None,
        judge,
    };
    match destination {
        Destination::SlackHook(url) => {
            vec![plain(url, super::message(notice, None, sink).to_string(), judge_status)]
        }
        Destination::SlackApp { url, token, channel } => {
            let body = super::message(notice, Some(channel), sink).to_string();
            vec![Letter { bearer: Some(token.clone()), ..plain(url, body, judge_slack) }]
        }
        Destination::PagerDuty { url, key } => {
            let events = super::events(notice, key, sink);
            events.iter().map(|event| plain(url, event.to_string(), judge_status)).collect()
        }
        Destination::WebHook { url, key } => {
            let headers = vec![(EVENT_HEADER, notice.kind.word().to_owned()), (ID_HEADER, webhook::id(notice))];
            vec![Letter { headers, sign: key.clone(), ..plain(url, super::body(notice, sink), judge_status) }]
        }
    }
}

/// Sends one letter until it is taken, refused, or the time is over.
async fn deliver(client: &reqwest::Client, letter: &Letter, began: Instant, within: Duration) -> Result<(), String> {
    let mut attempt = 1;
    loop {
        let left = within.saturating_sub(began.elapsed());
        let once = tokio::time::timeout(PATIENCE.min(left), once(client, letter)).await;
        let left = within.saturating_sub(began.elapsed());
        let again = |answered| decide(&RETRY, attempt, answered, left, chance(), SystemTime::now());
        let (why, decision) = match once {
            Ok(Ok((status, after, body))) => match (letter.judge)(status, &body) {
                Ok(()) => return Ok(()),
                Err(why) => (why, again(Answered::Status(status, after.as_deref()))),
            },
            Ok(Err(why)) => (why, again(Answered::Broken)),
            Err(_) => ("no answer in time".to_owned(), again(Answered::Broken)),
        };
        match decision {
            Decision::Wait(time) => tokio::time::sleep(time).await,
            Decision::GiveUp => return Err(why),
        }
        attempt += 1;
    }
}

async fn once(client: &reqwest::Client, letter: &Letter) -> Result<(u16, Option<String>, Vec<u8>), String> {
    let mut request = client.post(letter.url.clone()).header("content-type", "application/json; charset=utf-8");
    for (name, value) in &letter.headers {
        request = request.header(*name, value);
    }
    if let Some(token) = &letter.bearer {
        request = request.bearer_auth(token.expose());
    }
    if let Some(key) = &letter.sign {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        request = request.header(SIGNATURE_HEADER, super::signature(&letter.body, now, key));
    }
    let response = request.body(letter.body.clone()).send().await;
    // The address may be a secret itself.
    let response = response.map_err(|error| chain_of(&error.without_url()))?;
    let after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let status = response.status().as_u16();
    let body = read_body(response).await.map_err(|error| chain_of(&error))?;
    Ok((status, after, body))
}

/// Taken is what has a good status: web hooks of Slack answer 200, PagerDuty 202.
fn judge_status(status: u16, body: &[u8]) -> Result<(), String> {
    if (200..300).contains(&status) { Ok(()) } else { Err(format!("it answers {status}: {}", said(body))) }
}

/// `chat.postMessage` says in its body whether it was done, with status 200 either way. Source: docs.slack.dev,
/// `reference/methods/chat.postMessage`.
fn judge_slack(status: u16, body: &[u8]) -> Result<(), String> {
    judge_status(status, body)?;
    let reply: Value = serde_json::from_slice(body).map_err(|_| "its answer is not JSON".to_owned())?;
    match reply.get("ok").and_then(Value::as_bool) {
        Some(true) => Ok(()),
        Some(false) | None => {
            let error = reply.get("error").and_then(Value::as_str).unwrap_or("no reason");
            let advice = match error {
                "not_in_channel" => " (invite the bot to the channel)",
                "channel_not_found" => " (write the channel's id, and invite the bot)",
                "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" => " (the token is not valid)",
                "missing_scope" => " (the bot needs the scope chat:write)",
                _ => "",
            };
            Err(format!("Slack refuses: {}{advice}", error.chars().take(100).collect::<String>()))
        }
    }
}

fn said(body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).chars().take(200).collect();
    if text.trim().is_empty() { "nothing more".to_owned() } else { text.trim().to_owned() }
}

fn slack_destination(
    slack: &Slack,
    find: &mut dyn FnMut(&str) -> Result<Secret, String>,
) -> Result<Destination, String> {
    match slack {
        Slack::WebHook { url_env } => Ok(Destination::SlackHook(address(url_env, &find(url_env)?)?)),
        Slack::App { token_env, channel, api_url } => {
            let url = format!("{}/chat.postMessage", api_url.trim_end_matches('/'));
            let url = reqwest::Url::parse(&url).map_err(|_| "`api_url` is no address".to_owned())?;
            Ok(Destination::SlackApp { url, token: find(token_env)?, channel: channel.clone() })
        }
    }
}

fn pagerduty_destination(
    pagerduty: &PagerDuty,
    find: &mut dyn FnMut(&str) -> Result<Secret, String>,
) -> Result<Destination, String> {
    let PagerDuty { routing_key_env, url } = pagerduty;
    let url = reqwest::Url::parse(url).map_err(|_| "`url` is no address".to_owned())?;
    let key = find(routing_key_env)?;
    if key.expose().chars().count() != super::pagerduty::ROUTING_KEY {
        return Err(format!("{routing_key_env} is no integration key of the Events API v2: those have 32 letters"));
    }
    Ok(Destination::PagerDuty { url, key })
}

fn hook_destination(
    hook: &WebHook,
    find: &mut dyn FnMut(&str) -> Result<Secret, String>,
) -> Result<Destination, String> {
    let WebHook { url_env, secret_env } = hook;
    let url = address(url_env, &find(url_env)?)?;
    let key = secret_env.as_deref().map(find).transpose()?;
    Ok(Destination::WebHook { url, key })
}

/// An address out of a variable, which no message may quote.
fn address(name: &str, secret: &Secret) -> Result<reqwest::Url, String> {
    let url = reqwest::Url::parse(secret.expose()).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
    url.ok_or_else(|| format!("{name} holds no http or https address"))
}

/// A number in 0..1, so that jobs that failed together do not come back together.
fn chance() -> f64 {
    let mut bytes = [0; 1];
    // Without random bytes the wait is the whole one.
    getrandom::fill(&mut bytes).map_or(1.0, |()| f64::from(bytes[0]) / 255.0)
}
