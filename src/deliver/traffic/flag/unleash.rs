//! Unleash's admin API: the `rollout` of the one `flexibleRollout` strategy of an environment, changed by a JSON patch whose
//! `test` makes it a compare-and-swap.
//! Source: unleash-server 7.5.1, `lib/openapi/spec/feature-environment-schema`, `feature-strategy-schema`,
//! `parameters-schema` (values are text), and its own answers: a failed `test` is status 500 with `TEST_OPERATION_FAILED`.

use http::Method;
use serde_json::{Value, json};

use super::ask::{Answer, Form, Question, Service, below};
use super::{percent_of, wrong};
use crate::deliver::{Percent, Trouble};
use crate::trust::{Secret, Untrusted};

/// A flag of an environment.
pub(super) struct Unleash {
    service: Service,
    environment: reqwest::Url,
    words: String,
}

/// What the environment says.
#[derive(Clone, PartialEq, Debug)]
struct Found {
    enabled: bool,
    strategy: String,
    rollout: Percent,
}

impl Found {
    /// An environment that is off gives the flag to nobody, whatever its strategies say.
    fn share(&self) -> Percent {
        if self.enabled { self.rollout } else { Percent::ZERO }
    }
}

impl Unleash {
    pub(super) fn new(
        client: &reqwest::Client,
        url: &str,
        [project, key, environment]: [&String; 3],
        token: Secret,
    ) -> Result<Self, Trouble> {
        let parts = ["api", "admin", "projects", project, "features", key, "environments", environment];
        let words = format!("Unleash flag {key} in {environment}");
        let service = Service::new(client, Some((Form::Alone, token)), &words);
        Ok(Self { service, environment: below(url, &parts)?, words })
    }

    pub(super) fn name(&self) -> String {
        self.words.clone()
    }

    pub(super) async fn read(&self) -> Result<Percent, Trouble> {
        Ok(self.find().await?.share())
    }

    async fn find(&self) -> Result<Found, Trouble> {
        let answer = self.service.read(&self.environment).await?;
        let body = answer.json().ok_or_else(|| self.service.broken("its answer is not JSON"))?;
        found(&body).map_err(|why| wrong(&format!("{}: {why}", self.words)))
    }

    pub(super) async fn write(&self, before: Percent, wanted: Percent) -> Result<(), Trouble> {
        let found = self.find().await?;
        if found.share() != before {
            return Err(self.foreign(found.share(), before));
        }
        let url = below(self.environment.as_str(), &["strategies", &found.strategy])?;
        let text = |percent: Percent| json!(percent.get().to_string());
        let patch = json!([
            {"op": "test", "path": "/parameters/rollout", "value": text(found.rollout)},
            {"op": "replace", "path": "/parameters/rollout", "value": text(wanted)},
        ]);
        if found.rollout != wanted {
            let question = Question {
                is_final: failed_test,
                ..Question::send(Method::PATCH, &url, Some(("application/json", &patch)))
            };
            let answer = self.service.ask(&question).await?;
            if failed_test(&answer) {
                // An answer that was lost, or somebody else: what is there now says which.
                let now = self.find().await?.rollout;
                if now != wanted {
                    return Err(self.foreign(now, before));
                }
            } else if !answer.is_good() {
                return Err(self.service.refused(&answer));
            }
        }
        // The percentage first: an environment that is switched on serves whatever stands there.
        if !found.enabled && wanted != Percent::ZERO {
            let url = below(self.environment.as_str(), &["on"])?;
            let answer = self.service.ask(&Question::send(Method::POST, &url, None)).await?;
            if !answer.is_good() {
                return Err(self.service.refused(&answer));
            }
        }
        Ok(())
    }

    fn foreign(&self, now: Percent, before: Percent) -> Trouble {
        let text = format!("{} is at {} %, and was at {} %", self.words, now.get(), before.get());
        Trouble::Foreign(Untrusted::new(text))
    }
}

fn failed_test(answer: &Answer) -> bool {
    answer.status >= 400 && String::from_utf8_lossy(&answer.body).contains("TEST_OPERATION_FAILED")
}

/// The strategy, where the environment's answer can be read as one percentage of all users.
fn found(body: &Value) -> Result<Found, &'static str> {
    let enabled =
        body.get("enabled").and_then(Value::as_bool).ok_or("the environment does not say whether it is on")?;
    let strategies = body.get("strategies").and_then(Value::as_array).ok_or("the environment lists no strategies")?;
    let is_on = |strategy: &&Value| strategy.get("disabled").and_then(Value::as_bool) != Some(true);
    let mut active = strategies.iter().filter(is_on);
    let (Some(strategy), None) = (active.next(), active.next()) else {
        // Without a strategy everybody has the flag; several add up.
        return Err("exactly one active strategy is needed: make a gradual rollout (flexibleRollout) at 0 %");
    };
    if strategy.get("name").and_then(Value::as_str) != Some("flexibleRollout") {
        return Err("its strategy is no gradual rollout (flexibleRollout)");
    }
    let is_empty = |name: &str| strategy.get(name).and_then(Value::as_array).is_none_or(Vec::is_empty);
    if !is_empty("constraints") || !is_empty("segments") {
        return Err("its strategy has constraints or segments, so that its percentage is not one of all users");
    }
    let rollout = strategy.pointer("/parameters/rollout").and_then(percent_of);
    let strategy = strategy.get("id").and_then(Value::as_str).ok_or("its strategy has no id")?.to_owned();
    Ok(Found { enabled, strategy, rollout: rollout.ok_or("its rollout is no whole percentage")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As unleash-server 7.5.1 answers.
    fn environment(enabled: bool, rollout: &str) -> Value {
        json!({"name": "new-model", "environment": "development", "enabled": enabled, "strategies": [
            {"id": "40132847-1a5a-4851-bdd5-e61512afff3f", "featureName": "new-model", "title": null,
             "parameters": {"groupId": "new-model", "rollout": rollout, "stickiness": "default"}, "constraints": [],
             "variants": [], "sortOrder": 0, "disabled": false, "name": "flexibleRollout"}]})
    }

    #[test]
    fn an_environment_that_is_off_gives_the_flag_to_nobody() {
        assert_eq!(found(&environment(true, "25")).unwrap().share().get(), 25);
        assert_eq!(found(&environment(false, "25")).unwrap().share().get(), 0);
    }

    #[test]
    fn what_is_no_percentage_of_all_users_is_refused() {
        let mut bad = vec![environment(true, "7.5"), environment(true, ""), json!({}), json!({"enabled": true})];
        let edits: [(&str, Value); 5] = [
            ("/strategies", json!([])),
            ("/strategies/0/name", json!("userWithId")),
            ("/strategies/0/constraints", json!([{"contextName": "appName"}])),
            ("/strategies/0/segments", json!([1])),
            ("/strategies/0/disabled", json!(true)),
        ];
        for (pointer, value) in edits {
            let mut body = environment(true, "25");
            body["strategies"][0]["segments"] = json!([]);
            *body.pointer_mut(pointer).unwrap() = value;
            bad.push(body);
        }
        let mut two = environment(true, "25");
        let second = two["strategies"][0].clone();
        two["strategies"].as_array_mut().unwrap().push(second);
        bad.push(two);
        for body in bad {
            assert!(found(&body).is_err(), "{body}");
        }
    }
}
