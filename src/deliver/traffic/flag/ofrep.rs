//! Whether a change is served: OpenFeature's remote evaluation protocol is asked what made-up users get. It can only read.
//! Source: open-feature/protocol at 05d5b22, `service/openapi.yaml` 0.1.0.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use http::Method;
use serde_json::{Value, json};

use super::ask::{Answer, Form, Question, Service, below};
use crate::deliver::{Percent, Trouble};
use crate::stats::{binomial_lower_tail, binomial_upper_tail};
use crate::trust::{Secret, Untrusted};

/// Users that are asked for.
const USERS: u64 = 200;
/// Questions at once.
const AT_ONCE: usize = 8;
/// The chance that a share which is served as it should is called wrong, over both sides.
const FALSE_ALARM: f64 = 0.001;
/// The wait between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// How the new version's variant is known.
pub(super) enum On {
    /// By the names of both.
    Variant { on: String, off: String },
    /// The value is `true`.
    True,
}

/// An endpoint that evaluates one flag.
pub(super) struct Ofrep {
    service: Service,
    url: reqwest::Url,
    on: On,
    within: Duration,
    /// Whether it was said already that nothing answers here.
    told: AtomicBool,
}

/// What one user gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Given {
    On,
    Off,
    /// No evaluation answers here, as with open-source Unleash.
    NotServed,
}

impl Ofrep {
    pub(super) fn new(
        client: &reqwest::Client,
        url: &str,
        key: &str,
        token: Option<Secret>,
        on: On,
        within: Duration,
    ) -> Result<Self, Trouble> {
        let url = below(url, &["ofrep", "v1", "evaluate", "flags", key])?;
        let service = Service::new(client, token.map(|token| (Form::Bearer, token)), "the flag's evaluation (OFREP)");
        Ok(Self { service, url, on, within, told: AtomicBool::new(false) })
    }

    /// Waits until made-up users get what the percentage says. One who is asked for twice gets the same both times, so the same
    /// users are asked for again; only the last look takes others, so that an unlucky choice of users is not the last word.
    pub(super) async fn serves(&self, percent: Percent) -> Result<(), Trouble> {
        let began = Instant::now();
        loop {
            let last = began.elapsed() + PAUSE >= self.within;
            match self.count(if last { "b" } else { "a" }).await {
                Ok(None) => {
                    self.tell();
                    return Ok(());
                }
                Ok(Some(on)) if plausible(on, USERS, percent) => return Ok(()),
                Ok(Some(on)) if last => {
                    let text = format!(
                        "the flag is set to {} %, but its evaluation gives the new version to {on} of {USERS} users",
                        percent.get()
                    );
                    return Err(Trouble::Beside(Untrusted::new(text)));
                }
                Err(trouble) if last => return Err(trouble),
                Ok(Some(_)) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// How many of the users get the new version; none where no evaluation answers.
    async fn count(&self, group: &str) -> Result<Option<u64>, Trouble> {
        // The first answer shows whether there is anything to ask.
        if self.evaluate(group, 0).await? == Given::NotServed {
            return Ok(None);
        }
        let asked = futures::stream::iter((0..USERS).map(|user| self.evaluate(group, user)));
        let given: Vec<Given> = asked.buffer_unordered(AT_ONCE).try_collect().await?;
        let count = |wanted: Given| u64::try_from(given.iter().filter(|given| **given == wanted).count()).unwrap_or(0);
        if count(Given::NotServed) > 0 {
            return Err(self.service.broken("it answers some users and not others"));
        }
        Ok(Some(count(Given::On)))
    }

    async fn evaluate(&self, group: &str, user: u64) -> Result<Given, Trouble> {
        let context = json!({"context": {"targetingKey": format!("llmci-probe-{group}-{user}")}});
        let question = Question::send(Method::POST, &self.url, Some(("application/json", &context)));
        let answer = self.service.ask(&question).await?;
        match answer.status {
            200 => self.given(&answer),
            404 if error_code(&answer).as_deref() == Some("FLAG_NOT_FOUND") => {
                Err(self.service.broken("it does not know the flag"))
            }
            404 | 405 => Ok(Given::NotServed),
            _ => Err(self.service.refused(&answer)),
        }
    }

    fn given(&self, answer: &Answer) -> Result<Given, Trouble> {
        let body = answer.json().ok_or_else(|| self.service.broken("its answer is not JSON"))?;
        let given = match &self.on {
            On::Variant { on, off } => match body.get("variant").and_then(Value::as_str) {
                Some(variant) if variant == on => Some(Given::On),
                Some(variant) if variant == off => Some(Given::Off),
                Some(_) | None => None,
            },
            On::True => match body.get("value").and_then(Value::as_bool) {
                Some(true) => Some(Given::On),
                Some(false) => Some(Given::Off),
                None => None,
            },
        };
        given.ok_or_else(|| self.service.broken("its answer names neither the new nor the old version"))
    }

    fn tell(&self) {
        if !self.told.swap(true, Ordering::SeqCst) {
            tracing::warn!(
                "no evaluation of flags (OFREP) answers at `ofrep_url`: it is not seen whether changes are served"
            );
        }
    }
}

fn error_code(answer: &Answer) -> Option<String> {
    answer.json()?.get("errorCode")?.as_str().map(str::to_owned)
}

/// Whether so many of the users are plausible at a percentage: exact tails of the binomial, and nothing but none and all at the
/// two ends.
fn plausible(on: u64, users: u64, percent: Percent) -> bool {
    match percent {
        Percent::ZERO => on == 0,
        Percent::ALL => on == users,
        percent => {
            let tail = FALSE_ALARM / 2.0;
            binomial_lower_tail(on, users, percent.share()) > tail
                && binomial_upper_tail(on, users, percent.share()) > tail
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_plausible_within_the_exact_bounds_and_nowhere_else() {
        let range = |percent: u8| {
            let percent = Percent::new(percent).unwrap();
            let good: Vec<u64> = (0..=USERS).filter(|on| plausible(*on, USERS, percent)).collect();
            assert!(good.windows(2).all(|pair| pair[1] == pair[0] + 1), "one range");
            (good[0], good[good.len() - 1])
        };
        // Bounds by scipy.stats.binom: ppf(0.0005), and isf(0.0005), at n = 200.
        assert_eq!(range(0), (0, 0));
        assert_eq!(range(100), (200, 200));
        assert_eq!(range(10), (8, 36));
        assert_eq!(range(25), (31, 71));
        assert_eq!(range(50), (77, 123));
        assert_eq!(range(1), (0, 8));
    }
}
