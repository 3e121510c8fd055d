//! `webhook`: a server of the user's judges. Kept out: the client (`net`).

use std::time::Duration;

use serde_json::{Value, json};

use super::super::assert::{Given, Graded, Thrown};
use super::{said, text_value};
use crate::net::{self, ClientOptions, Reach, chain_of};

/// How long a server may take. Source: promptfoo 0.121.20, assertions/webhook.
const PATIENCE: Duration = Duration::from_secs(5);
/// Requests: the first, and one more where the connection broke or the server failed.
const REQUESTS: usize = 2;

/// Sends the output, and holds where the server says so. A server that says nothing has not judged.
pub(super) async fn webhook(given: &Given<'_>) -> Result<Graded, Thrown> {
    let failed = |why: String| Thrown::new(format!("`webhook` gave no verdict: {why}"));
    let url = reqwest::Url::parse(text_value(given)?).map_err(|_| failed("its `value` is no URL".to_owned()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(failed("its `value` is no URL that begins with http:// or https://".to_owned()));
    }
    let reach = Reach::default();
    reach.check(&url).map_err(|error| failed(error.to_string()))?;
    let options = ClientOptions { idle_connections: 1, reach: Some(reach), ..ClientOptions::default() };
    let client = net::client(&options).map_err(|error| failed(error.to_string()))?;
    let test = given.frame.test;
    let body = json!({"output": given.output.value, "context": {"prompt": test.prompt, "vars": test.vars}}).to_string();
    let mut last = failed("it was not asked".to_owned());
    for _ in 0..REQUESTS {
        let asked = tokio::time::timeout(PATIENCE, ask(&client, &url, &body));
        let answered = tokio::select! {
            biased;
            () = given.frame.subject.cancel.cancelled() => return Err(failed("cancelled".to_owned())),
            answered = asked => answered,
        };
        match answered {
            Ok(Ok(reply)) => return verdict(given, &reply).map_err(|why| failed(why.to_owned())),
            Ok(Err((again, why))) => {
                last = failed(why);
                if !again {
                    break;
                }
            }
            Err(_) => last = failed(format!("no answer within {} seconds", PATIENCE.as_secs())),
        }
    }
    Err(last)
}

/// One request; of one that failed, whether another may help.
async fn ask(client: &reqwest::Client, url: &reqwest::Url, body: &str) -> Result<Value, (bool, String)> {
    let request = client.post(url.clone()).header("content-type", "application/json").body(body.to_owned());
    let response = request.send().await.map_err(|error| (true, chain_of(&error)))?;
    let status = response.status().as_u16();
    if !(200..300).contains(&status) {
        return Err((status >= 500 || status == 429, format!("HTTP {status}")));
    }
    let bytes = net::read_body(response).await.map_err(|error| (true, error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| (false, format!("its reply is no JSON: {error}")))
}

fn verdict(given: &Given<'_>, reply: &Value) -> Result<Graded, &'static str> {
    let raw = reply.get("pass").and_then(Value::as_bool).ok_or("its reply has no `pass` that is true or false")?;
    let pass = raw != given.not();
    let score = match reply.get("score") {
        None => f64::from(u8::from(pass)),
        Some(score) => {
            let score = score.as_f64().ok_or("its `score` is no number")?;
            if given.not() { 1.0 - score } else { score }
        }
    };
    let reason = reply.get("reason").and_then(Value::as_str).filter(|reason| !reason.is_empty());
    let otherwise = if pass { "Assertion passed" } else { "the server says that it does not hold" };
    Ok(said(pass, score, reason.unwrap_or(otherwise)))
}
