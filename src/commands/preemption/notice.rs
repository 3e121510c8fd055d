//! The notices of two clouds, by their protocols. Sources:
//! AWS, "Spot Instance interruption notices" (poll every 5 seconds; 404 means that there is none; the notice comes two minutes
//! before) and "Use IMDSv2" (a token by PUT, then in a header). Google Cloud, "Detect if a spot VM was preempted"
//! (`instance/preempted`, with `wait_for_change`), and its rule that every call and every reply has `Metadata-Flavor: Google`.

use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_util::sync::CancellationToken;

use crate::net::Metadata;

/// How often AWS is asked, by its own advice; and how long after a failed call either is asked again.
const EVERY: Duration = Duration::from_secs(5);
/// The longest that a reply may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long Google's service holds a question until something changes.
const HELD: Duration = Duration::from_secs(60);
/// What marks every call to Google's service, and every answer of it.
const FLAVOUR: &str = "Metadata-Flavor";

/// Who gives the notice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cloud {
    Aws,
    Gcp,
}

/// What one question has shown.
#[derive(PartialEq, Eq, Debug)]
enum Shown {
    /// The machine is taken away: in words of ours.
    Taken(String),
    Nothing,
    /// The service said nothing that means anything: why, in our words.
    Unclear(String),
}

/// What is remembered from one question to the next.
#[derive(Default)]
struct Memory {
    /// AWS: the session's token.
    token: Option<String>,
    /// Google: the state that is known, whose change is waited for.
    etag: Option<String>,
}

/// Asks until there is a notice, whose words it gives, or until it is told to stop.
pub(super) async fn listen(cloud: Cloud, service: &Metadata, stop: &CancellationToken) -> Option<String> {
    let mut memory = Memory::default();
    let mut told = false;
    let mut turns = tokio::time::interval(EVERY);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        // Also before a question that the service holds: one that answers at once must not be asked without end.
        tokio::select! {
            () = stop.cancelled() => return None,
            _ = turns.tick() => {}
        }
        let shown = tokio::select! {
            () = stop.cancelled() => return None,
            shown = ask(cloud, service, &mut memory) => shown,
        };
        match shown {
            Shown::Taken(words) => return Some(words),
            Shown::Nothing => {}
            Shown::Unclear(why) => {
                // The next question waits for its turn, and begins anew.
                memory = Memory::default();
                if !told {
                    tracing::warn!("no notice can be had from {}: {why}; the run goes on without", name(cloud));
                    told = true;
                }
            }
        }
    }
}

fn name(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Aws => "AWS's metadata service",
        Cloud::Gcp => "Google Cloud's metadata service",
    }
}

async fn ask(cloud: Cloud, service: &Metadata, memory: &mut Memory) -> Shown {
    match cloud {
        Cloud::Aws => aws(service, memory).await,
        Cloud::Gcp => gcp(service, memory).await,
    }
}

async fn aws(service: &Metadata, memory: &mut Memory) -> Shown {
    let token = match memory.token.take() {
        Some(token) => token,
        None => {
            let lives = [("X-aws-ec2-metadata-token-ttl-seconds", "21600")];
            match service.call(Method::PUT, "/latest/api/token", &lives, &[], PATIENCE).await {
                Ok(told) => match told.text().filter(|token| is_header(token)) {
                    Some(token) => token.to_owned(),
                    None => return Shown::Unclear(format!("it gives no token (HTTP {})", told.status)),
                },
                Err(error) => return Shown::Unclear(error.to_string()),
            }
        }
    };
    let carried = [("X-aws-ec2-metadata-token", token.as_str())];
    let path = "/latest/meta-data/spot/instance-action";
    match service.call(Method::GET, path, &carried, &[], PATIENCE).await {
        // The token has expired: the next turn gets another.
        Ok(told) if told.status == 401 => Shown::Nothing,
        Ok(told) if told.status == 404 => {
            memory.token = Some(token);
            Shown::Nothing
        }
        Ok(told) => match told.text().and_then(action) {
            Some(words) => Shown::Taken(words),
            None => Shown::Unclear(format!("its answer is no notice (HTTP {})", told.status)),
        },
        Err(error) => Shown::Unclear(error.to_string()),
    }
}

/// `{"action": "terminate", "time": "2017-09-18T08:22:00Z"}` in words.
fn action(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Notice {
        action: String,
        time: Option<String>,
    }
    let notice: Notice = serde_json::from_str(text).ok()?;
    let does = match notice.action.as_str() {
        "terminate" => "terminates",
        "stop" => "stops",
        "hibernate" => "hibernates",
        _ => return None,
    };
    // Only a moment is shown, and never the text of the reply.
    let time = notice.time.and_then(|time| OffsetDateTime::parse(&time, &Rfc3339).ok());
    let time = time.and_then(|time| time.format(&Rfc3339).ok()).map(|time| format!(" at {time}")).unwrap_or_default();
    Some(format!("AWS's notice that it {does} this machine{time}"))
}

async fn gcp(service: &Metadata, memory: &mut Memory) -> Shown {
    let path = "/computeMetadata/v1/instance/preempted";
    let (path, patience) = match &memory.etag {
        None => (path.to_owned(), PATIENCE),
        Some(etag) => {
            let held = HELD.as_secs();
            (format!("{path}?wait_for_change=true&timeout_sec={held}&last_etag={etag}"), HELD + PATIENCE)
        }
    };
    let flavour = [(FLAVOUR, "Google")];
    match service.call(Method::GET, &path, &flavour, &["etag", FLAVOUR], patience).await {
        // Something else may answer at this address.
        Ok(told) if told.header(FLAVOUR) != Some("Google") => {
            Shown::Unclear(format!("the answer (HTTP {}) does not carry `{FLAVOUR}: Google`", told.status))
        }
        Ok(told) => match told.text().map(str::trim) {
            Some("TRUE") => Shown::Taken("Google Cloud's notice that it takes this machine".to_owned()),
            Some("FALSE") => {
                // Without a tag there is no change to wait for: it is asked again each turn.
                let plain = |tag: &&str| !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
                memory.etag = told.header("etag").filter(plain).map(str::to_owned);
                Shown::Nothing
            }
            Some(_) | None => Shown::Unclear(format!("its answer is no notice (HTTP {})", told.status)),
        },
        Err(error) => Shown::Unclear(error.to_string()),
    }
}

/// Whether a text can stand in a header.
fn is_header(text: &str) -> bool {
    !text.is_empty() && text.len() <= 4096 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_aws_documents_is_a_notice() {
        let words = action(r#"{"action": "terminate", "time": "2017-09-18T08:22:00Z"}"#).unwrap();
        assert_eq!(words, "AWS's notice that it terminates this machine at 2017-09-18T08:22:00Z");
        assert!(action(r#"{"action": "stop"}"#).is_some());
        let hostile = action(r#"{"action": "hibernate", "time": "::error::x"}"#).unwrap();
        assert!(!hostile.contains("error"), "{hostile}");
        for other in ["", "<html>", "{}", r#"{"action": "rebalance"}"#, r#"{"action": ["terminate"]}"#, "terminate"] {
            assert_eq!(action(other), None, "{other}");
        }
    }
}
