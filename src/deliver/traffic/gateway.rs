//! Weights and `RequestMirror` of the one rule of an HTTPRoute that leads to our Services.
//! Kept out: reading, racing and marking (`ours`).

use serde_json::{Value, json};

use super::super::plan::GatewaySpec;
use super::super::{Percent, Split, Trouble};
use super::build::RouterNames;
use super::istio::cautious;
use super::object::{list, misfit, text};
use super::ours::{Clearing, Entry};
use crate::cluster::{ClusterError, HTTP_ROUTE, Place};
use crate::trust::Untrusted;

/// Fields of a rule that say where requests go: a weight is relative to the sum of them and 1 where nothing is said; a mirror
/// has `percent` or `fraction`, else everything (`apis/v1/httproute_types.go` of kubernetes-sigs/gateway-api 4564255ac).
const FIELDS: [&str; 2] = ["backendRefs", "filters"];

/// The most filters of a rule, by the same definition.
const FILTERS: usize = 16;

/// The entry of an HTTPRoute.
pub(super) struct Gateway {
    place: Place,
    rule: Option<String>,
    stable: String,
    canary: String,
}

impl Gateway {
    pub(super) fn new(spec: &GatewaySpec, names: &RouterNames) -> Self {
        Self {
            place: HTTP_ROUTE.at(&names.namespace, &spec.http_route),
            rule: spec.rule.clone(),
            stable: names.stable_service.clone(),
            canary: names.canary_service.clone(),
        }
    }

    /// Whether a reference is to this Service of the route's own namespace.
    fn is(&self, reference: &Value, service: &str) -> bool {
        text(reference, "/group").unwrap_or_default().is_empty()
            && text(reference, "/kind").unwrap_or("Service") == "Service"
            && text(reference, "/namespace").is_none_or(|namespace| namespace == self.place.namespace)
            && text(reference, "/name") == Some(service)
    }

    fn sides<'a>(&self, entry: &'a Value) -> Result<(&'a Value, Option<&'a Value>), Trouble> {
        let backends = list(entry, "/backendRefs");
        let place = self.place.words();
        let ours = |one: &Value| self.is(one, &self.stable) || self.is(one, &self.canary);
        if let Some(other) = backends.iter().find(|one| !ours(one)) {
            let name = backend_words(other);
            let help = "give our Services a rule of their own";
            return Err(misfit(format!("{place}: the rule also leads to {name}: {help}")));
        }
        let mut stable = backends.iter().filter(|one| self.is(one, &self.stable));
        let mut canary = backends.iter().filter(|one| self.is(one, &self.canary));
        match (stable.next(), stable.next(), canary.next(), canary.next()) {
            (Some(stable), None, canary, None) => Ok((stable, canary)),
            (None, ..) => Err(misfit(format!("{place}: the rule does not lead to `{}`", self.stable))),
            (Some(_), ..) => Err(misfit(format!(
                "{place}: the rule leads to one of our Services more than once: one each is needed"
            ))),
        }
    }

    fn is_our_mirror(&self, filter: &Value) -> bool {
        filter.pointer("/requestMirror/backendRef").is_some_and(|reference| self.is(reference, &self.canary))
    }

    fn mirror(&self, entry: &Value) -> Percent {
        let ours = list(entry, "/filters").iter().filter(|filter| self.is_our_mirror(filter));
        let share = |filter: &Value| {
            let number = |pointer: &str| filter.pointer(pointer).and_then(Value::as_f64);
            match (number("/requestMirror/percent"), number("/requestMirror/fraction/numerator")) {
                (Some(percent), _) => cautious(percent / 100.0),
                (None, Some(part)) => {
                    cautious(part / number("/requestMirror/fraction/denominator").unwrap_or(100.0).max(1.0))
                }
                (None, None) => Percent::ALL,
            }
        };
        ours.map(share).max().unwrap_or(Percent::ZERO)
    }

    fn rule_words(&self, index: usize, entry: &Value) -> String {
        let name = text(entry, "/name").map(|name| format!(" `{name}`")).unwrap_or_default();
        format!("rules[{index}]{name} ({})", self.words(entry))
    }
}

