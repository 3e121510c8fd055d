//! All traffic at once, by the labels that a Service selects: blue-green, and the last step of a ratio of replicas.
//! Kept out: reading, racing and marking (`ours`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::{Percent, Split, Trouble};
use super::build::RouterNames;
use super::object::misfit;
use super::ours::{Clearing, Entry};
use crate::cluster::{Place, SERVICE};

const FIELDS: [&str; 1] = ["selector"];

/// The selector of a Service.
pub(super) struct Selector {
    place: Place,
    /// The labels that the Service selects besides, or instead, when the canary has everything.
    labels: BTreeMap<String, String>,
}

impl Selector {
    pub(super) fn new(names: &RouterNames) -> Self {
        Self { place: SERVICE.at(&names.namespace, &names.stable_service), labels: names.canary_labels.clone() }
    }
}

impl Entry for Selector {
    fn place(&self) -> &Place {
        &self.place
    }

    fn locate(&self, object: &Value) -> Result<String, Trouble> {
        match object.pointer("/spec/selector").and_then(Value::as_object) {
            Some(selector) if !selector.is_empty() => Ok("/spec".to_owned()),
            Some(_) | None => {
                let words = "the Service has no selector: what it leads to is made by somebody else";
                Err(misfit(format!("{}: {words}", self.place.words())))
            }
        }
    }

    fn fields(&self) -> &'static [&'static str] {
        &FIELDS
    }

    fn read(&self, entry: &Value) -> Result<Split, Trouble> {
        let selects = |(key, value): (&String, &String)| {
            entry.get("selector").and_then(|selector| selector.get(key)).and_then(Value::as_str) == Some(value)
        };
        let found = self.labels.iter().filter(|label| selects(*label)).count();
        if self.labels.is_empty() {
            return Err(misfit(format!("{}: no label tells the canary from stable", self.place.words())));
        }
        match found {
            0 => Ok(Split::STABLE),
            found if found == self.labels.len() => Ok(Split::to_canary(Percent::ALL)),
            _ => {
                Err(misfit(format!("{}: the selector is half the canary's: {}", self.place.words(), self.words(entry))))
            }
        }
    }

    fn write(&self, entry: &Value, before: &Value, split: Split) -> Result<Value, Trouble> {
        let mut selector = before.get("selector").cloned().unwrap_or_default();
        if split == Split::to_canary(Percent::ALL) {
            if let Some(selector) = selector.as_object_mut() {
                selector.extend(self.labels.iter().map(|(key, value)| (key.clone(), value.as_str().into())));
            }
        } else if split != Split::STABLE {
            return Err(misfit(format!("{}: a selector gives all or nothing", self.place.words())));
        }
        let mut after = entry.clone();
        if let Some(after) = after.as_object_mut() {
            after.insert("selector".to_owned(), selector);
        }
        Ok(after)
    }

    fn words(&self, entry: &Value) -> String {
        let selector = entry.get("selector").and_then(Value::as_object);
        let words: Vec<String> = selector
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
            .collect();
        words.join(",")
    }

    fn clearing(&self, _object: &Value, _split: Split) -> Result<Clearing, Trouble> {
        Ok(Clearing::Keep)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ours::{look, shifting};
    use super::super::testing::{canary, cleared, shifted, words};
    use super::*;
    use serde_json::json;

    fn service(selector: Value) -> Value {
        json!({"metadata": {"name": "llm", "namespace": "prod", "resourceVersion": "7"},
            "spec": {"ports": [{"port": 80}], "selector": selector}})
    }

    fn green() -> Selector {
        let labels = BTreeMap::from([("app".to_owned(), "llm-green".to_owned())]);
        Selector::new(&RouterNames { canary_labels: labels, ..RouterNames::for_test() })
    }

    fn ratio() -> Selector {
        Selector::new(&RouterNames::for_test())
    }

    #[test]
    fn a_switch_is_one_label_and_goes_back_to_what_was_there() {
        let before = service(json!({"app": "llm", "tier": "web"}));
        let there = shifted(&green(), &before, canary(100));
        assert_eq!(there["spec"]["selector"], json!({"app": "llm-green", "tier": "web"}));
        let back = shifted(&green(), &there, Split::STABLE);
        assert_eq!(back["spec"], before["spec"]);
        assert_eq!(cleared(&green(), &back).to_string(), before.to_string());
        let there = shifted(&ratio(), &before, canary(100));
        assert_eq!(there["spec"]["selector"]["llmci.dev/track"], json!("canary"));
        assert_eq!(shifted(&ratio(), &there, Split::STABLE)["spec"].to_string(), before["spec"].to_string());
    }

    #[test]
    fn what_is_live_after_blue_green_stays_live() {
        let there = shifted(&green(), &service(json!({"app": "llm"})), canary(100));
        let after = cleared(&green(), &there);
        assert_eq!(after, service(json!({"app": "llm-green"})));
    }

    #[test]
    fn a_selector_gives_all_or_nothing_and_is_never_guessed() {
        let table = [
            (json!({"app": "llm"}), canary(10), "plan: Service prod/llm: a selector gives all or nothing"),
            (json!({}), canary(100), "plan: Service prod/llm: the Service has no selector"),
            (json!({"app": "llm-green"}), canary(100), "foreign: "),
        ];
        for (selector, split, expected) in table {
            let found = words(shifting(&green(), &service(selector), split));
            assert!(found.starts_with(expected), "{found}");
        }
        let mut edited = shifted(&green(), &service(json!({"app": "llm"})), canary(100));
        edited["spec"]["selector"]["app"] = json!("third");
        assert!(words(look(&green(), &edited).map(drop)).contains("now app=third"));
    }
}
