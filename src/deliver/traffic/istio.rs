//! Weights and mirror of the one http route of a VirtualService that leads to our Services. Every other route, and every
//! other field of ours, stays as it is.
//! Kept out: reading, racing and marking (`ours`).

use serde_json::{Value, json};

use super::super::plan::IstioSpec;
use super::super::{Percent, Split, Trouble};
use super::build::RouterNames;
use super::object::{list, misfit, pick, text};
use super::ours::{Clearing, Entry};
use crate::cluster::{Place, VIRTUAL_SERVICE};

/// Fields of an http route that say where requests go. Weights are relative to their sum, a single destination has all, and a
/// mirror without a percentage has all: `networking/v1/virtual_service.proto` of istio/api b8f8791d9. `mirror` and `mirrors`
/// exclude each other: `validateHTTPRoute` of istio/istio, pkg/config/validation.
const FIELDS: [&str; 6] = ["route", "mirror", "mirrors", "mirrorPercentage", "mirrorPercent", "mirror_percent"];

/// The entry of a VirtualService.
pub(super) struct Istio {
    place: Place,
    route: Option<String>,
    namespace: String,
    stable: String,
    canary: String,
}

/// Whose a destination is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Whose {
    Stable,
    Canary,
    Other,
}

impl Istio {
    pub(super) fn new(spec: &IstioSpec, names: &RouterNames) -> Self {
        Self {
            place: VIRTUAL_SERVICE.at(&names.namespace, &spec.virtual_service),
            route: spec.route.clone(),
            namespace: names.namespace.clone(),
            stable: names.stable_service.clone(),
            canary: names.canary_service.clone(),
        }
    }

    /// `llm`, `llm.prod`, `llm.prod.svc`, and `llm.prod.svc.` with the cluster's domain.
    fn whose(&self, host: &str) -> Whose {
        let is = |service: &str| {
            let Some(rest) = host.strip_prefix(service) else { return false };
            let Some(rest) = rest.strip_prefix('.') else { return rest.is_empty() };
            let Some(rest) = rest.strip_prefix(self.namespace.as_str()) else { return false };
            rest.is_empty() || rest == ".svc" || rest.strip_prefix(".svc.").is_some_and(|domain| !domain.is_empty())
        };
        if is(&self.stable) {
            Whose::Stable
        } else if is(&self.canary) {
            Whose::Canary
        } else {
            Whose::Other
        }
    }

    fn host(destination: &Value) -> &str {
        text(destination, "/destination/host").unwrap_or_default()
    }