fn backend_words(reference: &Value) -> String {
    let kind = text(reference, "/kind").unwrap_or("Service");
    let namespace = text(reference, "/namespace").map(|namespace| format!("{namespace}/")).unwrap_or_default();
    format!("{kind} {namespace}{}", text(reference, "/name").unwrap_or_default())
}

impl Entry for Gateway {
    fn place(&self) -> &Place {
        &self.place
    }

    fn locate(&self, object: &Value) -> Result<String, Trouble> {
        let rules = list(object, "/spec/rules");
        let ours = |entry: &Value| match &self.rule {
            Some(name) => text(entry, "/name") == Some(name.as_str()),
            None => list(entry, "/backendRefs").iter().any(|one| self.is(one, &self.stable)),
        };
        let what = match &self.rule {
            Some(name) => format!("is named `{name}`"),
            None => format!("leads to the Service `{}`", self.stable),
        };
        let found: Vec<usize> =
            rules.iter().enumerate().filter(|(_, entry)| ours(entry)).map(|(index, _)| index).collect();
        let there = |all: bool| {
            let words: Vec<String> = rules
                .iter()
                .enumerate()
                .filter(|(index, _)| all || found.contains(index))
                .map(|(index, entry)| self.rule_words(index, entry))
                .collect();
            if words.is_empty() { "none".to_owned() } else { words.join(", ") }
        };
        let place = self.place.words();
        match found.as_slice() {
            [index] => Ok(format!("/spec/rules/{index}")),
            [] => Err(misfit(format!("{place}: no rule {what}; there is: {}", there(true)))),
            [..] => {
                let help = "name one in `traffic.gateway.rule`";
                Err(misfit(format!("{place}: more than one rule {what}: {}: {help}", there(false))))
            }
        }
    }

    fn fields(&self) -> &'static [&'static str] {
        &FIELDS
    }

    fn read(&self, entry: &Value) -> Result<Split, Trouble> {
        let place = self.place.words();
        if list(entry, "/filters").iter().any(|filter| filter.get("requestRedirect").is_some()) {
            return Err(misfit(format!("{place}: the rule redirects, which splits nothing")));
        }
        let (stable, canary) = self.sides(entry)?;
        let weight = |backend: &Value| match backend.get("weight") {
            None => Ok(1.0),
            Some(weight) => match weight.as_i64().and_then(|weight| u32::try_from(weight).ok()) {
                Some(weight) if weight <= 1_000_000 => Ok(f64::from(weight)),
                Some(_) | None => Err(misfit(format!("{place}: a weight of {weight}: weights are 0 to 1000000"))),
            },
        };
        let (stable, canary) = (weight(stable)?, canary.map_or(Ok(0.0), weight)?);
        if stable + canary <= 0.0 {
            return Err(misfit(format!("{place}: the weights of the rule are all 0")));
        }
        Ok(Split { canary: cautious(canary / (stable + canary)), mirror: self.mirror(entry) })
    }

    fn write(&self, entry: &Value, before: &Value, split: Split) -> Result<Value, Trouble> {
        if split.canary != Percent::ZERO && split.mirror != Percent::ZERO {
            return Err(misfit("a rule is either split or mirrored, not both"));
        }
        self.read(entry)?;
        let (stable, canary) = self.sides(entry)?;
        let mut stable = stable.clone();
        let copy = |reference: &Value| {
            let mut copy = reference.clone();
            if let Some(copy) = copy.as_object_mut() {
                copy.insert("name".to_owned(), self.canary.as_str().into());
            }
            copy
        };
        let mut canary = canary.cloned().unwrap_or_else(|| copy(&stable));
        for (side, weight) in [(&mut stable, split.canary.rest()), (&mut canary, split.canary)] {
            if let Some(side) = side.as_object_mut() {
                side.insert("weight".to_owned(), weight.get().into());
            }
        }
        let canary_first = list(entry, "/backendRefs").first().is_some_and(|first| self.is(first, &self.canary));
        let backends = if canary_first { json!([canary, stable]) } else { json!([stable, canary]) };
        let mut filters = list(before, "/filters").to_vec();
        if split.mirror != Percent::ZERO {
            let mut mirror = json!({"backendRef": copy(&super::object::pick(&stable, &["group", "kind", "name", "namespace", "port"]))});
            // Older definitions know no `percent`, and need none for everything.
            if let (true, Some(mirror)) = (split.mirror != Percent::ALL, mirror.as_object_mut()) {
                mirror.insert("percent".to_owned(), split.mirror.get().into());
            }
            filters.push(json!({"type": "RequestMirror", "requestMirror": mirror}));
        }
        if filters.len() > FILTERS {
            return Err(misfit(format!("{}: the rule has no room for another filter", self.place.words())));
        }
        let mut after = entry.clone();
        if let Some(after) = after.as_object_mut() {
            after.insert("backendRefs".to_owned(), backends);
            if filters.is_empty() && before.get("filters").is_none() {
                after.shift_remove("filters");
            } else {
                after.insert("filters".to_owned(), filters.into());
            }
        }
        Ok(after)
    }

    fn words(&self, entry: &Value) -> String {
        let backends = list(entry, "/backendRefs").iter().map(|one| {
            let weight = one.get("weight").map(|weight| format!(" {weight}")).unwrap_or_default();
            format!("{}{weight}", backend_words(one))
        });
        let mirrors = list(entry, "/filters")
            .iter()
            .filter_map(|filter| filter.pointer("/requestMirror/backendRef"))
            .map(|reference| format!("mirror {}", backend_words(reference)));
        let words: Vec<String> = backends.chain(mirrors).collect();
        if words.is_empty() { "no backend".to_owned() } else { words.join(", ") }
    }

    fn clearing(&self, _object: &Value, _split: Split) -> Result<Clearing, Trouble> {
        Ok(Clearing::Restore)
    }

    fn refusal(&self, text: Untrusted) -> Trouble {
        // `percent` came with Gateway API 1.3; with strict validation an older definition refuses it by name.
        if text.raw().contains("requestMirror.percent") {
            return misfit(format!(
                "{}: this cluster's Gateway API mirrors everything or nothing: set `shadow.sample: 100`",
                self.place.words()
            ));
        }
        Trouble::Cluster(ClusterError::Invalid(text))
    }
}

#[cfg(test)]
mod tests {
    use super::super::ours::{clearing, look, shifting};
    use super::super::testing::{canary, cleared, mirrored, shifted, words};
    use super::*;

    fn kind(rule: Option<&str>) -> Gateway {
        let spec = GatewaySpec { http_route: "web".into(), rule: rule.map(Into::into) };
        Gateway::new(&spec, &RouterNames::for_test())
    }

    fn route(rules: Value) -> Value {
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": "web", "namespace": "prod", "resourceVersion": "7"}, "spec": {"rules": rules}})
    }