    /// The stable destination, and the canary's where there is one.
    fn sides<'a>(&self, entry: &'a Value) -> Result<(&'a Value, Option<&'a Value>), Trouble> {
        let route = list(entry, "/route");
        let of = |whose: Whose| route.iter().filter(move |one| self.whose(Self::host(one)) == whose);
        let place = self.place.words();
        if let Some(other) = of(Whose::Other).next() {
            let other = Self::host(other);
            let help = "give our Services a route of their own";
            return Err(misfit(format!("{place}: the route also leads to `{other}`: {help}")));
        }
        let (mut stable, mut canary) = (of(Whose::Stable), of(Whose::Canary));
        match (stable.next(), stable.next(), canary.next(), canary.next()) {
            (Some(stable), None, canary, None) => Ok((stable, canary)),
            (None, ..) => Err(misfit(format!("{place}: the route does not lead to `{}`", self.stable))),
            (Some(_), ..) => {
                let words = "the route leads to one of our Services more than once (subsets?)";
                Err(misfit(format!("{place}: {words}: one destination for each is needed")))
            }
        }
    }

    /// The mirror that is ours, with its percentage.
    fn mirror(&self, entry: &Value) -> Percent {
        let ours = |destination: Option<&Value>| {
            let host = destination.and_then(|destination| text(destination, "/host"));
            host.is_some_and(|host| self.whose(host) == Whose::Canary)
        };
        let percent = |value: Option<&Value>| match value.and_then(Value::as_f64) {
            // Anything above nothing is at least one percent: what is there is not called absent.
            Some(percent) if percent > 0.0 => Percent::nearest((percent / 100.0).max(0.01)),
            Some(_) => Percent::ZERO,
            None => Percent::ALL,
        };
        let older = || entry.get("mirrorPercent").or_else(|| entry.get("mirror_percent"));
        if ours(entry.get("mirror")) {
            return percent(entry.pointer("/mirrorPercentage/value").or_else(older));
        }
        let listed = list(entry, "/mirrors").iter().filter(|mirror| ours(mirror.get("destination")));
        listed.map(|mirror| percent(mirror.pointer("/percentage/value"))).max().unwrap_or(Percent::ZERO)
    }

    fn with_mirror(&self, entry: &mut Value, destination: &Value, percent: Percent) -> Result<(), Trouble> {
        let mut to = pick(destination, &["host", "port"]);
        if let Some(host) = to.get_mut("host") {
            *host = self.canary_host(destination.get("host").and_then(Value::as_str).unwrap_or_default()).into();
        }
        let Some(entry) = entry.as_object_mut() else { return Err(misfit("an http route that is no object")) };
        if entry.contains_key("mirror") {
            return Err(misfit(format!("{}: the route mirrors to another host already", self.place.words())));
        }
        match entry.get_mut("mirrors").and_then(Value::as_array_mut) {
            Some(mirrors) if !mirrors.is_empty() => {
                mirrors.push(json!({"destination": to, "percentage": {"value": percent.get()}}));
            }
            Some(_) | None => {
                entry.insert("mirror".to_owned(), to);
                for older in ["mirrorPercent", "mirror_percent"] {
                    entry.shift_remove(older);
                }
                entry.insert("mirrorPercentage".to_owned(), json!({"value": percent.get()}));
            }
        }
        Ok(())
    }

    /// The canary's host in the form in which stable's is written.
    fn canary_host(&self, stable: &str) -> String {
        format!("{}{}", self.canary, stable.strip_prefix(self.stable.as_str()).unwrap_or_default())
    }

    /// An http route in few words: its number, its name, where it leads.
    fn route_words(&self, index: usize, entry: &Value) -> String {
        let name = text(entry, "/name").map(|name| format!(" `{name}`")).unwrap_or_default();
        format!("http[{index}]{name} ({})", self.words(entry))
    }
}

impl Entry for Istio {
    fn place(&self) -> &Place {
        &self.place
    }

    fn locate(&self, object: &Value) -> Result<String, Trouble> {
        let routes = list(object, "/spec/http");
        let leads = |entry: &Value| {
            list(entry, "/route").iter().any(|destination| self.whose(Self::host(destination)) == Whose::Stable)
        };
        let named = |entry: &Value| match &self.route {
            Some(name) => text(entry, "/name") == Some(name.as_str()),
            None => leads(entry),
        };
        let found: Vec<usize> =
            routes.iter().enumerate().filter(|(_, entry)| named(entry)).map(|(index, _)| index).collect();
        let what = match &self.route {
            Some(name) => format!("is named `{name}`"),
            None => format!("leads to the Service `{}`", self.stable),
        };
        let several = |which: &dyn Fn(usize) -> bool| {
            let words: Vec<String> = routes
                .iter()
                .enumerate()
                .filter(|(index, _)| which(*index))
                .map(|(index, entry)| self.route_words(index, entry))
                .collect();
            if words.is_empty() { "none".to_owned() } else { words.join(", ") }
        };
        match found.as_slice() {
            [index] => Ok(format!("/spec/http/{index}")),
            [] => {
                let there = several(&|_| true);
                let other = ["tls", "tcp"].iter().any(|kind| !list(object, &format!("/spec/{kind}")).is_empty());
                let hint = if other { "; tls and tcp routes are not split" } else { "" };
                let place = self.place.words();
                Err(misfit(format!("{place}: no http route {what}; there is: {there}{hint}")))
            }
            [..] => {
                let there = several(&|index| found.contains(&index));
                let place = self.place.words();
                let help = "name one in `traffic.istio.route`";
                Err(misfit(format!("{place}: more than one http route {what}: {there}: {help}")))
            }
        }
    }

    fn fields(&self) -> &'static [&'static str] {
        &FIELDS
    }

    fn read(&self, entry: &Value) -> Result<Split, Trouble> {
        let place = self.place.words();
        for other in ["redirect", "delegate", "directResponse"] {
            if entry.get(other).is_some() {
                return Err(misfit(format!("{place}: the route has a `{other}`, which splits nothing")));
            }
        }
        let (stable, canary) = self.sides(entry)?;
        let weight = |destination: &Value| match destination.get("weight") {
            None => Ok(0),
            Some(weight) => match weight.as_i64().and_then(|weight| u32::try_from(weight).ok()) {
                Some(weight) => Ok(weight),
                None => Err(misfit(format!("{place}: a weight of {weight}: weights are 0 to 100"))),
            },
        };
        let mirror = self.mirror(entry);
        let Some(canary) = canary else {
            // A single destination has everything, whatever its weight says.
            weight(stable)?;
            return Ok(Split { canary: Percent::ZERO, mirror });
        };
        let (stable, canary) = (f64::from(weight(stable)?), f64::from(weight(canary)?));
        if stable + canary <= 0.0 {
            return Err(misfit(format!("{place}: the weights of the route are all 0")));
        }
        Ok(Split { canary: cautious(canary / (stable + canary)), mirror })
    }

    fn write(&self, entry: &Value, before: &Value, split: Split) -> Result<Value, Trouble> {
        if split.canary != Percent::ZERO && split.mirror != Percent::ZERO {
            return Err(misfit("a route is either split or mirrored, not both"));
        }
        self.read(entry)?;
        let (stable, canary) = self.sides(entry)?;
        let mut stable = stable.clone();
        let mut canary = canary.cloned().unwrap_or_else(|| {
            let mut copy = stable.clone();
            if let Some(destination) = copy.get_mut("destination").and_then(Value::as_object_mut) {
                // A subset is one of stable's DestinationRule; the canary's Service has none.
                destination.shift_remove("subset");
                destination.insert("host".to_owned(), self.canary_host(Self::host(&stable)).into());
            }
            copy
        });
        for (side, weight) in [(&mut stable, split.canary.rest()), (&mut canary, split.canary)] {
            if let Some(side) = side.as_object_mut() {
                side.insert("weight".to_owned(), weight.get().into());
            }
        }
        let destination = stable.get("destination").cloned().unwrap_or_default();
        let first = list(entry, "/route").first().map(|first| self.whose(Self::host(first)));
        let route = if first == Some(Whose::Canary) { json!([canary, stable]) } else { json!([stable, canary]) };
        let mut after = entry.clone();
        if let Some(after) = after.as_object_mut() {
            // The mirror as it was when we came, then ours.
            for field in FIELDS.iter().filter(|field| **field != "route") {
                match before.get(*field) {
                    Some(value) => drop(after.insert((*field).to_owned(), value.clone())),
                    None => drop(after.shift_remove(*field)),
                }
            }
            after.insert("route".to_owned(), route);
        }
        if split.mirror != Percent::ZERO {
            self.with_mirror(&mut after, &destination, split.mirror)?;
        }
        Ok(after)
    }

    fn words(&self, entry: &Value) -> String {
        for other in ["redirect", "delegate", "directResponse"] {
            if entry.get(other).is_some() {
                return format!("a {other}");
            }
        }
        let mut words: Vec<String> = list(entry, "/route")
            .iter()
            .map(|destination| {
                let weight = destination.get("weight").map(|weight| format!(" {weight}")).unwrap_or_default();
                format!("{}{weight}", Self::host(destination))
            })
            .collect();
        let mirrors = list(entry, "/mirrors").iter().filter_map(|mirror| text(mirror, "/destination/host"));
        words.extend(text(entry, "/mirror/host").into_iter().chain(mirrors).map(|host| format!("mirror {host}")));
        words.join(", ")
    }

    fn clearing(&self, _object: &Value, _split: Split) -> Result<Clearing, Trouble> {
        Ok(Clearing::Restore)
    }
}

/// The nearest percent of a share; only what is nothing is 0, and only what is everything is 100.
pub(super) fn cautious(share: f64) -> Percent {
    let nearest = Percent::nearest(share);
    if nearest == Percent::ZERO && share > 0.0 {
        return Percent::nearest(0.01);
    }
    if nearest == Percent::ALL && share < 1.0 { Percent::nearest(0.99) } else { nearest }
}

#[cfg(test)]
#[path = "istio_tests.rs"]
mod tests;