    fn plain() -> Value {
        route(json!([
            {"matches": [{"path": {"type": "Exact", "value": "/old"}}],
             "filters": [{"type": "RequestRedirect", "requestRedirect": {"statusCode": 302}}]},
            {"name": "main", "timeouts": {"request": "30s"},
             "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a", "value": "b"}]}}],
             "backendRefs": [{"group": "", "kind": "Service", "name": "llm", "port": 80, "weight": 1}]},
            {"backendRefs": [{"name": "llm", "namespace": "staging", "port": 80}]},
            {"backendRefs": [{"name": "llm", "kind": "InferencePool", "group": "inference.networking.k8s.io"}]}]))
    }

    #[test]
    fn only_our_rule_is_touched_and_given_back_byte_for_byte() {
        let before = plain();
        let mut now = before.clone();
        for split in [canary(10), canary(50), mirrored(10), canary(100), mirrored(100), canary(0)] {
            now = shifted(&kind(None), &now, split);
            for index in [0, 2, 3] {
                let at = format!("/spec/rules/{index}");
                assert_eq!(now.pointer(&at).map(Value::to_string), before.pointer(&at).map(Value::to_string));
            }
            assert_eq!(now.pointer("/spec/rules/1/filters/0"), before.pointer("/spec/rules/1/filters/0"));
            let percent = now.pointer("/spec/rules/1/filters/1/requestMirror/percent").and_then(Value::as_u64);
            let mirror = u64::from(split.mirror.get());
            assert_eq!(percent, Some(mirror).filter(|mirror| (1..100).contains(mirror)));
        }
        assert_eq!(cleared(&kind(None), &now).to_string(), before.to_string());
    }

    #[test]
    fn a_missing_weight_is_one() {
        let even = route(json!([{"backendRefs": [{"name": "llm", "port": 80}, {"name": "llm-canary", "port": 80}]}]));
        assert!(words(look(&kind(None), &even).map(drop)).starts_with("foreign: "));
        let kind = kind(None);
        assert_eq!(kind.read(even.pointer("/spec/rules/0").unwrap()).unwrap(), canary(50));
        let third =
            json!({"backendRefs": [{"name": "llm-canary", "port": 80}, {"name": "llm", "port": 80, "weight": 2}]});
        assert_eq!(kind.read(&third).unwrap(), canary(33));
        let tiny = json!({"backendRefs": [{"name": "llm-canary", "port": 80}, {"name": "llm", "port": 80, "weight": 1_000_000}]});
        assert_eq!(kind.read(&tiny).unwrap(), canary(1));
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused_by_name() {
        let to = |name: &str| json!({"name": name, "port": 80});
        let weighed = |name: &str, weight: i64| json!({"name": name, "port": 80, "weight": weight});
        let redirect = json!([{"type": "RequestRedirect", "requestRedirect": {}}]);
        let table = [
            (json!([]), None, "there is: none"),
            (json!([{"name": "a", "backendRefs": [to("llm")]}, {"backendRefs": [to("llm")]}]), None, "rules[0] `a`"),
            (json!([{"name": "a", "backendRefs": [to("llm")]}]), Some("b"), "no rule is named `b`"),
            (json!([{"name": "a", "filters": redirect}]), Some("a"), "redirects"),
            (json!([{"backendRefs": [to("llm"), to("other")]}]), None, "also leads to Service other"),
            (json!([{"backendRefs": [to("llm"), to("llm")]}]), None, "more than once"),
            (json!([{"backendRefs": [weighed("llm", -5)]}]), None, "weight of -5"),
            (json!([{"backendRefs": [weighed("llm", 0)]}]), None, "all 0"),
            (json!([{"backendRefs": [{"name": "llm", "namespace": "staging"}]}]), None, "no rule leads"),
        ];
        for (rules, name, expected) in table {
            let found = words(shifting(&kind(name), &route(rules.clone()), canary(10)));
            assert!(found.starts_with("plan: ") && found.contains(expected), "{rules}: {found}");
        }
    }

    #[test]
    fn mirrors_of_others_are_kept_and_a_foreign_edit_stops_us() {
        let theirs = json!({"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "audit", "port": 80}}});
        let object = route(json!([{"backendRefs": [{"name": "llm", "port": 80}], "filters": [theirs]}]));
        let now = shifted(&kind(None), &object, mirrored(5));
        assert_eq!(now.pointer("/spec/rules/0/filters/0"), Some(&theirs));
        let mut edited = now.clone();
        edited["spec"]["rules"][0]["filters"][1]["requestMirror"]["percent"] = json!(50);
        assert!(words(shifting(&kind(None), &edited, canary(5))).starts_with("foreign: "));
        assert!(words(clearing(&kind(None), &edited)).starts_with("foreign: "));
        assert_eq!(cleared(&kind(None), &now), object);
    }

    #[test]
    fn an_older_definition_is_named() {
        let text = "unknown field \"spec.rules[0].filters[0].requestMirror.percent\"";
        assert!(words::<()>(Err(kind(None).refusal(text.into()))).contains("shadow.sample: 100"));
    }
}
